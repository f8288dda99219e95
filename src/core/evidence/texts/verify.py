#!/usr/bin/env python3
"""Checks an unpacked evidence package: files, signatures, the log's proofs. No network.

Usage: verify.py [--fingerprint F] [--log-key K] [--json] [FOLDER]

F is the OpenPGP key's fingerprint and K the log's verifier key, both from somewhere else than
the package. FOLDER is the unpacked package; default: the one that this program lies in.
Ends with 0 if integrity, completeness and signer hold, 1 if any verdict fails, 3 if none fails
but one could not be reached, 2 if there is nothing to check.

Standard library only. Ed25519: RFC 8032. Trees: RFC 9162 section 2.1. Notes and proofs: C2SP.
Whether a key is expired is for gpg (verify.sh); one that carries a revocation fails here too.
"""
import argparse
import base64
import hashlib
import json
import os
import re
import sys

MAX_FILE = 128 * 1024 * 1024
DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
OVER_TAGS = {"tagmanifest-sha256.txt" + end for end in ("", ".asc", ".tsq", ".tsr")}


class Fault(Exception):
    """Why a check does not hold."""


def need(holds, words):
    if not holds:
        raise Fault(words)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


# Ed25519
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def recover(encoded):
    """A point in extended coordinates, from its one canonical encoding."""
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    need(y < P, "a point is not in canonical form")
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    need((x * x - square) % P == 0 and not (x == 0 and sign), "a point is not on the curve")
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(n, p):
    q = (0, 1, 1, 0)
    while n:
        if n & 1:
            q = add(q, p)
        p, n = add(p, p), n >> 1
    return q


def same(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


BASE = recover((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519(key, message, signature):
    need(len(key) == 32 and len(signature) == 64, "a key or signature has a wrong length")
    point, r, s = recover(key), recover(signature[:32]), int.from_bytes(signature[32:], "little")
    need(s < L and not same(times(8, point), (0, 1, 1, 0)), "a key or signature is out of range")
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    need(same(times(s, BASE), add(r, times(k, point))), "the signature does not match")


# OpenPGP: version 4, Ed25519
CURVE = bytes.fromhex("092b06010401da470f01")
HASHES = {8: hashlib.sha256, 9: hashlib.sha384, 10: hashlib.sha512}


def armor(text, kind):
    lines = text.decode("ascii").strip().splitlines()
    need(lines[0] == f"-----BEGIN PGP {kind}-----" and lines[-1] == f"-----END PGP {kind}-----", f"no armored {kind}")
    body = [line for line in lines[1:-1] if line and ":" not in line and not line.startswith("=")]
    return base64.b64decode("".join(body), validate=True)


def length(data, at):
    """A new-format length at a place, and the place after it."""
    first = data[at]
    if first < 192:
        return first, at + 1
    if first < 224:
        return (first - 192 << 8) + data[at + 1] + 192, at + 2
    need(first == 255, "a packet of unknown length")
    return int.from_bytes(data[at + 1 : at + 5], "big"), at + 5


def packets(data):
    at = 0
    while at < len(data):
        head, at = data[at], at + 1
        if head & 0x40:
            tag = head & 0x3F
            size, at = length(data, at)
        else:
            need(head & 0x80 and head & 3 != 3, "a malformed packet")
            tag, width = head >> 2 & 0xF, 1 << (head & 3)
            size, at = int.from_bytes(data[at : at + width], "big"), at + width
        need(at + size <= len(data), "a packet is cut short")
        yield tag, data[at : at + size]
        at += size


def public_keys(block):
    """Points by fingerprint, the primary first."""
    keys = {}
    for tag, body in packets(block):
        if tag in (6, 14) and body[0] == 4 and body[5] == 22 and body[6:16] == CURVE:
            point = body[16:]
            need(point[:3] == bytes.fromhex("010740") and len(point) == 35, "a key of an unknown form")
            frame = b"\x99" + len(body).to_bytes(2, "big") + body
            keys[hashlib.sha1(frame).hexdigest().upper()] = point[3:]
        need(not (tag == 2 and body[1] in (0x20, 0x28)), "the key carries a revocation")
    need(keys, "no Ed25519 key")
    return keys


def integer(data, at):
    size = (int.from_bytes(data[at : at + 2], "big") + 7) // 8
    need(size <= 32 and at + 2 + size <= len(data), "a malformed number")
    return data[at + 2 : at + 2 + size].rjust(32, b"\0"), at + 2 + size


def openpgp(content, signature, keys):
    """The fingerprint of the key that signed exactly `content`."""
    found = list(packets(signature))
    need(len(found) == 1 and found[0][0] == 2, "not one signature")
    body = found[0][1]
    need(body[0] == 4 and body[1] == 0 and body[2] == 22 and body[3] in HASHES, "a signature of another kind")
    end = 6 + int.from_bytes(body[4:6], "big")
    issuer, at = None, 6
    while at < end:
        size, at = length(body, at)
        if body[at] & 0x7F == 33:
            issuer = body[at + 2 : at + size].hex().upper()
        at += size
    need(issuer in keys, "signed by a key that is not in the package")
    digest = HASHES[body[3]](content + body[:end] + b"\x04\xff" + end.to_bytes(4, "big")).digest()
    at = end + 2 + int.from_bytes(body[end : end + 2], "big")
    need(digest[:2] == body[at : at + 2], "the signature is not over these bytes")
    r, at = integer(body, at + 2)
    s, at = integer(body, at)
    need(at == len(body), "bytes after the signature")
    ed25519(keys[issuer], digest, r + s)
    return issuer


# The log
def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def inclusion(leaf, index, size, proof, root):
    need(index < size, "the index lies outside the tree")
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        need(sn, "the proof is too long")
        if fn & 1 or fn == sn:
            r = node(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0 and r == root, "the proof does not lead to the root")


def consistency(first, second, proof, old, new):
    need(0 < first <= second, "the trees are in the wrong order")
    if first == second:
        need(not proof and old == new, "two roots of one size")
        return
    path = list(proof) if first & (first - 1) else [old] + list(proof)
    need(path, "the proof is empty")
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        need(sn, "the proof is too long")
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0 and fr == old and sr == new, "the newer tree does not extend the older one")


def checkpoint(note, key):
    """Size and root of a checkpoint that `key`, a verifier key, signed."""
    name, key_id, encoded = key.split("+", 2)
    public = base64.b64decode(encoded, validate=True)
    need(public[:1] == b"\1" and len(public) == 33, "not an Ed25519 verifier key")
    need(hashlib.sha256(name.encode() + b"\n" + public).hexdigest()[:8] == key_id, "the verifier key's id is wrong")
    text, lines = note.decode().rsplit("\n\n", 1)
    signatures = [line.split(" ") for line in lines.splitlines()]
    raw = [base64.b64decode(value, validate=True) for dash, who, value in signatures if (dash, who) == ("\u2014", name)]
    mine = [one[4:] for one in raw if one[:4].hex() == key_id]
    need(mine, "the log's key has not signed it")
    for signature in mine:
        ed25519(public[1:], (text + "\n").encode(), signature)
    origin, size, root = text.splitlines()
    need(origin == name, "a checkpoint of another log")
    return int(size), base64.b64decode(root, validate=True)


# The package
class Package:
    def __init__(self, folder):
        self.files, self.problems = {}, []
        for place, folders, names in os.walk(folder):
            for name in folders + names:
                path = os.path.join(place, name)
                inside = os.path.relpath(path, folder).replace(os.sep, "/")
                if os.path.islink(path) or not (os.path.isfile(path) or os.path.isdir(path)):
                    self.problem("integrity", inside, "neither a file nor a folder")
                elif os.path.isfile(path):
                    need(os.path.getsize(path) <= MAX_FILE, f"{inside} is larger than any file of a package")
                    with open(path, "rb") as file:
                        self.files[inside] = file.read()
        need(self.files, "there is no package in this folder")

    def problem(self, aspect, path, words):
        self.problems.append({"aspect": aspect, "path": path, "problem": words})

    def attempt(self, aspect, path, check):
        """What the check returns; a finding if it does not hold or its input is malformed."""
        try:
            return check()
        except Fault as fault:
            self.problem(aspect, path, str(fault))
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            self.problem(aspect, path, f"missing or malformed: {error}")

    def manifest(self, name, covers):
        listed = {}
        for line in self.files[name].decode().splitlines():
            digest, path = re.fullmatch(r"([0-9a-f]{64})  (.+)", line).groups()
            need(path not in listed, f"{path} is listed twice")
            listed[path] = digest
        for path in sorted(listed.keys() | {path for path in self.files if covers(path)}):
            if path not in listed:
                self.problem("integrity", path, f"extra: not listed in {name}")
            elif path not in self.files or not covers(path):
                self.problem("integrity", path, f"missing, but listed in {name}")
            elif sha256(self.files[path]) != listed[path]:
                self.problem("integrity", path, f"altered: not the hash in {name}")

    def bag(self):
        if self.files.get("bagit.txt") != DECLARATION:
            self.problem("integrity", "bagit.txt", "not the declaration of BagIt 1.0")
        payload, tags = lambda p: p.startswith("data/"), lambda p: not p.startswith("data/") and p not in OVER_TAGS
        for name, covers in (("manifest-sha256.txt", payload), ("tagmanifest-sha256.txt", tags)):
            self.attempt("integrity", name, lambda: self.manifest(name, covers))

    def signatures(self, wanted):
        keys = self.attempt("signer", "data/keys/fortress.asc", lambda: public_keys(
            armor(self.files["data/keys/fortress.asc"], "PUBLIC KEY BLOCK"))) or {}
        for path in ("data/execution/execution.json", "tagmanifest-sha256.txt"):
            def check():
                who = openpgp(self.files[path], armor(self.files[path + ".asc"], "SIGNATURE"), keys)
                need(not wanted or who == wanted, f"signed by {who}, not by {wanted}")
            self.attempt("signer", path + ".asc", check)

    def proven(self, key):
        """The facts whose proofs hold, by id; None for the content of an erased one."""
        facts = {}
        head = self.files["data/chain/checkpoint"]
        size, root = checkpoint(head, key)
        for path in sorted(self.files):
            match = re.fullmatch(r"data/chain/(\d+)\.(leaf|tlog-proof|fact\.json)", path)
            if match and match[2] != "tlog-proof" and f"data/chain/{match[1]}.tlog-proof" not in self.files:
                self.problem("completeness", path, "has no proof")
            if not match or match[2] != "tlog-proof":
                continue

            def check(number=match[1]):
                leaf = self.files[f"data/chain/{number}.leaf"]
                top, note = self.files[path].split(b"\n\n", 1)
                lines = top.decode().splitlines()
                need(lines[0] == "c2sp.org/tlog-proof@v1" and note == head, "not a proof for this checkpoint")
                need(lines[1] == "extra " + base64.b64encode(leaf).decode(), "not the proof of this leaf")
                need(lines[2] == f"index {number}", "the proof of another index")
                hashes = [base64.b64decode(line, validate=True) for line in lines[3:]]
                inclusion(hashlib.sha256(b"\0" + leaf).digest(), int(number), size, hashes, root)
                entry, content = json.loads(leaf), self.files.get(f"data/chain/{number}.fact.json")
                need(content is None or sha256(content) == entry["fact_id"], "the fact is not the one in the log")
                facts[entry["fact_id"]] = content
            self.attempt("completeness", path, check)
        return facts

    def extends(self, key):
        if "data/chain/consistency" not in self.files and "data/chain/previous-checkpoint" not in self.files:
            return
        top, note = self.files["data/chain/consistency"].split(b"\n\n", 1)
        lines = top.decode().splitlines()
        first, old = checkpoint(self.files["data/chain/previous-checkpoint"], key)
        need(lines[0] == f"old {first}" and note == self.files["data/chain/checkpoint"], "of other checkpoints")
        hashes = [base64.b64decode(line, validate=True) for line in lines[1:]]
        second, new = checkpoint(note, key)
        consistency(first, second, hashes, old, new)

    def run(self, facts):
        """The signed record is of these texts, and the log has it."""
        record = json.loads(self.files["data/execution/execution.json"])
        for name in ("prompt", "output"):
            text = self.files.get(f"data/execution/{name}")
            need(text is None or sha256(text) == record[f"{name}_sha256"], f"the {name} is not the one signed")
        said = [json.loads(content).get("metadata", {}) for content in facts.values() if content is not None]
        mine = {f"{kind}_sha256": sha256(self.files[f"data/execution/execution.json{end}"])
                for kind, end in (("manifest", ""), ("signature", ".asc"))}
        logged = any(mine.items() <= fact.items() for fact in said)
        need(logged or None in facts.values(), "no fact in the log records this execution")

    def custody(self, facts):
        lines = self.files["data/custody/custody.jsonl"].splitlines()
        ids = [sha256(line) for line in lines]
        events = {one for one, content in facts.items()
                  if content is not None and json.loads(content)["predicate"] == "custody_event"}
        need(set(ids) == events and len(ids) == len(events), "not the events that are proven")
        numbers = [int(json.loads(line)["metadata"]["sequence"]) for line in lines]
        erased = sum(content is None for content in facts.values())
        gaps = (max(numbers) if numbers else 0) - len(set(numbers))
        need(numbers == sorted(set(numbers)) and gaps <= erased, "a numbered event is missing")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fingerprint")
    parser.add_argument("--log-key")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("folder", nargs="?", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    given = parser.parse_args()
    try:
        package = Package(given.folder)
    except (Fault, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    wanted = given.fingerprint and given.fingerprint.replace(" ", "").upper()
    package.bag()
    package.signatures(wanted)
    policy = package.files.get("data/chain/policy", b"").decode(errors="replace")
    key = given.log_key or next((line[4:] for line in policy.splitlines() if line.startswith("log ")), "")
    facts = package.attempt("signer", "data/chain/checkpoint", lambda: package.proven(key))
    package.attempt("completeness", "data/chain/consistency", lambda: package.extends(key))
    package.attempt("integrity", "data/execution/execution.json", lambda: package.run(facts or {}))
    package.attempt("completeness", "data/custody/custody.jsonl", lambda: package.custody(facts or {}))

    failed = {problem["aspect"] for problem in package.problems}
    failed |= {"completeness"} if facts is None else set()
    verdicts = {aspect: "fails" if aspect in failed else "holds" for aspect in ("integrity", "completeness", "signer")}
    if verdicts["signer"] == "holds" and not (wanted and given.log_key):
        verdicts["signer"] = "not checked: give --fingerprint and --log-key from another source"
    verdicts["time"] = "not checked: a time stamp is there, see verify.sh" \
        if "data/time/checkpoint.tsr" in package.files else "by the log's clock alone"
    whole = facts is not None and None not in facts.values()
    texts = {"data/execution/prompt", "data/execution/output"} <= package.files.keys()
    verdicts["content"] = "present" if whole and texts else "erased in part"
    if given.json:
        print(json.dumps({**verdicts, "findings": package.problems}, indent=2))
    else:
        for aspect, verdict in verdicts.items():
            print(f"{aspect:13} {verdict}")
        for problem in package.problems:
            print(f"  {problem['aspect']}: {problem['path']}: {problem['problem']}")
    sys.exit(1 if failed else 3 if verdicts["signer"] != "holds" else 0)


if __name__ == "__main__":
    main()
