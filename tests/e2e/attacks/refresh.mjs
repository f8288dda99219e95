// Refresh tokens are one client's, are replaced, and never give more than was granted. What a grant depends on
// ends it.
import assert from "node:assert/strict";
import {
  assertNoCode, assertNoTokens, assertWorks, authorizePath, Browser, clientCall, connected, consentPage, decoded, granted,
  redeem, redirected, refresh, register, saying, sha256, userKey, useToken,
} from "../oauth-attacks.mjs";
import { request, until } from "../support.mjs";
import { REMEMBERED_MS } from "./codes.mjs";

const BOTH = "execution:read chain:verify";
const ended = (world, token, options) =>
  until("the access token to end", async () => (await useToken(world, token, options)).status === 401, REMEMBERED_MS);

const ESCALATIONS = [
  ["another scope", "execution:run"],
  ["one more", "execution:read chain:verify"],
  ["everything", "admin:*"],
  ["a wildcard of its service", "execution:*"],
  ["a star", "*"],
  ["staying", "execution:read offline_access"],
  ["its own in capitals", "EXECUTION:READ"],
  ["nothing but a blank", " "],
  ["a thousand", Array.from({ length: 1000 }, (_, index) => `scope:${index}`).join(" ")],
  ["a tab for a blank", "execution:read\tadmin:*"],
];

/** What ends a grant from outside: how, and whether its refresh token is to be told from an unknown one (no). */
const ENDS = [
  ["its key revoked", (world, { owner }) => world.stack.d1("UPDATE api_tokens SET status = 'revoked', revoked_at = ? WHERE id = ?", [Date.now(), owner.id])],
  ["its key deleted", (world, { owner }) => world.stack.d1("DELETE FROM api_tokens WHERE id = ?", [owner.id])],
  ["its key expired", (world, { owner }) => world.stack.d1("UPDATE api_tokens SET expires_at = ? WHERE id = ?", [Date.now() - 1, owner.id])],
  ["its person suspended", suspend],
  ["it itself revoked", (world, { owner }) =>
    world.stack.d1("UPDATE oauth_grants SET revoked_at = ?, revoke_reason = 'test' WHERE user_id = ?", [Date.now(), owner.user_id])],
];

export function suspend(world, { owner }) {
  const now = Date.now();
  return world.stack.d1(
    "INSERT INTO identities (id, status, created_at, updated_at) VALUES (?, 'suspended', ?, ?)",
    [owner.user_id, now, now],
  );
}

export const refreshes = [
  ...[
    ["a public one", async ({ world }) => register(world)],
    ["a confidential one", async ({ vault }) => vault],
    ["an unknown one", async () => ({ id: "chitty_client_none" })],
    ["none at all", async () => null],
  ].map(([what, make]) => ({
    name: `a refresh token at another client: ${what}`,
    source: "RFC 9700 §4.14.2, RFC 6749 §10.4",
    attack: async (target) => {
      const { world, app } = target;
      const tokens = await connected(world, app);
      assertNoTokens(await refresh(world, await make(target), tokens.refresh_token), "invalid_grant", "invalid_client", "invalid_request");
      assert.equal((await refresh(world, app, tokens.refresh_token)).status, 200, "a stranger ended it");
    },
  })),
  {
    name: "a confidential client's refresh token by its id alone",
    source: "RFC 6749 §10.4",
    attack: async ({ world, vault }) => {
      const tokens = await connected(world, vault);
      assertNoTokens(await refresh(world, { id: vault.id }, tokens.refresh_token), "invalid_client");
    },
  },
  {
    name: "a replaced refresh token, after its window, ends the whole family",
    source: "RFC 9700 §4.14.2, workers-oauth-provider #214",
    attack: async ({ world, app }) => {
      const stolen = await connected(world, app);
      const { json: second } = await refresh(world, app, stolen.refresh_token);
      const { json: third } = await refresh(world, app, second.refresh_token);
      await world.stack.d1("UPDATE oauth_refresh_tokens SET replaced_at = replaced_at - 61000 WHERE token_hash = ?", [sha256(stolen.refresh_token)]);
      assertNoTokens(await refresh(world, app, stolen.refresh_token), "invalid_grant");
      for (const token of [second, third]) assertNoTokens(await refresh(world, app, token.refresh_token), "invalid_grant");
      await Promise.all([stolen, second, third].map(({ access_token }) => ended(world, access_token)));
    },
  },
  {
    name: "a replaced refresh token of a stranger does not end the family",
    source: "RFC 9700 §4.14.2",
    attack: async ({ world, app }) => {
      const first = await connected(world, app);
      const { json: second } = await refresh(world, app, first.refresh_token);
      await world.stack.d1("UPDATE oauth_refresh_tokens SET replaced_at = replaced_at - 61000 WHERE token_hash = ?", [sha256(first.refresh_token)]);
      assertNoTokens(await refresh(world, await register(world), first.refresh_token), "invalid_grant");
      assert.equal((await refresh(world, app, second.refresh_token)).status, 200);
    },
  },
  {
    name: "a refresh token that is too old",
    source: "RFC 9700 §4.14.2",
    attack: async ({ world, app }) => {
      const { refresh_token } = await connected(world, app);
      await world.stack.d1("UPDATE oauth_refresh_tokens SET expires_at = ? WHERE token_hash = ?", [Date.now() - 1, sha256(refresh_token)]);
      assertNoTokens(await refresh(world, app, refresh_token), "invalid_grant");
    },
  },
  ...[
    ["its stored hash", (token) => sha256(token)],
    ["its stored hash under our prefix", (token) => `chitty_refresh_${sha256(token)}`],
    ["in capitals", (token) => token.toUpperCase()],
    ["cut by one", (token) => token.slice(0, -1)],
    ["as SQL", () => "' OR 1=1 --"],
  ].map(([what, make]) => ({
    name: `a refresh token: ${what}`,
    source: "RFC 6749 §10.10",
    attack: async ({ world, app }) => {
      const { refresh_token } = await connected(world, app);
      assertNoTokens(await refresh(world, app, make(refresh_token)), "invalid_grant");
    },
  })),
  ...ESCALATIONS.map(([what, scope]) => ({
    name: `more scope at a refresh: ${what}`,
    source: "RFC 6749 §6",
    attack: async ({ world, app }) => {
      const tokens = await connected(world, app);
      const reply = await refresh(world, app, tokens.refresh_token, { scope });
      if (reply.status === 200) assert.equal(decoded(reply.json.access_token)[1].scope, "execution:read");
      else assertNoTokens(reply, "invalid_scope");
      const { json } = await refresh(world, app, tokens.refresh_token);
      assert.equal(json.scope, "execution:read");
    },
  })),
  {
    name: "a narrowed access token gives no more than it says",
    source: "RFC 6749 §6",
    attack: async ({ world, app }) => {
      const tokens = await connected(world, app, { scope: BOTH });
      const { json } = await refresh(world, app, tokens.refresh_token, { scope: "chain:verify" });
      assert.equal(json.scope, "chain:verify");
      const body = request("tools/call", { name: "chitty_execution_status", arguments: { execution_id: "EXEC-none" } });
      const { status, text } = await useToken(world, json.access_token, { body });
      assert.ok(status === 403 || /insufficient_scope|INSUFFICIENT_SCOPE/.test(text), text);
    },
  },
  {
    name: "another resource at a refresh",
    source: "RFC 8707 §2.2",
    attack: async ({ world, app }) => {
      const { refresh_token } = await connected(world, app);
      const reply = await refresh(world, app, refresh_token, { resource: `${world.stack.urls.fortress}/mcp` });
      assertNoTokens(reply, "invalid_target");
    },
  },
  ...ENDS.map(([what, end]) => ({
    name: `tokens of a grant with ${what}`,
    source: "RFC 9700 §4.14.2, RFC 7009 §2.1",
    attack: async ({ world, app }) => {
      const tokens = await connected(world, app);
      await assertWorks(world, tokens.access_token);
      await end(world, tokens);
      assertNoTokens(await refresh(world, app, tokens.refresh_token), "invalid_grant");
      await ended(world, tokens.access_token);
    },
  })),
  ...ENDS.slice(0, 4).map(([what, end]) => ({
    name: `a code of a grant with ${what}`,
    source: "RFC 9700 §4.14.2",
    attack: async ({ world, app }) => {
      const grant = await granted(world, app);
      await end(world, grant);
      assertNoTokens(await redeem(world, grant), "invalid_grant");
    },
  })),
  ...ENDS.slice(0, 4).map(([what, end]) => ({
    name: `a yes of a session with ${what}`,
    source: "OWASP ASVS 3.3",
    attack: async ({ world, app }) => {
      const { browser, consent, owner } = await consentPage(world, app);
      await end(world, { owner });
      assertNoCode(await browser.post("/consent", saying(consent)));
    },
  })),
  ...[
    ["what no client may have", "admin:* delegation:act audit:read token:mint_service chain:read_all"],
    ["a wildcard of a service", "execution:* chain:* token:*"],
    ["a star", "*"],
    ["capitals", "ADMIN:* Execution:Run"],
    ["line breaks", "execution:read\nadmin:*"],
    ["SQL", "execution:read' OR '1'='1"],
  ].map(([what, scope]) => ({
    name: `scope of a request: ${what}`,
    source: "RFC 9700 §2.3",
    attack: async ({ world, app }) => {
      const reply = await new Browser(world).get(authorizePath(app, { scope }));
      if (reply.status !== 200) return assert.equal(redirected(reply, app.redirect).error, "invalid_scope");
      const tokens = await connected(world, app, { scope });
      assert.equal(decoded(tokens.access_token)[1].scope, "execution:read");
    },
  })),
  {
    name: "a scope that the person does not have",
    source: "RFC 9700 §2.3",
    attack: async ({ world, app }) => {
      const key = await userKey(world, { scopes: ["execution:read"] });
      const tokens = await connected(world, app, { scope: "execution:read execution:run evidence:package", key });
      assert.equal(tokens.scope, "execution:read");
    },
  },
  {
    name: "a scope that the person has lost since",
    source: "RFC 9700 §2.3",
    attack: async ({ world, app }) => {
      const tokens = await connected(world, app, { scope: "execution:read chain:verify" });
      await world.stack.d1("UPDATE api_tokens SET scopes = '[\"chain:verify\"]' WHERE id = ?", [tokens.owner.id]);
      const body = request("tools/call", { name: "chitty_execution_status", arguments: { execution_id: "EXEC-none" } });
      const { text, status } = await useToken(world, tokens.access_token, { body });
      assert.ok(status === 403 || /insufficient_scope|INSUFFICIENT_SCOPE/.test(text), text);
    },
  },
  {
    name: "a client's own bound is kept by client_credentials",
    source: "RFC 6749 §4.4",
    attack: async ({ world, robot }) => {
      const ask = (scope) => clientCall(world, "/token", robot, { grant_type: "client_credentials", scope });
      for (const scope of ["admin:*", "execution:run", "execution:*", "openid"]) assertNoTokens(await ask(scope), "invalid_scope");
      const { json } = await ask("execution:read");
      assert.deepEqual([json.scope, json.refresh_token], ["execution:read", undefined]);
      assert.equal(decoded(json.access_token)[1].sub, "client:robot");
    },
  },
  ...[
    ["a registered confidential client", async ({ world }) => register(world, { token_endpoint_auth_method: "client_secret_basic" })],
    ["a public client", async ({ app }) => app],
    ["a predefined one that may not", async ({ vault }) => vault],
  ].map(([what, make]) => ({
    name: `client_credentials by ${what}`,
    source: "RFC 6749 §4.4",
    attack: async (target) => {
      const reply = await clientCall(target.world, "/token", await make(target), { grant_type: "client_credentials" });
      assertNoTokens(reply, "unauthorized_client");
    },
  })),
];
