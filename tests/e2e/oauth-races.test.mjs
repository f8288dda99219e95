// Many at once, and workers that die in the middle: nobody gets another's grant, nobody is logged out, and nothing
// stays half done.
import assert from "node:assert/strict";
import { randomBytes, randomInt } from "node:crypto";
import { after, before, test } from "node:test";
import {
  assertNoTokens, assertWorks, authorizePath, Browser, clientCall, connected, decoded, granted, makePkce, note, redeem, redirected, refresh, register,
  saying, sha256, signIn, userKey, useToken,
} from "./oauth-attacks.mjs";
import { startWorld, until } from "./support.mjs";

const PEOPLE = 1000;
/** One in so many uses its token too. */
const SAMPLE = 10;
const DEATHS = 10;
const FLOWS = 12;
const SCOPES = ["execution:read", "chain:verify", "fortress:verify", "execution:run", "evidence:package"];

let world;
before(async () => void (world = await startWorld()));
after(() => world?.close());

const rows = (sql, ...params) => world.stack.d1(sql, params);
const grantOf = (access_token) => decoded(access_token)[1].gid;
const statuses = (replies) => replies.map(({ status }) => status);

/** A place to wait at: whoever comes goes on when `count` have come. */
function gathering(count) {
  const { promise, resolve } = Promise.withResolvers();
  return () => {
    count -= 1;
    if (count === 0) resolve();
    return promise;
  };
}

/** Keys of as many people, in one statement. */
async function crowd(count) {
  const now = Date.now();
  const people = Array.from({ length: count }, (_, index) => {
    const key = `chitty_key_${randomBytes(32).toString("hex")}`;
    return { key, hash: sha256(key), user_id: `USER-crowd-${index}`, id: `TOKEN-crowd-${index}` };
  });
  await rows(
    `INSERT INTO api_tokens (id, user_id, token_hash, key_prefix, name, scopes, status, created_at, expires_at, type)
     SELECT value ->> 'id', value ->> 'user_id', value ->> 'hash', 'chitty_key', 'crowd', '["admin:*"]', 'active', ?, ?, 'bearer' FROM json_each(?)`,
    now, now + 3_600_000, JSON.stringify(people),
  );
  return people;
}

test("a hundred refreshes of one token at once give one successor", async () => {
  const client = await register(world);
  const tokens = await connected(world, client);
  const replies = await Promise.all(Array.from({ length: 100 }, () => refresh(world, client, tokens.refresh_token)));
  assert.deepEqual([...new Set(statuses(replies))], [200]);
  const successors = new Set(replies.map(({ json }) => json.refresh_token));
  assert.equal(successors.size, 1);
  const family = await rows("SELECT token_hash, replaced_at FROM oauth_refresh_tokens WHERE grant_id = ?", grantOf(tokens.access_token));
  assert.equal(family.length, 2);
  assert.deepEqual(family.filter(({ replaced_at }) => replaced_at === null).map(({ token_hash }) => token_hash), [...successors].map(sha256));
  for (const { json } of replies) await assertWorks(world, json.access_token);
  assert.equal((await refresh(world, client, [...successors][0])).status, 200);
});

test("a client that refreshes from many places, each with what it has, is never logged out", async () => {
  const client = await register(world);
  const first = await connected(world, client);
  const places = Array.from({ length: 12 }, () => first.refresh_token);
  await Promise.all(places.map(async (_, place) => {
    for (let round = 0; round < 5; round += 1) {
      const { status, json } = await refresh(world, client, places[place]);
      assert.equal(status, 200, JSON.stringify(json));
      places[place] = json.refresh_token;
    }
  }));
  const live = await rows("SELECT token_hash FROM oauth_refresh_tokens WHERE grant_id = ? AND replaced_at IS NULL", grantOf(first.access_token));
  assert.equal(live.length, 1, "the family forked");
  const last = await Promise.all(places.map((token) => refresh(world, client, token)));
  assert.deepEqual([...new Set(statuses(last))], [200]);
});

test("refreshing and revoking at once leaves nothing alive", async () => {
  const client = await register(world);
  const tokens = await connected(world, client);
  const all = await Promise.all(Array.from({ length: 40 }, (_, index) =>
    index === 20 ? clientCall(world, "/revoke", client, { token: tokens.refresh_token }) : refresh(world, client, tokens.refresh_token)));
  const successors = new Set(all.map(({ json }) => json?.refresh_token).filter(Boolean));
  for (const token of [tokens.refresh_token, ...successors]) assertNoTokens(await refresh(world, client, token), "invalid_grant");
});

test("a code that fifty redeem at once gives tokens once, and those end", async () => {
  const client = await register(world);
  const grant = await granted(world, client);
  const replies = await Promise.all(Array.from({ length: 50 }, () => redeem(world, grant)));
  const won = replies.filter(({ status }) => status === 200);
  assert.ok(won.length <= 1, `${won.length} got tokens`);
  for (const reply of replies.filter(({ status }) => status !== 200)) assertNoTokens(reply, "invalid_grant");
  for (const { json } of won) {
    assertNoTokens(await refresh(world, client, json.refresh_token), "invalid_grant");
    await until("the access token to end", async () => (await useToken(world, json.access_token)).status === 401);
  }
});

test("a sign-in form that is sent twenty times at once opens sessions of one person alone", async () => {
  const browser = new Browser(world);
  const { key, user_id } = await userKey(world);
  const { fields } = (await browser.get("/sign-in")).form("/sign-in");
  const replies = await Promise.all(Array.from({ length: 20 }, () => browser.post("/sign-in", { ...fields, key })));
  assert.deepEqual([...new Set(statuses(replies))], [303]);
  assert.match((await browser.get("/account")).text, new RegExp(user_id));
});

test(`${PEOPLE} people with a client each, all at once: none is mixed up or lost`, async () => {
  const people = await crowd(PEOPLE);
  // Each request has a connection of its own. All start together, and nobody goes on to tokens, or to refresh them,
  // before everybody can.
  const [haveCodes, haveTokens] = [gathering(PEOPLE), gathering(PEOPLE)];
  const got = await Promise.all(people.map(async (owner, index) => {
    const scopes = SCOPES.filter((_, bit) => ((index % 31) + 1) & (1 << bit)).sort();
    const client = await register(world, { client_name: `App ${index}`, redirect_uris: [`https://app${index}.example.com/cb`] });
    const grant = await granted(world, client, { key: owner, scope: scopes.join(" "), state: `state-${index}` });
    assert.equal(grant.state, `state-${index}`);
    await haveCodes();
    const tokens = await redeem(world, grant);
    await haveTokens();
    const refreshed = await refresh(world, client, tokens.json?.refresh_token);
    const claims = [tokens, refreshed].map(({ status, json }) => {
      assert.equal(status, 200, JSON.stringify(json));
      return decoded(json.access_token)[1];
    });
    for (const { sub, client_id, scope, gid } of claims) {
      assert.deepEqual([sub, client_id, scope.split(" ").sort(), gid], [owner.user_id, client.id, scopes, claims[0].gid]);
    }
    if (index % SAMPLE === 0) await assertWorks(world, refreshed.json.access_token);
    return { gid: claims[0].gid, client, owner, scopes, refresh_token: refreshed.json.refresh_token };
  }));
  for (const name of ["gid", "refresh_token"]) assert.equal(new Set(got.map((one) => one[name])).size, PEOPLE, name);
  const stored = new Map((await rows(`SELECT g.id, g.user_id, g.client_id, g.scopes, r.token_hash FROM oauth_grants g
    JOIN oauth_refresh_tokens r ON r.grant_id = g.id WHERE r.replaced_at IS NULL`)).map((row) => [row.id, row]));
  for (const { gid, client, owner, scopes, refresh_token } of got) {
    const row = stored.get(gid);
    assert.deepEqual([row.user_id, row.client_id, JSON.parse(row.scopes).sort(), row.token_hash], [owner.user_id, client.id, scopes, sha256(refresh_token)]);
  }
});

/** A person and a client on their way to tokens and on, who write down what they have. `step` is told of each answer. */
async function flow(client, owner, step) {
  const has = { client, owner, redirect: client.redirect, browser: new Browser(world) };
  const after = (answer) => answer.finally(step);
  const walk = async () => {
    const { verifier, challenge } = makePkce();
    Object.assign(has, { verifier, path: authorizePath(client, { challenge }) });
    const signedIn = await after(signIn(has.browser, has.path, owner.key));
    const consent = (await after(has.browser.get(signedIn.location))).form("/consent");
    has.code = redirected(await after(has.browser.post("/consent", saying(consent))), client.redirect).code;
    has.tokens = (await after(redeem(world, has))).json;
    for (;;) has.tokens = (await after(refresh(world, client, has.tokens.refresh_token))).json ?? has.tokens;
  };
  // It ends with the workers.
  await walk().catch((error) => (has.error = error));
  return has;
}

/** Starts flows and kills the workers in the middle, after any number of answers. Returns what the flows have. */
async function dieAmong(travellers) {
  let answers = randomInt(1, travellers.length * 8);
  const { promise: reached, resolve } = Promise.withResolvers();
  const step = () => (answers -= 1) === 0 && resolve();
  const flows = travellers.map(([client, owner]) => flow(client, owner, step));
  await reached;
  await new Promise((go) => setTimeout(go, randomInt(0, 20)));
  await world.stack.kill();
  return Promise.all(flows);
}

/** After a death a code was redeemed with all that belongs to it, or not at all; and no family has forked. */
async function assertNothingHalf() {
  const codes = await rows(`SELECT c.redeemed_at, c.redeemed_by, g.last_used_at, g.revoked_at,
      (SELECT COUNT(*) FROM oauth_refresh_tokens r WHERE r.grant_id = g.id) AS tokens,
      (SELECT COUNT(*) FROM oauth_refresh_tokens r WHERE r.grant_id = g.id AND r.replaced_at IS NULL) AS live
    FROM oauth_authorization_codes c JOIN oauth_grants g ON g.id = c.grant_id`);
  for (const code of codes) {
    if (code.redeemed_at === null) assert.deepEqual([code.redeemed_by, code.last_used_at, code.tokens], [null, null, 0]);
    else {
      assert.ok(code.redeemed_by && code.last_used_at !== null && code.tokens >= 1, JSON.stringify(code));
      assert.equal(code.live, 1, JSON.stringify(code));
    }
  }
  const [{ alone }] = await rows(`SELECT COUNT(*) AS alone FROM oauth_grants g
    WHERE NOT EXISTS (SELECT 1 FROM oauth_authorization_codes c WHERE c.grant_id = g.id)`);
  assert.equal(alone, 0, "a grant without its code");
}

/** What the client has still works, or it can start again at once. Tells how. */
async function goOn({ client, owner, browser, code, tokens, ...has }) {
  if (tokens?.refresh_token) {
    const { status, json } = await refresh(world, client, tokens.refresh_token);
    assert.equal(status, 200, `logged out: ${JSON.stringify(json)}`);
    return "refreshed";
  }
  if (code) {
    const reply = await redeem(world, { client, code, ...has });
    if (reply.status === 200) return "redeemed";
    // Its answer was lost on the way.
    assertNoTokens(reply, "invalid_grant");
  }
  const again = await connected(world, client, { key: owner, browser: new Browser(world) });
  await assertWorks(world, again.access_token);
  const session = await browser.get(authorizePath(client));
  assert.ok(session.form("/consent") ?? session.form("/sign-in"), "the browser is stuck");
  return code ? "started again with a lost code" : "started again";
}

test(`workers that are killed ${DEATHS} times leave no half-used code, and every client can go on`, async (t) => {
  await rows("DELETE FROM oauth_authorization_codes");
  await rows("DELETE FROM oauth_grants");
  const ways = {};
  for (let death = 0; death < DEATHS; death += 1) {
    const travellers = await Promise.all(Array.from({ length: FLOWS }, async () => [await register(world), await userKey(world)]));
    const left = await dieAmong(travellers);
    await world.restart({ stay: true });
    await assertNothingHalf();
    // Nobody could refresh while nothing ran: that time does not count.
    await rows("UPDATE oauth_refresh_tokens SET replaced_at = ? WHERE replaced_at IS NOT NULL", Date.now());
    for (const has of left) {
      assert.match(String(has.error?.cause ?? has.error), /fetch failed|ECONN|other side closed|socket|terminated/i, has.error?.stack);
      note(has.code);
      const way = await goOn(has);
      ways[way] = (ways[way] ?? 0) + 1;
    }
  }
  t.diagnostic(JSON.stringify(ways));
});
