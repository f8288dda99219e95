// Small logs of one's own: trees of RFC 6962, and checkpoints as C2SP signed notes. They share no code with the workers.
import { createHash, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";

const ED25519_PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
/** What comes before a public key in SPKI (RFC 8410, RFC 9881), by a cosignature's type. */
const SPKI = {
  4: Buffer.from("302a300506032b6570032100", "hex"),
  6: Buffer.from("30820532300b06096086480165030403110382052100", "hex"),
};
const hash = (...parts) => parts.reduce((sum, part) => sum.update(part), createHash("sha256")).digest();
const node = (left, right) => hash(Buffer.from([1]), left, right);

export const leaf = (text) => hash(Buffer.from([0]), text);

/** The largest power of two below `count`. */
function split(count) {
  let half = 1;
  while (half * 2 < count) half *= 2;
  return half;
}

/** MTH of RFC 6962 section 2.1 over leaf hashes. */
export function root(leaves) {
  if (leaves.length === 0) return hash("");
  if (leaves.length === 1) return leaves[0];
  const half = split(leaves.length);
  return node(root(leaves.slice(0, half)), root(leaves.slice(half)));
}

/** PROOF of RFC 6962 section 2.1.2: that the tree of `leaves` extends that of its first `first`. */
export function consistency(first, leaves) {
  return first === 0 || first === leaves.length ? [] : subproof(first, leaves, true);
}

function subproof(first, leaves, whole) {
  if (first === leaves.length) return whole ? [] : [root(leaves)];
  const half = split(leaves.length);
  return first <= half
    ? [...subproof(first, leaves.slice(0, half), whole), root(leaves.slice(half))]
    : [...subproof(first - half, leaves.slice(half), false), root(leaves.slice(0, half))];
}

/** A checkpoint of `leaves`, signed by a C2SP signer key. */
export function checkpoint(signer, leaves) {
  const [, name, id, secret] = /^PRIVATE\+KEY\+([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(signer);
  const seed = Buffer.from(secret, "base64").subarray(1);
  const key = createPrivateKey({ key: Buffer.concat([ED25519_PKCS8, seed]), format: "der", type: "pkcs8" });
  const text = `${name}\n${leaves.length}\n${root(leaves).toString("base64")}\n`;
  const line = Buffer.concat([Buffer.from(id, "hex"), sign(null, Buffer.from(text), key)]);
  return `${text}\n\u2014 ${name} ${line.toString("base64")}\n`;
}

/** The body of add-checkpoint (C2SP tlog-witness). */
export function addCheckpoint(old, proof, note) {
  return `old ${old}\n${proof.map((one) => `${one.toString("base64")}\n`).join("")}\n${note}`;
}

const u64 = (number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(number));
  return bytes;
};
const named = (text) => Buffer.concat([Buffer.from([Buffer.byteLength(text)]), Buffer.from(text)]);

/** What a cosignature of a type is over: the whole text, or what its first three lines say. */
function cosigned(type, name, time, text) {
  if (type === 4) return Buffer.from(`cosignature/v1\ntime ${time}\n${text}`);
  const [origin, size, root] = text.split("\n");
  return Buffer.concat([Buffer.from("subtree/v1\n\0"), named(name), u64(time), named(origin), u64(0), u64(size), Buffer.from(root, "base64")]);
}

/**
 * When the witness of a verifier key (0x04 or 0x06) cosigned `note` (C2SP tlog-cosignature), in seconds since 1970.
 * Undefined if it has no line of that key; throws if the line does not hold.
 */
export function cosignedAt(note, verifierKey) {
  const [, name, id, key] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(verifierKey);
  const material = Buffer.from(key, "base64");
  const text = note.slice(0, note.indexOf("\n\n") + 1);
  const lines = note.slice(text.length + 1).split("\n");
  for (const line of lines.filter((line) => line.startsWith(`\u2014 ${name} `))) {
    const signed = Buffer.from(line.split(" ")[2], "base64");
    if (signed.subarray(0, 4).toString("hex") !== id) continue;
    const time = signed.readBigUInt64BE(4);
    const [type] = material;
    const spki = createPublicKey({ key: Buffer.concat([SPKI[type], material.subarray(1)]), format: "der", type: "spki" });
    if (!verify(null, cosigned(type, name, time, text), spki, signed.subarray(12))) throw new Error("the cosignature is wrong");
    return Number(time);
  }
  return undefined;
}
