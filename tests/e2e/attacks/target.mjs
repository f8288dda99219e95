// The server under attack, with the clients that a decent operator and decent programs have there.
import { randomBytes } from "node:crypto";
import { startWorld } from "../support.mjs";
import { ecKey, note, publicJwk, REDIRECT, register, thumbprint, userKey } from "../oauth-attacks.mjs";

const secret = () => note(randomBytes(32).toString("hex"));

/** Clients of the configuration: confidential, exempt from PKCE, acting for itself, and proving itself by a key. */
function predefined() {
  const assertionKey = ecKey();
  const entries = [
    { client_id: "vault", client_name: "Vault", client_secret: secret(), token_endpoint_auth_method: "client_secret_basic", redirect_uris: [REDIRECT] },
    {
      client_id: "gpt-action", client_name: "GPT Action", client_secret: secret(), token_endpoint_auth_method: "client_secret_post",
      redirect_uris: ["https://chat.example.com/aip/g-1/oauth/callback"], pkce_exempt: true,
    },
    {
      client_id: "robot", client_name: "Robot", client_secret: secret(), token_endpoint_auth_method: "client_secret_basic",
      grant_types: ["client_credentials"], scope: "execution:read chain:verify",
    },
    {
      client_id: "signer", client_name: "Signer", token_endpoint_auth_method: "private_key_jwt", redirect_uris: [REDIRECT],
      jwks: { keys: [{ ...publicJwk(assertionKey), kid: "signer-1", use: "sig", alg: "ES256" }] },
    },
  ];
  const client = (index, more = {}) => {
    const { client_id, client_secret, redirect_uris, token_endpoint_auth_method } = entries[index];
    return { id: client_id, secret: client_secret, redirect: redirect_uris?.[0], method: token_endpoint_auth_method, ...more };
  };
  return { entries, clients: { vault: client(0), exempt: client(1, { exempt: true }), robot: client(2), signer: client(3, { key: assertionKey }) } };
}

/** Puts a key among those of the server that sign no more but are still trusted. Returns the key. */
async function trustedKey(world) {
  const pair = ecKey();
  const jwk = publicJwk(pair);
  const kid = thumbprint(jwk);
  const listed = JSON.stringify({ ...jwk, kid, alg: "ES256", use: "sig" });
  await world.stack.d1(
    `INSERT INTO signing_keys (id, number, public_jwk, private_key, created_at, signs_from, signs_until, listed_until)
     VALUES (?, 1, ?, 'gone', 1, 1, 2, ?)`,
    [kid, listed, Date.now() + 86_400_000],
  );
  return { pair, kid };
}

/** `{world, app, vault, exempt, robot, signer, trusted}`: the world, its clients, and a key that its workers trust. */
export async function openTarget() {
  const { entries, clients } = predefined();
  const world = await startWorld({ vars: { OAUTH_CLIENTS: JSON.stringify(entries) } });
  const trusted = await trustedKey(world);
  const app = { ...(await register(world)), someone: () => userKey(world) };
  return { world, app, trusted, ...clients };
}

export const closeTarget = (target) => target?.world.close();
