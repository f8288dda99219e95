// Keys of the log's checkpoints and of witnesses.
import { createHash, createPrivateKey, createPublicKey, randomBytes } from "node:crypto";

/** Signature types of C2SP signed-note: a log's, and a witness's timestamped ones (tlog-cosignature). */
export const LOG = 1;
export const WITNESS = 4;
export const ML_DSA_WITNESS = 6;

const ED25519 = { pkcs8: Buffer.from("302e020100300506032b657004220420", "hex"), publicBytes: 32 };
/** What comes before the seed in PKCS #8, and how long a public key is: RFC 8410, RFC 9881. */
const ALGORITHMS = {
  [LOG]: ED25519,
  [WITNESS]: ED25519,
  [ML_DSA_WITNESS]: { pkcs8: Buffer.from("3034020100300b060960864801650304031104228020", "hex"), publicBytes: 1312 },
};

/** A C2SP signed-note pair. The key id is the start of SHA-256(name, newline, type, public key). */
export const noteKeys = (name, type = LOG) => keysOf(name, type, randomBytes(32));

/** The verifier key of a signer key `PRIVATE+KEY+name+id+base64`. */
export function verifierKey(signer) {
  const [, name, , secret] = /^PRIVATE\+KEY\+([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(signer);
  const [type, ...seed] = Buffer.from(secret, "base64");
  return keysOf(name, type, Buffer.from(seed)).verifier;
}

function keysOf(name, type, seed) {
  const algorithm = Buffer.from([type]);
  const { pkcs8, publicBytes } = ALGORITHMS[type];
  const secret = createPrivateKey({ key: Buffer.concat([pkcs8, seed]), format: "der", type: "pkcs8" });
  const spki = createPublicKey(secret).export({ format: "der", type: "spki" });
  const publicKey = Buffer.concat([algorithm, spki.subarray(-publicBytes)]);
  const id = createHash("sha256").update(`${name}\n`).update(publicKey).digest("hex").slice(0, 8);
  return {
    signer: `PRIVATE+KEY+${name}+${id}+${Buffer.concat([algorithm, seed]).toString("base64")}`,
    verifier: `${name}+${id}+${publicKey.toString("base64")}`,
  };
}
