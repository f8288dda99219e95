// The workers as protected resources: MCP authorization 2026-07-28, RFC 6750, RFC 9728 §5.
import assert from "node:assert/strict";
import { address, challengeOf, document, issuer, ok, refresh, resource, useToken } from "../oauth.mjs";
import { PRODUCT } from "../../../scripts/lib/stack.mjs";
import { post, request } from "../support.mjs";

const callTool = (the, worker, token, name, args) => post(the.world, worker, request("tools/call", { name, arguments: args }), { token, headers: { "cf-connecting-ip": address() } });

export default [
  {
    id: "challenge",
    rfc: "RFC 9728 §5.1, MCP authorization 2026-07-28",
    requirement: "A call without a token is 401 with `resource_metadata` and `scope`, and names no error",
    test: async (the) => {
      for (const worker of PRODUCT) {
        const response = await useToken(the.world, null, worker);
        assert.equal(response.status, 401);
        const { scheme, ...told } = challengeOf(response);
        assert.equal(scheme, "Bearer");
        assert.equal(told.error, undefined);
        const stated = await (await fetch(told.resource_metadata)).json();
        assert.equal(stated.resource, resource(the.world, worker));
        for (const scope of told.scope.split(" ")) assert.ok(stated.scopes_supported.includes(scope), scope);
        assert.ok(!told.scope.includes("offline_access"));
      }
    },
  },
  {
    id: "challenge-readable",
    rfc: "Fetch standard, RFC 6750 §3",
    requirement: "A page whose origin may call can read the challenge",
    test: async (the) => {
      const response = await useToken(the.world, null, "coordinator", { origin: "http://localhost:6274" });
      assert.equal(response.status, 401);
      assert.match(response.headers.get("access-control-expose-headers"), /www-authenticate/i);
    },
  },
  {
    id: "challenge-invalid",
    rfc: "RFC 6750 §3.1",
    requirement: "A token that is wrong, changed or of another kind is 401 `invalid_token`",
    test: async (the) => {
      const tokens = await the.tokens(the.open);
      const [head, body, signature] = tokens.access_token.split(".");
      const claims = JSON.parse(Buffer.from(body, "base64url"));
      const forged = Buffer.from(JSON.stringify({ ...claims, scope: "admin:*" })).toString("base64url");
      const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url");
      for (const token of [`${head}.${forged}.${signature}`, `${none}.${body}.`, `${none}.${body}.${signature}`, tokens.refresh_token, "x"]) {
        const response = await useToken(the.world, token);
        assert.equal(response.status, 401, token);
        assert.equal(challengeOf(response).error, "invalid_token");
        await response.arrayBuffer();
      }
    },
  },
  {
    id: "header-alone",
    rfc: "MCP authorization 2026-07-28, RFC 6750 §2",
    requirement: "Tokens come in the header alone: in the query they are not read",
    test: async (the) => {
      const { access_token: token } = await the.tokens(the.open);
      const response = await fetch(`${resource(the.world)}?access_token=${token}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(request("tools/list")) });
      assert.equal(response.status, 401);
      await response.arrayBuffer();
    },
  },
  {
    id: "audience",
    rfc: "RFC 8707 §2, MCP authorization 2026-07-28",
    requirement: "A token for one worker is refused by the others",
    test: async (the) => {
      for (const own of PRODUCT) {
        const { access_token: token } = await the.tokens(the.open, { resource: resource(the.world, own), scope: "fortress:verify chain:verify chatgpt:sessions" });
        for (const worker of PRODUCT) {
          const response = await useToken(the.world, token, worker);
          assert.equal(response.status, worker === own ? 200 : 401, `${own} at ${worker}`);
          if (worker !== own) assert.equal(challengeOf(response).error, "invalid_token");
          await response.arrayBuffer();
        }
      }
    },
  },
  {
    id: "audience-address",
    rfc: "RFC 8707 §2",
    requirement: "A worker that is reached under another name refuses the token",
    test: async (the) => {
      const { access_token: token } = await the.tokens(the.open);
      const elsewhere = resource(the.world).replace("127.0.0.1", "localhost");
      const response = await fetch(elsewhere, { method: "POST", headers: { "content-type": "application/json", accept: "application/json, text/event-stream", authorization: `Bearer ${token}` }, body: JSON.stringify(request("tools/list")) });
      assert.equal(response.status, 401);
      await response.arrayBuffer();
    },
  },
  {
    id: "step-up",
    rfc: "MCP authorization 2026-07-28 (step-up), RFC 6750 §3.1",
    requirement: "A call beyond the token's scopes is 403 `insufficient_scope` with every scope it needs and `resource_metadata`",
    test: async (the) => {
      const { access_token: token } = await the.tokens(the.open);
      const response = await callTool(the, "coordinator", token, "chitty_secure_ai_execute", { prompt: "no" });
      assert.equal(response.status, 403);
      const told = challengeOf(response);
      assert.deepEqual([told.scheme, told.error, told.scope], ["Bearer", "insufficient_scope", "execution:run"]);
      assert.ok(told.resource_metadata.startsWith(issuer(the.world)) && told.error_description);
      const { result } = await response.json();
      assert.deepEqual([result.isError, result._meta["mcp/www_authenticate"]], [true, [response.headers.get("www-authenticate")]]);
    },
  },
  {
    id: "step-up-done",
    rfc: "MCP authorization 2026-07-28, SEP-2350",
    requirement: "With the union of old and new scopes the same call succeeds",
    test: async (the) => {
      const { access_token: token } = await the.tokens(the.open, { scope: "execution:read chain:verify execution:run" });
      const response = await callTool(the, "coordinator", token, "chitty_secure_ai_execute", { prompt: "step up", security_level: "standard" });
      assert.equal(response.status, 200);
      const { result } = await response.json();
      assert.ok(!result.isError, JSON.stringify(result));
    },
  },
  {
    id: "tools-by-scope",
    rfc: "MCP tools 2026-07-28",
    requirement: "The list holds the tools that the token opens, each with its scopes in `securitySchemes`",
    test: async (the) => {
      const { access_token: token } = await the.tokens(the.open, { scope: "chain:verify" });
      const { result } = await ok(await useToken(the.world, token));
      assert.ok(result.tools.some(({ name }) => name === "chitty_chain_verify"));
      assert.ok(!result.tools.some(({ name }) => name === "chitty_secure_ai_execute"));
      const [tool] = result.tools.filter(({ name }) => name === "chitty_chain_verify");
      assert.deepEqual(tool.securitySchemes, [{ type: "oauth2", scopes: ["chain:verify"] }]);
      assert.deepEqual(tool._meta.securitySchemes, tool.securitySchemes);
    },
  },
  {
    id: "offline-access",
    rfc: "MCP authorization 2026-07-28 (SEP-2207), OIDC Core §11",
    requirement: "Clients may add `offline_access` to the scopes of a challenge and get a refresh token that works",
    test: async (the) => {
      const { scope } = challengeOf(await useToken(the.world, null));
      const tokens = await the.tokens(the.open, { scope: `${scope} offline_access` });
      const next = await ok(await refresh(the.world, the.open, tokens.refresh_token));
      assert.equal((await useToken(the.world, next.access_token)).status, 200);
    },
  },
  {
    id: "paths-api",
    rfc: "ChittyAuth API v2",
    requirement: "The endpoints answer under `/api/v2/oauth` too",
    test: async (the) => {
      const base = `${issuer(the.world)}/api/v2/oauth`;
      for (const [path, status] of [["/token", 400], ["/revoke", 401], ["/introspect", 401], ["/register", 400]]) {
        const response = await fetch(base + path, { method: "POST", headers: { "content-type": path === "/register" ? "application/json" : "application/x-www-form-urlencoded", "cf-connecting-ip": address() }, body: "" });
        assert.equal(response.status, status, path);
        assert.ok((await response.json()).error);
      }
      assert.equal((await fetch(`${base}/authorize`)).status, 400);
      await document(the.world, "/.well-known/jwks.json");
    },
  },
];
