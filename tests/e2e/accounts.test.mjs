// A user's limits and money across the workers: runs of the fortress, and calls that nobody settled.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ledgerOf } from "./door.mjs";
import { admit, asked, bad, execute, good, run, startWorld, unique, until } from "./support.mjs";

/** More than any run here can cost, and less. */
const ENOUGH_USD = "100";
const TOO_LITTLE_USD = "0.0001";
/** The least time a reservation can be held. */
const LEAST_MS = 1_000;

let world;
before(async () => void (world = await startWorld()));
after(() => world?.close());

const newcomer = async () => {
  const user = unique("user");
  return { user, token: await admit(world, { user_id: user }) };
};
const budget = async (who, hard_usd) => {
  await good(world, "chatgpt", "chitty_budget_set", { user_id: who.user, period: "month", hard_usd });
};
const spentBy = async ({ user }) => {
  const { budgets } = await good(world, "chatgpt", "chitty_budget_get", { user_id: user });
  return budgets[0].nanos.spent;
};
const events = ({ user }) => world.stack.d1("SELECT * FROM usage_events WHERE user_id = ? ORDER BY started_at", [user]);
const as = ({ token }) => ({ token });

test("a run is refused by its user's budget, says so, and runs when there is room", async () => {
  const guest = await newcomer();
  await budget(guest, TOO_LITTLE_USD);
  const prompt = unique("refused");
  const refused = await bad(world, "fortress", "fortress_secure_execute", { prompt, label: "refused" }, as(guest));
  assert.equal(refused.code, "BUDGET_EXCEEDED");
  assert.match(refused.message, /budget/);
  const [job] = await world.stack.d1("SELECT * FROM fortress_jobs WHERE user_id = ?", [guest.user]);
  assert.deepEqual([job.status, job.cost_status, job.error_message], ["failed", "none", refused.message]);
  const failed = await bad(world, "coordinator", "chitty_secure_ai_execute", { prompt, security_level: "fortress" }, as(guest));
  assert.match(failed.message, /budget/);
  assert.equal(asked(world, prompt).length, 0);
  assert.equal((await events(guest)).length, 0);

  await budget(guest, ENOUGH_USD);
  const done = await run(world, { prompt, label: "allowed" }, as(guest));
  assert.equal(await spentBy(guest), done.cost_nanos);
  const [event] = await events(guest);
  assert.deepEqual([event.request_id, event.cost_nanos, event.outcome], [done.job_id, done.cost_nanos, "ok"]);
});

test("an execution is on the books with its case, by what it says that it cost", async () => {
  const guest = await newcomer();
  await budget(guest, ENOUGH_USD);
  const case_id = unique("case");
  const done = await execute(world, { prompt: unique("case"), security_level: "fortress", case_id }, as(guest));
  const [event] = await events(guest);
  assert.equal(event.case_id, case_id);
  assert.equal(event.cost_nanos, await spentBy(guest));
  assert.equal(event.cost_nanos / 1e9, Number(done.cost_usd));
  const { analytics: { totals } } = await good(world, "chatgpt", "chitty_usage_analytics", { case_id, granularity: "day" }, as(guest));
  assert.deepEqual([totals.requests, totals.cost_nanos], [1, event.cost_nanos]);
});

test("a call that nobody settles is put on the books when its time is over, once", async () => {
  const guest = await newcomer();
  const request_id = unique("cut-off");
  const booking = { user_id: guest.user, session_id: null, case_id: null, provider: "openai", model: "gpt-4", service_tier: null };
  const request = {
    request_id, booking, key_id: null, family: "gpt-4", input_tokens: 1, max_output_tokens: 1, bound_nanos: 1_234, clamp: null,
    ttl_ms: LEAST_MS, sent: true, nonce: unique("n"),
  };
  const { admission } = await ledgerOf(world, guest.user, { admit: { request } });
  assert.equal(admission.decision, "admitted");
  const [event] = await until("the account's alarm", async () => {
    const found = await events(guest);
    return found.length > 0 && found;
  });
  assert.deepEqual(
    [event.id, event.outcome, event.cost_status, event.cost_nanos, event.price_id],
    [`${request_id}.1`, "CALL_CUT_OFF", "estimated", 1_234, "bound"],
  );
  const { analytics: { totals } } = await good(world, "chatgpt", "chitty_usage_analytics", { granularity: "day" }, as(guest));
  assert.deepEqual([totals.requests, totals.cost_nanos], [1, 1_234]);
});
