// PKCE cannot be talked away, and a code is good once, for its client, its address and its verifier.
import assert from "node:assert/strict";
import {
  assertNoCode, assertNoTokens, assertUseless, assertWorks, authorizePath, Browser, challengeOf, clientCall, connected, decoded, granted,
  makePkce, redeem, redirected, refresh, register, sha256,
} from "../oauth-attacks.mjs";
import { until } from "../support.mjs";

const CHALLENGE = challengeOf("z".repeat(43));
/** How long a worker may remember that a token was good. */
export const REMEMBERED_MS = 13_000;

const DOWNGRADES = [
  ["no challenge", { code_challenge: undefined, code_challenge_method: undefined }],
  ["no challenge, but a method", { code_challenge: undefined }],
  ["an empty challenge", { code_challenge: "" }],
  ["the method plain", { code_challenge_method: "plain" }],
  ["no method, which means plain", { code_challenge_method: undefined }],
  ["an empty method", { code_challenge_method: "" }],
  ["the method in lower case", { code_challenge_method: "s256" }],
  ["an unknown method", { code_challenge_method: "S512" }],
  ["a short challenge", { code_challenge: "abc" }],
  ["a padded challenge", { code_challenge: `${CHALLENGE}=` }],
  ["a long challenge", { code_challenge: "A".repeat(200) }],
  ["a challenge in plain base64", { code_challenge: `${CHALLENGE.slice(0, 41)}+/` }],
];

const VERIFIERS = [
  ["none", () => undefined],
  ["an empty one", () => ""],
  ["the challenge", ({ verifier }) => challengeOf(verifier)],
  ["one of another request", () => makePkce().verifier],
  ["the right one with a letter changed", ({ verifier }) => (verifier[0] === "A" ? "B" : "A") + verifier.slice(1)],
  ["the right one with a blank", ({ verifier }) => `${verifier} `],
  ["the right one twice over", ({ verifier }) => verifier + verifier],
  ["one of 10,000 characters", () => "a".repeat(10_000)],
];

const CODES = [
  ["in capitals", ({ code }) => code.toUpperCase()],
  ["cut by one", ({ code }) => code.slice(0, -1)],
  ["with more behind it", ({ code }) => `${code}0`],
  ["as its stored hash", ({ code }) => sha256(code)],
  ["as a pattern", () => "chitty_code_%"],
  ["as SQL", () => "' OR '1'='1"],
  ["with a null byte", ({ code }) => `${code}\0`],
];

/** Refused, and the code's own client can still use it: a stranger must not be able to burn it. */
async function refusedButNotBurned(world, grant, changed, options) {
  assertNoTokens(await redeem(world, grant, changed, options), "invalid_grant", "invalid_request", "invalid_client", "unauthorized_client", "invalid_target");
  const { status, json } = await redeem(world, grant);
  assert.equal(status, 200, `the code was burned: ${JSON.stringify(json)}`);
}

export const codes = [
  ...DOWNGRADES.map(([what, changed]) => ({
    name: `PKCE: ${what}`,
    source: "CVE-2025-4144, RFC 9700 §4.8.2",
    attack: async ({ world, app }) => {
      const reply = await new Browser(world).get(authorizePath(app, { challenge: CHALLENGE, ...changed }));
      const { code, error } = redirected(reply, app.redirect);
      assert.deepEqual([code, error], [undefined, "invalid_request"]);
    },
  })),
  ...VERIFIERS.map(([what, make]) => ({
    name: `PKCE: the verifier is ${what}`,
    source: "CVE-2025-4144, RFC 7636 §4.6",
    attack: async ({ world, app }) => {
      const grant = await granted(world, app);
      await refusedButNotBurned(world, grant, { code_verifier: make(grant) });
    },
  })),
  {
    name: "PKCE: the challenge as its own verifier, as if the method were plain",
    source: "RFC 7636 §7.2",
    attack: async ({ world, app }) => {
      const grant = await granted(world, app);
      await refusedButNotBurned(world, grant, { code_verifier: challengeOf(grant.verifier), code_challenge_method: "plain" });
    },
  },
  {
    name: "PKCE: a confidential client that is not exempt",
    source: "RFC 9700 §2.1.1, better-auth #10637",
    attack: async ({ world, vault }) => {
      const reply = await new Browser(world).get(authorizePath(vault, { code_challenge: undefined, code_challenge_method: undefined }));
      assertNoCode(reply);
    },
  },
  {
    name: "PKCE: an exempt client that uses it is held to it",
    source: "RFC 9700 §4.8.2",
    attack: async ({ world, exempt }) => {
      const { challenge, verifier } = makePkce();
      const grant = await granted(world, { ...exempt, exempt: false }, { challenge });
      await refusedButNotBurned(world, { ...grant, verifier }, { code_verifier: undefined });
    },
  },
  {
    name: "PKCE: a verifier for a code without a challenge",
    source: "RFC 9700 §4.8.2",
    attack: async ({ world, exempt }) => refusedButNotBurned(world, await granted(world, exempt), { code_verifier: makePkce().verifier }),
  },
  {
    name: "PKCE: an exempt client sends plain",
    source: "RFC 9700 §4.8.2",
    attack: async ({ world, exempt }) =>
      assertNoCode(await new Browser(world).get(authorizePath(exempt, { code_challenge: "a".repeat(43), code_challenge_method: "plain" }))),
  },
  {
    name: "an exempt client without its secret",
    source: "RFC 9700 §2.1.1",
    attack: async ({ world, exempt }) => refusedButNotBurned(world, await granted(world, exempt), {}, { client: { id: exempt.id } }),
  },
  {
    name: "a code a second time ends all that came of the first",
    source: "RFC 6749 §4.1.2, RFC 9700 §4.2.4",
    attack: async ({ world, app }) => {
      const first = await connected(world, app);
      assertNoTokens(await redeem(world, first), "invalid_grant");
      assertNoTokens(await refresh(world, app, first.refresh_token), "invalid_grant");
      await until("its access token to end", async () => (await assertUseless(world, first.access_token).catch(() => false)) !== false, REMEMBERED_MS);
    },
  },
  {
    name: "a used code without its verifier ends nothing",
    source: "workers-oauth-provider #225",
    attack: async ({ world, app }) => {
      const first = await connected(world, app);
      assertNoTokens(await redeem(world, first, { code_verifier: makePkce().verifier }), "invalid_grant");
      assertNoTokens(await redeem(world, first, { code_verifier: undefined }), "invalid_grant", "invalid_request");
      assert.equal((await refresh(world, app, first.refresh_token)).status, 200);
      await assertWorks(world, first.access_token);
    },
  },
  {
    name: "a code of another client, public",
    source: "RFC 9700 §4.5",
    attack: async ({ world, app }) => refusedButNotBurned(world, await granted(world, app), {}, { client: await register(world) }),
  },
  {
    name: "a code of another client, confidential",
    source: "RFC 9700 §4.5",
    attack: async ({ world, app, vault }) => refusedButNotBurned(world, await granted(world, app), {}, { client: vault }),
  },
  {
    name: "a code of another client whose id is named beside one's own proof",
    source: "RFC 6749 §5.2",
    attack: async ({ world, app, vault }) => refusedButNotBurned(world, await granted(world, app), { client_id: app.id }, { client: vault }),
  },
  {
    name: "a confidential client's code by its id alone",
    source: "RFC 6749 §4.1.3",
    attack: async ({ world, vault }) => refusedButNotBurned(world, await granted(world, vault), {}, { client: { id: vault.id } }),
  },
  {
    name: "a code without any client",
    source: "RFC 6749 §3.2.1",
    attack: async ({ world, app }) => refusedButNotBurned(world, await granted(world, app), {}, { client: null }),
  },
  {
    name: "a code injected into another session of the same client",
    source: "RFC 9700 §4.5.3",
    attack: async ({ world, app }) => {
      const [victim, attacker] = [await granted(world, app), await granted(world, app)];
      await refusedButNotBurned(world, victim, { code_verifier: attacker.verifier });
    },
  },
  {
    name: "a code that is too old",
    source: "RFC 6749 §4.1.2",
    attack: async ({ world, app }) => {
      const grant = await granted(world, app);
      await world.stack.d1("UPDATE oauth_authorization_codes SET expires_at = ? WHERE code_hash = ?", [Date.now() - 1, sha256(grant.code)]);
      assertNoTokens(await redeem(world, grant), "invalid_grant");
    },
  },
  {
    name: "a code whose resource is changed",
    source: "RFC 8707 §2.2",
    attack: async ({ world, app }) => refusedButNotBurned(world, await granted(world, app), { resource: `${world.stack.urls.fortress}/mcp` }),
  },
  {
    name: "a code with more scope than was granted",
    source: "RFC 6749 §5.1",
    attack: async ({ world, app }) => {
      const { json } = await redeem(world, await granted(world, app), { scope: "execution:read execution:run admin:*" });
      if (json.access_token) assert.equal(decoded(json.access_token)[1].scope, "execution:read");
    },
  },
  ...CODES.map(([what, make]) => ({
    name: `a code ${what}`,
    source: "RFC 9700 §4.5",
    attack: async ({ world, app }) => {
      const grant = await granted(world, app);
      await refusedButNotBurned(world, grant, { code: make(grant) });
    },
  })),
  {
    name: "a code as a refresh token, and a refresh token as a code",
    source: "RFC 6749 §6",
    attack: async ({ world, app }) => {
      const grant = await granted(world, app);
      assertNoTokens(await refresh(world, app, grant.code), "invalid_grant");
      const tokens = await connected(world, app);
      assertNoTokens(await redeem(world, tokens, { code: tokens.refresh_token }), "invalid_grant");
      assert.equal((await redeem(world, grant)).status, 200);
    },
  },
  {
    name: "a code in the query",
    source: "RFC 6749 §3.2",
    attack: async ({ world, app }) => {
      const grant = await granted(world, app);
      const query = new URLSearchParams({ grant_type: "authorization_code", code: grant.code, redirect_uri: grant.redirect, code_verifier: grant.verifier, client_id: app.id });
      assertNoTokens(await clientCall(world, `/token?${query}`, null, {}, { body: "" }));
      assertNoTokens(await clientCall(world, `/token?${query}`, null, {}, { method: "GET" }));
    },
  },
  ...["password", "implicit", "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange", "Authorization_Code"].map((grant_type) => ({
    name: `the grant type ${grant_type}`,
    source: "RFC 9700 §2.4",
    attack: async ({ world, app }) => {
      const reply = await clientCall(world, "/token", app, { grant_type, username: "a", password: "b", assertion: "c" });
      assertNoTokens(reply, "unsupported_grant_type", "unauthorized_client");
    },
  })),
  ...["token", "id_token", "code token", "code id_token", "none", ""].map((response_type) => ({
    name: `the response type '${response_type}'`,
    source: "RFC 9700 §2.1.2",
    attack: async ({ world, app }) => assertNoCode(await new Browser(world).get(authorizePath(app, { response_type }))),
  })),
];
