// Clients that others wrote go from a bare URL to a tool call: oauth4webapi, the MCP SDK in both its
// generations, and mcp-remote and the Inspector as programs of their own.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { Client, ClientCredentialsProvider, DpopSession, PrivateKeyJwtProvider, StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { UnauthorizedError as OldUnauthorized } from "@modelcontextprotocol/sdk/client/auth.js";
import { ClientCredentialsProvider as OldCredentials, PrivateKeyJwtProvider as OldPrivateKey } from "@modelcontextprotocol/sdk/client/auth-extensions.js";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { exportJWK } from "jose";
import * as oauth from "oauth4webapi";
import { PRODUCT, ROOT } from "../../scripts/lib/stack.mjs";
import { Browser, CALLBACK, address, claimsOf, issuer, keyPair, resource, startSite, useToken, userKey } from "./oauth.mjs";
import { makeOpener } from "./opener.mjs";
import { MODERN, startWorld, unique } from "./support.mjs";

const SERVICE = { client_id: "service", client_secret: randomBytes(32).toString("hex") };
const LOCAL_CALLBACK = "http://localhost:3118/callback";
const REMOTE = join(ROOT, "node_modules/mcp-remote/dist/proxy.js");
const INSPECTOR = join(ROOT, "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js");
const INSPECTOR_TIMEOUT_MS = 60_000;
/** A tool of each worker that the scopes of its challenge open. */
const TOOLS = {
  coordinator: ["chitty_chain_verify", {}],
  chatgpt: ["chatgpt_complete", { messages: [{ role: "user", content: "hello" }] }],
  fortress: ["fortress_verify_signature", { content: "a", signature: "b" }],
};

let world;
let key;
let robot;
before(async () => {
  robot = await keyPair();
  const own = { grant_types: ["client_credentials"], scope: "chain:verify fortress:verify chatgpt:complete" };
  const clients = [
    { ...SERVICE, ...own, client_name: "Service", token_endpoint_auth_method: "client_secret_basic" },
    { ...own, client_id: "robot", client_name: "Robot", token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [robot.jwk] } },
  ];
  world = await startWorld({ vars: { OAUTH_CLIENTS: JSON.stringify(clients) } });
  key = await userKey(world);
});
after(() => world?.close());

/** As each caller from an address of its own. */
const ownFetch = (url, init = {}) => {
  const headers = new Headers(init.headers);
  headers.set("cf-connecting-ip", address());
  return fetch(url, { ...init, headers });
};

describe("oauth4webapi", () => {
  const options = { [oauth.allowInsecureRequests]: true, [oauth.customFetch]: ownFetch };

  async function discover(algorithm) {
    const url = new URL(issuer(world));
    return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { ...options, algorithm }));
  }

  async function register(server, metadata) {
    const response = await oauth.dynamicClientRegistrationRequest(server, { client_name: "oauth4webapi", redirect_uris: [CALLBACK], ...metadata }, options);
    return oauth.processDynamicClientRegistrationResponse(response);
  }

  /** Code with PKCE, nonce and state, all checked by the library. */
  async function signIn(server, client, proof, scope, more = {}) {
    const [verifier, state, nonce] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState(), oauth.generateRandomNonce()];
    const url = new URL(server.authorization_endpoint);
    const params = { response_type: "code", client_id: client.client_id, redirect_uri: CALLBACK, scope, state, nonce, code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256", resource: resource(world) };
    url.search = new URLSearchParams(params);
    const back = await new Browser(world, key).authorize(url);
    const callback = oauth.validateAuthResponse(server, client, back, state);
    const exchange = () => oauth.authorizationCodeGrantRequest(server, client, proof, callback, CALLBACK, verifier, { ...options, ...more, additionalParameters: { resource: resource(world) } });
    const expected = { expectedNonce: nonce, requireIdToken: true };
    return oauth.processAuthorizationCodeResponse(server, client, await exchange(), expected);
  }

  for (const algorithm of ["oauth2", "oidc"]) {
    test(`goes from ${algorithm} discovery through registration, code, UserInfo and refresh to revocation`, async () => {
      const server = await discover(algorithm);
      const client = await register(server, { token_endpoint_auth_method: "client_secret_basic" });
      const proof = oauth.ClientSecretBasic(client.client_secret);
      const tokens = await signIn(server, client, proof, "openid profile email offline_access execution:read");
      const { sub } = oauth.getValidatedIdTokenClaims(tokens);
      const info = await oauth.processUserInfoResponse(server, client, sub, await oauth.userInfoRequest(server, client, tokens.access_token, options));
      assert.equal(info.sub, world.user);
      const next = await oauth.processRefreshTokenResponse(server, client, await oauth.refreshTokenGrantRequest(server, client, proof, tokens.refresh_token, options));
      const introspect = async (token) => oauth.processIntrospectionResponse(server, client, await oauth.introspectionRequest(server, client, proof, token, options));
      assert.equal((await introspect(next.access_token)).active, true);
      await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, proof, next.refresh_token, options));
      assert.equal((await introspect(next.access_token)).active, false);
    });
  }

  for (const [method, proofOf] of [["none", () => oauth.None()], ["client_secret_post", ({ client_secret }) => oauth.ClientSecretPost(client_secret)]]) {
    test(`proves itself by ${method}`, async () => {
      const server = await discover("oauth2");
      const client = await register(server, { token_endpoint_auth_method: method });
      const tokens = await signIn(server, client, proofOf(client), "openid execution:read");
      assert.equal((await useToken(world, tokens.access_token)).status, 200);
    });
  }

  test("proves itself by private_key_jwt, with a registered key and with a metadata document", async () => {
    const server = await discover("oauth2");
    const { privateKey, publicKey } = await oauth.generateKeyPair("ES256");
    const jwk = { ...(await crypto.subtle.exportKey("jwk", publicKey)), kid: "one", alg: "ES256", use: "sig" };
    const metadata = { token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [jwk] }, redirect_uris: [CALLBACK] };
    const site = await startSite();
    const client_id = `${site.origin}/client.json`;
    site.set("/client.json", { client_id, client_name: "By document", ...metadata });
    try {
      for (const client of [await register(server, metadata), { client_id }]) {
        const tokens = await signIn(server, client, oauth.PrivateKeyJwt({ key: privateKey, kid: "one" }), "openid execution:read");
        assert.equal(claimsOf(tokens.access_token).client_id, client.client_id);
      }
    } finally {
      await site.close();
    }
  });

  test("binds its tokens by DPoP and calls with them", async () => {
    const server = await discover("oauth2");
    const client = await register(server, { token_endpoint_auth_method: "none" });
    const DPoP = oauth.DPoP(client, await oauth.generateKeyPair("ES256"));
    const tokens = await signIn(server, client, oauth.None(), "openid execution:read", { DPoP });
    assert.equal(tokens.token_type, "dpop");
    const headers = new Headers({ "content-type": "application/json", accept: "application/json, text/event-stream" });
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });
    const response = await oauth.protectedResourceRequest(tokens.access_token, "POST", new URL(resource(world)), headers, body, { ...options, DPoP });
    assert.equal(response.status, 200);
    await oauth.processUserInfoResponse(server, client, world.user, await oauth.userInfoRequest(server, client, tokens.access_token, { ...options, DPoP }));
    const next = await oauth.processRefreshTokenResponse(server, client, await oauth.refreshTokenGrantRequest(server, client, oauth.None(), tokens.refresh_token, { ...options, DPoP }));
    assert.equal(next.token_type, "dpop");
  });

  test("acts for itself by client_credentials, with an access token that verifies as RFC 9068 says", async () => {
    const server = await discover("oauth2");
    const proof = oauth.ClientSecretBasic(SERVICE.client_secret);
    const response = await oauth.clientCredentialsGrantRequest(server, SERVICE, proof, { scope: "chain:verify", resource: resource(world) }, options);
    const { access_token: token } = await oauth.processClientCredentialsResponse(server, SERVICE, response);
    const request = new Request(resource(world), { headers: { authorization: `Bearer ${token}` } });
    const claims = await oauth.validateJwtAccessToken(server, request, resource(world), options);
    assert.deepEqual([claims.sub, claims.scope], ["client:service", "chain:verify"]);
    assert.equal((await useToken(world, token)).status, 200);
  });

  test("finds the authorization server from each worker's own metadata", async () => {
    for (const worker of PRODUCT) {
      const url = new URL(resource(world, worker));
      const found = await oauth.processResourceDiscoveryResponse(url, await oauth.resourceDiscoveryRequest(url, options));
      assert.deepEqual(found.authorization_servers, [issuer(world)]);
    }
  });
});

/** What an SDK's client keeps between its steps. A person's browser is its redirect. */
class Provider {
  redirectUrl = LOCAL_CALLBACK;
  clientMetadata = {
    client_name: "MCP SDK",
    redirect_uris: [LOCAL_CALLBACK],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  };
  asked = [];
  #kept = {};

  /** `answers` are the person's, in order; then yes to everything. */
  constructor(browser, answers = []) {
    this.browser = browser;
    this.answers = answers;
  }
  state = () => "sdk-state";
  clientInformation = () => this.#kept.client;
  saveClientInformation = (client) => void (this.#kept.client = client);
  tokens = () => this.#kept.tokens;
  saveTokens = (tokens) => void (this.#kept.tokens = tokens);
  codeVerifier = () => this.#kept.verifier;
  saveCodeVerifier = (verifier) => void (this.#kept.verifier = verifier);
  discoveryState = () => this.#kept.discovery;
  saveDiscoveryState = (discovery) => void (this.#kept.discovery = discovery);

  async redirectToAuthorization(url) {
    this.asked.push(url);
    const { searchParams } = await this.browser.authorize(url, this.answers[this.asked.length - 1]);
    assert.equal(searchParams.get("state"), "sdk-state");
    this.answer = searchParams;
  }
}

const NEW = {
  Transport: StreamableHTTPClientTransport,
  Unauthorized: UnauthorizedError,
  services: { ClientCredentialsProvider, PrivateKeyJwtProvider },
  answer: (params) => params,
};
const newClient = (mode) => new Client({ name: "e2e", version: "1.0.0" }, { versionNegotiation: { mode } });
const SDKS = {
  "client 2.4.0, 2026-07-28": { ...NEW, make: () => newClient({ pin: MODERN }) },
  "client 2.4.0, handshake": { ...NEW, make: () => newClient("legacy") },
  "sdk 1.32.2": {
    Transport: OldTransport,
    Unauthorized: OldUnauthorized,
    services: { ClientCredentialsProvider: OldCredentials, PrivateKeyJwtProvider: OldPrivateKey },
    answer: (params) => params.get("code"),
    make: () => new OldClient({ name: "e2e", version: "1.0.0" }),
  },
};

for (const [name, { make, Transport, Unauthorized, services, answer }] of Object.entries(SDKS)) {
  describe(name, () => {
    const transportTo = (worker, provider) => new Transport(new URL(resource(world, worker)), { authProvider: provider, fetch: ownFetch });

    /** From a bare 401 to a connection. */
    async function connected(worker, provider) {
      const first = transportTo(worker, provider);
      await assert.rejects(make().connect(first), Unauthorized);
      await first.finishAuth(answer(provider.answer));
      const client = make();
      await client.connect(transportTo(worker, provider));
      return client;
    }

    for (const worker of PRODUCT) {
      test(`goes from a bare 401 to a tool call at the ${worker}, and on with a refreshed token`, async () => {
        const provider = new Provider(new Browser(world, key));
        const client = await connected(worker, provider);
        const [tool, args] = TOOLS[worker];
        const called = async () => assert.ok(!(await client.callTool({ name: tool, arguments: args })).isError);
        try {
          await called();
          const before = provider.tokens();
          assert.equal(claimsOf(before.access_token).aud, resource(world, worker));
          provider.saveTokens({ ...before, access_token: "an.expired.token" });
          await called();
          assert.notEqual(provider.tokens().refresh_token, before.refresh_token);
          assert.equal(provider.asked.length, 1, "the person was asked again");
          assert.equal(provider.asked[0].searchParams.get("resource"), resource(world, worker));
        } finally {
          await client.close();
        }
        for (const other of PRODUCT.filter((one) => one !== worker)) {
          assert.equal((await useToken(world, provider.tokens().access_token, other)).status, 401, `${worker}'s token at the ${other}`);
        }
      });
    }

    test("acts for itself at each worker, by secret and by key", async () => {
      const privateKey = { ...(await exportJWK(robot.key)), kid: robot.kid };
      const providers = [
        () => new services.ClientCredentialsProvider({ clientId: SERVICE.client_id, clientSecret: SERVICE.client_secret, expectedIssuer: issuer(world) }),
        () => new services.PrivateKeyJwtProvider({ clientId: "robot", privateKey, algorithm: "ES256", expectedIssuer: issuer(world) }),
      ];
      for (const provider of providers) {
        for (const worker of PRODUCT) {
          const client = make();
          await client.connect(transportTo(worker, provider()));
          const [tool, args] = TOOLS[worker];
          assert.ok(!(await client.callTool({ name: tool, arguments: args })).isError);
          await client.close();
        }
      }
    });

    test("steps up where a tool needs more than the person allowed, and the call succeeds", async () => {
      const provider = new Provider(new Browser(world, key), [{ scopes: ["execution:read", "chain:verify"] }]);
      // The older client refreshes first, and gives up when that adds no scope.
      if (Transport === OldTransport) provider.clientMetadata.grant_types = ["authorization_code"];
      const client = await connected("coordinator", provider);
      const call = { name: "chitty_secure_ai_execute", arguments: { prompt: unique("step-up"), security_level: "standard" } };
      try {
        await assert.rejects(client.callTool(call), (error) => /unauthori[sz]ed|scope/i.test(`${error.name} ${error.message}`));
        assert.equal(provider.asked.length, 2);
        assert.match(provider.asked[1].searchParams.get("scope"), /execution:run/);
        await client.transport.finishAuth(answer(provider.answer));
        assert.ok(!(await client.callTool(call)).isError);
      } finally {
        await client.close();
      }
    });
  });
}

test("client 2.4.0 binds its tokens by DPoP", async () => {
  const provider = new Provider(new Browser(world, key));
  const session = await DpopSession.create();
  provider.dpop = () => session;
  const to = () => new StreamableHTTPClientTransport(new URL(resource(world)), { authProvider: provider, fetch: ownFetch });
  const first = to();
  await assert.rejects(newClient({ pin: MODERN }).connect(first), UnauthorizedError);
  await first.finishAuth(provider.answer);
  const client = newClient({ pin: MODERN });
  await client.connect(to());
  try {
    assert.ok(!(await client.callTool({ name: "chitty_chain_verify", arguments: {} })).isError);
    const before = provider.tokens();
    assert.deepEqual([before.token_type, claimsOf(before.access_token).cnf.jkt], ["DPoP", session.thumbprint]);
    provider.saveTokens({ ...before, access_token: "an.expired.token" });
    assert.ok(!(await client.callTool({ name: "chitty_chain_verify", arguments: {} })).isError);
    assert.notEqual(provider.tokens().refresh_token, before.refresh_token);
  } finally {
    await client.close();
  }
});

/** Lets a program in that has opened a browser, at the callback that it waits at. */
async function letIn(opener, callback) {
  const back = await new Browser(world, key).authorize(await opener.opened());
  assert.match(back.href, callback);
  assert.equal((await fetch(back)).status, 200);
}

test("mcp-remote opens a browser, is let in and bridges calls", async () => {
  const opener = makeOpener();
  const client = new Client({ name: "e2e", version: "1.0.0" }, { versionNegotiation: { mode: "legacy" } });
  const env = { ...opener.env, MCP_REMOTE_CONFIG_DIR: opener.home };
  const transport = new StdioClientTransport({ command: process.execPath, args: [REMOTE, resource(world)], env, stderr: "pipe" });
  let said = "";
  transport.stderr.on("data", (data) => void (said += data));
  try {
    const connecting = client.connect(transport);
    connecting.catch(() => {});
    await letIn(opener, /^http:\/\/localhost:\d+\/oauth\/callback\?/);
    await connecting;
    const { tools } = await client.listTools();
    assert.ok(tools.some((tool) => tool.name === "chitty_chain_verify"));
    assert.ok(!(await client.callTool({ name: "chitty_chain_verify", arguments: {} })).isError);
  } catch (error) {
    throw new Error(`${error.message}; mcp-remote said:\n${said}`, { cause: error });
  } finally {
    await client.close();
    opener.close();
  }
});

test("the Inspector opens a browser, is let in and calls a tool", async () => {
  const opener = makeOpener();
  // Without a terminal it opens one only if told so. Its callback's port is 6276 unless it is told another.
  const told = { MCP_AUTO_OPEN_ENABLED: "true", MCP_OAUTH_CALLBACK_URL: "http://127.0.0.1:0/oauth/callback" };
  const env = { ...opener.env, ...told, MCP_STORAGE_DIR: opener.home, MCP_INSPECTOR_SECRET_STORE: "memory" };
  const args = [INSPECTOR, "--cli", resource(world), "--method", "tools/call", "--tool-name", "chitty_chain_verify"];
  try {
    const calling = promisify(execFile)(process.execPath, args, { env, timeout: INSPECTOR_TIMEOUT_MS });
    await Promise.race([calling, letIn(opener, /^http:\/\/127\.0\.0\.1:\d+\/oauth\/callback\?/)]);
    const { isError, structuredContent } = JSON.parse((await calling).stdout);
    assert.ok(!isError && structuredContent.verification.verification_id);
  } finally {
    opener.close();
  }
});
