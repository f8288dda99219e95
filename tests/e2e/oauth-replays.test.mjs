// Clients that cannot be installed here, replayed as they are known to behave: what they register or publish,
// where they want the answer, what they send at each step, and what makes them give up.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { Browser, address, assertion, basic, challengeOf, claimsOf, connect, exchange, issuer, keyPair, obtainCode, ok, publish, refresh, refused, register, resource, send, startSite, useToken, userKey } from "./oauth.mjs";
import { startWorld } from "./support.mjs";

const GPT = "g-0123456789abcdef0123456789abcdef01234567";
const action = (id, auth) => ({
  client_id: id,
  client_name: "GPT Action",
  client_secret: randomBytes(32).toString("hex"),
  token_endpoint_auth_method: auth,
  pkce_exempt: true,
  redirect_uris: [`https://chat.openai.com/aip/${GPT}/oauth/callback`, `https://chatgpt.com/aip/${GPT}/oauth/callback`],
});
const ACTIONS = [action("gpt-post", "client_secret_post"), action("gpt-basic", "client_secret_basic")];

let world;
let site;
let key;
before(async () => {
  world = await startWorld({ vars: { OAUTH_CLIENTS: JSON.stringify(ACTIONS) } });
  site = await startSite();
  key = await userKey(world);
});
after(() => Promise.all([site?.close(), world?.close()]));

/** What a client learns before it asks: the challenge's scope and both documents. */
async function discovered(worker = "coordinator") {
  const response = await useToken(world, null, worker);
  assert.equal(response.status, 401);
  const { resource_metadata: url, scope } = challengeOf(response);
  const protectedResource = await (await fetch(url)).json();
  const [server] = protectedResource.authorization_servers;
  const metadata = await (await fetch(`${server}/.well-known/oauth-authorization-server`)).json();
  assert.equal(metadata.issuer, server);
  // Hosted clients compare it with the URL that the person typed.
  assert.equal(protectedResource.resource, resource(world, worker));
  return { scope, protectedResource, metadata };
}

/** The client's answers at its redirect, and then calls with what it got. */
async function works(client, { redirect, params = {}, form = {}, worker = "coordinator" }) {
  const asked = await obtainCode(world, client, new Browser(world, key), { redirect_uri: redirect, resource: resource(world, worker), ...params });
  const tokens = await ok(await exchange(world, client, asked, form));
  assert.equal((await useToken(world, tokens.access_token, worker)).status, 200);
  return tokens;
}

async function refreshes(client, tokens, params) {
  const next = await ok(await refresh(world, client, tokens.refresh_token, params));
  assert.ok(next.refresh_token);
  return next;
}

describe("Claude", () => {
  const REDIRECTS = ["https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"];
  const DOCUMENT = {
    client_name: "Claude",
    client_uri: "https://claude.ai",
    redirect_uris: REDIRECTS,
    grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  };

  test("comes by its document, which lists a grant that nobody here knows, to each worker", async () => {
    const client = publish(site, "/oauth/mcp-oauth-client-metadata", DOCUMENT);
    for (const worker of ["coordinator", "chatgpt", "fortress"]) {
      const { metadata, scope } = await discovered(worker);
      // Without both of these it registers instead.
      assert.ok(metadata.client_id_metadata_document_supported && metadata.token_endpoint_auth_methods_supported.includes("none"));
      for (const redirect of REDIRECTS) {
        const tokens = await works(client, { redirect, worker, params: { scope: `${scope} offline_access` } });
        await refreshes(client, tokens, { resource: resource(world, worker) });
      }
    }
  });

  test("registers twice for one connection, and either registration goes on", async () => {
    const body = { ...DOCUMENT, scope: "execution:read chain:verify", grant_types: ["authorization_code", "refresh_token"] };
    const clients = await Promise.all([register(world, body), register(world, body)]);
    assert.notEqual(clients[0].id, clients[1].id);
    for (const client of clients) {
      const tokens = await works(client, { redirect: REDIRECTS[0], params: { scope: "execution:read chain:verify offline_access" } });
      await refreshes(client, tokens);
    }
  });

  test("learns by invalid_grant that it lost its grant, and by invalid_client that it must register anew", async () => {
    const client = await register(world, DOCUMENT);
    const tokens = await works(client, { redirect: REDIRECTS[0] });
    assert.equal((await send(world, "/revoke", { client_id: client.id, token: tokens.refresh_token })).status, 200);
    await refused(await refresh(world, client, tokens.refresh_token), "invalid_grant");
    await refused(await refresh(world, { ...client, id: "chitty_client_gone" }, tokens.refresh_token), "invalid_client", 401);
  });

  test("refreshes from several hosts at once and stays connected", async () => {
    const client = publish(site, "/oauth/mcp-oauth-client-metadata", DOCUMENT);
    const tokens = await works(client, { redirect: REDIRECTS[0] });
    const all = await Promise.all(Array.from({ length: 6 }, () => refreshes(client, tokens)));
    assert.equal(new Set(all.map(({ refresh_token }) => refresh_token)).size, 1);
    for (const one of all) assert.equal((await useToken(world, one.access_token)).status, 200);
    await refreshes(client, all[5]);
  });
});

describe("Claude Code", () => {
  const DOCUMENT = { client_name: "Claude Code", redirect_uris: ["http://localhost/callback", "http://127.0.0.1/callback"], grant_types: ["authorization_code", "refresh_token"], response_types: ["code"], token_endpoint_auth_method: "none" };

  test("comes by its document with the port that was free", async () => {
    const client = publish(site, "/oauth/claude-code-client-metadata", DOCUMENT);
    for (const redirect of ["http://localhost:54545/callback", "http://127.0.0.1:49152/callback"]) await refreshes(client, await works(client, { redirect }));
  });

  test("registers one port and comes back from another", async () => {
    const client = await register(world, { ...DOCUMENT, redirect_uris: ["http://localhost:3118/callback"] });
    await works(client, { redirect: "http://localhost:3118/callback" });
    await works(client, { redirect: "http://localhost:63342/callback" });
  });
});

describe("ChatGPT", () => {
  const REDIRECTS = ["https://chatgpt.com/connector_platform_oauth_redirect", "https://chatgpt.com/connector/oauth/Ab3dEfGh1jKl", "https://platform.openai.com/apps-manage/oauth"];
  const document = (path) => ({
    client_name: "ChatGPT",
    redirect_uris: REDIRECTS,
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "private_key_jwt",
    token_endpoint_auth_signing_alg: "RS256",
    jwks_uri: `${site.origin}${path}`,
  });
  let client;

  before(async () => {
    const pair = await keyPair("RS256");
    const keys = "/oauth/jwks.json";
    site.set(keys, { keys: [{ ...pair.jwk, kid: pair.kid, use: "sig", alg: "RS256" }] });
    client = publish(site, "/oauth/client.json", document(keys), pair);
  });

  test("finds what it looks for: both methods, iss, S256 and offline_access", async () => {
    const { metadata, protectedResource } = await discovered();
    for (const method of ["private_key_jwt", "none"]) assert.ok(metadata.token_endpoint_auth_methods_supported.includes(method));
    assert.ok(metadata.token_endpoint_auth_signing_alg_values_supported.includes("RS256"));
    assert.equal(metadata.authorization_response_iss_parameter_supported, true);
    assert.deepEqual(metadata.code_challenge_methods_supported, ["S256"]);
    assert.ok(metadata.scopes_supported.includes("offline_access"));
    assert.ok(protectedResource.scopes_supported.length > 0);
  });

  test("proves itself with RS256 and a key by reference, from each of its redirects, the resource in both legs", async () => {
    for (const redirect of REDIRECTS) {
      const tokens = await works(client, { redirect, params: { scope: "openid email execution:read offline_access" } });
      assert.equal(claimsOf(tokens.access_token).aud, resource(world));
      await refreshes(client, tokens, { resource: resource(world) });
    }
  });

  for (const [what, audience] of [["the token endpoint", () => `${issuer(world)}/token`], ["the issuer", () => issuer(world)], ["the issuer with a slash", () => `${issuer(world)}/`]]) {
    test(`proves itself to ${what}, beside its client_id`, async () => {
      const asked = await obtainCode(world, client, new Browser(world, key), { redirect_uri: REDIRECTS[0] });
      const form = { grant_type: "authorization_code", code: asked.code, redirect_uri: asked.redirect, code_verifier: asked.verifier, resource: asked.resource, client_id: client.id };
      const proof = { client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", client_assertion: await assertion(client, audience()) };
      await ok(await send(world, "/token", { ...form, ...proof }));
    });
  }

  test("signs with any of the keys that it publishes", async () => {
    const keys = "/oauth/rotating-jwks.json";
    const [old, fresh] = await Promise.all([keyPair("RS256"), keyPair("RS256")]);
    site.set(keys, { keys: [old, fresh].map((pair) => ({ ...pair.jwk, kid: pair.kid, alg: "RS256" })) });
    const rotating = publish(site, "/oauth/rotating.json", document(keys), old);
    await works(rotating, { redirect: REDIRECTS[0] });
    await works({ ...rotating, ...fresh }, { redirect: REDIRECTS[0] });
  });

  test("registers where documents are off, and as a public client", async () => {
    for (const method of ["none", "client_secret_post", "client_secret_basic"]) {
      const registered = await register(world, { client_name: "ChatGPT", redirect_uris: REDIRECTS, token_endpoint_auth_method: method, grant_types: ["authorization_code", "refresh_token"], response_types: ["code"] });
      await refreshes(registered, await works(registered, { redirect: REDIRECTS[1] }));
    }
  });
});

describe("GPT Actions", () => {
  for (const entry of ACTIONS) {
    for (const redirect of entry.redirect_uris) {
      test(`${entry.client_id}, from ${new URL(redirect).host}: no PKCE, no resource, state back`, async () => {
        const client = { id: entry.client_id, secret: entry.client_secret, auth: entry.token_endpoint_auth_method, redirect };
        const bare = { code_challenge: undefined, code_challenge_method: undefined, resource: undefined };
        const asked = await obtainCode(world, client, new Browser(world, key), bare);
        const tokens = await ok(await exchange(world, client, asked, { code_verifier: undefined }));
        assert.equal(tokens.token_type.toLowerCase(), "bearer");
        assert.ok(tokens.access_token && tokens.refresh_token && tokens.expires_in > 0);
        assert.equal(claimsOf(tokens.access_token).aud, resource(world));
        const next = await refreshes(client, tokens);
        assert.ok((await ok(await fetch(`${issuer(world)}/gpt/openapi.json`))).paths);
        assert.equal((await useToken(world, next.access_token)).status, 200);
      });
    }
  }

  test("sends its id beside Basic, unencoded, and is understood", async () => {
    const [, entry] = ACTIONS;
    const client = { id: entry.client_id, secret: entry.client_secret, auth: "client_secret_basic", redirect: entry.redirect_uris[1] };
    const asked = await obtainCode(world, client, new Browser(world, key), { code_challenge: undefined, code_challenge_method: undefined });
    const form = { grant_type: "authorization_code", code: asked.code, redirect_uri: asked.redirect, client_id: client.id };
    await ok(await send(world, "/token", form, { authorization: basic(client) }));
  });
});

const OTHERS = {
  Cursor: { redirects: ["cursor://anysphere.cursor-mcp/oauth/callback"], from: ["cursor://anysphere.cursor-mcp/oauth/callback"] },
  "VS Code": {
    redirects: ["https://vscode.dev/redirect", "https://insiders.vscode.dev/redirect", "http://localhost/", "http://127.0.0.1/", "http://localhost:33418/", "http://127.0.0.1:33418/"],
    from: ["https://vscode.dev/redirect", "http://127.0.0.1:33418/", "http://localhost:50000/"],
    more: { application_type: "native" },
  },
  Perplexity: {
    redirects: ["https://www.perplexity.ai/rest/connections/oauth_callback"],
    from: ["https://www.perplexity.ai/rest/connections/oauth_callback"],
    more: { token_endpoint_auth_method: "client_secret_post" },
  },
  "Inspector, in a browser,": { redirects: ["http://127.0.0.1:6274/oauth/callback"], from: ["http://127.0.0.1:6274/oauth/callback"] },
};

for (const [name, { redirects, from, more }] of Object.entries(OTHERS)) {
  test(`${name} registers, is answered at ${from}, and refreshes`, async () => {
    const { scope, metadata } = await discovered();
    assert.ok(metadata.registration_endpoint);
    const client = await register(world, { client_name: name, redirect_uris: redirects, grant_types: ["authorization_code", "refresh_token"], response_types: ["code"], ...more });
    for (const redirect of from) await refreshes(client, await works(client, { redirect, params: { scope } }));
  });
}

test("VS Code comes by its document", async () => {
  const client = publish(site, "/oauth/client-metadata.json", { client_name: "Visual Studio Code", redirect_uris: OTHERS["VS Code"].redirects, application_type: "native", token_endpoint_auth_method: "none" });
  await refreshes(client, await works(client, { redirect: "http://127.0.0.1:41234/" }));
});

test("a client of the 2025-03-26 revision, which knows no resource, finds everything at the server's root", async () => {
  const metadata = await (await fetch(`${issuer(world)}/.well-known/oauth-authorization-server`, { headers: { "mcp-protocol-version": "2025-03-26", "cf-connecting-ip": address() } })).json();
  assert.ok(metadata.registration_endpoint);
  const client = await register(world, { redirect_uris: ["http://localhost:3000/callback"] });
  const tokens = await connect(world, client, new Browser(world, key), { resource: undefined, scope: undefined });
  assert.equal((await useToken(world, tokens.access_token)).status, 200);
});
