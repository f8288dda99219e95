// Clients: what they may not register, prove, guess, or make the server fetch.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import {
  address, assertNoCode, assertNoTokens, assertStays, authorizePath, Browser, clientCall, connected, consentPage, ecKey, EVIL, granted, jwt,
  publicJwk, redeem, REDIRECT, redirected, refresh, register, registering, saying,
} from "../oauth-attacks.mjs";

const refusedRegistration = async (world, metadata, options) => {
  const response = await registering(world, metadata, options);
  const text = await response.text();
  assert.ok(response.status >= 400 && response.status < 500, `${response.status} ${text}`);
  assert.doesNotMatch(text, /client_secret"|client_id"/);
};

const REGISTERED = [
  ["a script as redirect", "workers-oauth-provider #97", { redirect_uris: ["javascript:alert(1)"] }],
  ["a script in capitals as redirect", "workers-oauth-provider #97", { redirect_uris: ["JaVaScRiPt:alert(1)"] }],
  ["a script behind a blank as redirect", "workers-oauth-provider #97", { redirect_uris: [" javascript:alert(1)"] }],
  ["a script behind a control character as redirect", "workers-oauth-provider #97", { redirect_uris: ["\u0001javascript:alert(1)"] }],
  ["a script broken by a tab as redirect", "workers-oauth-provider #97", { redirect_uris: ["java\tscript:alert(1)"] }],
  ["a VBScript as redirect", "workers-oauth-provider #97", { redirect_uris: ["vbscript:msgbox(1)"] }],
  ["a document as redirect", "workers-oauth-provider #97", { redirect_uris: ["data:text/html,<script>alert(1)</script>"] }],
  ["a blob as redirect", "workers-oauth-provider #97", { redirect_uris: ["blob:https://evil.example/1"] }],
  ["a file as redirect", "workers-oauth-provider #97", { redirect_uris: ["file:///etc/passwd"] }],
  ["about: as redirect", "workers-oauth-provider #97", { redirect_uris: ["about:blank"] }],
  ["a view of a source as redirect", "workers-oauth-provider #97", { redirect_uris: ["view-source:https://evil.example"] }],
  ["an intent as redirect", "workers-oauth-provider #97", { redirect_uris: ["intent://evil#Intent;end"] }],
  ["a script after a good redirect", "workers-oauth-provider #97", { redirect_uris: [REDIRECT, "javascript:alert(1)"] }],
  ["plain http elsewhere", "RFC 9700 §2.6", { redirect_uris: ["http://app.example.com/cb"] }],
  ["a wildcard host", "RFC 9700 §4.1", { redirect_uris: ["https://*.example.com/cb"] }],
  ["a fragment", "RFC 6749 §3.1.2", { redirect_uris: [`${REDIRECT}#x`] }],
  ["a user name in a redirect", "RFC 9700 §4.1", { redirect_uris: ["https://app.example.com@evil.example/cb"] }],
  ["dot segments", "RFC 9700 §4.1", { redirect_uris: ["https://app.example.com/cb/../evil"] }],
  ["a redirect that brings its own state", "RFC 9700 §4.4", { redirect_uris: [`${REDIRECT}?state=x&code=y`] }],
  ["no redirect", "RFC 7591 §2", { redirect_uris: [] }],
  ["a hundred redirects", "CWE-770", { redirect_uris: Array.from({ length: 100 }, (_, index) => `${REDIRECT}/${index}`) }],
  ["redirects that are no texts", "RFC 7591 §2", { redirect_uris: [{ toString: REDIRECT }] }],
  ["redirects that are one text", "RFC 7591 §2", { redirect_uris: REDIRECT }],
  ["a redirect of 10 KB", "CWE-770", { redirect_uris: [`${REDIRECT}/${"a".repeat(10_000)}`] }],
  ["acting for itself", "RFC 7591 §2", { grant_types: ["client_credentials"] }],
  ["the implicit flow", "RFC 9700 §2.1.2", { grant_types: ["implicit"], response_types: ["token"] }],
  ["an unknown way to prove itself", "RFC 7591 §2", { token_endpoint_auth_method: "tls_client_auth" }],
  ["signing with a shared secret", "RFC 7591 §2", { token_endpoint_auth_method: "client_secret_jwt" }],
  ["a private key", "RFC 7517 §9.3", { token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [ecKey().privateKey.export({ format: "jwk" })] } }],
  ["a symmetric key", "RFC 8725 §2.1", { token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [{ kty: "oct", k: "AAAA" }] } }],
  ["a key and no way to find it", "RFC 7591 §2", { token_endpoint_auth_method: "private_key_jwt" }],
  ["keys at an internal address", "CWE-918", { token_endpoint_auth_method: "private_key_jwt", jwks_uri: "http://169.254.169.254/latest/meta-data" }],
  ["keys in a file", "CWE-918", { token_endpoint_auth_method: "private_key_jwt", jwks_uri: "file:///etc/passwd" }],
];

const BODIES = [
  ["deep JSON", "CWE-674", "[".repeat(8000) + "]".repeat(8000)],
  ["deep JSON in a member that is not known", "CWE-674", `{"redirect_uris":["${REDIRECT}"],"x":${'{"a":'.repeat(2500)}1${"}".repeat(2500)}}`],
  ["1 MB", "CWE-770", JSON.stringify({ redirect_uris: [REDIRECT], client_name: "a".repeat(1_000_000) })],
  ["no JSON", "RFC 7591 §3.1", "redirect_uris=https://app.example.com/cb"],
  ["a list", "RFC 7591 §3.1", "[]"],
  ["null", "RFC 7591 §3.1", "null"],
  ["bytes that are no UTF-8", "CWE-20", new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
];

/** Client ids that would make a server fetch something inside. Whether a fetch was made is counted where it can be. */
const DOCUMENTS = [
  ["the metadata of a cloud", "https://169.254.169.254/latest/meta-data/iam"],
  ["it by its name", "https://metadata.google.internal/computeMetadata/v1/"],
  ["a private address", "https://10.0.0.1/client.json"],
  ["a private address of the other family", "https://[fd00::1]/client.json"],
  ["a mapped address", "https://[::ffff:169.254.169.254]/client.json"],
  ["an address as one number", "https://2852039166/client.json"],
  ["an address in octal", "https://0251.0376.0251.0376/client.json"],
  ["an address with parts left out", "https://10.1/client.json"],
  ["any address", "https://0.0.0.0/client.json"],
  ["a name without dots", "https://intranet/client.json"],
  ["a name of a private network", "https://server.internal/client.json"],
  ["a name of this machine's kind", "https://x.localhost/client.json"],
  ["a port", "https://example.com:6379/client.json"],
  ["a user name", "https://example.com@10.0.0.1/client.json"],
  ["plain http", "http://example.com/client.json"],
  ["a file", "file:///etc/passwd"],
  ["gopher", "gopher://10.0.0.1:6379/_INFO"],
  ["no path", "https://example.com"],
  ["dot segments", "https://example.com/a/../client.json"],
  ["escaped dot segments", "https://example.com/a/%2e%2e/client.json"],
  ["a fragment", "https://example.com/client.json#x"],
  ["a query", "https://example.com/client.json?next=http://10.0.0.1"],
  ["a backslash", "https://example.com\\@10.0.0.1/client.json"],
  ["a wide full stop", "https://10。0。0。1/client.json"],
];

/** A host of metadata documents on this machine, where development allows one. It counts what it is asked. */
async function host(answer, work) {
  const asked = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    answer(request, response, `http://127.0.0.1:${server.address().port}`);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return await work(`http://127.0.0.1:${server.address().port}`, asked);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

const good = (base) => ({ client_id: `${base}/client.json`, client_name: "Documented", redirect_uris: [REDIRECT], token_endpoint_auth_method: "none" });
const send = (response, value, type = "application/json") => response.setHeader("content-type", type).end(typeof value === "string" ? value : JSON.stringify(value));

const ANSWERS = [
  ["redirects to an internal address", (request, response, base) =>
    request.url === "/client.json" ? response.writeHead(302, { location: `${base}/internal` }).end() : send(response, good(base))],
  ["names another client", (_, response, base) => send(response, { ...good(base), client_id: "https://claude.ai/oauth/mcp-oauth-client-metadata" })],
  ["names itself with a slash", (_, response, base) => send(response, { ...good(base), client_id: `${base}/client.json/` })],
  ["names no client", (_, response, base) => send(response, { ...good(base), client_id: undefined })],
  ["is larger than 5 KB", (_, response, base) => send(response, { ...good(base), x: "a".repeat(6000) })],
  ["never ends", (_, response) => {
    response.setHeader("content-type", "application/json");
    const pour = () => response.writableEnded || response.destroyed || (response.write(" ".repeat(65_536)), setTimeout(pour, 1));
    pour();
  }],
  ["is HTML", (_, response, base) => send(response, good(base), "text/html")],
  ["is no JSON", (_, response) => send(response, "{")],
  ["is deep JSON", (_, response) => send(response, "[".repeat(2000) + "]".repeat(2000))],
  ["holds a secret", (_, response, base) => send(response, { ...good(base), client_secret: "shared-by-everybody" })],
  ["holds a script as redirect", (_, response, base) => send(response, { ...good(base), redirect_uris: ["javascript:alert(1)"] })],
  ["proves itself by a secret", (_, response, base) => send(response, { ...good(base), token_endpoint_auth_method: "client_secret_basic" })],
  ["has an error's status", (_, response, base) => (response.statusCode = 404, send(response, good(base)))],
];

/** An assertion of the client `signer`, changed. */
const assertion = (world, client, { header = {}, claims = {}, key = client.key } = {}) => {
  const now = Math.floor(Date.now() / 1000);
  const said = { iss: client.id, sub: client.id, aud: world.stack.urls.coordinator, iat: now, exp: now + 60, jti: randomUUID(), ...claims };
  return { client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", client_assertion: jwt({ alg: "ES256", kid: "signer-1", ...header }, said, key) };
};

const ASSERTIONS = [
  ["of another key", () => ({ key: ecKey() })],
  ["with alg none", () => ({ header: { alg: "none" }, key: ecKey() })],
  ["with HS256 and the public key", ({ key }) => ({ header: { alg: "HS256" }, key: JSON.stringify(publicJwk(key)) })],
  ["for another server", () => ({ claims: { aud: "https://evil.example" } })],
  ["for several servers", (_, world) => ({ claims: { aud: [world.stack.urls.coordinator, "https://evil.example/token"] } })],
  ["of another issuer", () => ({ claims: { iss: "vault" } })],
  ["about another client", () => ({ claims: { sub: "vault" } })],
  ["that has expired", () => ({ claims: { exp: Math.floor(Date.now() / 1000) - 120 } })],
  ["that never expires", () => ({ claims: { exp: undefined } })],
  ["that lives for a year", () => ({ claims: { exp: Math.floor(Date.now() / 1000) + 31_536_000 } })],
  ["without an id", () => ({ claims: { jti: undefined } })],
  ["that is an access token by its type", () => ({ header: { typ: "at+jwt" } })],
];

export const clients = [
  ...REGISTERED.map(([what, source, metadata]) => ({
    name: `registering ${what}`, source, attack: ({ world }) => refusedRegistration(world, metadata),
  })),
  ...BODIES.map(([what, source, raw]) => ({
    name: `registering with ${what}`, source, attack: ({ world }) => refusedRegistration(world, {}, { raw }),
  })),
  ...["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"].map((type) => ({
    name: `registering as ${type}`,
    source: "workers-oauth-provider #240",
    attack: ({ world }) => refusedRegistration(world, {}, { headers: { "content-type": type } }),
  })),
  {
    name: "registering what only the operator may say",
    source: "RFC 7591 §5",
    attack: async ({ world }) => {
      const wishes = {
        client_id: "vault", client_secret: "chosen", pkce_exempt: true, source: "predefined", status: "active", default_resource: EVIL,
        secret_hash: "00", expires_at: null,
      };
      const client = await register(world, { ...wishes, scope: "admin:* execution:read" });
      assert.notEqual(client.id, "vault");
      assert.equal(client.secret, undefined);
      const silent = await new Browser(world).get(authorizePath(client, { code_challenge: undefined, code_challenge_method: undefined }));
      assert.equal(redirected(silent, client.redirect).code, undefined);
      const { json } = await redeem(world, await granted(world, client, { scope: "admin:* execution:read" }));
      assert.equal(json.scope, "execution:read");
    },
  },
  {
    name: "a client that the operator has disabled",
    source: "RFC 7591 §5",
    attack: async ({ world }) => {
      const client = await register(world);
      const [code, tokens, shown] = await Promise.all([granted(world, client), connected(world, client), consentPage(world, client)]);
      await world.stack.d1("UPDATE oauth_clients SET status = 'disabled' WHERE id = ?", [client.id]);
      // A person may still be asked for ten seconds; nothing that was or is granted is good for anything.
      const late = await shown.browser.post("/consent", saying(shown.consent));
      const lateCode = late.location && new URL(late.location).searchParams.get("code");
      if (lateCode) assertNoTokens(await redeem(world, { ...code, code: lateCode }), "invalid_client", "invalid_grant");
      assertNoTokens(await redeem(world, code), "invalid_client", "invalid_grant");
      assertNoTokens(await refresh(world, client, tokens.refresh_token), "invalid_client", "invalid_grant");
    },
  },
  {
    name: "reading, changing and deleting a registration",
    source: "RFC 7592, workers-oauth-provider #280",
    attack: async ({ world, app }) => {
      for (const method of ["GET", "PUT", "DELETE"]) {
        for (const path of [`/register/${app.id}`, `/register?client_id=${app.id}`]) {
          const response = await fetch(world.stack.urls.coordinator + path, { method });
          assert.ok(response.status === 404 || response.status === 405, `${method} ${path}: ${response.status}`);
        }
      }
    },
  },
  {
    name: "registering without end from one address",
    source: "CWE-770, RFC 7591 §5",
    attack: async ({ world }) => {
      const ip = address();
      const replies = await Promise.all(Array.from({ length: 40 }, () => registering(world, {}, { ip })));
      const made = replies.filter(({ status }) => status === 201).length;
      assert.ok(made <= 20, `${made} were registered`);
      const late = replies.find(({ status }) => status === 429);
      assert.ok(Number(late.headers.get("retry-after")) > 0);
      assert.equal((await registering(world)).status, 201, "others are held up");
    },
  },
  ...[
    ["none", (client) => ({ id: client.id })],
    ["an empty one", (client) => ({ ...client, secret: " " })],
    ["a wrong one", (client) => ({ ...client, secret: "x".repeat(64) })],
    ["one cut by one", (client) => ({ ...client, secret: client.secret.slice(0, -1) })],
    ["in the form instead of the header", (client) => ({ ...client, method: "client_secret_post" })],
    ["another client's", (client, target) => ({ ...client, secret: target.exempt.secret })],
  ].map(([what, change]) => ({
    name: `a client's secret: ${what}`,
    source: "RFC 6749 §2.3",
    attack: async (target) => {
      const grant = await granted(target.world, target.vault);
      assertNoTokens(await redeem(target.world, grant, {}, { client: change(target.vault, target) }), "invalid_client");
    },
  })),
  {
    name: "a client's secret in the query",
    source: "RFC 6749 §2.3.1",
    attack: async ({ world, exempt }) => {
      const { id, secret, redirect } = exempt;
      const { code } = await granted(world, exempt);
      const reply = await clientCall(world, `/token?client_id=${id}&client_secret=${secret}`, null, { grant_type: "authorization_code", code, redirect_uri: redirect });
      assertNoTokens(reply, "invalid_client", "invalid_request");
    },
  },
  {
    name: "two proofs at once",
    source: "RFC 6749 §2.3",
    attack: async ({ world, vault }) => {
      const grant = await granted(world, vault);
      assertNoTokens(await redeem(world, grant, { client_id: vault.id, client_secret: vault.secret }), "invalid_request", "invalid_client");
    },
  },
  {
    name: "a client's secret by trying",
    source: "RFC 6749 §10.10, OWASP ASVS 2.2.1",
    attack: async ({ world, vault }) => {
      const ip = address();
      const tries = Array.from({ length: 90 }, (_, index) =>
        clientCall(world, "/token", { ...vault, secret: `guess-${index}` }, { grant_type: "client_credentials" }, { ip }));
      const replies = await Promise.all(tries);
      const heard = replies.filter(({ status }) => status === 401).length;
      assert.ok(heard <= 60, `${heard} guesses were answered`);
      assert.ok(replies.some(({ status, headers }) => status === 429 && Number(headers.get("retry-after")) > 0));
      assert.equal((await redeem(world, await granted(world, vault))).status, 200, "the client itself is held up");
    },
  },
  ...ASSERTIONS.map(([what, change]) => ({
    name: `a client's assertion ${what}`,
    source: "RFC 7523 §3",
    attack: async ({ world, signer }) => {
      const grant = await granted(world, signer);
      assertNoTokens(await redeem(world, grant, assertion(world, signer, change(signer, world)), { client: null }), "invalid_client");
      assert.equal((await redeem(world, grant, assertion(world, signer), { client: null })).status, 200);
    },
  })),
  {
    name: "a client's assertion a second time",
    source: "RFC 7523 §5",
    attack: async ({ world, signer }) => {
      const [one, other] = [await granted(world, signer), await granted(world, signer)];
      const once = assertion(world, signer);
      assert.equal((await redeem(world, one, once, { client: null })).status, 200);
      assertNoTokens(await redeem(world, other, once, { client: null }), "invalid_client");
    },
  },
  {
    name: "a client with a key by its id alone",
    source: "RFC 7523 §3",
    attack: async ({ world, signer }) => assertNoTokens(await redeem(world, await granted(world, signer), {}, { client: { id: signer.id } }), "invalid_client"),
  },
  ...DOCUMENTS.map(([what, id]) => ({
    name: `a client id that leads inside: ${what}`,
    source: "CWE-918, draft-ietf-oauth-client-id-metadata-document §6",
    attack: async ({ world }) => assertStays(await new Browser(world).get(authorizePath({ id, redirect: REDIRECT }))),
  })),
  ...ANSWERS.map(([what, answer]) => ({
    name: `a client's document that ${what}`,
    source: "CWE-918, draft-ietf-oauth-client-id-metadata-document §4",
    attack: ({ world }) => host(answer, async (base, asked) => {
      const reply = await new Browser(world).get(authorizePath({ id: `${base}/client.json`, redirect: REDIRECT }));
      assert.ok(reply.status >= 400, `${reply.status}`);
      assert.equal(reply.location, null);
      assert.deepEqual(asked, ["/client.json"]);
    }),
  })),
  {
    name: "a client's document with keys at an internal address",
    source: "CWE-918",
    attack: ({ world }) => host(
      (_, response, base) => send(response, { ...good(base), token_endpoint_auth_method: "private_key_jwt", jwks_uri: "https://169.254.169.254/jwks" }),
      async (base) => assertStays(await new Browser(world).get(authorizePath({ id: `${base}/client.json`, redirect: REDIRECT }))),
    ),
  },
  {
    name: "a client's document fetched without end",
    source: "CWE-770",
    attack: ({ world }) => host((_, response) => send(response, "{"), async (base, asked) => {
      const ip = address();
      await Promise.all(Array.from({ length: 200 }, (_, index) =>
        new Browser(world, { ip }).get(authorizePath({ id: `${base}/${index}.json`, redirect: REDIRECT }))));
      assert.ok(asked.length <= 120, `${asked.length} documents were fetched`);
    }),
  },
  {
    name: "a client's document by the address of another's redirect",
    source: "CVE-2025-4143",
    attack: ({ world }) => host((_, response, base) => send(response, good(base)), async (base) => {
      const client = { id: `${base}/client.json`, redirect: REDIRECT };
      assertStays(await new Browser(world).get(authorizePath(client, { redirect_uri: EVIL })));
      assert.equal((await connected(world, client)).token_type, "Bearer");
    }),
  },
];
