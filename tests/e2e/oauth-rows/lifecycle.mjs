// Refresh tokens (OAuth 2.1 §4.3, RFC 9700 §4.14), revocation (RFC 7009) and introspection (RFC 7662).
import assert from "node:assert/strict";
import { claimsOf, issuer, ok, refresh, refused, register, resource, send, sendAs, useToken } from "../oauth.mjs";
import { sha256, until } from "../support.mjs";

const introspect = async (the, client, token, params) => ok(await sendAs(the.world, client, "/introspect", { token, ...params }));
const revoke = (the, client, token, params) => sendAs(the.world, client, "/revoke", { token, ...params });

/** Makes a replaced token look as if its time to be sent again were over. */
const longAgo = (the, token) => the.world.stack.d1("UPDATE oauth_refresh_tokens SET replaced_at = replaced_at - 61000 WHERE token_hash = ?", [sha256(token)]);

export default [
  {
    id: "refresh-rotates",
    rfc: "OAuth 2.1 §4.3.1, RFC 9700 §2.2.2",
    requirement: "A refresh gives a new access token and a new refresh token, for the same user, client and resource",
    test: async (the) => {
      const first = await the.tokens(the.open);
      const second = await ok(await refresh(the.world, the.open, first.refresh_token));
      assert.notEqual(second.refresh_token, first.refresh_token);
      const [before, after] = [first, second].map(({ access_token }) => claimsOf(access_token));
      assert.notEqual(after.jti, before.jti);
      for (const claim of ["sub", "aud", "client_id", "scope", "auth_time"]) assert.equal(after[claim], before[claim], claim);
      await ok(await refresh(the.world, the.open, second.refresh_token));
    },
  },
  {
    id: "refresh-retry",
    rfc: "RFC 9700 §4.14.2",
    requirement: "A client whose reply was lost, or that refreshes twice at once, gets the same successor",
    test: async (the) => {
      const { refresh_token: token } = await the.tokens(the.open);
      const replies = await Promise.all(Array.from({ length: 5 }, async () => ok(await refresh(the.world, the.open, token))));
      assert.equal(new Set(replies.map(({ refresh_token }) => refresh_token)).size, 1);
      await ok(await refresh(the.world, the.open, replies[0].refresh_token));
    },
  },
  {
    id: "refresh-reuse",
    rfc: "RFC 9700 §4.14.2, OAuth 2.1 §4.3.1",
    requirement: "A replaced token that comes later ends the grant: its successor and access tokens are dead",
    test: async (the) => {
      const first = await the.tokens(the.open);
      const second = await ok(await refresh(the.world, the.open, first.refresh_token));
      await longAgo(the, first.refresh_token);
      await refused(await refresh(the.world, the.open, first.refresh_token), "invalid_grant");
      await refused(await refresh(the.world, the.open, second.refresh_token), "invalid_grant");
      const response = await useToken(the.world, second.access_token);
      assert.equal(response.status, 401);
      await response.arrayBuffer();
    },
  },
  {
    id: "refresh-client",
    rfc: "RFC 6749 §6, §10.4",
    requirement: "A refresh token is good for its client alone, and for a confidential one only with its proof",
    test: async (the) => {
      const open = await the.tokens(the.open);
      await refused(await refresh(the.world, await register(the.world), open.refresh_token), "invalid_grant");
      const basic = await the.tokens(the.basic);
      await refused(await refresh(the.world, { ...the.basic, auth: "none" }, basic.refresh_token), "invalid_client", 401);
      for (const [client, tokens] of [[the.open, open], [the.basic, basic]]) await ok(await refresh(the.world, client, tokens.refresh_token));
    },
  },
  {
    id: "refresh-scope",
    rfc: "RFC 6749 §6",
    requirement: "A refresh may ask for less; for more it is `invalid_scope`; the grant itself keeps what it has",
    test: async (the) => {
      const { refresh_token: token } = await the.tokens(the.open, { scope: "execution:read chain:verify" });
      const less = await ok(await refresh(the.world, the.open, token, { scope: "chain:verify" }));
      assert.equal(less.scope, "chain:verify");
      await refused(await refresh(the.world, the.open, less.refresh_token, { scope: "chain:verify execution:run" }), "invalid_scope");
      const again = await ok(await refresh(the.world, the.open, less.refresh_token));
      assert.deepEqual(again.scope.split(" ").toSorted(), ["chain:verify", "execution:read"]);
    },
  },
  {
    id: "refresh-unknown",
    rfc: "RFC 6749 §5.2",
    requirement: "An unknown refresh token, or a token of another kind, is `invalid_grant`",
    test: async (the) => {
      const { access_token: access } = await the.tokens(the.open);
      for (const token of [`chitty_refresh_${"0".repeat(64)}`, "x", access]) await refused(await refresh(the.world, the.open, token), "invalid_grant");
    },
  },
  {
    id: "refresh-registered",
    rfc: "RFC 7591 §2, OAuth 2.1 §4.3",
    requirement: "A client that registered without `refresh_token` gets none",
    test: async (the) => {
      const client = await register(the.world, { grant_types: ["authorization_code"] });
      assert.equal((await the.tokens(client)).refresh_token, undefined);
    },
  },
  {
    id: "revoke-refresh",
    rfc: "RFC 7009 §2.1",
    requirement: "Revoking a refresh token ends it and the access tokens of its grant",
    test: async (the) => {
      const tokens = await the.tokens(the.open);
      const response = await revoke(the, the.open, tokens.refresh_token, { token_type_hint: "refresh_token" });
      assert.equal(response.status, 200);
      await refused(await refresh(the.world, the.open, tokens.refresh_token), "invalid_grant");
      assert.equal((await useToken(the.world, tokens.access_token)).status, 401);
    },
  },
  {
    id: "revoke-access",
    rfc: "RFC 7009 §2.1",
    requirement: "Revoking an access token works with any hint, and every worker refuses it within ten seconds",
    test: async (the) => {
      const tokens = await the.tokens(the.open);
      assert.equal((await useToken(the.world, tokens.access_token)).status, 200);
      assert.equal((await revoke(the, the.open, tokens.access_token, { token_type_hint: "refresh_token" })).status, 200);
      await until("the token to be refused", async () => (await useToken(the.world, tokens.access_token)).status === 401, 11_000);
    },
  },
  {
    id: "revoke-unknown",
    rfc: "RFC 7009 §2.2",
    requirement: "An unknown token, or one revoked before, is answered with 200; a missing one is an error",
    test: async (the) => {
      for (const token of ["x", `chitty_refresh_${"0".repeat(64)}`, "a.b.c"]) assert.equal((await revoke(the, the.open, token)).status, 200);
      await refused(await revoke(the, the.open, undefined), "invalid_request");
    },
  },
  {
    id: "revoke-own",
    rfc: "RFC 7009 §2.1",
    requirement: "A client revokes its own tokens alone, and proves itself first",
    test: async (the) => {
      const tokens = await the.tokens(the.basic);
      await (await revoke(the, the.open, tokens.refresh_token)).arrayBuffer();
      await refused(await send(the.world, "/revoke", { token: tokens.refresh_token }), "invalid_client", 401);
      await ok(await refresh(the.world, the.basic, tokens.refresh_token));
    },
  },
  {
    id: "introspect-live",
    rfc: "RFC 7662 §2.2",
    requirement: "A client learns of its live tokens: scope, client, subject, audience and times",
    test: async (the) => {
      const tokens = await the.tokens(the.basic);
      const access = await introspect(the, the.basic, tokens.access_token);
      const claims = claimsOf(tokens.access_token);
      const shown = { active: true, client_id: the.basic.id, sub: the.user, aud: resource(the.world), iss: issuer(the.world), exp: claims.exp, scope: tokens.scope };
      for (const [name, value] of Object.entries(shown)) assert.equal(access[name], value, name);
      assert.equal((await introspect(the, the.basic, tokens.refresh_token, { token_type_hint: "access_token" })).active, true);
    },
  },
  {
    id: "introspect-dead",
    rfc: "RFC 7662 §2.2",
    requirement: "Of unknown, revoked and foreign tokens it says `active: false` and nothing more",
    test: async (the) => {
      const own = await the.tokens(the.basic);
      assert.equal((await revoke(the, the.basic, own.refresh_token)).status, 200);
      const foreign = await the.tokens(the.open);
      for (const token of ["x", own.access_token, own.refresh_token, foreign.access_token, foreign.refresh_token]) {
        assert.deepEqual(await introspect(the, the.basic, token), { active: false });
      }
    },
  },
  {
    id: "introspect-proven",
    rfc: "RFC 7662 §2.1, §4",
    requirement: "Introspection needs a client that proves itself: tokens cannot be tried out",
    test: async (the) => {
      const { access_token: token } = await the.tokens(the.open);
      await refused(await sendAs(the.world, the.open, "/introspect", { token }), "invalid_client", 401);
      await refused(await send(the.world, "/introspect", { token }), "invalid_client", 401);
    },
  },
];
