// When the client goes away, the work it asked for is dropped.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { BASE, call, events, modern, runs, sleep, until } from "./support.mjs";

const LONG = { ms: 30_000 };

test("work that nobody interrupts is finished", async () => {
  const before = await runs();
  const response = await call("test_slow_cancellable", { ms: 100 });
  assert.deepEqual((await response.json()).result.structuredContent, { ms: 100 });
  const after = await runs();
  assert.equal(after.finished, before.finished + 1);
  assert.equal(after.cancelled, before.cancelled);
});

// Seen at the next write, at the latest the comment that fills a silence of five seconds.
test("closing the event stream of a call cancels it", async () => {
  const before = await runs();
  const client = new AbortController();
  const response = await call("test_slow_cancellable", LONG, { meta: { progressToken: "p" }, signal: client.signal });
  const { value } = await events(response).next();
  assert.equal(value.method, "notifications/progress");
  assert.equal((await runs()).cancelled, before.cancelled);
  client.abort();
  const after = await until(async () => {
    const now = await runs();
    return now.cancelled > before.cancelled && now;
  }, 8000);
  assert.equal(after.finished, before.finished);
});

/**
 * Calls the slow tool over a socket of its own and returns that. Reset, it tells the server at once
 * that nobody reads any more; a mere close looks like a client that has only finished writing.
 */
function callOverSocket() {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "test_slow_cancellable", arguments: LONG } });
  const { hostname, port, host } = new URL(BASE);
  const head = [
    "POST /mcp HTTP/1.1",
    `host: ${host}`,
    "content-type: application/json",
    "accept: application/json",
    `content-length: ${body.length}`,
  ];
  const socket = connect(Number(port), hostname, () => socket.write(`${head.join("\r\n")}\r\n\r\n${body}`));
  return socket;
}

const cancelledOnce = (before) =>
  until(async () => {
    const now = await runs();
    return now.cancelled === before.cancelled + 1 && now;
  }, 8000);

test("going away while a JSON answer is pending cancels the call", async () => {
  const before = await runs();
  const socket = callOverSocket();
  await until(async () => (await runs()).started > before.started);
  assert.equal((await runs()).cancelled, before.cancelled);
  socket.resetAndDestroy();
  assert.equal((await cancelledOnce(before)).finished, before.finished);
});

test("a call that another client makes is not cancelled with it", async () => {
  const before = await runs();
  const other = call("test_slow_cancellable", { ms: 3000 });
  const socket = callOverSocket();
  await until(async () => (await runs()).started === before.started + 2);
  socket.resetAndDestroy();
  await cancelledOnce(before);
  assert.deepEqual((await (await other).json()).result.structuredContent, { ms: 3000 });
});

test("closing a listening stream ends it", async () => {
  const client = new AbortController();
  const response = await modern("subscriptions/listen", { notifications: { toolsListChanged: true } }, { signal: client.signal });
  const stream = events(response);
  assert.equal((await stream.next()).value.method, "notifications/subscriptions/acknowledged");
  client.abort();
  await assert.rejects(async () => (await stream.next()).value, { name: "AbortError" });
  await sleep(300);
  assert.equal((await call("test_trigger_tool_change")).status, 200);
});
