// Keys of the log's checkpoints and of witnesses.
import { createHash, createPrivateKey, createPublicKey, randomBytes } from "node:crypto";

/** Signature types of C2SP signed-note: a log's, and a witness's timestamped one (tlog-cosignature). */
export const LOG = 1;
export const WITNESS = 4;

/** A C2SP signed-note Ed25519 pair. The key id is the start of SHA-256(name, newline, type, public key). */
export const noteKeys = (name, type = LOG) => keysOf(name, type, randomBytes(32));

/** The verifier key of a signer key `PRIVATE+KEY+name+id+base64`. */
export function verifierKey(signer) {
  const [, name, , secret] = /^PRIVATE\+KEY\+([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(signer);
  const [type, ...seed] = Buffer.from(secret, "base64");
  return keysOf(name, type, Buffer.from(seed)).verifier;
}

function keysOf(name, type, seed) {
  const algorithm = Buffer.from([type]);
  const pkcs8 = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
  const secret = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
  const spki = createPublicKey(secret).export({ format: "der", type: "spki" });
  const publicKey = Buffer.concat([algorithm, spki.subarray(-32)]);
  const id = createHash("sha256").update(`${name}\n`).update(publicKey).digest("hex").slice(0, 8);
  return {
    signer: `PRIVATE+KEY+${name}+${id}+${Buffer.concat([algorithm, seed]).toString("base64")}`,
    verifier: `${name}+${id}+${publicKey.toString("base64")}`,
  };
}
