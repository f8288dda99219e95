// A panic ends its own request and no other.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BASE, TASKS, call, events, modern, runs, until } from "./support.mjs";

const get = (path) => fetch(`${BASE}${path}`, { signal: AbortSignal.timeout(10_000) });

/** A panic is a 500, or the runtime closes the connection: never an answer that looks fine, never silence. */
async function assertPanicked(answer) {
  const response = await answer.catch((error) => error);
  if (response instanceof Error) assert.notEqual(response.name, "TimeoutError");
  else assert.equal(response.status, 500);
}

test("requests in flight survive the panic of another", async () => {
  const before = await runs();
  const slow = [get("/slow"), get("/slow"), get("/slow")];
  await until(async () => (await runs()).started === before.started + slow.length);
  await assertPanicked(get("/panic"));
  assert.equal((await runs()).finished, before.finished, "the panic came too late to meet them");
  for (const response of await Promise.all(slow)) {
    assert.equal(response.status, 200);
    assert.equal(await response.text(), "slow, but whole");
  }
});

test("the isolate goes on serving after a panic", async () => {
  await assertPanicked(get("/panic"));
  const response = await call("test_simple_text");
  assert.equal(response.status, 200);
  const { result } = await response.json();
  assert.equal(result.content[0].text, "This is a simple text response for testing.");
});

test("an object's memory and its other callers survive a panic inside it", async () => {
  const before = Number(await (await get("/object")).text());
  const started = async () => Number(await (await get("/object-started")).text());
  const startedBefore = await started();
  const counting = get("/object");
  await until(async () => (await started()) === startedBefore + 1);
  await assertPanicked(get("/object-panic"));
  assert.equal(Number(await (await counting).text()), before + 1);
  assert.equal(Number(await (await get("/object")).text()), before + 2);
});

/** The error of a panic: it names the request and nothing of the inside. */
function assertInternal({ error }) {
  assert.equal(error.code, -32603);
  assert.doesNotMatch(error.message, /asked to/);
}

test("a tool's panic is an error of its call, on JSON and on a stream", async () => {
  const before = await runs();
  const slow = call("test_slow_cancellable", { ms: 1500 });
  await until(async () => (await runs()).started === before.started + 1);
  const response = await call("test_panic");
  assert.equal(response.status, 500);
  const body = await response.json();
  assertInternal(body);
  assert.equal(body.error.data.requestId, response.headers.get("x-request-id"));
  const streamed = await call("test_panic", {}, { meta: { progressToken: 1 } });
  const messages = [];
  for await (const message of events(streamed)) messages.push(message);
  assert.equal(messages[0].method, "notifications/progress");
  assertInternal(messages.at(-1));
  assert.equal((await slow).status, 200);
});

test("a panic in a task fails the task", async () => {
  const made = await (await call("test_panic", { later: true }, { meta: TASKS })).json();
  const { taskId } = made.result;
  const failed = await until(async () => {
    const { result } = await (await modern("tasks/get", { taskId }, { meta: TASKS })).json();
    return result.status === "failed" && result;
  });
  assertInternal(failed);
});
