// Checks of what the workers hand out that share no code with them: RFC 6962 proofs, C2SP signed
// notes, and gpg's own verdict.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, createPrivateKey, createPublicKey, verify } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const hash = (...parts) => parts.reduce((sum, part) => sum.update(part), createHash("sha256")).digest();
const leafHash = (entry) => hash(Buffer.from([0]), entry);
const nodeHash = (left, right) => hash(Buffer.from([1]), left, right);
const ED25519_SPKI = Buffer.from("302a300506032b6570032100", "hex");
const ED25519_PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

/** The verifier key `name+id+base64` of a C2SP signer key `PRIVATE+KEY+name+id+base64`. */
export function verifierOf(signer) {
  const [, name, id, secret] = /^PRIVATE\+KEY\+([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(signer);
  const [algorithm, ...seed] = Buffer.from(secret, "base64");
  const key = createPrivateKey({ key: Buffer.concat([ED25519_PKCS8, Buffer.from(seed)]), format: "der", type: "pkcs8" });
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return `${name}+${id}+${Buffer.concat([Buffer.from([algorithm]), spki.subarray(-32)]).toString("base64")}`;
}

/** The root that an inclusion proof leads to (RFC 9162, 2.1.3.2, for the tree of RFC 6962). */
function rootFrom(leaf, index, size, proof) {
  assert.ok(index < size, "the leaf is outside the tree");
  let [fn, sn, root] = [index, size - 1, leaf];
  for (const sibling of proof) {
    assert.notEqual(sn, 0, "the proof is too long");
    if (fn % 2 === 1 || fn === sn) {
      root = nodeHash(sibling, root);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn >> 1, sn >> 1];
    } else {
      root = nodeHash(root, sibling);
    }
    [fn, sn] = [fn >> 1, sn >> 1];
  }
  assert.equal(sn, 0, "the proof is too short");
  return root;
}

/** Opens a signed checkpoint (C2SP tlog-checkpoint) under a verifier key `name+id+base64`. */
export function openCheckpoint(note, verifierKey) {
  const [, name, id, key] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(verifierKey);
  const publicKey = Buffer.from(key, "base64");
  assert.equal(publicKey[0], 1, "the key is not Ed25519");
  assert.equal(hash(`${name}\n`, publicKey).subarray(0, 4).toString("hex"), id);

  const end = note.indexOf("\n\n") + 1;
  const text = note.slice(0, end);
  const line = note.slice(end + 1).split("\n").find((line) => line.startsWith(`\u2014 ${name} `));
  const signed = Buffer.from(line.split(" ")[2], "base64");
  assert.equal(signed.subarray(0, 4).toString("hex"), id);
  const spki = createPublicKey({ key: Buffer.concat([ED25519_SPKI, publicKey.subarray(1)]), format: "der", type: "spki" });
  assert.ok(verify(null, Buffer.from(text), spki, signed.subarray(4)), "the checkpoint's signature is wrong");

  const [origin, size, root, rest, ...more] = text.split("\n");
  assert.equal(origin, name);
  assert.deepEqual([rest, ...more], [""]);
  return { size: Number(size), root: Buffer.from(root, "base64") };
}

/** Checks one fact of an evidence package: content, entry, place in the tree, and the tree's head. */
export function checkFact({ stored, receipt }, verifierKey) {
  assert.equal(hash(stored.content.canonical).toString("hex"), stored.fact_id);
  const { salt, v, ...fact } = JSON.parse(stored.content.canonical);
  assert.match(salt, /^[0-9a-f]{64}$/);
  assert.equal(v, 1);
  assert.deepEqual(fact, stored.content.fact);

  const entry = `{"fact_id":"${stored.fact_id}","logged_at_ms":${stored.logged_at_ms},"v":1}`;
  const leaf = leafHash(entry);
  assert.equal(leaf.toString("hex"), receipt.leaf_hash);
  const proof = receipt.inclusion_proof.map((text) => Buffer.from(text, "hex"));
  checkInclusion(leaf, stored.leaf_index, proof, receipt.checkpoint, verifierKey);
}

/** The same from a C2SP tlog-proof text. */
export function checkProofText(text, verifierKey) {
  const [head, ...note] = text.split("\n\n");
  const [form, extra, index, ...proof] = head.split("\n");
  assert.equal(form, "c2sp.org/tlog-proof@v1");
  const entry = Buffer.from(extra.replace(/^extra /, ""), "base64");
  const hashes = proof.map((line) => Buffer.from(line, "base64"));
  checkInclusion(leafHash(entry), Number(index.replace(/^index /, "")), hashes, note.join("\n\n"), verifierKey);
  return JSON.parse(entry);
}

function checkInclusion(leaf, index, proof, checkpoint, verifierKey) {
  const { size, root } = openCheckpoint(checkpoint, verifierKey);
  assert.deepEqual(rootFrom(leaf, index, size, proof), root);
}

/** gpg's status lines over a detached signature, in a home of its own: `["GOODSIG …", …]`. */
export async function gpgStatus(publicKey, content, signature) {
  const home = mkdtempSync(join(tmpdir(), "chitty-gpg-"));
  chmodSync(home, 0o700);
  const file = (name, data) => {
    writeFileSync(join(home, name), data);
    return join(home, name);
  };
  const gpg = async (...args) => {
    const done = run("gpg", ["--batch", "--no-tty", "--homedir", home, ...args]);
    // A bad signature ends gpg with 1; its status lines are what is asked for.
    return (await done.catch((error) => {
      if (error.code === "ENOENT") throw new Error("gpg is missing: install GnuPG (Debian: apt install gnupg)");
      return error;
    })).stdout;
  };
  try {
    await gpg("--import", file("key.asc", publicKey));
    const out = await gpg("--status-fd", "1", "--verify", file("signature.asc", signature), file("content", content));
    return out.split("\n").filter((line) => line.startsWith("[GNUPG:] ")).map((line) => line.slice(9));
  } finally {
    await run("gpgconf", ["--homedir", home, "--kill", "all"]).catch(() => {});
    rmSync(home, { recursive: true, force: true });
  }
}
