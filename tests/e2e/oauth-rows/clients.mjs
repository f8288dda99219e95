// Who clients are: registration (RFC 7591), metadata documents (draft-ietf-oauth-client-id-metadata-document), assertions (RFC 7523).
import assert from "node:assert/strict";
import { Browser, CALLBACK, ask, assertion, exchange, issuer, keyPair, obtainCode, ok, publish, refused, register, registration, send, wordsOf } from "../oauth.mjs";

const JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const good = (json = {}) => ({ client_name: "Black box", redirect_uris: [CALLBACK], ...json });

/** A document that is refused: the person sees a page, the client hears `invalid_client`. */
async function refusedDocument(the, client) {
  const response = await the.browser.request(ask(the.world, client).url);
  assert.equal(response.headers.get("location"), null);
  assert.equal(response.status, 400);
  await response.arrayBuffer();
  await refused(await exchange(the.world, { ...client, auth: "none" }, { code: "x", redirect: CALLBACK, verifier: "a".repeat(43) }), "invalid_client", 401);
}

/** The exchange of a new code with an assertion of one's own making. */
async function withAssertion(the, client, token) {
  const asked = await obtainCode(the.world, client, the.browser);
  return exchange(the.world, { ...client, auth: "none", id: undefined }, asked, { client_assertion_type: JWT_BEARER, client_assertion: token });
}

async function signer(the, alg = "ES256") {
  const pair = await keyPair(alg);
  const path = `/signer-${pair.kid}.json`;
  return publish(the.site, path, { token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [{ ...pair.jwk, kid: pair.kid }] } }, pair);
}

export default [
  {
    id: "register-response",
    rfc: "RFC 7591 §3.2.1",
    requirement: "A registration answers 201 with `client_id`, times and what was registered, stored by no cache",
    test: async ({ world }) => {
      const response = await registration(world, good({ client_uri: "https://client.example/", token_endpoint_auth_method: "none" }));
      assert.equal(response.status, 201);
      assert.equal(response.headers.get("cache-control"), "no-store");
      const made = await response.json();
      assert.ok(made.client_id && Math.abs(made.client_id_issued_at - Date.now() / 1000) < 30);
      assert.deepEqual([made.client_name, made.redirect_uris, made.token_endpoint_auth_method, made.client_uri], ["Black box", [CALLBACK], "none", "https://client.example/"]);
      assert.deepEqual([made.response_types, made.grant_types], [["code"], ["authorization_code", "refresh_token"]]);
      assert.equal(made.client_secret, undefined);
    },
  },
  {
    id: "register-secret",
    rfc: "RFC 7591 §2, §3.2.1",
    requirement: "Without a method a client gets Basic with a secret of its own and when it expires",
    test: async ({ world }) => {
      const [one, two] = await Promise.all([1, 2].map(async () => (await registration(world, good())).json()));
      for (const made of [one, two]) {
        assert.equal(made.token_endpoint_auth_method, "client_secret_basic");
        assert.ok(made.client_secret.length >= 43);
        assert.ok(made.client_secret_expires_at > Date.now() / 1000);
      }
      assert.notEqual(one.client_id, two.client_id);
      assert.notEqual(one.client_secret, two.client_secret);
    },
  },
  {
    id: "register-redirects",
    rfc: "RFC 7591 §3.2.2, OAuth 2.1 §2.3.1, RFC 8252 §7.1",
    requirement: "Redirects that are missing, relative, plain http, with a fragment or of a scheme that browsers run are `invalid_redirect_uri`",
    test: async ({ world }) => {
      for (const uris of [undefined, [], "https://a.example/", ["/callback"], ["http://client.example/callback"], [`${CALLBACK}#f`], ["javascript:alert(1)"], ["data:text/html,x"], ["https://user@client.example/"], ["https://client.example\\@evil.example/"], ["file:///etc/passwd"], ["blob:https://a.example/x"]]) {
        await refused(await registration(world, good({ redirect_uris: uris })), "invalid_redirect_uri");
      }
    },
  },
  {
    id: "register-redirects-known",
    rfc: "RFC 8252 §7, MCP authorization 2026-07-28",
    requirement: "Redirects by https, loopback and private-use schemes of programs are taken",
    test: async ({ world }) => {
      const uris = ["https://client.example/cb", "http://127.0.0.1:3334/cb", "http://localhost/cb", "http://[::1]:1/cb", "cursor://anysphere.cursor-mcp/oauth/callback", "com.example.app:/cb"];
      assert.deepEqual((await register(world, { redirect_uris: uris })).made.redirect_uris, uris);
    },
  },
  {
    id: "register-metadata",
    rfc: "RFC 7591 §3.2.2",
    requirement: "Contradictory or impossible metadata is `invalid_client_metadata`",
    test: async ({ world }) => {
      for (const json of [{ token_endpoint_auth_method: "tls_client_auth" }, { grant_types: ["client_credentials"] }, { response_types: ["token"] }, { token_endpoint_auth_method: "private_key_jwt" }, { jwks: { keys: [] } }, { jwks: { keys: [{ kty: "EC", crv: "P-256", x: "a", y: "b", d: "c" }] } }, { application_type: "other" }]) {
        await refused(await registration(world, good(json)), "invalid_client_metadata");
      }
    },
  },
  {
    id: "register-unknown",
    rfc: "RFC 7591 §2",
    requirement: "Unknown metadata and grants are ignored: nobody registers more than the code flow",
    test: async ({ world }) => {
      const { made } = await register(world, { software_statement_x: 1, grant_types: ["authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer"] });
      assert.deepEqual(made.grant_types, ["authorization_code", "refresh_token"]);
      assert.equal(made.software_statement_x, undefined);
    },
  },
  {
    id: "register-form",
    rfc: "RFC 7591 §3.1",
    requirement: "A registration is a JSON object of bounded size; anything else is refused",
    test: async ({ world }) => {
      await refused(await registration(world, "{"), "invalid_client_metadata");
      await refused(await registration(world, "[]"), "invalid_client_metadata");
      await refused(await registration(world, good(), { "content-type": "text/plain" }), "invalid_client_metadata");
      await refused(await registration(world, good({ client_name: "a".repeat(20_000) })), "invalid_client_metadata", 413);
    },
  },
  {
    id: "register-limited",
    rfc: "RFC 7591 §5, RFC 6585 §4",
    requirement: "Registrations of one address are limited: 429 with `Retry-After`",
    test: async ({ world }) => {
      const headers = { "cf-connecting-ip": "192.0.2.77" };
      const statuses = [];
      for (let count = 0; count < 30 && statuses.at(-1) !== 429; count += 1) {
        const response = await registration(world, good(), headers);
        statuses.push(response.status);
        if (response.status === 429) assert.ok(response.headers.get("retry-after") > 0);
        await response.arrayBuffer();
      }
      assert.equal(statuses.at(-1), 429);
      assert.ok(statuses.length > 10);
      await register(world);
    },
  },
  {
    id: "register-links",
    rfc: "RFC 7591 §5",
    requirement: "Links that are no web addresses are not kept, and a name cannot play with direction or lines",
    test: async ({ world }) => {
      const { made } = await register(world, { logo_uri: "javascript:alert(1)", client_uri: "data:text/html,x", client_name: "Good\u202eexe.\n\u200bApp" });
      assert.deepEqual([made.logo_uri, made.client_uri, made.client_name], [undefined, undefined, "Goodexe. App"]);
    },
  },
  {
    id: "document-flow",
    rfc: "CIMD §3, §4",
    requirement: "A client whose id is the URL of its document gets through without registering",
    test: async (the) => {
      const client = publish(the.site, "/flow.json", {});
      const tokens = await the.tokens(client);
      assert.ok(tokens.access_token && tokens.refresh_token);
    },
  },
  {
    id: "document-id",
    rfc: "CIMD §4.1",
    requirement: "`client_id` in the document must be its own URL",
    test: async (the) => {
      const client = publish(the.site, "/other-id.json", { client_id: `${the.site.origin}/flow.json` });
      await refusedDocument(the, client);
    },
  },
  {
    id: "document-redirect",
    rfc: "CIMD §6.1",
    requirement: "Only redirects that the document lists are used",
    test: async (the) => {
      const client = publish(the.site, "/redirect.json", {});
      const response = await the.browser.request(ask(the.world, client, { redirect_uri: "https://evil.example/callback" }).url);
      assert.deepEqual([response.status, response.headers.get("location")], [400, null]);
      assert.match(wordsOf(await response.text()), /redirect_uri/);
    },
  },
  {
    id: "document-secret",
    rfc: "CIMD §4.1",
    requirement: "A document with a shared secret, a private key or a secret's method is refused",
    test: async (the) => {
      const { jwk } = await keyPair();
      for (const [index, json] of [{ client_secret: "x" }, { token_endpoint_auth_method: "client_secret_post" }, { token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [{ ...jwk, d: "AAAA" }] } }].entries()) {
        await refusedDocument(the, publish(the.site, `/secret-${index}.json`, json));
      }
    },
  },
  {
    id: "document-fetch",
    rfc: "CIMD §4, §6.6",
    requirement: "Redirects, other types than JSON, errors and documents over 5 KB are refused",
    test: async (the) => {
      const cases = [
        { options: { status: 302, headers: { location: `${the.site.origin}/flow.json` } } },
        { options: { headers: { "content-type": "text/html" } } },
        { options: { status: 404 } },
        { json: { client_name: "a".repeat(6000) } },
      ];
      for (const [index, { json = {}, options }] of cases.entries()) {
        const path = `/fetch-${index}.json`;
        const client = publish(the.site, path, json);
        the.site.set(path, { client_id: client.id, client_name: "x", redirect_uris: [CALLBACK], ...json }, options);
        await refusedDocument(the, client);
      }
    },
  },
  {
    id: "document-address",
    rfc: "CIMD §3, §6.5",
    requirement: "Ids that are no plain https URL of a public host are refused before anything is fetched",
    test: async (the) => {
      for (const id of ["https://10.0.0.1/client.json", "https://169.254.169.254/latest/meta-data", "http://client.example/client.json", "https://client.internal/client.json", "https://[fd00::1]/client.json", `${the.site.origin}/a/../flow.json`, `${the.site.origin}/flow.json?x=1`, `${the.site.origin}/flow.json#f`, the.site.origin, `${the.site.origin}/`, "https://user@client.example/client.json"]) {
        await refusedDocument(the, { id, auth: "none", redirect: CALLBACK });
      }
      assert.deepEqual(the.site.requests.filter((path) => path === "/" || /[?#]|\/a\//.test(path)), []);
    },
  },
  {
    id: "document-cache",
    rfc: "CIMD §4.4, RFC 9111",
    requirement: "A document is kept as its headers allow, and fetched once for one sign-in",
    test: async (the) => {
      const path = "/cached.json";
      const client = publish(the.site, path, {});
      await the.tokens(client);
      await the.tokens(client);
      assert.equal(the.site.requests.filter((asked) => asked === path).length, 1);
    },
  },
  {
    id: "document-grants",
    rfc: "CIMD §4.1, RFC 7591 §2",
    requirement: "Grants that the server does not know are ignored, not refused",
    test: async (the) => {
      const client = publish(the.site, "/grants.json", { grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"] });
      assert.ok((await the.tokens(client)).refresh_token);
    },
  },
  {
    id: "assertion-audience",
    rfc: "RFC 7523 §3, draft-ietf-oauth-rfc7523bis §4",
    requirement: "`private_key_jwt` by ES256 and RS256, with the issuer or the token endpoint as audience",
    test: async (the) => {
      for (const alg of ["ES256", "RS256"]) {
        const client = await signer(the, alg);
        for (const audience of [issuer(the.world), `${issuer(the.world)}/token`, [`${issuer(the.world)}/token`]]) {
          await ok(await withAssertion(the, client, await assertion(client, audience)));
        }
      }
    },
  },
  {
    id: "assertion-wrong",
    rfc: "RFC 7523 §3",
    requirement: "Another audience, issuer, subject, time or key, and no `jti`, is `invalid_client`",
    test: async (the) => {
      const client = await signer(the);
      const now = Math.floor(Date.now() / 1000);
      const audience = issuer(the.world);
      const other = await keyPair();
      const tokens = [
        await assertion(client, "https://other.example"),
        await assertion(client, [audience, "https://other.example"]),
        await assertion(client, audience, { iss: "https://other.example" }),
        await assertion(client, audience, { exp: now - 120 }),
        await assertion(client, audience, { exp: now + 86_400 }),
        await assertion(client, audience, { nbf: now + 600 }),
        await assertion(client, audience, { jti: undefined }),
        await assertion({ ...client, key: other.key }, audience),
      ];
      for (const [index, token] of tokens.entries()) {
        const response = await withAssertion(the, client, token);
        assert.equal(response.status, 401, `case ${index}`);
        await refused(response, "invalid_client", 401);
      }
    },
  },
  {
    id: "assertion-once",
    rfc: "RFC 7523 §3 (jti)",
    requirement: "An assertion counts once",
    test: async (the) => {
      const client = await signer(the);
      const token = await assertion(client, issuer(the.world));
      await ok(await withAssertion(the, client, token));
      await refused(await withAssertion(the, client, token), "invalid_client", 401);
    },
  },
  {
    id: "assertion-needed",
    rfc: "OAuth 2.1 §2.4",
    requirement: "A client with a key cannot leave the assertion out",
    test: async (the) => {
      const client = await signer(the);
      const asked = await obtainCode(the.world, client, the.browser);
      await refused(await exchange(the.world, { ...client, auth: "none" }, asked), "invalid_client", 401);
      await refused(await send(the.world, "/token", { grant_type: "authorization_code", client_assertion: "a.b.c" }), "invalid_request");
    },
  },
  {
    id: "predefined-exempt",
    rfc: "OAuth 2.1 §7.5.2, GPT Actions",
    requirement: "Only a configured client with a secret may go without PKCE, and where it sends a challenge it is held to it",
    test: async (the) => {
      const without = { code_challenge: undefined, code_challenge_method: undefined };
      const bare = await obtainCode(the.world, the.action, the.browser, without);
      await refused(await exchange(the.world, the.action, bare), "invalid_grant");
      await ok(await exchange(the.world, the.action, bare, { code_verifier: undefined }));
      const held = await obtainCode(the.world, the.action, new Browser(the.world, the.key));
      await refused(await exchange(the.world, the.action, held, { code_verifier: undefined }), "invalid_grant");
    },
  },
];
