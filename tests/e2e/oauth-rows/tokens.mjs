// The token endpoint: RFC 6749 §4.1.3 to §6, RFC 7636, RFC 8707, RFC 9068.
import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { CALLBACK, basic, claimsOf, document, exchange, issuer, obtainCode, ok, refresh, refused, register, resource, send, sendAs, useToken } from "../oauth.mjs";

const code = (the, client = the.open, params) => obtainCode(the.world, client, the.browser, params);
const TOKEN = /^[\w.-]{43,}$/;

/** The token's grant ended: no refresh, and no worker takes the token that none has seen. */
async function assertEnded(the, client, tokens) {
  await refused(await refresh(the.world, client, tokens.refresh_token), "invalid_grant");
  const response = await useToken(the.world, tokens.access_token);
  assert.equal(response.status, 401);
  await response.arrayBuffer();
}

export default [
  {
    id: "token-response",
    rfc: "RFC 6749 §5.1",
    requirement: "Tokens come as JSON with `token_type`, `expires_in` and `scope`, and are stored by no cache",
    test: async (the) => {
      const response = await exchange(the.world, the.open, await code(the));
      assert.match(response.headers.get("content-type"), /^application\/json/);
      assert.equal(response.headers.get("cache-control"), "no-store");
      assert.equal(response.headers.get("pragma"), "no-cache");
      const tokens = await ok(response);
      assert.equal(tokens.token_type.toLowerCase(), "bearer");
      assert.equal(tokens.expires_in, 3600);
      assert.deepEqual(tokens.scope.split(" ").toSorted(), ["chain:verify", "execution:read"]);
      for (const token of [tokens.access_token, tokens.refresh_token]) assert.match(token, TOKEN);
    },
  },
  {
    id: "token-verifier",
    rfc: "RFC 7636 §4.6",
    requirement: "A wrong or missing `code_verifier` is `invalid_grant`, and the code stays good for its client",
    test: async (the) => {
      const asked = await code(the);
      for (const verifier of [undefined, "a".repeat(43), asked.verifier.slice(1), `${asked.verifier}a`]) {
        await refused(await exchange(the.world, the.open, asked, { code_verifier: verifier }), "invalid_grant");
      }
      await ok(await exchange(the.world, the.open, asked));
    },
  },
  {
    id: "token-redirect",
    rfc: "RFC 6749 §4.1.3, OAuth 2.1 §4.1.3",
    requirement: "`redirect_uri` must be that of the authorization request; beside PKCE it may be left out",
    test: async (the) => {
      const client = await register(the.world, { redirect_uris: [CALLBACK, "https://client.example/other"] });
      const asked = await code(the, client);
      await refused(await exchange(the.world, client, asked, { redirect_uri: "https://client.example/other" }), "invalid_grant");
      await ok(await exchange(the.world, client, asked, { redirect_uri: undefined }));
    },
  },
  {
    id: "token-client",
    rfc: "RFC 6749 §4.1.3",
    requirement: "A code is good for the client alone that it was issued to",
    test: async (the) => {
      const asked = await code(the);
      const other = await register(the.world);
      await refused(await exchange(the.world, other, asked), "invalid_grant");
      await ok(await exchange(the.world, the.open, asked));
    },
  },
  {
    id: "token-once",
    rfc: "RFC 6749 §4.1.2, §10.5",
    requirement: "A code counts once; its replay also ends the tokens that came of it",
    test: async (the) => {
      const asked = await code(the);
      const tokens = await ok(await exchange(the.world, the.open, asked));
      await refused(await exchange(the.world, the.open, asked), "invalid_grant");
      await assertEnded(the, the.open, tokens);
    },
  },
  {
    id: "token-once-race",
    rfc: "RFC 6749 §4.1.2",
    requirement: "Of many exchanges of a code at once at most one succeeds",
    test: async (the) => {
      const asked = await code(the);
      const responses = await Promise.all(Array.from({ length: 8 }, () => exchange(the.world, the.open, asked)));
      const bodies = await Promise.all(responses.map((response) => response.json()));
      assert.ok(bodies.filter(({ access_token }) => access_token).length <= 1);
      assert.ok(bodies.every(({ access_token, error }) => access_token || error === "invalid_grant"));
    },
  },
  {
    id: "token-unknown-code",
    rfc: "RFC 6749 §5.2",
    requirement: "An unknown code is `invalid_grant`, a missing one `invalid_request`",
    test: async (the) => {
      const asked = { code: `chitty_code_${"0".repeat(64)}`, redirect: CALLBACK, verifier: "a".repeat(43) };
      await refused(await exchange(the.world, the.open, asked), "invalid_grant");
      await refused(await exchange(the.world, the.open, asked, { code: undefined }), "invalid_request");
    },
  },
  {
    id: "token-grant-type",
    rfc: "RFC 6749 §5.2, OAuth 2.1 §10.1",
    requirement: "Other grants, the password grant among them, are `unsupported_grant_type`; none is `invalid_request`",
    test: async (the) => {
      for (const type of ["password", "implicit", "urn:ietf:params:oauth:grant-type:device_code"]) {
        await refused(await sendAs(the.world, the.open, "/token", { grant_type: type, username: "a", password: "b" }), "unsupported_grant_type");
      }
      await refused(await sendAs(the.world, the.open, "/token", {}), "invalid_request");
    },
  },
  {
    id: "token-content-type",
    rfc: "RFC 6749 §4.1.3",
    requirement: "Parameters come as a form; JSON, and parameters in the query, are not read",
    test: async (the) => {
      const asked = await code(the);
      const params = { grant_type: "authorization_code", code: asked.code, redirect_uri: asked.redirect, code_verifier: asked.verifier, client_id: the.open.id };
      await refused(await send(the.world, "/token", JSON.stringify(params), { "content-type": "application/json" }), "invalid_request");
      const inQuery = await send(the.world, `/token?${new URLSearchParams(params)}`, {});
      await refused(inQuery, "invalid_request");
      await ok(await exchange(the.world, the.open, asked));
    },
  },
  {
    id: "token-duplicate",
    rfc: "RFC 6749 §3.2",
    requirement: "A parameter that comes twice is refused; an empty one counts as left out",
    test: async (the) => {
      const twice = new URLSearchParams([["grant_type", "refresh_token"], ["grant_type", "refresh_token"], ["client_id", the.open.id]]);
      await refused(await send(the.world, "/token", twice), "invalid_request");
      await refused(await sendAs(the.world, the.open, "/token", { grant_type: "" }), "invalid_request");
    },
  },
  {
    id: "token-method",
    rfc: "RFC 6749 §3.2",
    requirement: "The token endpoint takes POST alone",
    test: async (the) => {
      for (const method of ["GET", "PUT", "DELETE"]) {
        const response = await fetch(`${issuer(the.world)}/token?grant_type=refresh_token`, { method });
        assert.equal(response.status, 405);
        await response.arrayBuffer();
      }
    },
  },
  {
    id: "client-basic",
    rfc: "RFC 6749 §2.3.1",
    requirement: "A client with a secret proves itself by Basic or by form, as it registered, and not the other way",
    test: async (the) => {
      for (const client of [the.basic, the.post]) {
        const asked = await code(the, client);
        const other = { ...client, auth: client === the.basic ? "client_secret_post" : "client_secret_basic" };
        await refused(await exchange(the.world, other, asked), "invalid_client", 401);
        await ok(await exchange(the.world, client, asked));
      }
    },
  },
  {
    id: "client-wrong",
    rfc: "RFC 6749 §5.2",
    requirement: "A wrong secret, no secret and an unknown client are 401 `invalid_client` with a Basic challenge",
    test: async (the) => {
      const asked = await code(the, the.basic);
      for (const client of [{ ...the.basic, secret: "wrong" }, { ...the.basic, auth: "none" }, { ...the.basic, id: "nobody" }]) {
        const response = await exchange(the.world, client, asked);
        assert.match(response.headers.get("www-authenticate"), /^Basic realm=/);
        await refused(response, "invalid_client", 401);
      }
    },
  },
  {
    id: "client-two-methods",
    rfc: "RFC 6749 §2.3",
    requirement: "More than one proof in a request is refused",
    test: async (the) => {
      const asked = await code(the, the.basic);
      await refused(await exchange(the.world, the.basic, asked, { client_secret: the.basic.secret }), "invalid_request");
      await refused(await exchange(the.world, the.basic, asked, { client_id: the.open.id }), "invalid_request");
    },
  },
  {
    id: "client-public-secret",
    rfc: "OAuth 2.1 §2.4",
    requirement: "A public client that sends a secret is refused, a name with an empty password is not",
    test: async (the) => {
      const asked = await code(the);
      await refused(await exchange(the.world, { ...the.open, auth: "client_secret_post", secret: "x" }, asked), "invalid_client", 401);
      await ok(await exchange(the.world, the.open, asked, {}, { authorization: basic({ id: the.open.id, secret: "" }) }));
    },
  },
  {
    id: "resource-audience",
    rfc: "RFC 8707 §2.2, RFC 9068 §3",
    requirement: "The access token is for the one resource that was asked for, without a slash at the end",
    test: async (the) => {
      for (const worker of ["coordinator", "chatgpt", "fortress"]) {
        for (const slash of ["", "/"]) {
          const { access_token: token } = await the.tokens(the.open, { resource: resource(the.world, worker) + slash });
          assert.equal(claimsOf(token).aud, resource(the.world, worker));
        }
      }
    },
  },
  {
    id: "resource-default",
    rfc: "RFC 8707 §2, MCP authorization 2025-03-26",
    requirement: "Clients that name no resource get tokens for the coordinator",
    test: async (the) => {
      const { access_token: token } = await the.tokens(the.open, { resource: undefined });
      assert.equal(claimsOf(token).aud, resource(the.world));
    },
  },
  {
    id: "resource-mismatch",
    rfc: "RFC 8707 §2.2",
    requirement: "Another resource at the token endpoint than the granted one is `invalid_target`; the code stays good",
    test: async (the) => {
      const asked = await code(the);
      await refused(await exchange(the.world, the.open, asked, { resource: resource(the.world, "fortress") }), "invalid_target");
      await refused(await exchange(the.world, the.open, asked, { resource: "https://evil.example/mcp" }), "invalid_target");
      const tokens = await ok(await exchange(the.world, the.open, asked));
      await refused(await refresh(the.world, the.open, tokens.refresh_token, { resource: resource(the.world, "fortress") }), "invalid_target");
      await ok(await refresh(the.world, the.open, tokens.refresh_token));
    },
  },
  {
    id: "access-token-form",
    rfc: "RFC 9068 §2",
    requirement: "Access tokens are JWTs of type `at+jwt` with iss, sub, aud, client_id, scope, iat, exp and jti",
    test: async (the) => {
      const { access_token: token, scope, expires_in: life } = await the.tokens(the.open);
      const header = JSON.parse(Buffer.from(token.split(".")[0], "base64url"));
      assert.deepEqual([header.typ, header.alg], ["at+jwt", "ES256"]);
      const claims = claimsOf(token);
      assert.deepEqual([claims.iss, claims.sub, claims.client_id, claims.scope], [issuer(the.world), the.user, the.open.id, scope]);
      assert.equal(claims.exp - claims.iat, life);
      assert.ok(Math.abs(claims.iat - Date.now() / 1000) < 30);
      assert.ok(claims.auth_time <= claims.iat);
      assert.ok(claims.jti && claims.jti !== claimsOf((await the.tokens(the.open)).access_token).jti);
    },
  },
  {
    id: "access-token-signature",
    rfc: "RFC 9068 §4, RFC 7515",
    requirement: "The signature verifies under the published key of its `kid`",
    test: async (the) => {
      const { access_token: token } = await the.tokens(the.open);
      const [head, body, signature] = token.split(".");
      const { keys } = await document(the.world, "/.well-known/jwks.json");
      const { kid } = JSON.parse(Buffer.from(head, "base64url"));
      const jwk = keys.find((key) => key.kid === kid);
      const key = { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" };
      assert.ok(verify("sha256", Buffer.from(`${head}.${body}`), key, Buffer.from(signature, "base64url")));
    },
  },
  {
    id: "credentials-secret",
    rfc: "RFC 6749 §4.4",
    requirement: "A client that the operator has set up acts for itself, without a refresh token",
    test: async (the) => {
      const tokens = await ok(await sendAs(the.world, the.service, "/token", { grant_type: "client_credentials", scope: "chain:verify", resource: resource(the.world) }));
      assert.equal(tokens.refresh_token, undefined);
      assert.equal(tokens.scope, "chain:verify");
      assert.equal(claimsOf(tokens.access_token).sub, `client:${the.service.id}`);
      assert.equal((await useToken(the.world, tokens.access_token)).status, 200);
    },
  },
  {
    id: "credentials-assertion",
    rfc: "RFC 7523 §2.2, MCP oauth-client-credentials",
    requirement: "The same with a signed assertion and no `client_id`",
    test: async (the) => {
      const tokens = await ok(await sendAs(the.world, the.robot, "/token", { grant_type: "client_credentials", scope: "execution:read" }));
      assert.equal(claimsOf(tokens.access_token).client_id, the.robot.id);
    },
  },
  {
    id: "credentials-others",
    rfc: "RFC 6749 §4.4, §5.2",
    requirement: "Clients that registered themselves may not, and no client beyond its own scopes",
    test: async (the) => {
      const params = { grant_type: "client_credentials" };
      for (const client of [the.open, the.basic]) await refused(await sendAs(the.world, client, "/token", params), "unauthorized_client");
      await refused(await sendAs(the.world, the.service, "/token", { ...params, scope: "execution:run" }), "invalid_scope");
    },
  },
];
