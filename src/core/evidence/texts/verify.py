#!/usr/bin/env python3
"""Checks an unpacked evidence package: files, signatures, the log's proofs. No network.

F are the fingerprints of the OpenPGP keys of run and package, K is the log's verifier key, W a
file with the witnesses' keys in the form of data/witnesses/policy; all from elsewhere than the
package. Ends with 0 if integrity, completeness and signer hold, 1 if any verdict fails, 3 if none
fails but one of these could not be reached, 2 if there is nothing to check.

Standard library only. Ed25519: RFC 8032. Trees: RFC 9162 section 2.1. Notes, proofs, cosignatures
and policies: C2SP. Expiry is for gpg, time stamps for openssl (verify.sh), ML-DSA-44 for `chitty verify`.
"""
import argparse
import base64
import hashlib
import json
import os
import re
import sys
import time

class Fault(Exception):
    """Why a check does not hold."""

def need(holds, words):
    if not holds:
        raise Fault(words)

def sha256(data):
    return hashlib.sha256(data).hexdigest()

# Ed25519
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, ROOT = -121665 * pow(121666, P - 2, P) % P, pow(2, (P - 1) // 4, P)

def recover(encoded):
    """A point in extended coordinates, from its one canonical encoding."""
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    need(y < P, "a point is not in canonical form")
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x * ROOT % P if (x * x - square) % P else x
    need((x * x - square) % P == 0 and not (x == 0 and sign), "a point is not on the curve")
    x = P - x if x & 1 != sign else x
    return (x, y, 1, x * y % P)

def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)

def times(n, p):
    q = (0, 1, 1, 0)
    while n:
        q = add(q, p) if n & 1 else q
        p, n = add(p, p), n >> 1
    return q

def same(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0

BASE = recover((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))

def ed25519(key, message, signature):
    point, r, s = recover(key), recover(signature[:32]), int.from_bytes(signature[32:], "little")
    sound = len(signature) == 64 and s < L and not same(times(8, point), (0, 1, 1, 0))
    need(sound, "a key or signature is out of range")
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
    if data[at] < 192:
        return data[at], at + 1
    need(data[at] < 224, "a packet of an unknown length")
    return (data[at] - 192 << 8) + data[at + 1] + 192, at + 2

def packets(data):
    at = 0
    while at < len(data):
        need(data[at] >= 0xC0, "a packet in the old form")
        tag = data[at] & 0x3F
        size, at = length(data, at + 1)
        need(at + size <= len(data), "a packet is cut short")
        yield tag, data[at : at + size]
        at += size

def subpackets(body):
    """Of a signature's signed area, by type; and where that ends."""
    found, at, end = {}, 6, 6 + int.from_bytes(body[4:6], "big")
    while at < end:
        size, at = length(body, at)
        found[body[at] & 0x7F] = body[at + 1 : at + size]
        at += size
    return found, end

def public_keys(text):
    """By fingerprint, also of subkeys: the point, and the whole key with the reasons of its revocations."""
    keys = {}
    for block in re.findall(rb"-----BEGIN.*?-----END[^\n]*", text, re.S):
        whole = {"reasons": set()}
        for tag, body in packets(armor(block, "PUBLIC KEY BLOCK")):
            if tag in (6, 14) and body[0] == 4 and body[5] == 22 and body[6:16] == CURVE:
                need(body[16:19] == bytes.fromhex("010740") and len(body) == 51, "a key of an unknown form")
                name = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest().upper()
                whole.setdefault("fingerprint", name)
                keys[name] = (body[19:], whole)
            if tag == 2 and body[1] in (0x20, 0x28):
                whole["reasons"].add(subpackets(body)[0].get(29, b"\0")[0] if body[1] == 0x20 else 0)
    need(keys, "no Ed25519 key")
    return keys

def integer(data, at):
    size = (int.from_bytes(data[at : at + 2], "big") + 7) // 8
    need(size <= 32 and at + 2 + size <= len(data), "a malformed number")
    return data[at + 2 : at + 2 + size].rjust(32, b"\0"), at + 2 + size

def openpgp(content, signature, keys):
    """The key that signed exactly `content`."""
    found = list(packets(signature))
    need(len(found) == 1 and found[0][0] == 2, "not one signature")
    body = found[0][1]
    need(body[0] == 4 and body[1] == 0 and body[2] == 22 and body[3] in HASHES, "a signature of another kind")
    said, end = subpackets(body)
    issuer = said.get(33, b"")[1:].hex().upper()
    need(issuer in keys, "signed by a key that is not in the package")
    digest = HASHES[body[3]](content + body[:end] + b"\x04\xff" + end.to_bytes(4, "big")).digest()
    at = end + 2 + int.from_bytes(body[end : end + 2], "big")
    need(digest[:2] == body[at : at + 2], "the signature is not over these bytes")
    r, at = integer(body, at + 2)
    s, at = integer(body, at)
    need(at == len(body), "bytes after the signature")
    point, whole = keys[issuer]
    ed25519(point, digest, r + s)
    return whole

# The log
def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()

def climb(fn, sn, fr, sr, proof):
    """The roots that a proof leads to, of the older tree and of the newer one."""
    for p in proof:
        need(sn, "the proof is too long")
        if fn & 1 or fn == sn:
            fr, sr = node(p, fr), node(p, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, p)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0, "the proof is too short")
    return fr, sr

def consistency(first, second, proof, old, new):
    if first == second:
        return need(not proof and old == new, "two roots of one size")
    need(first, "the older tree is empty")
    path = list(proof) if first & (first - 1) else [old, *proof]
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    need(climb(fn, sn, path[0], path[0], path[1:]) == (old, new), "the newer tree does not extend the older one")

def signed(note, key, kind):
    """The text, the key's point, and its signatures below the text. Kind 1 signs, kind 4 cosigns."""
    name, key_id, encoded = key.split("+", 2)
    public = base64.b64decode(encoded, validate=True)
    need(public[:1] == bytes([kind]) and len(public) == 33, "a verifier key of another kind")
    need(hashlib.sha256(name.encode() + b"\n" + public).hexdigest()[:8] == key_id, "the verifier key's id is wrong")
    text, lines = note.decode().rsplit("\n\n", 1)
    rows = [line.split(" ") for line in lines.splitlines()]
    raw = [base64.b64decode(value, validate=True) for dash, who, value in rows if (dash, who) == ("\u2014", name)]
    return text + "\n", public[1:], [one[4:] for one in raw if one[:4].hex() == key_id]

def checkpoint(note, key):
    """Size and root of a checkpoint that `key`, the log's verifier key, signed."""
    text, point, mine = signed(note, key, 1)
    need(mine, "the log's key has not signed it")
    for signature in mine:
        ed25519(point, text.encode(), signature)
    origin, size, root = text.splitlines()
    need(origin == key.split("+")[0], "a checkpoint of another log")
    return int(size), base64.b64decode(root, validate=True)

def quorum(policy, note):
    """Who of a policy's witnesses cosigned, and when; and if those checked here are its quorum, which they must be."""
    met, by, asked, unread = {"none": False}, [], "none", []
    for kind, *words in (line.split() for line in policy.decode().splitlines() if line.strip()):
        if kind == "witness" and base64.b64decode(words[1].split("+", 2)[2])[0] == 6:
            met[words[0]], unread = False, [*unread, words[1].split("+")[0] + " by ML-DSA-44, not checked here"]
        elif kind == "witness":
            text, point, mine = signed(note, words[1], 4)
            for one in mine:
                when = int.from_bytes(one[:8], "big")
                ed25519(point, f"cosignature/v1\ntime {when}\n{text}".encode(), one[8:])
                by.append(f"{words[1].split('+')[0]} at {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(when))}")
            met[words[0]] = bool(mine)
        elif kind == "group":
            k = {"any": 1, "all": len(words) - 2}.get(words[1]) or int(words[1])
            met[words[0]] = sum(met[name] for name in words[2:]) >= k
        asked = words[0] if kind == "quorum" else asked
    need(met[asked] or unread, "those who cosigned are no quorum of the policy")
    return ", ".join(by + unread), met[asked]

# The package
class Package:
    def __init__(self, folder):
        self.files, self.problems = {}, []
        for place, folders, names in os.walk(folder):
            for path in (os.path.join(place, name) for name in folders + names):
                inside = os.path.relpath(path, folder).replace(os.sep, "/")
                if os.path.isfile(path) and not os.path.islink(path):
                    with open(path, "rb") as file:
                        self.files[inside] = file.read()
                elif os.path.islink(path) or not os.path.isdir(path):
                    self.problem("integrity", inside, "neither a file nor a folder")

    def problem(self, aspect, path, words):
        self.problems.append((aspect, path, words))

    def attempt(self, aspect, path, check):
        """What the check returns; a finding if it does not hold or its input is malformed."""
        try:
            return check()
        except (Fault, LookupError, ValueError, TypeError, AttributeError, OverflowError) as error:
            self.problem(aspect, path, str(error) if isinstance(error, Fault) else f"missing or malformed: {error}")

    def manifest(self, name, covers):
        rows = [re.fullmatch(r"([0-9a-f]{64})  (.+)", line).groups() for line in self.files[name].decode().splitlines()]
        listed = {path: digest for digest, path in rows}
        need(len(listed) == len(rows), "a path is listed twice")
        for path in sorted(listed.keys() | set(filter(covers, self.files))):
            if path not in listed:
                self.problem("integrity", path, f"extra: not listed in {name}")
            elif path not in self.files or not covers(path):
                self.problem("integrity", path, f"missing, but listed in {name}")
            elif sha256(self.files[path]) != listed[path]:
                self.problem("integrity", path, f"altered: not the hash in {name}")

    def bag(self):
        last = ("tagmanifest-sha256.txt", "tagmanifest-sha256.txt.asc")
        payload, tags = lambda p: p.startswith("data/"), lambda p: not p.startswith("data/") and p not in last
        for name, covers in (("manifest-sha256.txt", payload), (last[0], tags)):
            self.attempt("integrity", name, lambda: self.manifest(name, covers))

    def signer(self, path, keys, wanted):
        key = openpgp(self.files[path], armor(self.files[path + ".asc"], "SIGNATURE"), keys)
        need(not wanted or key["fingerprint"] in wanted, f"signed by {key['fingerprint']}, which you did not give")
        return key

    def proven(self, key):
        """The facts whose proofs hold, by id: index, entry and content, which is None where it was erased."""
        facts, head = {}, self.files["data/chain/checkpoint"]
        size, root = checkpoint(head, key)
        for number in sorted({int(found) for found in re.findall(r"data/chain/(\d+)\.", " ".join(self.files))}):
            path = f"data/chain/{number}."
            def check():
                leaf, content = self.files[path + "leaf"], self.files.get(path + "fact.json")
                lines, hashes = self.proof(path + "tlog-proof", head, 3)
                extra = "extra " + base64.b64encode(leaf).decode()
                need(lines == ["c2sp.org/tlog-proof@v1", extra, f"index {number}"], "not a proof of this leaf")
                need(number < size, "the index lies outside the tree")
                start = hashlib.sha256(b"\0" + leaf).digest()
                need(climb(number, size - 1, start, start, hashes)[1] == root, "the proof does not lead to the root")
                entry = json.loads(leaf)
                need(content is None or sha256(content) == entry["fact_id"], "the fact is not the one in the log")
                facts[entry["fact_id"]] = (number, entry, content and json.loads(content))
            self.attempt("completeness", path + "tlog-proof", check)
        return facts

    def proof(self, path, note, count):
        """The first lines and the hashes of a proof that leads to this very checkpoint."""
        top, found = self.files[path].split(b"\n\n", 1)
        need(found == note, "a proof for another checkpoint")
        lines = top.decode().splitlines()
        return lines[:count], [base64.b64decode(line, validate=True) for line in lines[count:]]

    def connected(self, path, proof, key):
        """The size of another checkpoint, which is of one log with the package's, whichever is the older."""
        heads = [(*checkpoint(self.files[one], key), self.files[one]) for one in (path, "data/chain/checkpoint")]
        (first, old, _), (second, new, newer) = sorted(heads, key=lambda head: head[0])
        hashes = []
        if first != second or proof in self.files:
            lines, hashes = self.proof(proof, newer, 1)
            need(lines == [f"old {first}"], "a proof from another checkpoint")
        consistency(first, second, hashes, old, new)
        return heads[0][0]

    def run(self, facts):
        """The signed record is of these texts, and the log has it: at which index."""
        record = json.loads(self.files["data/execution/execution.json"])
        for name in ("prompt", "output"):
            text = self.files.get(f"data/execution/{name}")
            need(text is None or sha256(text) == record[f"{name}_sha256"], f"the {name} is not the one signed")
        mine = {f"{kind}_sha256": sha256(self.files[f"data/execution/execution.json{end}"])
                for kind, end in (("manifest", ""), ("signature", ".asc"))}
        for index, entry, fact in facts.values():
            if fact and fact["source"] == "fortress-mcp" and mine.items() <= fact["metadata"].items():
                return index, entry["logged_at_ms"]
        need(None in [fact for _, _, fact in facts.values()], "no fact in the log records this execution")

    def stands(self, key, place, facts):
        """What a key signed before it was replaced, or softly revoked, by its place in the log."""
        subject = f"fortress:key:{key['fingerprint']}"
        ends = {fact["predicate"]: (index, fact["metadata"]) for index, _, fact in facts.values()
                if fact and (fact["subject"], fact["source"]) == (subject, "fortress-keys")
                and fact["predicate"] != "rotated_in"}
        if "revoked_as_compromised" in ends:
            index, said = ends["revoked_as_compromised"]
            before = place and place[0] < index and place[1] < json.loads(said["statement"])["compromised_at_ms"]
            need(False, "its key was revoked as compromised; by the log's clock the run was logged "
                 + ("before the declared time: judge it apart" if before else "not before the declared time"))
        # Superseded and retired: RFC 9580 section 5.2.3.31.
        need(key["reasons"] <= {1, 3}, "its key was revoked as compromised or for no stated reason")
        need(ends.keys() - {"no_longer_signs"} or not key["reasons"], "its key was revoked, and no fact says when")
        first = min((index for index, _ in ends.values()), default=None)
        need(first is None or place and place[0] < first, "not logged before its key was replaced or revoked")

    def custody(self, facts):
        lines = self.files["data/custody/custody.jsonl"].splitlines()
        events = {one for one, (_, _, fact) in facts.items() if fact and fact["predicate"] == "custody_event"}
        need(set(map(sha256, lines)) == events and len(lines) == len(events), "not the events that are proven")
        numbers = [int(json.loads(line)["metadata"]["sequence"]) for line in lines]
        erased = sum(fact is None for _, _, fact in facts.values())
        whole = numbers == sorted(set(numbers)) and max(numbers, default=0) - len(numbers) <= erased
        need(whole, "a numbered event is missing")

    def vouched(self, folder, key, place):
        """A checkpoint that others vouch for is of this log and has the run."""
        size = self.connected(f"data/{folder}/checkpoint", f"data/{folder}/consistency", key)
        need(place is None or place[0] < size, "it is older than the run's fact")
        return self.files[f"data/{folder}/checkpoint"]

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fingerprint", metavar="F[,F]", default="")
    parser.add_argument("--log-key", metavar="K")
    parser.add_argument("--witnesses", metavar="W", type=argparse.FileType("rb"))
    parser.add_argument("folder", nargs="?", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    given = parser.parse_args()
    package = Package(given.folder)
    package.files or parser.error("there is no package in this folder")
    wanted = [one for one in given.fingerprint.replace(" ", "").upper().split(",") if one]
    files, attempt = package.files, package.attempt
    package.bag()
    run, tags = "data/execution/execution.json", "tagmanifest-sha256.txt"
    keys = attempt("signer", "data/keys/fortress.asc", lambda: public_keys(files["data/keys/fortress.asc"])) or {}
    signer = attempt("signer", run + ".asc", lambda: package.signer(run, keys, wanted))
    packer = attempt("signer", tags + ".asc", lambda: package.signer(tags, keys, wanted)) or {"reasons": ()}
    attempt("signer", tags + ".asc", lambda: need(not packer["reasons"], "its key was revoked"))
    policy = files.get("data/chain/policy", b"").decode(errors="replace")
    key = given.log_key or next((line[4:] for line in policy.splitlines() if line.startswith("log ")), "")
    proven = attempt("signer", "data/chain/checkpoint", lambda: package.proven(key))
    facts = proven or {}
    place = attempt("integrity", run, lambda: package.run(facts))
    if signer:
        attempt("signer", run + ".asc", lambda: package.stands(signer, place, facts))
    before, proof = "data/chain/previous-checkpoint", "data/chain/consistency"
    if {before, proof} & files.keys():
        attempt("completeness", proof, lambda: package.connected(before, proof, key))
    attempt("completeness", "data/custody/custody.jsonl", lambda: package.custody(facts))
    verdicts = dict.fromkeys(("integrity", "completeness", "signer"), "holds")
    if not (wanted and given.log_key):
        verdicts["signer"] = "not checked: give --fingerprint and --log-key from another source"
    verdicts["time"], verdicts["witnesses"] = "by the log's clock alone", "none"
    if "data/time/NO-TIMESTAMP.txt" not in files:
        attempt("time", "data/time/checkpoint", lambda: package.vouched("time", key, place))
        verdicts["time"] = "not checked: a time stamp is there, see verify.sh"
    if "data/witnesses/NO-WITNESSES.txt" not in files:
        theirs = given.witnesses.read() if given.witnesses else files.get("data/witnesses/policy", b"")
        by, enough = attempt("witnesses", "data/witnesses/checkpoint", lambda: quorum(
            theirs, package.vouched("witnesses", key, place))) or ("", False)
        open_ = "" if given.witnesses else "; give --witnesses"
        verdicts["witnesses"] = f"holds: {by}" if given.witnesses and enough else f"not checked: {by}{open_}"
    failed = {aspect for aspect, _, _ in package.problems} | ({"completeness"} if proven is None else set())
    verdicts.update(dict.fromkeys(failed, "fails"))
    whole = proven is not None and None not in [fact for _, _, fact in facts.values()]
    whole = whole and {"data/execution/prompt", "data/execution/output"} <= files.keys()
    verdicts["content"] = "present" if whole else "erased in part"
    for aspect, verdict in verdicts.items():
        print(f"{aspect:13} {verdict}")
    for aspect, path, words in package.problems:
        print(f"  {aspect}: {path}: {words}")
    sys.exit(1 if failed else 3 if verdicts["signer"] != "holds" else 0)

if __name__ == "__main__":
    main()
