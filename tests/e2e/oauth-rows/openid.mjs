// Signing people in: OpenID Connect Core; tokens bound to a key: RFC 9449.
import assert from "node:assert/strict";
import { ask, claimsOf, document, dpop, exchange, issuer, keyPair, obtainCode, ok, refresh, refused, resource, useToken, wayBack, address } from "../oauth.mjs";
import { createLocalJWKSet, jwtVerify } from "jose";

const userinfo = (the, authorization, options = {}) =>
  fetch(`${issuer(the.world)}/userinfo`, { ...options, headers: { "cf-connecting-ip": address(), ...(authorization && { authorization }), ...options.headers } });

const verified = async (the, token) => {
  const keys = createLocalJWKSet(await document(the.world, "/.well-known/jwks.json"));
  return jwtVerify(token, keys, { issuer: issuer(the.world), audience: the.open.id, algorithms: ["ES256"] });
};

const tokenUrl = (the) => `${issuer(the.world)}/token`;

/** Tokens bound to a key, of the public client. */
async function bound(the, pair, params) {
  const asked = await obtainCode(the.world, the.open, the.browser, params);
  return ok(await exchange(the.world, the.open, asked, {}, { dpop: await dpop(pair, "POST", tokenUrl(the)) }));
}

const useBound = async (the, pair, token, options = {}) => {
  const proof = await dpop(options.pair ?? pair, options.method ?? "POST", options.url ?? resource(the.world), { token: options.of ?? token, claims: options.claims });
  return useToken(the.world, null, "coordinator", { authorization: `DPoP ${token}`, dpop: proof });
};

export default [
  {
    id: "id-token",
    rfc: "OIDC Core §2, §3.1.3.3",
    requirement: "With `openid` an id_token comes: signed, for the client, with iss, sub, exp, iat and auth_time",
    test: async (the) => {
      const tokens = await the.tokens(the.open, { scope: "openid execution:read" });
      const { payload } = await verified(the, tokens.id_token);
      assert.equal(payload.sub, the.user);
      for (const claim of ["exp", "iat", "auth_time"]) assert.equal(typeof payload[claim], "number");
      assert.equal((await the.tokens(the.open)).id_token, undefined);
    },
  },
  {
    id: "id-token-nonce",
    rfc: "OIDC Core §3.1.2.1, §3.1.3.7",
    requirement: "`nonce` comes back unchanged, and only where one was sent",
    test: async (the) => {
      const withNonce = await the.tokens(the.open, { scope: "openid", nonce: "n-0S6_WzA2Mj ü" });
      assert.equal(claimsOf(withNonce.id_token).nonce, "n-0S6_WzA2Mj ü");
      assert.equal("nonce" in claimsOf((await the.tokens(the.open, { scope: "openid" })).id_token), false);
    },
  },
  {
    id: "id-token-not-access",
    rfc: "RFC 9068 §5, RFC 8725 §3.11",
    requirement: "An id_token opens no worker and no UserInfo",
    test: async (the) => {
      const { id_token: token } = await the.tokens(the.open, { scope: "openid execution:read" });
      assert.equal((await useToken(the.world, token)).status, 401);
      assert.equal((await userinfo(the, `Bearer ${token}`)).status, 401);
    },
  },
  {
    id: "claims-by-scope",
    rfc: "OIDC Core §5.4",
    requirement: "`profile` gives the name, `email` the address and whether it is verified, `openid` the ChittyID; no more than was allowed",
    test: async (the) => {
      const all = claimsOf((await the.tokens(the.person, { scope: "openid profile email" }, {}, the.ada)).id_token);
      assert.deepEqual([all.name, all.email, all.email_verified, all.chitty_id], [the.identity.name, the.identity.email, true, the.identity.chitty_id]);
      const bare = claimsOf((await the.tokens(the.person, { scope: "openid" }, {}, the.ada)).id_token);
      assert.deepEqual([bare.sub, bare.name, bare.email, bare.email_verified], [the.identity.id, undefined, undefined, undefined]);
    },
  },
  {
    id: "userinfo",
    rfc: "OIDC Core §5.3",
    requirement: "UserInfo answers GET and POST with claims whose `sub` is that of the id_token",
    test: async (the) => {
      const tokens = await the.tokens(the.person, { scope: "openid profile email" }, {}, the.ada);
      for (const method of ["GET", "POST"]) {
        const response = await userinfo(the, `Bearer ${tokens.access_token}`, { method });
        assert.match(response.headers.get("content-type"), /^application\/json/);
        const claims = await ok(response);
        assert.equal(claims.sub, claimsOf(tokens.id_token).sub);
        assert.deepEqual([claims.name, claims.email, claims.email_verified, claims.chitty_id], [the.identity.name, the.identity.email, true, the.identity.chitty_id]);
      }
    },
  },
  {
    id: "userinfo-refused",
    rfc: "OIDC Core §5.3.3, RFC 6750 §3.1",
    requirement: "Without a good token UserInfo answers 401 with a Bearer challenge, without `openid` 403 `insufficient_scope`",
    test: async (the) => {
      for (const header of [undefined, "Bearer x", "Bearer a.b.c"]) {
        const response = await userinfo(the, header);
        assert.equal(response.status, 401);
        assert.match(response.headers.get("www-authenticate"), /^Bearer\b/);
        await response.arrayBuffer();
      }
      const { access_token: token } = await the.tokens(the.open);
      const response = await userinfo(the, `Bearer ${token}`);
      assert.match(response.headers.get("www-authenticate"), /insufficient_scope.*openid/);
      await refused(response, "insufficient_scope", 403);
    },
  },
  {
    id: "dpop-binds",
    rfc: "RFC 9449 §5, §6.1",
    requirement: "A proof at the token endpoint binds the access token to its key: `token_type` DPoP, `cnf.jkt`",
    test: async (the) => {
      const pair = await keyPair();
      const tokens = await bound(the, pair);
      assert.equal(tokens.token_type, "DPoP");
      assert.equal(claimsOf(tokens.access_token).cnf.jkt, pair.jkt);
    },
  },
  {
    id: "dpop-use",
    rfc: "RFC 9449 §7.1",
    requirement: "A bound token works with a proof of its key for this request, and counts once",
    test: async (the) => {
      const pair = await keyPair();
      const { access_token: token } = await bound(the, pair);
      assert.equal((await useBound(the, pair, token)).status, 200);
      const claims = { jti: "once" };
      assert.deepEqual([(await useBound(the, pair, token, { claims })).status, (await useBound(the, pair, token, { claims })).status], [200, 401]);
    },
  },
  {
    id: "dpop-no-downgrade",
    rfc: "RFC 9449 §7.2",
    requirement: "A bound token is refused as Bearer, and an unbound one as DPoP",
    test: async (the) => {
      const pair = await keyPair();
      const { access_token: token } = await bound(the, pair);
      const asBearer = await useToken(the.world, token);
      assert.equal(asBearer.status, 401);
      assert.match(asBearer.headers.get("www-authenticate"), /^DPoP .*algs="ES256"/);
      const plain = await the.tokens(the.open);
      assert.equal((await useBound(the, pair, plain.access_token)).status, 401);
    },
  },
  {
    id: "dpop-wrong",
    rfc: "RFC 9449 §4.3",
    requirement: "A proof of another key, method, URL, token or time is refused",
    test: async (the) => {
      const pair = await keyPair();
      const { access_token: token } = await bound(the, pair);
      const now = Math.floor(Date.now() / 1000);
      for (const options of [{ pair: await keyPair() }, { method: "GET" }, { url: `${issuer(the.world)}/token` }, { of: "another" }, { claims: { iat: now - 3600 } }, { claims: { iat: now + 3600 } }, { claims: { jti: undefined } }, { claims: { ath: undefined } }]) {
        const response = await useBound(the, pair, token, options);
        assert.equal(response.status, 401, JSON.stringify(options));
        await response.arrayBuffer();
      }
    },
  },
  {
    id: "dpop-token-proof",
    rfc: "RFC 9449 §4.3, §5",
    requirement: "A proof that does not hold at the token endpoint is `invalid_dpop_proof`, and issues nothing",
    test: async (the) => {
      const pair = await keyPair();
      const asked = await obtainCode(the.world, the.open, the.browser);
      const once = await dpop(pair, "POST", tokenUrl(the), { claims: { jti: "used" } });
      const proofs = ["x", await dpop(pair, "GET", tokenUrl(the)), await dpop(pair, "POST", `${issuer(the.world)}/revoke`), await dpop(pair, "POST", tokenUrl(the), { header: { typ: "JWT" } })];
      for (const proof of proofs) await refused(await exchange(the.world, the.open, asked, {}, { dpop: proof }), "invalid_dpop_proof");
      await ok(await exchange(the.world, the.open, asked, {}, { dpop: once }));
      const next = await obtainCode(the.world, the.open, the.browser);
      await refused(await exchange(the.world, the.open, next, {}, { dpop: once }), "invalid_dpop_proof");
    },
  },
  {
    id: "dpop-refresh",
    rfc: "RFC 9449 §5",
    requirement: "A public client's refresh token is bound too: it needs a proof of the same key",
    test: async (the) => {
      const pair = await keyPair();
      const { refresh_token: token } = await bound(the, pair);
      const proof = async (key) => ({ dpop: await dpop(key, "POST", tokenUrl(the)) });
      await refused(await refresh(the.world, the.open, token), "invalid_grant");
      await refused(await refresh(the.world, the.open, token, {}, await proof(await keyPair())), "invalid_grant");
      const next = await ok(await refresh(the.world, the.open, token, {}, await proof(pair)));
      assert.equal(claimsOf(next.access_token).cnf.jkt, pair.jkt);
    },
  },
  {
    id: "dpop-code",
    rfc: "RFC 9449 §10",
    requirement: "`dpop_jkt` binds the code: without a proof of that key it is `invalid_grant`",
    test: async (the) => {
      const pair = await keyPair();
      const asked = await obtainCode(the.world, the.open, the.browser, { dpop_jkt: pair.jkt });
      await refused(await exchange(the.world, the.open, asked), "invalid_grant");
      await ok(await exchange(the.world, the.open, asked, {}, { dpop: await dpop(pair, "POST", tokenUrl(the)) }));
      const wrong = await the.browser.request(ask(the.world, the.open, { dpop_jkt: "short" }).url);
      assert.equal(new URL(wayBack(await wrong.text())).searchParams.get("error"), "invalid_request");
    },
  },
];
