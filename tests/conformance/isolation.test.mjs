// A panic ends its own request and no other.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BASE, call } from "./support.mjs";

const get = (path) => fetch(`${BASE}${path}`, { signal: AbortSignal.timeout(10_000) });

/** A panic is a 500, or the runtime closes the connection: never an answer that looks fine, never silence. */
async function assertPanicked(answer) {
  const response = await answer.catch((error) => error);
  if (response instanceof Error) assert.notEqual(response.name, "TimeoutError");
  else assert.equal(response.status, 500);
}

test("requests in flight survive the panic of another", async () => {
  const slow = [get("/slow"), get("/slow"), get("/slow")];
  await new Promise((resolve) => setTimeout(resolve, 200));
  await assertPanicked(get("/panic"));
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
  const counting = get("/object");
  await new Promise((resolve) => setTimeout(resolve, 100));
  await assertPanicked(get("/object-panic"));
  assert.equal(Number(await (await counting).text()), before + 1);
  assert.equal(Number(await (await get("/object")).text()), before + 2);
});
