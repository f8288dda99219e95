// What clients ask about tokens, what ends them, and tokens that are bound to a key.
import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { PRODUCT } from "../../../scripts/lib/stack.mjs";
import {
  assertNoTokens, assertWorks, clientCall, connected, ecKey, granted, jwt, publicJwk, redeem, refresh, register, rsaKey, useToken,
} from "../oauth-attacks.mjs";

/** A proof of possession (RFC 9449 §4.2). Undefined claims are left out. */
export function dpop(pair, { method = "POST", url, token, header = {}, claims = {} }) {
  const ath = token && createHash("sha256").update(token).digest("base64url");
  const said = { jti: randomUUID(), htm: method, htu: url, iat: Math.floor(Date.now() / 1000), ath, ...claims };
  return jwt({ typ: "dpop+jwt", alg: "ES256", jwk: publicJwk(pair), ...header }, said, pair);
}

/** A grant whose tokens are bound to a key. */
async function bound({ world, app }) {
  const pair = ecKey();
  const prove = (more = {}) => ({ headers: { dpop: dpop(pair, { url: `${world.stack.urls.coordinator}/token`, ...more }) } });
  const tokens = await connected(world, app, { call: prove() });
  assert.equal(tokens.token_type, "DPoP");
  const url = `${world.stack.urls.coordinator}/mcp`;
  const use = (proof, { scheme = "DPoP", token = tokens.access_token } = {}) =>
    useToken(world, undefined, { headers: { authorization: `${scheme} ${token}`, ...(proof === undefined ? {} : { dpop: proof }) } });
  const proof = (more) => dpop(pair, { url, token: tokens.access_token, ...more });
  return { pair, prove, tokens, url, use, proof };
}

const PROOFS = [
  ["none", () => undefined],
  ["an empty one", () => ""],
  ["for another method", ({ proof }) => proof({ method: "GET" })],
  ["for another path", ({ proof, url }) => proof({ url: url.replace("/mcp", "/token") })],
  ["for another host", ({ proof }) => proof({ url: "https://evil.example/mcp" })],
  ["for another worker", ({ proof, world }) => proof({ url: `${world.stack.urls.fortress}/mcp` })],
  ["without an address", ({ proof }) => proof({ url: undefined })],
  ["for another token", ({ proof }) => proof({ token: "another" })],
  ["for no token", ({ proof }) => proof({ token: undefined })],
  ["of another key", ({ tokens, url }) => dpop(ecKey(), { url, token: tokens.access_token })],
  ["of another key under ours", ({ tokens, url, pair }) => dpop(ecKey(), { url, token: tokens.access_token, header: { jwk: publicJwk(pair) } })],
  ["made an hour ago", ({ proof }) => proof({ claims: { iat: Math.floor(Date.now() / 1000) - 3600 } })],
  ["made in an hour", ({ proof }) => proof({ claims: { iat: Math.floor(Date.now() / 1000) + 3600 } })],
  ["without a time", ({ proof }) => proof({ claims: { iat: undefined } })],
  ["without an id", ({ proof }) => proof({ claims: { jti: undefined } })],
  ["of another type", ({ proof }) => proof({ header: { typ: "JWT" } })],
  ["with alg none", ({ proof }) => proof({ header: { alg: "none" } })],
  ["with HS256", ({ pair, tokens, url }) => jwt(
    { typ: "dpop+jwt", alg: "HS256", jwk: publicJwk(pair) },
    { jti: randomUUID(), htm: "POST", htu: url, iat: Math.floor(Date.now() / 1000), ath: createHash("sha256").update(tokens.access_token).digest("base64url") },
    JSON.stringify(publicJwk(pair)),
  )],
  ["with RS256", ({ tokens, url }) => dpop(rsaKey(), { url, token: tokens.access_token, header: { alg: "RS256" } })],
  ["with the private key in it", ({ proof, pair }) => proof({ header: { jwk: pair.privateKey.export({ format: "jwk" }) } })],
  ["two at once", ({ proof }) => `${proof()}, ${proof()}`],
  ["of 100 KB", ({ proof }) => proof({ claims: { pad: "a".repeat(10_000) } })],
];

/** Kinds of tokens that a client gets. */
const KINDS = ["access_token", "refresh_token"];

export const endpoints = [
  ...PROOFS.map(([what, make]) => ({
    name: `a bound token with a proof ${what}`,
    source: "RFC 9449 §4.3, §11",
    attack: async (target) => {
      const mine = { ...(await bound(target)), world: target.world };
      const { status, text } = await mine.use(make(mine));
      assert.equal(status, 401, text);
      assert.equal((await mine.use(mine.proof())).status, 200);
    },
  })),
  {
    name: "a proof a second time",
    source: "RFC 9449 §11.1",
    attack: async (target) => {
      const { use, proof } = await bound(target);
      const once = proof();
      const replies = await Promise.all(Array.from({ length: 10 }, () => use(once)));
      assert.equal(replies.filter(({ status }) => status === 200).length, 1);
      assert.equal((await use(once)).status, 401);
    },
  },
  {
    name: "a bound token as a bearer's",
    source: "RFC 9449 §7.1",
    attack: async (target) => {
      const { use, proof } = await bound(target);
      assert.equal((await use(undefined, { scheme: "Bearer" })).status, 401);
      assert.equal((await use(proof(), { scheme: "Bearer" })).status, 401);
    },
  },
  {
    name: "a bearer's token as a bound one",
    source: "RFC 9449 §7.1",
    attack: async (target) => {
      const { access_token } = await connected(target.world, target.app);
      const { use, pair, url } = await bound(target);
      assert.equal((await use(dpop(pair, { url, token: access_token }), { token: access_token })).status, 401);
    },
  },
  ...[
    ["none", () => ({})],
    ["another key", ({ world }) => ({ headers: { dpop: dpop(ecKey(), { url: `${world.stack.urls.coordinator}/token` }) } })],
    ["one for /mcp", ({ url, pair }) => ({ headers: { dpop: dpop(pair, { url }) } })],
  ].map(([what, make]) => ({
    name: `a bound refresh token of a public client with a proof of ${what}`,
    source: "RFC 9449 §5",
    attack: async (target) => {
      const mine = { ...(await bound(target)), world: target.world };
      assertNoTokens(await refresh(target.world, target.app, mine.tokens.refresh_token, {}, make(mine)));
      assert.equal((await refresh(target.world, target.app, mine.tokens.refresh_token, {}, mine.prove())).status, 200);
    },
  })),
  {
    name: "a code that was asked for with a key, without it",
    source: "RFC 9449 §10",
    attack: async ({ world, app }) => {
      const pair = ecKey();
      const { crv, kty, x, y } = publicJwk(pair);
      const dpop_jkt = createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");
      const grant = await granted(world, app, { dpop_jkt });
      const url = `${world.stack.urls.coordinator}/token`;
      assertNoTokens(await redeem(world, grant), "invalid_grant", "invalid_dpop_proof");
      assertNoTokens(await redeem(world, grant, {}, { headers: { dpop: dpop(ecKey(), { url }) } }), "invalid_grant");
      assert.equal((await redeem(world, grant, {}, { headers: { dpop: dpop(pair, { url }) } })).status, 200);
    },
  },
  {
    name: "a wrong proof is not the same as none",
    source: "RFC 9449 §5",
    attack: async ({ world, app }) => {
      const grant = await granted(world, app);
      assertNoTokens(await redeem(world, grant, {}, { headers: { dpop: "nonsense" } }), "invalid_dpop_proof");
      assert.equal((await redeem(world, grant)).status, 200);
    },
  },
  ...KINDS.flatMap((kind) => [
    {
      name: `introspecting another client's ${kind}`,
      source: "RFC 7662 §4",
      attack: async ({ world, app, vault, exempt }) => {
        for (const owner of [app, vault]) {
          const tokens = await connected(world, owner);
          const { status, json } = await clientCall(world, "/introspect", exempt, { token: tokens[kind], token_type_hint: kind });
          assert.equal(status, 200);
          assert.deepEqual(json, { active: false });
        }
      },
    },
    {
      name: `introspecting a ${kind} without a proof`,
      source: "RFC 7662 §2.1",
      attack: async ({ world, app, vault }) => {
        const tokens = await connected(world, app);
        for (const client of [null, app, { id: vault.id }, { ...vault, secret: "wrong" }]) {
          const { status, text } = await clientCall(world, "/introspect", client, { token: tokens[kind] });
          assert.equal(status, 401, text);
          assert.doesNotMatch(text, /active|sub|scope"/);
        }
      },
    },
    {
      name: `revoking another client's ${kind}`,
      source: "RFC 7009 §2.1, workers-oauth-provider #188",
      attack: async ({ world, app, vault }) => {
        const tokens = await connected(world, app);
        for (const client of [vault, await register(world), null, { id: "nobody" }]) {
          await clientCall(world, "/revoke", client, { token: tokens[kind], token_type_hint: kind });
        }
        await assertWorks(world, tokens.access_token);
        assert.equal((await refresh(world, app, tokens.refresh_token)).status, 200);
      },
    },
    {
      name: `a confidential client's ${kind} revoked by its id alone`,
      source: "RFC 7009 §2.1",
      attack: async ({ world, vault }) => {
        const tokens = await connected(world, vault);
        assert.equal((await clientCall(world, "/revoke", { id: vault.id }, { token: tokens[kind] })).status, 401);
        await assertWorks(world, tokens.access_token);
      },
    },
  ]),
  {
    name: "introspection tells unknown, ended and foreign tokens apart",
    source: "RFC 7662 §2.2",
    attack: async ({ world, app, vault }) => {
      const [ended, foreign] = [await connected(world, vault), await connected(world, app)];
      await clientCall(world, "/revoke", vault, { token: ended.refresh_token });
      const tell = async (token) => (await clientCall(world, "/introspect", vault, { token })).text;
      const answers = await Promise.all([ended.access_token, ended.refresh_token, foreign.access_token, foreign.refresh_token, "nonsense", ended.code].map(tell));
      assert.deepEqual([...new Set(answers)], ['{"active":false}']);
    },
  },
  {
    name: "UserInfo for a token that was not granted openid, and for none",
    source: "OpenID Connect Core §5.3",
    attack: async ({ world, app }) => {
      const { access_token, refresh_token } = await connected(world, app);
      const ask = (headers, method = "GET") => clientCall(world, "/userinfo", null, {}, { method, headers });
      assert.equal((await ask({ authorization: `Bearer ${access_token}` })).status, 403);
      for (const headers of [{}, { authorization: `Bearer ${refresh_token}` }, { authorization: "Bearer x" }, { cookie: `chitty-session=${access_token}` }]) {
        assert.equal((await ask(headers)).status, 401);
      }
      const query = await clientCall(world, `/userinfo?access_token=${access_token}`, null, {}, { method: "GET" });
      assert.equal(query.status, 401);
    },
  },
  ...PRODUCT.filter((name) => name !== "coordinator").map((worker) => ({
    name: `the authorization server's paths at ${worker}`,
    source: "RFC 9700 §4.4",
    attack: async ({ world }) => {
      for (const path of ["/authorize?client_id=x", "/token", "/sign-in", "/consent", "/register", "/account"]) {
        for (const method of ["GET", "POST"]) {
          const response = await fetch(world.stack.urls[worker] + path, { method, redirect: "manual" });
          assert.ok([401, 404, 405].includes(response.status), `${method} ${path}: ${response.status}`);
        }
      }
    },
  })),
];
