// Both ends of a sign-in: a person's browser, and a client that asks for tokens.
import assert from "node:assert/strict";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { SignJWT, calculateJwkThumbprint, decodeJwt, exportJWK, generateKeyPair } from "jose";
import { admit, post } from "./support.mjs";

const MAX_PAGES = 6;
const JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
export const CALLBACK = "https://client.example/callback";

export const issuer = (world) => world.stack.urls.coordinator;
export const resource = (world, worker = "coordinator") => `${world.stack.urls[worker]}/mcp`;
export const base64url = (bytes) => Buffer.from(bytes).toString("base64url");
export const sha256url = (text) => createHash("sha256").update(text).digest("base64url");

let callers = 0;
/** An address that nobody else has: what one caller does wrong makes no other wait. */
export function address() {
  callers += 1;
  return `100.64.${callers >> 8}.${callers & 255}`;
}

/** A key for a person to sign in with. `row` overrides columns of `api_tokens`. */
export const userKey = (world, row = {}) => admit(world, row, `chitty_key_${randomBytes(32).toString("hex")}`);

const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };
const unescape = (text) => text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name) => ENTITIES[name]);
const attributes = (tag) => Object.fromEntries(Array.from(tag.matchAll(/([\w-]+)(?:="([^"]*)")?/g), ([, name, value]) => [name, unescape(value ?? "")]));

/** The forms of a page as a browser would send them: `{action, fields}`. */
export function formsOf(html) {
  return Array.from(html.matchAll(/<form([^>]*)>([\s\S]*?)<\/form>/g), ([, head, body]) => {
    const inputs = Array.from(body.matchAll(/<input([^>]*)>/g), ([, tag]) => attributes(tag));
    const sent = inputs.filter(({ type, checked }) => type === "hidden" || (type === "checkbox" && checked !== undefined));
    return { action: attributes(head).action, fields: new URLSearchParams(sent.map(({ name, value }) => [name, value])) };
  });
}

/** Where the link of an error page leads: the way back to an app that nobody vouches for. */
export const wayBack = (html) => unescape(/<a class="button full" href="([^"]*)"/.exec(html)?.[1] ?? "");

/** What a page says, without its markup. */
export const wordsOf = (html) => unescape(html.replace(/<style[\s\S]*?<\/style>|<[^>]+>/g, " ")).replace(/\s+/g, " ").trim();

/** Whether a page's policy lets its forms lead to `url`; Chrome holds redirects to it too. */
export function formMayLeadTo(policy, url, self) {
  const sources = /form-action ([^;]*)/.exec(policy)?.[1].split(" ") ?? ["*"];
  return sources.some((source) => {
    if (source === "'self'") return url.origin === self;
    if (source.endsWith(":")) return url.protocol === source;
    const [, scheme, host] = /^(\w+:)\/\/([^:]+):\*$/.exec(source) ?? [];
    return url.protocol === scheme && url.hostname === host;
  });
}

/** A person with a key, at a browser without JavaScript. It keeps cookies, and stops where the client takes over. */
export class Browser {
  cookies = new Map();
  /** Paths of pages shown, in order. */
  shown = [];

  constructor(world, key) {
    this.origin = issuer(world);
    this.key = key;
    this.address = address();
  }

  /** One request, redirects not followed. A form is sent as a browser under `no-referrer` does. */
  async request(url, form) {
    const cookie = Array.from(this.cookies, ([name, value]) => `${name}=${value}`).join("; ");
    const headers = { accept: "text/html", "cf-connecting-ip": this.address, ...(cookie && { cookie }) };
    if (form) Object.assign(headers, { origin: "null", "sec-fetch-site": "same-origin" });
    const response = await fetch(new URL(url, this.origin), { method: form ? "POST" : "GET", headers, body: form, redirect: "manual" });
    for (const line of response.headers.getSetCookie()) this.#keep(line);
    return response;
  }

  #keep(line) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
    if (/; max-age=0\b/i.test(line)) this.cookies.delete(name);
    else this.cookies.set(name, value);
  }

  /**
   * Goes through all pages and returns where the client is called back. `decision` is "allow" or
   * "deny"; `scopes`, if given, are those left ticked.
   */
  async authorize(url, { decision = "allow", scopes } = {}) {
    let response = await this.request(url);
    let policy = "";
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const location = response.headers.get("location");
      if (location !== null) {
        await response.arrayBuffer();
        const target = new URL(location, this.origin);
        assert.ok(formMayLeadTo(policy, target, this.origin), `form-action of ${policy} keeps browsers from ${target}`);
        if (target.origin !== this.origin || target.pathname.endsWith("/callback")) return target;
        response = await this.request(target);
        continue;
      }
      policy = response.headers.get("content-security-policy") ?? "";
      response = await this.#answer(await response.text(), response.status, decision, scopes);
    }
    throw new Error(`no end after ${MAX_PAGES} pages: ${this.shown}`);
  }

  #answer(html, status, decision, scopes) {
    const forms = formsOf(html);
    const find = (path) => forms.find(({ action }) => action === path);
    const [signIn, consent] = [find("/sign-in"), find("/consent")];
    assert.ok(status === 200 && (signIn || consent), `${status}: ${wordsOf(html)}`);
    this.shown.push((signIn ?? consent).action);
    if (signIn) {
      signIn.fields.set("key", this.key);
      return this.request("/sign-in", signIn.fields);
    }
    for (const name of scopes ? [...consent.fields.keys()] : []) {
      if (name.startsWith("allow:") && !scopes.includes(name.slice(6))) consent.fields.delete(name);
    }
    consent.fields.set("decision", decision);
    return this.request("/consent", consent.fields);
  }
}

/** A form to one of the server's endpoints, as a program sends it. */
export function send(world, path, params, headers = {}) {
  const url = path.startsWith("http") ? path : issuer(world) + path;
  const body = params instanceof URLSearchParams || typeof params === "string" ? params : new URLSearchParams(given(params));
  const type = { "content-type": "application/x-www-form-urlencoded" };
  return fetch(url, { method: "POST", headers: { ...type, "cf-connecting-ip": address(), ...headers }, body, redirect: "manual" });
}

const given = (params) => Object.entries(params).filter(([, value]) => value !== undefined);

/** GETs a JSON document of the server and returns it. */
export async function document(world, path, worker = "coordinator") {
  const response = await fetch(world.stack.urls[worker] + path);
  assert.equal(response.status, 200, path);
  assert.match(response.headers.get("content-type"), /^application\/json/);
  return response.json();
}

export const metadata = (world) => document(world, "/.well-known/oauth-authorization-server");

/** POSTs a registration (RFC 7591) and returns the response. */
export function registration(world, json, headers = {}) {
  const body = typeof json === "string" ? json : JSON.stringify(json);
  return fetch(`${issuer(world)}/register`, { method: "POST", headers: { "content-type": "application/json", "cf-connecting-ip": address(), ...headers }, body });
}

/** Registers a client, public unless `json` says otherwise. */
export async function register(world, json = {}) {
  const response = await registration(world, { client_name: "Black box", redirect_uris: [CALLBACK], token_endpoint_auth_method: "none", ...json });
  const made = await response.json();
  assert.equal(response.status, 201, JSON.stringify(made));
  return { id: made.client_id, secret: made.client_secret, auth: made.token_endpoint_auth_method, redirect: made.redirect_uris[0], made };
}

/** An authorization request of a client, with PKCE. `params` override; undefined leaves one out. */
export function ask(world, client, params = {}) {
  const verifier = base64url(randomBytes(32));
  const state = base64url(randomBytes(16));
  const all = {
    response_type: "code",
    client_id: client.id,
    redirect_uri: client.redirect,
    state,
    code_challenge: sha256url(verifier),
    code_challenge_method: "S256",
    scope: "execution:read chain:verify",
    resource: resource(world),
    ...params,
  };
  const url = `${issuer(world)}/authorize?${new URLSearchParams(given(all))}`;
  return { url, verifier, state: all.state, redirect: all.redirect_uri ?? client.redirect, resource: all.resource };
}

/** Signs in, allows, checks the response's parameters and returns the request with its `code`. */
export async function obtainCode(world, client, browser, params, answer) {
  const asked = ask(world, client, params);
  const back = await browser.authorize(asked.url, answer);
  assert.equal(back.href.split("?")[0], asked.redirect);
  assert.equal(back.searchParams.get("error"), null, back.search);
  assert.equal(back.searchParams.get("state") ?? undefined, asked.state);
  assert.equal(back.searchParams.get("iss"), issuer(world));
  return { ...asked, code: back.searchParams.get("code") };
}

/** Parameters and headers by which a client proves itself at `endpoint`. */
export async function proven(world, client, endpoint = `${issuer(world)}/token`) {
  switch (client.auth) {
    case "none": return { params: { client_id: client.id }, headers: {} };
    case "client_secret_post": return { params: { client_id: client.id, client_secret: client.secret }, headers: {} };
    case "client_secret_basic": return { params: {}, headers: { authorization: basic(client) } };
    case "private_key_jwt": return { params: { client_assertion_type: JWT_BEARER, client_assertion: await assertion(client, endpoint) }, headers: {} };
    default: throw new Error(`no method ${client.auth}`);
  }
}

/** RFC 6749 section 2.3.1: both are encoded before they are joined. */
export function basic({ id, secret }) {
  const encoded = [id, secret].map((text) => new URLSearchParams([["", text]]).toString().slice(1));
  return `Basic ${Buffer.from(encoded.join(":")).toString("base64")}`;
}

/** RFC 7523 section 3. `claims` override. */
export function assertion(client, audience, claims = {}) {
  const now = Math.floor(Date.now() / 1000);
  const all = { iss: client.id, sub: client.id, aud: audience, jti: randomUUID(), iat: now, exp: now + 60, ...claims };
  return new SignJWT(all).setProtectedHeader({ alg: client.alg, kid: client.kid, typ: "JWT" }).sign(client.key);
}

/** A request to an endpoint by a client that proves itself; `params` override. */
export async function sendAs(world, client, path, params, headers = {}) {
  const proof = await proven(world, client);
  return send(world, path, { ...proof.params, ...params }, { ...proof.headers, ...headers });
}

/** The exchange of a code (`asked` as of `obtainCode`). */
export function exchange(world, client, asked, params = {}, headers = {}) {
  const all = { grant_type: "authorization_code", code: asked.code, redirect_uri: asked.redirect, code_verifier: asked.verifier, resource: asked.resource, ...params };
  return sendAs(world, client, "/token", all, headers);
}

export function refresh(world, client, token, params = {}, headers = {}) {
  return sendAs(world, client, "/token", { grant_type: "refresh_token", refresh_token: token, ...params }, headers);
}

/** The JSON of a response that must succeed. */
export async function ok(response) {
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return body;
}

/** Asserts an error answer (RFC 6749 section 5.2) and returns it. */
export async function refused(response, error, status = 400) {
  const body = await response.json();
  assert.deepEqual([response.status, body.error], [status, error], JSON.stringify(body));
  assert.match(body.error_description, /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/);
  assert.match(response.headers.get("cache-control"), /no-store/);
  assert.match(response.headers.get("content-type"), /^application\/json/);
  return body;
}

/** From nothing to tokens. */
export async function connect(world, client, browser, params, answer) {
  const asked = await obtainCode(world, client, browser, params, answer);
  return ok(await exchange(world, client, asked));
}

/** A key pair for proofs and assertions: `{key, jwk, jkt, alg, kid}`. */
export async function keyPair(alg = "ES256") {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(publicKey);
  const jkt = await calculateJwkThumbprint(jwk);
  return { key: privateKey, jwk, jkt, alg, kid: jkt };
}

/** A proof of possession (RFC 9449 section 4.2). `claims` override. */
export function dpop(pair, method, url, { token, claims = {}, header = {} } = {}) {
  const all = { jti: randomUUID(), htm: method, htu: url, iat: Math.floor(Date.now() / 1000), ...(token && { ath: sha256url(token) }), ...claims };
  return new SignJWT(all).setProtectedHeader({ typ: "dpop+jwt", alg: pair.alg, jwk: pair.jwk, ...header }).sign(pair.key);
}

/** Lists tools with an access token: its status tells whether the worker takes the token. */
export const useToken = (world, token, worker = "coordinator", headers = {}) =>
  post(world, worker, { jsonrpc: "2.0", id: 1, method: "tools/list" }, { token, headers: { "cf-connecting-ip": address(), ...headers } });

/** The parameters of a challenge, and its `scheme`. */
export function challengeOf(response) {
  const header = response.headers.get("www-authenticate") ?? "";
  const params = Object.fromEntries(Array.from(header.matchAll(/(\w+)="([^"]*)"/g), ([, name, value]) => [name, value]));
  return { scheme: header.split(" ")[0], ...params };
}

export const claimsOf = decodeJwt;

/** A site with documents: `set(path, body, options)` gives its URL, `requests` are the paths asked for. */
export async function startSite() {
  const documents = new Map();
  const requests = [];
  const server = createServer((request, response) => {
    requests.push(request.url);
    const found = documents.get(request.url) ?? { status: 404, body: {} };
    response.writeHead(found.status, { "content-type": "application/json", ...found.headers });
    response.end(typeof found.body === "string" ? found.body : JSON.stringify(found.body));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  const set = (path, body, options = {}) => {
    documents.set(path, { status: 200, body, ...options });
    return origin + path;
  };
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { origin, set, requests, close };
}

/** Puts a client id metadata document on a site and returns its client. `json` is the document without its id. */
export function publish(site, path, json, keys = {}) {
  const id = site.origin + path;
  site.set(path, { client_id: id, client_name: "By document", redirect_uris: [CALLBACK], ...json });
  return { id, auth: json.token_endpoint_auth_method ?? "none", redirect: json.redirect_uris?.[0] ?? CALLBACK, ...keys };
}
