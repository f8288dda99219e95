// chatgpt_stream: the text arrives while the model speaks.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { LEGACY, MODERN, asked, good, messages, modern, post, request, row, startWorld, unique, until } from "./support.mjs";

const DRIP = "[[fault:drip ms=50]]";

let world;
before(async () => void (world = await startWorld()));
after(() => world?.close());

const question = (text) => ({ messages: [{ role: "user", content: text }] });

/** Asks and gathers: each message with the state the model's reply was in when it came. */
async function listen(content, { era = LEGACY, meta } = {}) {
  const params = { name: "chatgpt_stream", arguments: question(content), ...(meta ? { _meta: meta } : {}) };
  const { body, headers } = era === MODERN ? modern("tools/call", params) : { body: request("tools/call", params), headers: {} };
  const response = await post(world, "chatgpt", body, { headers });
  assert.equal(response.status, 200);
  const heard = [];
  for await (const message of messages(response)) {
    // The stand-in notes a request's status when its reply is sent to the end.
    const [sent] = asked(world, content);
    heard.push({ message, speaking: sent.status === null });
  }
  return { response, heard };
}

for (const era of [MODERN, LEGACY]) {
  test(`${era}: pieces come as progress before the model is done, and join to the whole`, async () => {
    const { response, heard } = await listen(`${unique("stream")} ${DRIP}`, { era, meta: { progressToken: "spoken" } });
    assert.match(response.headers.get("content-type"), /^text\/event-stream/);
    const last = heard.pop().message;
    assert.ok(heard.every(({ message }) => message.method === "notifications/progress"));
    assert.ok(heard.filter(({ speaking }) => speaking).length >= 5, "the text came only when all of it was there");
    const told = heard.map(({ message }) => message.params);
    assert.deepEqual(told.map(({ progress }) => progress), told.map((_, at) => at + 1));
    assert.ok(told.every(({ progressToken }) => progressToken === "spoken"));

    const { structuredContent: done } = last.result;
    assert.equal(told.map(({ message }) => message).join(""), done.response);
    assert.deepEqual([done.status, done.finish_reason, done.recorded], ["completed", "stop", true]);
    assert.equal(done.usage.total_tokens, done.usage.prompt_tokens + done.usage.completion_tokens);
    assert.equal(done.cost_nanos, done.usage.prompt_tokens * 30_000 + done.usage.completion_tokens * 60_000);
  });
}

test("without a progress token there is the result alone", async () => {
  const { heard } = await listen(`${unique("silent")} ${DRIP}`);
  assert.equal(heard.length, 1);
  assert.match(heard[0].message.result.structuredContent.response, /^\[stand-in model/);
});

test("a caller that reads no event streams gets the result as JSON", async () => {
  const params = { name: "chatgpt_stream", arguments: question(unique("json")), _meta: { progressToken: 1 } };
  const response = await post(world, "chatgpt", request("tools/call", params), { headers: { accept: "application/json" } });
  assert.equal(response.headers.get("content-type"), "application/json");
  assert.equal((await response.json()).result.structuredContent.status, "completed");
});

test("with a session, question and answer are kept", async () => {
  const session_id = unique("session");
  const done = await good(world, "chatgpt", "chatgpt_stream", { ...question("echo: kept"), session_id });
  assert.equal(done.session_id, session_id);
  const kept = await world.stack.d1("SELECT role, content FROM chat_messages WHERE session_id = ? ORDER BY seq", [session_id]);
  assert.deepEqual(kept.map(({ content }) => content), ["echo: kept", done.response]);
});

describe("what breaks in the middle", () => {
  test("a cut stream is an error that says so, after the pieces that came", async () => {
    const session_id = unique("session");
    const params = { name: "chatgpt_stream", arguments: { ...question(`${unique("cut")} [[fault:cut after=6]]`), session_id }, _meta: { progressToken: 7 } };
    const heard = [];
    for await (const message of messages(await post(world, "chatgpt", request("tools/call", params)))) heard.push(message);
    const { result } = heard.pop();
    assert.ok(heard.length >= 1);
    assert.equal(result.isError, true);
    const { error } = JSON.parse(result.content[0].text);
    assert.equal(error.code, "MODEL_INTERRUPTED");
    assert.equal(error.details.may_have_billed, true);
    const kept = await world.stack.d1("SELECT role, content, metadata, cost_status FROM chat_messages WHERE session_id = ? ORDER BY seq", [session_id]);
    assert.deepEqual(kept.map(({ role, cost_status }) => [role, cost_status]), [["user", "none"], ["assistant", "estimated"]]);
    assert.equal(JSON.parse(kept[0].metadata).state, "failed");
    assert.equal(kept[1].content, heard.map(({ params }) => params.message).join(""));
    assert.equal((await row(world, "chat_sessions", session_id)).unpriced_messages, 0);
  });

  test("what a caller that goes away has asked for is read to its end, and on the books", async () => {
    const text = `${unique("gone")} [[fault:drip ms=100]]`;
    const params = { name: "chatgpt_stream", arguments: question(text), _meta: { progressToken: 1 } };
    const [caller, before] = [new AbortController(), Date.now()];
    const response = await post(world, "chatgpt", request("tools/call", params), { signal: caller.signal });
    await response.body.getReader().read();
    caller.abort();
    const priced = () => world.stack.d1("SELECT id FROM usage_events WHERE cost_status = 'priced' AND started_at >= ?", [before]);
    await until("the answer to be on the books", async () => (await priced()).length > 0);
    assert.ok(!asked(world, text)[0].closed_early);
  });
});
