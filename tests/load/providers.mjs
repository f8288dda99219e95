// The two authorization servers whose code flow is compared: where their steps are, and people signed in.
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { formsOf } from "../e2e/oauth.mjs";

export const CALLBACK = "https://client.example/callback";
export const SCOPES = ["execution:read", "chain:verify"];
const LIFE_MS = 60 * 60 * 1000;
/** What a browser says of a form that a page sends to its own server. */
const FROM_OWN_PAGE = { origin: "null", "sec-fetch-site": "same-origin" };

/**
 * An authorization server.
 *
 * @typedef {object} Provider
 * @property {string} name
 * @property {number} pid the server's process
 * @property {string} origin
 * @property {string} clientId of a public client that may have refresh tokens
 * @property {(count: number) => Promise<string[]>} signIn so many new people: the cookie of each one's session
 * @property {(html: string) => {path: string, body: string, headers?: object}} allow what is sent by who allows
 *   all that a consent page asks for
 */

const people = (count) =>
  Array.from({ length: count }, () => {
    const session = randomBytes(32).toString("hex");
    return { user: randomUUID(), session, hash: createHash("sha256").update(session).digest("hex") };
  });

/** @returns {Promise<Provider>} */
export async function ourProvider(product) {
  const origin = product.urls.coordinator;
  const key = `TOKEN-${product.keys.tokenHash.slice(0, 16)}`;
  const signIn = async (count) => {
    const made = people(count);
    const now = Date.now();
    // D1 takes 100 values a statement at most, but JSON of any length.
    await product.d1(
      `INSERT INTO login_sessions (id, user_id, token_id, method, scopes, created_at, expires_at)
       SELECT value ->> 'hash', value ->> 'user', ?, 'key', ?, ?, ? FROM json_each(?)`,
      [key, JSON.stringify(SCOPES), now, now + LIFE_MS, JSON.stringify(made.map(({ user, hash }) => ({ user, hash })))],
    );
    return made.map(({ session }) => `chitty-session=${session}`);
  };
  const allow = (html) => {
    const { fields } = formsOf(html).find(({ action }) => action === "/consent");
    fields.set("decision", "allow");
    return { path: "/consent", body: fields.toString(), headers: FROM_OWN_PAGE };
  };
  return { name: "coordinator", pid: product.pid, origin, clientId: await register(origin), signIn, allow };
}

/** @returns {Promise<Provider>} */
export async function theirProvider(stack) {
  const name = "oauth-provider";
  const origin = stack.urls[name];
  const sessions = await stack.mf.getKVNamespace("SESSIONS", name);
  const signIn = async (count) => {
    const made = people(count);
    await Promise.all(made.map(({ user, hash }) => sessions.put(hash, user)));
    return made.map(({ session }) => `session=${session}`);
  };
  const allow = (html) => {
    const [{ fields }] = formsOf(html);
    fields.set("decision", "approve");
    return { path: "/authorize", body: fields.toString(), headers: FROM_OWN_PAGE };
  };
  return { name: "workers-oauth-provider", pid: stack.pid, origin, clientId: await register(origin), signIn, allow };
}

async function register(origin) {
  const response = await fetch(`${origin}/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      client_name: "Bench",
      redirect_uris: [CALLBACK],
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
    }),
  });
  const text = await response.text();
  if (response.status !== 201) throw new Error(`${origin} did not register a client: ${response.status} ${text}`);
  return JSON.parse(text).client_id;
}
