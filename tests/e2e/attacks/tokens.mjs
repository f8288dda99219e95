// Access tokens: what is no token of ours, or no token for here, opens nothing.
import assert from "node:assert/strict";
import { createPublicKey, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { PRODUCT } from "../../../scripts/lib/stack.mjs";
import {
  assertUseless, assertWorks, base64url, connected, decoded, ecKey, jwt, note, publicJwk, raw, redirected, rsaKey, thumbprint, authorizePath,
  Browser, clientCall, useToken,
} from "../oauth-attacks.mjs";
import { request } from "../support.mjs";

/** The public key that signed a token, as the server tells everybody. */
async function published(world, kid) {
  const { keys } = await (await fetch(`${world.stack.urls.coordinator}/.well-known/jwks.json`)).json();
  return keys.find((key) => key.kid === kid);
}

/** A good token of an attacker who has a grant of his own, taken apart. */
async function ownToken({ world, app }) {
  const tokens = await connected(world, app);
  const [header, claims] = decoded(tokens.access_token);
  const jwk = await published(world, header.kid);
  assert.ok(jwk, "the key of a token is published");
  return { world, token: tokens.access_token, header, claims, jwk, parts: tokens.access_token.split(".") };
}

const pem = (jwk) => createPublicKey({ key: jwk, format: "jwk" }).export({ type: "spki", format: "pem" });
const der = (jwk) => createPublicKey({ key: jwk, format: "jwk" }).export({ type: "spki", format: "der" });
const point = ({ x, y }) => Buffer.concat([Buffer.from([4]), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]);
const hs256 = (header) => ({ ...header, alg: "HS256" });
/** More scope is what a forger is after. */
const wished = (claims) => ({ ...claims, scope: "admin:* execution:run", sub: "dev" });
const unsigned = (header, claims) => `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(claims))}.`;

const FORGERIES = [
  ["alg none", "CVE-2015-9235", ({ header, claims }) => unsigned({ ...header, alg: "none" }, wished(claims))],
  ["alg None with the old signature", "CVE-2015-9235", ({ header, claims, parts }) => unsigned({ ...header, alg: "None" }, claims) + parts[2]],
  ["no alg", "RFC 8725 §3.1", ({ header, claims, parts }) => unsigned({ ...header, alg: undefined }, claims) + parts[2]],
  ["no signature", "CVE-2020-28042", ({ parts }) => `${parts[0]}.${parts[1]}.`],
  ["a signature of zeros", "CVE-2022-21449", ({ header, claims }) => jwt(header, wished(claims), null, { signature: Buffer.alloc(64) })],
  ["a signature of the curve's order", "CVE-2022-21449", ({ header, claims }) => {
    const order = Buffer.from("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", "hex");
    return jwt(header, wished(claims), null, { signature: Buffer.concat([order, order]) });
  }],
  ["HS256 with the public key as JWK", "CVE-2016-10555", ({ header, claims, jwk }) => jwt(hs256(header), wished(claims), JSON.stringify(jwk))],
  ["HS256 with the public key as PEM", "CVE-2016-10555", ({ header, claims, jwk }) => jwt(hs256(header), wished(claims), pem(jwk))],
  ["HS256 with the public key as DER", "CVE-2016-10555", ({ header, claims, jwk }) => jwt(hs256(header), wished(claims), der(jwk))],
  ["HS256 with the public point", "CVE-2016-10555", ({ header, claims, jwk }) => jwt(hs256(header), wished(claims), point(jwk))],
  ["HS256 with an empty key", "CVE-2016-10555", ({ header, claims }) => jwt(hs256(header), wished(claims), "")],
  ["RS256 under the same kid", "RFC 8725 §2.1", ({ header, claims }) => jwt({ ...header, alg: "RS256" }, wished(claims), rsaKey())],
  ["ES384 under the same kid", "RFC 8725 §2.1", ({ header, claims }) => jwt({ ...header, alg: "ES384" }, wished(claims), ecKey("P-384"))],
  ["another key under the same kid", "RFC 8725 §2.1", ({ header, claims }) => jwt(header, wished(claims), ecKey())],
  ["another key without a kid", "RFC 8725 §2.1", ({ header, claims }) => jwt({ ...header, kid: undefined }, wished(claims), ecKey())],
  ["a key embedded as jwk", "CVE-2018-0114", ({ header, claims }) => own(header, claims, (jwk) => ({ jwk }))],
  ["a key embedded as jwk, under its own kid", "CVE-2018-0114", ({ header, claims }) => own(header, claims, (jwk) => ({ jwk, kid: thumbprint(jwk) }))],
  ["a certificate embedded as x5c", "RFC 8725 §2.1", ({ header, claims }) => own(header, claims, () => ({ x5c: [base64url("certificate")] }))],
  ["a kid that is a path", "CWE-22", ({ header, claims }) => own(header, claims, () => ({ kid: "../../dev/null" }))],
  ["a kid that is SQL", "CWE-89", ({ header, claims }) => own(header, claims, () => ({ kid: "' UNION SELECT 1 --" }))],
  ["a kid that is no text", "RFC 7515 §4.1.4", ({ header, claims }) => own(header, claims, () => ({ kid: { $ne: null } }))],
  ["an unknown critical extension", "RFC 7515 §4.1.11", ({ header, claims, parts }) => unsigned({ ...header, crit: ["exp"] }, claims) + parts[2]],
  ["changed claims", "RFC 8725 §2.2", ({ claims, parts }) => `${parts[0]}.${base64url(JSON.stringify(wished(claims)))}.${parts[2]}`],
  ["a changed header", "RFC 8725 §2.2", ({ header, parts }) => `${base64url(JSON.stringify({ ...header, x: 1 }))}.${parts[1]}.${parts[2]}`],
  ["the signature in DER form", "RFC 7518 §3.4", ({ parts }) => `${parts[0]}.${parts[1]}.${base64url(toDer(Buffer.from(parts[2], "base64url")))}`],
  ["a padded signature", "RFC 7515 §2", ({ parts }) => `${parts.join(".")}==`],
  ["a signature in plain base64", "RFC 7515 §2", ({ parts }) => `${parts[0]}.${parts[1]}.${Buffer.from(parts[2], "base64url").toString("base64").replace(/=*$/, "")}+`],
  ["four parts", "RFC 7515 §7.1", ({ token }) => `${token}.e30`],
  ["five parts, as if encrypted", "RFC 7516 §7.1", ({ parts }) => `${parts[0]}..${parts[1]}.${parts[2]}.e30`],
  ["a member twice in the claims", "RFC 8725 §2.6", ({ parts, claims }) =>
    `${parts[0]}.${base64url(JSON.stringify(claims).replace(/}$/, ',"scope":"admin:*"}'))}.${parts[2]}`],
  ["100 KB", "RFC 8725 §2.3", ({ header, claims }) => jwt(header, { ...claims, pad: "a".repeat(100_000) }, ecKey())],
  ["very deep claims", "CWE-674", ({ header }) => `${base64url(JSON.stringify(header))}.${base64url("[".repeat(9000) + "]".repeat(9000))}.AAAA`],
];

function own(header, claims, more) {
  const pair = ecKey();
  return jwt({ ...header, ...more(publicJwk(pair)) }, wished(claims), pair);
}

function toDer(signature) {
  const integer = (bytes) => {
    const positive = bytes[0] & 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes;
    return Buffer.concat([Buffer.from([2, positive.length]), positive]);
  };
  const both = Buffer.concat([integer(signature.subarray(0, 32)), integer(signature.subarray(32))]);
  return Buffer.concat([Buffer.from([0x30, both.length]), both]);
}

/** Said by a key that the server trusts: what it must refuse although the signature holds. */
const CLAIMS = [
  ["exp in the past", (claims) => ({ ...claims, exp: claims.iat - 61 })],
  ["no exp", ({ exp, ...claims }) => claims],
  ["exp as a text", (claims) => ({ ...claims, exp: String(claims.exp) })],
  ["iat in the future", (claims) => ({ ...claims, iat: claims.iat + 3600, exp: claims.exp + 3600 })],
  ["nbf in the future", (claims) => ({ ...claims, nbf: claims.iat + 3600 })],
  ["another issuer", (claims) => ({ ...claims, iss: "https://evil.example" })],
  ["the issuer with a slash", (claims) => ({ ...claims, iss: `${claims.iss}/` })],
  ["no issuer", ({ iss, ...claims }) => claims],
  ["no audience", ({ aud, ...claims }) => claims],
  ["several audiences", (claims) => ({ ...claims, aud: [claims.aud, "https://evil.example/mcp"] })],
  ["the audience with a slash", (claims) => ({ ...claims, aud: `${claims.aud}/` })],
  ["the audience in capitals", (claims) => ({ ...claims, aud: claims.aud.replace("/mcp", "/MCP") })],
  ["the origin as audience", (claims) => ({ ...claims, aud: new URL(claims.aud).origin })],
  ["an audience that begins like ours", (claims) => ({ ...claims, aud: `${claims.aud}.evil.example` })],
  ["another port in the audience", (claims) => ({ ...claims, aud: claims.aud.replace(/:\d+/, ":1") })],
  ["the client as audience", (claims) => ({ ...claims, aud: claims.client_id })],
  ["no grant", ({ gid, ...claims }) => claims],
  ["an unknown grant", (claims) => ({ ...claims, gid: randomBytes(16).toString("hex") })],
  ["another person than the grant's", (claims) => ({ ...claims, sub: "dev" })],
  ["another client than the grant's", (claims) => ({ ...claims, client_id: "vault" })],
  ["a binding that is not known", (claims) => ({ ...claims, cnf: { "x5t#S256": "abc" } })],
];

const TYPES = ["JWT", "jwt", undefined, "application/at+jwt", "at+jwt ", "dpop+jwt", "logout+jwt", 1];

export const tokens = [
  ...FORGERIES.map(([what, source, forge]) => ({
    name: `an access token with ${what}`,
    source,
    attack: async (target) => {
      const mine = await ownToken(target);
      for (const worker of PRODUCT) await assertUseless(target.world, forge(mine), { worker });
      await assertWorks(target.world, mine.token);
    },
  })),
  {
    name: "an access token that names a place for its keys",
    source: "RFC 8725 §2.1, CWE-918",
    attack: async (target) => {
      const { header, claims, world } = await ownToken(target);
      const pair = ecKey();
      let asked = 0;
      const server = createServer((_, response) => {
        asked += 1;
        response.setHeader("content-type", "application/json").end(JSON.stringify({ keys: [publicJwk(pair)] }));
      });
      await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
      const url = `http://127.0.0.1:${server.address().port}/jwks`;
      try {
        for (const more of [{ jku: url }, { x5u: url }, { kid: url }, { iss: url }]) await assertUseless(world, jwt({ ...header, ...more }, claims, pair));
        await assertUseless(world, jwt(header, { ...claims, iss: new URL(url).origin }, pair));
        assert.equal(asked, 0, "a key was fetched");
      } finally {
        server.close();
      }
    },
  },
  ...CLAIMS.map(([what, change]) => ({
    name: `a well signed access token: ${what}`,
    source: "RFC 9068 §4, RFC 8725 §3",
    attack: async (target) => {
      const { header, claims } = await ownToken(target);
      const { trusted: { pair, kid }, world } = target;
      await assertWorks(world, jwt({ ...header, kid }, claims, pair));
      await assertUseless(world, jwt({ ...header, kid }, change(claims), pair));
    },
  })),
  ...TYPES.map((typ) => ({
    name: `a well signed token of the type ${typ}`,
    source: "RFC 8725 §3.11, RFC 9068 §4",
    attack: async (target) => {
      const { header, claims } = await ownToken(target);
      const { trusted: { pair, kid }, world } = target;
      await assertUseless(world, jwt({ ...header, kid, typ }, claims, pair));
    },
  })),
  {
    name: "a well signed access token for more than its grant",
    source: "RFC 9068 §4",
    attack: async (target) => {
      const { header, claims } = await ownToken(target);
      const { trusted: { pair, kid }, world } = target;
      const body = request("tools/call", { name: "chitty_secure_ai_execute", arguments: { prompt: "hello" } });
      const { status, text } = await useToken(world, jwt({ ...header, kid }, { ...wished(claims), sub: claims.sub }, pair), { body });
      assert.ok(status >= 400 || /insufficient_scope|INSUFFICIENT_SCOPE/.test(text), text);
    },
  },
  {
    name: "a well signed access token that a worker has found good, later with other claims",
    source: "CWE-524",
    attack: async (target) => {
      const { header, claims } = await ownToken(target);
      const { trusted: { pair, kid }, world } = target;
      const good = jwt({ ...header, kid }, claims, pair);
      await assertWorks(world, good);
      for (const worker of ["chatgpt", "fortress"]) await assertUseless(world, good, { worker });
    },
  },
  {
    name: "an id token as an access token",
    source: "RFC 9068 §6",
    attack: async ({ world, app }) => {
      const { id_token } = await connected(world, app, { scope: "openid execution:read" });
      assert.ok(id_token);
      for (const worker of PRODUCT) await assertUseless(world, id_token, { worker });
      assert.ok((await clientCall(world, "/userinfo", null, {}, { method: "GET", headers: { authorization: `Bearer ${id_token}` } })).status >= 400);
    },
  },
  {
    name: "a code or a refresh token as an access token",
    source: "RFC 6749 §10.3",
    attack: async ({ world, app }) => {
      const { code, refresh_token } = await connected(world, app);
      for (const worker of PRODUCT) for (const token of [code, refresh_token]) await assertUseless(world, token, { worker });
    },
  },
  {
    name: "an access token as a refresh token, a code, a key at the sign-in page, and a hint",
    source: "RFC 9700 §2.3",
    attack: async ({ world, app }) => {
      const { access_token, redirect } = await connected(world, app, { scope: "openid execution:run" });
      const call = (fields) => clientCall(world, "/token", app, fields);
      for (const fields of [
        { grant_type: "refresh_token", refresh_token: access_token },
        { grant_type: "authorization_code", code: access_token, redirect_uri: redirect, code_verifier: "a".repeat(43) },
      ]) assert.equal((await call(fields)).json.error, "invalid_grant");
      const browser = new Browser(world);
      const { fields } = (await browser.get("/sign-in")).form("/sign-in");
      assert.equal((await browser.post("/sign-in", { ...fields, key: access_token })).status, 403);
      const hinted = await new Browser(world).get(authorizePath(app, { id_token_hint: access_token, prompt: "none" }));
      assert.equal(redirected(hinted, app.redirect).code, undefined);
    },
  },
  ...PRODUCT.flatMap((from) => PRODUCT.filter((to) => to !== from).map((to) => ({
    name: `a token for ${from} at ${to}`,
    source: "RFC 8707 §2, MCP authorization: token passthrough",
    attack: async ({ world, app }) => {
      const { access_token } = await connected(world, app, { resource: `${world.stack.urls[from]}/mcp` });
      await assertWorks(world, access_token, { worker: from });
      await assertUseless(world, access_token, { worker: to });
    },
  }))),
  ...[
    ["a slash at the end", (url) => `${url}/`],
    ["the scheme in capitals", (url) => url.replace("http", "HTTP")],
    ["the origin alone", (url) => new URL(url).origin],
    ["a query", (url) => `${url}?x=1`],
    ["a fragment", (url) => `${url}#x`],
    ["a user name", (url) => url.replace("//", "//evil@")],
    ["the path in capitals", (url) => url.replace("/mcp", "/MCP")],
    ["another port", (url) => url.replace(/:\d+/, ":1")],
    ["another host", () => "https://evil.example/mcp"],
    ["a host that begins like it", (url) => url.replace(/:\d+/, ".evil.example")],
    ["no URL", () => "mcp"],
  ].map(([what, change]) => ({
    name: `the resource of a request: ${what}`,
    source: "RFC 8707 §2, fastmcp #4789",
    attack: async ({ world, app }) => {
      const resource = change(`${world.stack.urls.coordinator}/mcp`);
      const reply = await new Browser(world).get(authorizePath(app, { resource }));
      if (reply.status !== 200) return assert.equal(redirected(reply, app.redirect).error, "invalid_target");
      const { access_token } = await connected(world, app, { resource });
      const { aud } = decoded(access_token)[1];
      // Whatever was meant, it is one audience in its one form, and opens no other worker.
      assert.equal(typeof aud, "string");
      for (const worker of PRODUCT) if (aud !== `${world.stack.urls[worker]}/mcp`) await assertUseless(world, access_token, { worker });
    },
  })),
  {
    name: "two resources for one token",
    source: "RFC 8707 §2",
    attack: async ({ world, app }) => {
      const [one, other] = ["coordinator", "fortress"].map((worker) => encodeURIComponent(`${world.stack.urls[worker]}/mcp`));
      const reply = await new Browser(world).get(`${authorizePath(app)}&resource=${one}&resource=${other}`);
      assert.equal(redirected(reply, app.redirect).error, "invalid_target");
    },
  },
  {
    name: "a token in the query, the body, a cookie, and other schemes",
    source: "RFC 9700 §4.3.2, RFC 6750 §2.3",
    attack: async ({ world, app }) => {
      const { access_token } = await connected(world, app);
      const { coordinator } = world.stack.urls;
      const body = JSON.stringify(request("tools/list"));
      const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
      for (const [path, more] of [
        [`/mcp?access_token=${access_token}`, {}],
        ["/mcp", { cookie: `chitty-session=${access_token}; access_token=${access_token}` }],
        ["/mcp", { authorization: access_token }],
        ["/mcp", { authorization: `Basic ${base64url(access_token)}` }],
        ["/mcp", { authorization: `Token ${access_token}` }],
        ["/mcp", { authorization: `DPoP ${access_token}` }],
        ["/mcp", { "x-api-key": access_token }],
        ["/mcp", { "x-forwarded-authorization": `Bearer ${access_token}` }],
      ]) assert.equal((await fetch(coordinator + path, { method: "POST", headers: { ...headers, ...more }, body })).status, 401, path + Object.keys(more));
      const inBody = await fetch(`${coordinator}/mcp`, { method: "POST", headers, body: JSON.stringify({ ...request("tools/list"), access_token }) });
      assert.equal(inBody.status, 401);
    },
  },
  {
    name: "two Authorization headers",
    source: "CWE-444",
    attack: async ({ world, app }) => {
      const { access_token } = await connected(world, app);
      const body = JSON.stringify(request("tools/list"));
      const reply = await raw(world.stack.urls.coordinator, {
        method: "POST", path: "/mcp", body,
        headers: {
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          authorization: [`Bearer ${note("forged-token-0123456789")}`, `Bearer ${access_token}`],
        },
      });
      assert.ok(reply.status >= 400, reply.text);
    },
  },
];
