#!/usr/bin/env python3
"""Checks an unpacked evidence package: files, signatures, the log's proofs. No network.

F are the fingerprints of the OpenPGP keys of run and package, K is the log's verifier key, W a
file with the witnesses' keys in the form of data/witnesses/policy; all from elsewhere than the
package. Ends with 0 if integrity, completeness and signer hold, 1 if any verdict fails, 3 if none
fails but one of these could not be reached, 2 if there is nothing to check.

Standard library only. Ed25519: RFC 8032. OpenPGP: RFC 9580. Trees: RFC 9162 section 2.1. Notes, proofs, cosignatures
and policies: C2SP. Expiry is for gpg, time stamps for openssl (verify.sh), ML-DSA-44 for `chitty verify`.
"""
import argparse, base64, hashlib, json, re, sys, time
from pathlib import Path

class Fault(Exception):
    """Why a check does not hold."""

def need(holds, words):
    if not holds:
        raise Fault(words)

def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

def plain(number):
    return need(re.fullmatch("-?[0-9]{1,18}", number), "a number that not every program reads alike") or int(number)

def parse(data):
    """A JSON object that every program reads alike."""
    once = lambda pairs: need(len(dict(pairs)) == len(pairs), "a name that stands twice in one object") or dict(pairs)
    read = json.loads(data.decode(), object_pairs_hook=once, parse_int=plain, parse_float=plain, parse_constant=plain)
    need(isinstance(read, dict), "not a JSON object")
    return read

# Ed25519
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, ROOT = -121665 * pow(121666, P - 2, P) % P, pow(2, (P - 1) // 4, P)

def recover(encoded):
    """A point in extended coordinates, from its one canonical encoding."""
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x * ROOT % P if (x * x - square) % P else x
    need(y < P and (x * x - square) % P == 0 and not (x == 0 and sign), "not the canonical form of a point")
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
ED25519 = bytes.fromhex("16092b06010401da470f01010740")
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

def subpackets(body, start=4):
    """Of an area of a signature, by type; and where it ends. The first area is signed."""
    found, at, end = {}, start + 2, start + 2 + int.from_bytes(body[start : start + 2], "big")
    while at < end:
        size, at = length(body, at)
        found[body[at] & 0x7F] = body[at + 1 : at + size]
        at += size
    return found, end

def public_keys(text):
    """By fingerprint, also of subkeys that sign: the point, and the whole key with the reasons of its revocations."""
    keys, revoked = {}, set()
    for block in re.findall(rb"-----BEGIN(?:(?!-----BEGIN).)*?-----END[^\n]*", text, re.S):
        whole, framed, name, point = {"reasons": set()}, b"", "", None
        for tag, body in packets(armor(block, "PUBLIC KEY BLOCK")):
            said, end = subpackets(body) if tag == 2 else ({}, 0)
            if tag in (6, 14):
                need((tag == 6) == (not framed), "not one primary key before its subkeys")
                framed = b"\x99" + len(body).to_bytes(2, "big") + body
                name = hashlib.sha1(framed).hexdigest().upper()
                point = body[19:] if (body[0], body[5:19], len(body)) == (4, ED25519, 51) else None
            if tag == 6:
                primary, whole["fingerprint"], keys[name] = (framed, point), name, (point, whole)
            elif tag == 2 and body[1] == 0x20:
                whole["reasons"].add(said.get(29, b"\0")[0])
            elif tag == 2 and body[1] == 0x28:
                revoked.add(name)
            elif tag == 2 and body[1] == 0x18 and point and said.get(27, b"\0")[0] & 2:
                # The primary key must have signed that this one is its own, and the other way round.
                made_by(primary[1], body, 0x18, primary[0] + framed)
                made_by(point, {**subpackets(body, end)[0], **said}.get(32, b""), 0x19, primary[0] + framed)
                keys[name] = point, whole
    return {name: key for name, key in keys.items() if name not in revoked}

def integer(data, at):
    size = (int.from_bytes(data[at : at + 2], "big") + 7) // 8
    need(size <= 32 and at + 2 + size <= len(data), "a malformed number")
    return data[at + 2 : at + 2 + size].rjust(32, b"\0"), at + 2 + size

def made_by(point, body, kind, content):
    need(body[:3] == bytes([4, kind, 22]) and body[3] in HASHES, "a signature of another kind")
    end = subpackets(body)[1]
    digest = HASHES[body[3]](content + body[:end] + b"\x04\xff" + end.to_bytes(4, "big")).digest()
    at = subpackets(body, end)[1]
    need(digest[:2] == body[at : at + 2], "the signature is not over these bytes")
    r, at = integer(body, at + 2)
    s, at = integer(body, at)
    need(at == len(body), "bytes after the signature")
    ed25519(point, digest, r + s)

def openpgp(content, signature, keys):
    """The key that signed exactly `content`."""
    found = list(packets(signature))
    need(len(found) == 1 and found[0][0] == 2, "not one signature")
    issuer = subpackets(found[0][1])[0].get(33, b"")[1:].hex().upper()
    need(issuer in keys, "signed by a key that is not in the package, or a subkey that is revoked or not bound to it")
    made_by(keys[issuer][0], found[0][1], 0, content)
    return keys[issuer][1]

# The log
def climb(fn, sn, fr, sr, proof):
    """The roots that a proof leads to, of the older tree and of the newer one."""
    for p in proof:
        need(sn, "the proof is too long")
        if fn & 1 or fn == sn:
            fr, sr = sha256(b"\1", p, fr), sha256(b"\1", p, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = sha256(b"\1", sr, p)
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
    need(sha256(name.encode(), b"\n", public).hex()[:8] == key_id, "the verifier key's id is wrong")
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
RUN, TAGS = "data/execution/execution.json", "tagmanifest-sha256.txt"

class Package:
    def __init__(self, folder):
        self.files, self.problems = {}, []
        self.attempt("integrity", ".", lambda: self.read(Path(folder)))

    def read(self, folder):
        for path in folder.rglob("*"):
            inside = path.relative_to(folder).as_posix()
            def take():
                need(path.is_file() and not path.is_symlink(), "neither a file nor a folder")
                self.files[inside] = path.read_bytes()
            if path.is_symlink() or not path.is_dir():
                self.attempt("integrity", inside, take)

    def attempt(self, aspect, path, check):
        """What the check returns; a finding if it does not hold or its input is malformed."""
        try:
            return check()
        except Exception as error:
            words = str(error) if isinstance(error, Fault) else f"missing or malformed: {error}"
            self.problems.append((aspect, path, words))

    def manifest(self, name, payload):
        covered = {p for p in self.files if p.startswith("data/") == payload and p not in (TAGS, TAGS + ".asc")}
        rows = [re.fullmatch(r"([0-9a-f]{64})  (.+)", line).groups() for line in self.files[name].decode().splitlines()]
        listed = {path: digest for digest, path in rows}
        need(len(listed) == len(rows), "a path is listed twice")
        for path in sorted(listed.keys() | covered):
            words = "missing, but" if path not in covered else "altered: not as" if path in listed else "extra: not"
            if path not in covered or listed.get(path) != sha256(self.files[path]).hex():
                self.problems.append(("integrity", path, f"{words} listed in {name}"))

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
                start = sha256(b"\0", leaf)
                need(climb(number, size - 1, start, start, hashes)[1] == root, "the proof does not lead to the root")
                entry = parse(leaf)
                need(content is None or sha256(content).hex() == entry["fact_id"], "the fact is not the one in the log")
                facts[entry["fact_id"]] = (number, entry, None if content is None else parse(content))
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
        unneeded = first == second and proof not in self.files
        lines, hashes = ([f"old {first}"], []) if unneeded else self.proof(proof, newer, 1)
        need(lines == [f"old {first}"], "a proof from another checkpoint")
        consistency(first, second, hashes, old, new)
        return heads[0][0]

    def run(self, facts):
        """The signed record is of these texts, and the log has it: at which index."""
        record = parse(self.files[RUN])
        for name in ("prompt", "output"):
            text = self.files.get(f"data/execution/{name}")
            need(text is None or sha256(text).hex() == record[f"{name}_sha256"], f"the {name} is not the one signed")
        hashes = [sha256(self.files[path]).hex() for path in (RUN, RUN + ".asc")]
        for index, entry, fact in facts.values():
            said = fact["metadata"] if fact and fact["source"] == "fortress-mcp" else {}
            if [said.get("manifest_sha256"), said.get("signature_sha256")] == hashes:
                return index, entry["logged_at_ms"]
        need(None in [fact for _, _, fact in facts.values()], "no fact in the log records this execution")

    def stands(self, key, place, facts):
        """What a key signed before it was replaced or softly revoked (RFC 9580 5.2.3.31), by its place."""
        of_key = (f"fortress:key:{key['fingerprint']}", "fortress-keys")
        ends = {fact["predicate"]: (index, fact["metadata"]) for index, _, fact in facts.values()
                if fact and (fact["subject"], fact["source"]) == of_key and fact["predicate"] != "rotated_in"}
        if "revoked_as_compromised" in ends:
            index, said = ends["revoked_as_compromised"]
            before = place and place[0] < index and place[1] < parse(said["statement"].encode())["compromised_at_ms"]
            need(False, "its key was revoked as compromised; by the log's clock the run was logged "
                 + ("before the declared time: judge it apart" if before else "not before the declared time"))
        need(key["reasons"] <= {1, 3}, "its key was revoked as compromised or for no stated reason")
        need(ends.keys() - {"no_longer_signs"} or not key["reasons"], "its key was revoked, and no fact says when")
        need(all(place and place[0] < i for i, _ in ends.values()), "not logged before its key ended or was revoked")

    def custody(self, facts):
        lines = self.files["data/custody/custody.jsonl"].splitlines()
        kind = ("custody_event", "chittyos-coordinator")
        events = {one for one, (_, _, fact) in facts.items() if fact and (fact["predicate"], fact["source"]) == kind}
        need(sorted(sha256(line).hex() for line in lines) == sorted(events), "not the events that are proven")
        numbers = [int(parse(line)["metadata"]["sequence"]) for line in lines]
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
    parser.add_argument("folder", nargs="?", default=Path(__file__).resolve().parent.parent)
    given = parser.parse_args()
    package = Package(given.folder)
    package.files or parser.error("there is no package in this folder")
    wanted = [one for one in given.fingerprint.replace(" ", "").upper().split(",") if one]
    files, attempt = package.files, package.attempt
    for name in ("manifest-sha256.txt", TAGS):
        attempt("integrity", name, lambda: package.manifest(name, name != TAGS))
    keys = attempt("signer", "data/keys/fortress.asc", lambda: public_keys(files["data/keys/fortress.asc"])) or {}
    signer = attempt("signer", RUN + ".asc", lambda: package.signer(RUN, keys, wanted))
    packer = attempt("signer", TAGS + ".asc", lambda: package.signer(TAGS, keys, wanted)) or {"reasons": ()}
    attempt("signer", TAGS + ".asc", lambda: need(not packer["reasons"], "its key was revoked"))
    policy = files.get("data/chain/policy", b"").decode(errors="replace")
    key = given.log_key or next((line[4:] for line in policy.splitlines() if line.startswith("log ")), "")
    proven = attempt("signer", "data/chain/checkpoint", lambda: package.proven(key))
    facts = proven or {}
    place = attempt("integrity", RUN, lambda: package.run(facts))
    signer and attempt("signer", RUN + ".asc", lambda: package.stands(signer, place, facts))
    before, proof = "data/chain/previous-checkpoint", "data/chain/consistency"
    {before, proof} & files.keys() and attempt("completeness", proof, lambda: package.connected(before, proof, key))
    attempt("completeness", "data/custody/custody.jsonl", lambda: package.custody(facts))
    verdicts = dict.fromkeys(("integrity", "completeness", "signer"), "holds")
    erased = None in [fact for _, _, fact in facts.values()]
    if erased and not place:
        verdicts["completeness"] = "not checked: facts were erased, and none that is left says that the run is logged"
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
    texts = {"data/execution/prompt", "data/execution/output"} <= files.keys()
    verdicts["content"] = "present" if texts and proven is not None and not erased else "erased in part"
    said = [f"{aspect:13} {verdict}" for aspect, verdict in verdicts.items()]
    for line in said + [f"  {aspect}: {path}: {words}" for aspect, path, words in package.problems]:
        print(line.encode("unicode_escape").decode())  # Names are the package's: none moves the cursor.
    sys.exit(1 if failed else 3 if {verdicts["completeness"], verdicts["signer"]} != {"holds"} else 0)

if __name__ == "__main__":
    main()
