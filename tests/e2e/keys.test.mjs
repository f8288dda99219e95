// Keys through tools and REST: their life, their limits under a rush, and what is left of them.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertRefused } from "./refusals.mjs";
import { admit, assertExplains, bad, dump, good, post, request, startWorld, unique, until } from "./support.mjs";

let world;
/** Texts of keys, to be found nowhere afterwards. */
const given = [];
before(async () => void (world = await startWorld()));
after(() => world?.close());

const tool = async (name, args, token) => keep(await good(world, "coordinator", name, args, { token }));
const keep = (made) => {
  if (made.token) given.push(made.token);
  return made;
};
const list = (token) => post(world, "coordinator", request("tools/list"), { token });
const rest = (method, path, { token = world.token, body, headers = {} } = {}) =>
  fetch(world.stack.urls.coordinator + path, {
    method,
    headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), "content-type": "application/json", ...headers },
    body: body && JSON.stringify(body),
  });
/** A key of a user of its own that may keep keys. */
const keeper = async (scopes = ["token:manage", "execution:read"]) => {
  const user_id = unique("user");
  return { user_id, token: await admit(world, { user_id, scopes: JSON.stringify(scopes) }) };
};

test("a key is made, used, replaced and revoked through the tools", async () => {
  const { token, user_id } = await keeper();
  const made = await tool("chitty_token_mint", { name: "laptop", platform: "claude" }, token);
  assert.match(made.token, /^chitty_key_[0-9a-f]{64}$/);
  assert.deepEqual([made.key.user_id, made.key.scopes, made.key.state], [user_id, ["execution:read"], "active"]);
  assert.equal((await list(made.token)).status, 200);

  const { keys } = await tool("chitty_token_list", {}, token);
  assert.ok(keys.some(({ id }) => id === made.key.id));
  const next = await tool("chitty_token_rotate", { id: made.key.id }, token);
  assert.notEqual(next.token, made.token);
  assert.equal((await list(next.token)).status, 200);
  await until("the old key's end", async () => (await list(made.token)).status === 401, 11_000);

  const ended = await tool("chitty_token_revoke", { id: next.key.id }, token);
  assert.deepEqual([ended.revoked, ended.key.state], [1, "inactive"]);
  assert.equal((await tool("chitty_token_revoke", { id: next.key.id }, token)).revoked, 0);
  await until("the new key's end", async () => (await list(next.token)).status === 401, 11_000);
});

test("nobody gets more than they have, and other users' keys are not there", async () => {
  const ann = await keeper();
  const bob = await keeper();
  const refused = (name, args, { token }) => bad(world, "coordinator", name, args, { token });
  for (const args of [{ scopes: ["admin:*"] }, { role: "analyst" }, { kind: "service" }, { scopes: ["chatgpt:*"] }]) {
    assert.equal((await refused("chitty_token_mint", { name: "more", ...args }, ann)).code, "INSUFFICIENT_SCOPE");
  }
  const named = await refused("chitty_token_mint", { name: "bob's", user_id: bob.user_id }, ann);
  assert.equal(named.code, "USER_ID_REFUSED");
  const { key } = await tool("chitty_token_mint", { name: "own" }, bob.token);
  for (const name of ["chitty_token_rotate", "chitty_token_revoke"]) {
    assert.equal((await refused(name, { id: key.id }, ann)).code, "KEY_NOT_FOUND");
  }
  const strong = await tool("chitty_token_mint", { name: "strong", user_id: ann.user_id, role: "counsel" });
  assert.equal((await refused("chitty_token_rotate", { id: strong.key.id }, ann)).code, "INSUFFICIENT_SCOPE");
  assert.equal((await list(strong.token)).status, 200);
});

test("in a rush of 40 calls a user gets 20 keys, and 5 on a platform", async () => {
  const { token, user_id } = await keeper();
  const rush = async (count, body) => {
    const responses = await Promise.all(Array.from({ length: count }, () => rest("POST", "/api/v2/tokens/mint", { token, body })));
    const made = responses.filter(({ status }) => status === 201);
    for (const response of responses) {
      if (response.status === 201) keep(await response.json());
      else await assertRefused(response, 409, "KEY_LIMIT");
    }
    return made.length;
  };
  assert.equal(await rush(15, { name: "claude", platform: "claude" }), 5);
  // With the first key of the user and those five, 14 are left.
  assert.equal(await rush(25, { name: "any" }), 14);
  const [{ n }] = await world.stack.d1("SELECT count(*) AS n FROM api_tokens WHERE user_id = ? AND status = 'active'", [user_id]);
  assert.equal(n, 20);
});

test("a rush of rotations of one key makes one successor", async () => {
  const { token } = await keeper();
  const { key } = await tool("chitty_token_mint", { name: "wanted" }, token);
  const responses = await Promise.all(Array.from({ length: 12 }, () => rest("POST", `/api/v2/tokens/${key.id}/rotate`, { token })));
  const made = await Promise.all(responses.filter(({ status }) => status === 201).map(async (response) => keep(await response.json())));
  assert.equal(made.length, 1);
  for (const response of responses.filter(({ status }) => status !== 201)) await assertRefused(response, 409, "KEY_NOT_ACTIVE");
});

test("REST refuses in the common form", async () => {
  await assertRefused(await rest("POST", "/api/v2/tokens/mint", { token: "", body: {} }), 401, "MISSING_CREDENTIAL");
  await assertRefused(await rest("POST", "/api/v2/tokens/mint", { body: {} }), 400, "INVALID_ARGUMENTS");
  await assertRefused(await rest("POST", "/api/v2/tokens/none/revoke"), 404, "KEY_NOT_FOUND");
  const wrong = await rest("GET", "/api/v2/tokens/mint");
  assert.equal(wrong.status, 405);
  assertExplains((await wrong.json()).error.message);
});

test("the audit log is exported whole, and each step of a key is in it", async () => {
  const { token, user_id } = await keeper();
  const from = new Date(Date.now() - 1000).toISOString();
  const { key } = await tool("chitty_token_mint", { name: "noted" }, token);
  await tool("chitty_token_revoke", { id: key.id }, token);
  await bad(world, "coordinator", "chitty_token_revoke", { id: "none" }, { token });
  const rows = await until("the rows", async () => {
    const response = await rest("GET", `/api/v2/audit/export?from=${from}`);
    assert.equal(response.headers.get("content-type"), "application/x-ndjson");
    const lines = (await response.text()).trimEnd().split("\n").map((line) => JSON.parse(line));
    const end = lines.pop();
    assert.deepEqual(end, { export: { rows: lines.length, complete: true } });
    const own = lines.filter((line) => line.user_id === user_id && line.resource_type === "token");
    return own.length === 3 && own;
  });
  const told = rows.map(({ action, outcome, reason, resource_id }) => [action, outcome, reason, resource_id]);
  assert.deepEqual(told, [
    ["token_mint", "allow", null, key.id],
    ["token_revoke", "allow", null, key.id],
    ["token_revoke", "deny", "not_found", "none"],
  ]);
  await assertRefused(await rest("GET", "/api/v2/audit/export", { token }), 403, "INSUFFICIENT_SCOPE");
});

test("wrong tokens are slowed down, good ones beside them are not", async () => {
  let waited;
  for (let n = 0; n < 60 && !waited; n += 1) {
    const response = await list(`chitty_key_${"0".repeat(40)}`);
    await response.arrayBuffer();
    if (response.status === 429) waited = response;
    else assert.equal(response.status, 401);
  }
  assert.ok(waited, "60 guesses were answered 401");
  assert.match(waited.headers.get("retry-after"), /^[1-9]\d?$/);
  assert.equal((await list(world.token)).status, 200);
});

test("no key is in a table or a log line", async () => {
  const told = JSON.stringify([await dump(world), world.stack.logs]);
  assert.ok(given.length > 25);
  for (const token of given) {
    const digits = token.split("_")[2];
    assert.equal(told.includes(digits.slice(8)), false);
  }
});
