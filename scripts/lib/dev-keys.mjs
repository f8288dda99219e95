// Keys for development, made on this machine on first use and kept in .local/dev-keys.json,
// which git ignores. Production keys are made elsewhere and set with `wrangler secret put`.
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { generateKey } from "openpgp";
import { noteKeys, WITNESS } from "./note-keys.mjs";

/** Where the keys are kept unless told otherwise. */
export const DEV_KEYS_FILE = fileURLToPath(new URL("../../.local/dev-keys.json", import.meta.url));
const CHAIN_NAME = "localhost/chittychain";
const WITNESS_NAME = "localhost/witness";
const USER_ID = "dev";
const TOKEN_LIFE_MS = 90 * 24 * 60 * 60 * 1000;
/** A person's key, which also signs in on the coordinator's page. */
const TOKEN_STEM = "chitty_key_";

/**
 * The development keys, made now if there are none.
 *
 * @param {string} [file] where they are kept
 * @returns {Promise<{secrets: Record<string, string>, witness: {signer: string, verifier: string}, token: string,
 *   tokenHash: string, userId: string}>} `secrets` by the names the workers know them by; `witness` is another party's; `token` is what a client sends, `tokenHash` its
 *   SHA-256 in lower-case hex, which is all that the database holds.
 */
export async function ensureDevKeys(file = DEV_KEYS_FILE) {
  if (existsSync(file)) {
    chmodSync(file, 0o600);
    const kept = JSON.parse(readFileSync(file, "utf8"));
    // Those made before people could sign in are a service's; older ones have no witness.
    const token = kept.token.startsWith(TOKEN_STEM) ? {} : newToken();
    const witness = kept.witness ? {} : { witness: noteKeys(WITNESS_NAME, WITNESS) };
    return write(file, { ...kept, ...token, ...witness });
  }
  mkdirSync(dirname(file), { recursive: true });
  return write(file, await makeKeys());
}

function write(file, keys) {
  writeFileSync(file, `${JSON.stringify(keys, null, 2)}\n`, { mode: 0o600 });
  return keys;
}

function newToken() {
  const token = `${TOKEN_STEM}${randomBytes(32).toString("hex")}`;
  return { token, tokenHash: createHash("sha256").update(token).digest("hex") };
}

/** A new set of keys, for a test that wants its own. */
export async function makeKeys() {
  const pgp = await pgpKeys();
  return {
    secrets: {
      CHITTY_ENCRYPTION_KEY: randomBytes(32).toString("base64"),
      PGP_PRIVATE_KEY: pgp.privateKey,
      PGP_PUBLIC_KEY: pgp.publicKey,
      CHAIN_SIGNING_KEY: noteKeys(CHAIN_NAME).signer,
    },
    witness: noteKeys(WITNESS_NAME, WITNESS),
    ...newToken(),
    userId: USER_ID,
  };
}

/** An OpenPGP v4 key whose primary key, Ed25519 in the EdDSA form that every gpg knows, signs. */
async function pgpKeys() {
  const { privateKey, publicKey } = await generateKey({
    type: "ecc",
    curve: "ed25519Legacy",
    userIDs: [{ name: "ChittyMCP development", email: "dev@localhost.invalid" }],
    subkeys: [],
    format: "armored",
    config: { v6Keys: false },
  });
  return { privateKey, publicKey };
}

/**
 * Lets the development token in, or back in: writes its hash to the stack's database with every scope.
 *
 * @param {{d1: (sql: string, params: unknown[]) => Promise<unknown>}} stack
 */
export async function admitDevToken(stack, keys) {
  const now = Date.now();
  await stack.d1(
    `INSERT INTO api_tokens (id, user_id, token_hash, key_prefix, name, scopes, status, created_at, expires_at, type)
     VALUES (?, ?, ?, ?, 'development', '["admin:*"]', 'active', ?, ?, 'bearer')
     ON CONFLICT (token_hash) DO UPDATE SET status = 'active', expires_at = excluded.expires_at, revoked_at = NULL`,
    [`TOKEN-${keys.tokenHash.slice(0, 16)}`, keys.userId, keys.tokenHash, keys.token.slice(0, 24), now, now + TOKEN_LIFE_MS],
  );
}
