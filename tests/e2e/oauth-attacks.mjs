// What attackers have: browsers with cookies, clients, keys to forge tokens with; and what they must not get.
import assert from "node:assert/strict";
import { createHash, createHmac, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { request as httpRequest } from "node:http";
import { admit, post, request, sha256 } from "./support.mjs";

export const REDIRECT = "https://app.example.com/cb";
export const EVIL = "https://evil.example/cb";
export const base64url = (data) => Buffer.from(data).toString("base64url");
export const form = (fields) => new URLSearchParams(Object.entries(fields).filter(([, value]) => value !== undefined));
export const challengeOf = (verifier) => createHash("sha256").update(verifier).digest("base64url");

let addresses = 0;
/** An address that nobody else in this run has, so that attacks are not counted together. */
export function address() {
  addresses += 1;
  return `10.${(addresses >> 16) & 255}.${(addresses >> 8) & 255}.${addresses & 255}`;
}

/** Everything secret that was used, to be looked for in the log and the database afterwards. */
const secrets = new Set();
export const usedSecrets = () => [...secrets];
export function note(secret) {
  if (typeof secret === "string" && secret.length >= 16) secrets.add(secret);
  return secret;
}

export function makePkce() {
  const verifier = note(base64url(randomBytes(32)));
  return { verifier, challenge: challengeOf(verifier) };
}

const ENTITIES = { "&amp;": "&", "&quot;": '"', "&lt;": "<", "&gt;": ">", "&#39;": "'" };
const unescaped = (text) => text.replace(/&(?:amp|quot|lt|gt|#39);/g, (entity) => ENTITIES[entity]);

/** Where a page's way back to an app leads. */
function linkOf(html) {
  const found = /<a class="button full" href="(https?:[^"]*)"/.exec(html);
  return found && unescaped(found[1]);
}

/** The forms of a page: `{action, fields, names}`; `names` are those of checkboxes. */
export function formsOf(html) {
  return [...html.matchAll(/<form[^>]*action="([^"]*)"[^>]*>([\s\S]*?)<\/form>/g)].map(([, action, body]) => {
    const fields = {};
    const names = [];
    for (const [input] of body.matchAll(/<input[^>]*>/g)) {
      const read = (name) => input.match(new RegExp(`\\b${name}="([^"]*)"`))?.[1];
      if (read("type") === "hidden") fields[unescaped(read("name"))] = unescaped(read("value") ?? "");
      if (read("type") === "checkbox") names.push(unescaped(read("name")));
    }
    return { action: unescaped(action), fields, names };
  });
}

/** A browser with cookies, behind an address of its own. It follows nothing by itself. */
export class Browser {
  cookies = new Map();

  constructor(world, { ip = address() } = {}) {
    this.origin = world.stack.urls.coordinator;
    this.ip = ip;
  }

  async send(method, path, { body, headers = {}, type = "application/x-www-form-urlencoded" } = {}) {
    const jar = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(new URL(path, this.origin), {
      method,
      body,
      redirect: "manual",
      headers: {
        "cf-connecting-ip": this.ip,
        ...(jar ? { cookie: jar } : {}),
        ...(body === undefined ? {} : { "content-type": type }),
        ...headers,
      },
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split("; ");
      const [name, value] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
      if (value && !attributes.includes("Max-Age=0")) this.cookies.set(name, note(value));
      else this.cookies.delete(name);
    }
    const text = await response.text();
    const forms = formsOf(text);
    for (const { fields } of forms) note(fields.ticket);
    return {
      status: response.status,
      headers: response.headers,
      location: response.headers.get("location"),
      link: linkOf(text),
      text,
      form: (action) => forms.find((one) => one.action === action),
    };
  }

  get(path, options) {
    return this.send("GET", path, options);
  }

  post(path, fields, options) {
    return this.send("POST", path, { body: typeof fields === "string" ? fields : form(fields).toString(), ...options });
  }

  /** Another browser with the same cookies, as after a theft. */
  stolen(names = [...this.cookies.keys()]) {
    const thief = Object.assign(Object.create(Browser.prototype), { cookies: new Map(), origin: this.origin, ip: address() });
    for (const name of names) thief.cookies.set(name, this.cookies.get(name));
    return thief;
  }
}

/** A user's key: its text, its owner and its row's id. */
export async function userKey(world, { scopes = ["admin:*"], user_id = `USER-${randomBytes(6).toString("hex")}`, ...row } = {}) {
  const key = note(`chitty_key_${randomBytes(32).toString("hex")}`);
  const id = `TOKEN-${randomBytes(8).toString("hex")}`;
  await admit(world, { id, user_id, scopes: JSON.stringify(scopes), ...row }, key);
  return { key, user_id, id };
}

/** Registers a client. `metadata` overrides what a decent one sends. */
export async function registering(world, metadata = {}, { ip = address(), headers = {}, raw } = {}) {
  const body = raw ?? JSON.stringify({
    client_name: "Decent app",
    redirect_uris: [REDIRECT],
    token_endpoint_auth_method: "none",
    ...metadata,
  });
  return fetch(`${world.stack.urls.coordinator}/register`, {
    method: "POST",
    headers: { "content-type": "application/json", "cf-connecting-ip": ip, ...headers },
    body,
  });
}

export async function register(world, metadata, options) {
  const response = await registering(world, metadata, options);
  const client = await response.json();
  assert.equal(response.status, 201, JSON.stringify(client));
  note(client.client_secret);
  return { id: client.client_id, secret: client.client_secret, redirect: client.redirect_uris[0], method: client.token_endpoint_auth_method };
}

/** The parameters of a good request for authorization. Undefined ones are left out. */
export function asking(client, { challenge, ...changed } = {}) {
  return form({
    response_type: "code",
    client_id: client.id,
    redirect_uri: client.redirect,
    scope: "execution:read",
    state: "a-state",
    ...(client.exempt ? {} : { code_challenge: challenge ?? challengeOf("x".repeat(43)), code_challenge_method: "S256" }),
    ...changed,
  });
}

export const authorizePath = (client, changed) => `/authorize?${asking(client, changed)}`;

/** Signs a browser in at a path that asks for it, and returns the answer. */
export async function signIn(browser, path, key) {
  const page = await browser.get(path);
  const { fields } = page.form("/sign-in") ?? assert.fail(`no sign-in page at ${path}: ${page.status} ${page.text.slice(0, 200)}`);
  return browser.post("/sign-in", { ...fields, key });
}

/** The consent page of a request, for a person who has just signed in. */
export async function consentPage(world, client, { key, browser = new Browser(world), ...changed } = {}) {
  const path = authorizePath(client, changed);
  const owner = key ?? (await userKey(world));
  const signedIn = await signIn(browser, path, owner.key);
  assert.equal(signedIn.status, 303, signedIn.text);
  const page = await browser.get(signedIn.location);
  const consent = page.form("/consent") ?? assert.fail(`no consent page: ${page.status} ${page.text.slice(-900)}`);
  return { browser, owner, page, consent, path };
}

/** All boxes ticked, and yes. */
export function saying(consent, decision = "allow") {
  return { ...consent.fields, ...Object.fromEntries(consent.names.map((name) => [name, "yes"])), decision };
}

/**
 * An answer's parameters, after a check that it leads to `uri` and nowhere else: a redirect, or, to the site of a client
 * that nobody vouches for, the link of an error page.
 */
export function redirected(reply, uri) {
  const target = reply.location ?? reply.link;
  assert.ok(target && (reply.location ? [302, 303] : [400]).includes(reply.status), `${reply.status} ${reply.text?.slice(0, 200)}`);
  assert.ok(target.startsWith(`${uri}${uri.includes("?") ? "&" : "?"}`), target);
  const found = Object.fromEntries(new URL(target).searchParams);
  note(found.code);
  return found;
}

/** A whole grant up to its code: `{code, verifier, client, owner, browser, redirect}`. */
export async function granted(world, client, options = {}) {
  const pkce = makePkce();
  const { browser, owner, consent } = await consentPage(world, client, { challenge: pkce.challenge, ...options });
  const reply = await browser.post("/consent", saying(consent));
  const redirect = options.redirect_uri ?? client.redirect;
  const params = redirected(reply, redirect);
  assert.ok(params.code, reply.location);
  return { ...params, verifier: client.exempt ? undefined : pkce.verifier, client, owner, browser, redirect };
}

/** How a client proves itself, as headers or fields. */
function proof(client) {
  if (!client.secret) return { fields: { client_id: client.id }, headers: {} };
  if (client.method === "client_secret_post") return { fields: { client_id: client.id, client_secret: client.secret }, headers: {} };
  const pair = [client.id, client.secret].map(encodeURIComponent).join(":");
  return { fields: {}, headers: { authorization: `Basic ${note(Buffer.from(pair).toString("base64"))}` } };
}

/** A request of a client to an endpoint, as it proves itself; `{status, headers, json, text}`. */
export async function clientCall(world, endpoint, client, fields, { headers = {}, body, ip = address(), method = "POST" } = {}) {
  const own = client ? proof(client) : { fields: {}, headers: {} };
  const response = await fetch(`${world.stack.urls.coordinator}${endpoint}`, {
    method,
    redirect: "manual",
    headers: { "content-type": "application/x-www-form-urlencoded", "cf-connecting-ip": ip, ...own.headers, ...headers },
    body: method === "GET" ? undefined : body ?? form({ ...own.fields, ...fields }).toString(),
  });
  return read(response);
}

async function read(response) {
  const text = await response.text();
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  for (const name of ["access_token", "refresh_token", "id_token"]) note(json?.[name]);
  return { status: response.status, headers: response.headers, location: response.headers.get("location"), text, json };
}

/** Redeems a code. `changed` overrides fields, `options.client` who redeems. */
export function redeem(world, grant, changed = {}, { client = grant.client, ...options } = {}) {
  const fields = { grant_type: "authorization_code", code: grant.code, redirect_uri: grant.redirect, code_verifier: grant.verifier, ...changed };
  return clientCall(world, "/token", client, fields, options);
}

export function refresh(world, client, refresh_token, changed = {}, options = {}) {
  return clientCall(world, "/token", client, { grant_type: "refresh_token", refresh_token, ...changed }, options);
}

/** A grant with its tokens. */
export async function connected(world, client, options = {}) {
  const grant = await granted(world, client, options);
  const { status, json } = await redeem(world, grant, options.token, options.call);
  assert.equal(status, 200, JSON.stringify(json));
  return { ...grant, ...json };
}

/** Calls a worker's /mcp with a token. */
export async function useToken(world, token, { worker = "coordinator", headers = {}, ip = address(), body = request("ping") } = {}) {
  return read(await post(world, worker, body, { token, headers: { "cf-connecting-ip": ip, ...headers } }));
}

export async function assertWorks(world, token, options) {
  const { status, text } = await useToken(world, token, options);
  assert.equal(status, 200, text);
}

/** No endpoint takes the token, and the refusal says so. */
export async function assertUseless(world, token, options) {
  const { status, text } = await useToken(world, token, options);
  assert.equal(status, 401, `the token was taken: ${text.slice(0, 300)}`);
}

/** An error of the token endpoint, without anything that could be used. */
export function assertNoTokens(reply, ...codes) {
  assert.ok(reply.status >= 400, `${reply.status} ${reply.text}`);
  assert.doesNotMatch(reply.text, /access_token|refresh_token"\s*:|id_token/);
  if (codes.length > 0) assert.ok(codes.includes(reply.json?.error), `${reply.status} ${reply.text}`);
}

/** A page that says no, and leads nowhere. */
export function assertStays(reply) {
  assert.ok(reply.status >= 400 && reply.status < 500, `${reply.status} ${reply.location}`);
  assert.equal(reply.location, null);
  assert.doesNotMatch(reply.text, /https?:\/\/[^"' ]*evil/i);
}

/** No code: a page, or an error at the client's own address. */
export function assertNoCode(reply) {
  if (reply.location) assert.equal(new URL(reply.location, "http://here.invalid").searchParams.get("code"), null, reply.location);
  else assert.ok(reply.status >= 400 || reply.form?.("/sign-in") || reply.form?.("/consent"), `${reply.status}`);
}

/** How many grants and codes there are of a client: an attack must not add any. */
export async function grantsOf(world, client) {
  const [{ n }] = await world.stack.d1("SELECT COUNT(*) AS n FROM oauth_grants WHERE client_id = ?", [client.id]);
  return n;
}

/** A request byte for byte: its path, host and headers as given. */
export function raw(url, { method = "GET", path, headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const sent = httpRequest({ hostname, port, method, path, headers, setHost: !headers.host }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, text: Buffer.concat(parts).toString() }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

const JWS = { ES256: ["sha256", "ec"], ES384: ["sha384", "ec"], RS256: ["sha256", "rsa"] };

export const ecKey = (namedCurve = "P-256") => generateKeyPairSync("ec", { namedCurve });
export const rsaKey = () => generateKeyPairSync("rsa", { modulusLength: 2048 });
export const publicJwk = (pair) => pair.publicKey.export({ format: "jwk" });

/** RFC 7638. */
export function thumbprint({ crv, kty, x, y }) {
  return createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");
}

export const decoded = (token) => token.split(".").slice(0, 2).map((part) => JSON.parse(Buffer.from(part, "base64url")));

/** A JWT. `key` is a key pair, or the bytes of an HMAC key; `signature` overrides what it would make. */
export function jwt(header, claims, key, { signature } = {}) {
  const input = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(claims))}`;
  const made = signature ?? signatureOf(header.alg, input, key);
  return note(`${input}.${base64url(made)}`);
}

function signatureOf(alg, input, key) {
  if (alg === "HS256") return createHmac("sha256", key).update(input).digest();
  const [hash, kind] = JWS[alg] ?? ["sha256", "ec"];
  return sign(hash, Buffer.from(input), { key: key.privateKey, ...(kind === "ec" ? { dsaEncoding: "ieee-p1363" } : {}) });
}

export { sha256 };
