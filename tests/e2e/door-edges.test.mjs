// The OpenAI-compatible door at its edges: what clients send besides, what is refused and how, and what headers say.
import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { after, before, describe, test } from "node:test";
import OpenAI from "openai";
import { collect, guestOf, ledgerOf, question, textOf } from "./door.mjs";
import { asked, startWorld, unique, until } from "./support.mjs";

const LIMIT_HEADERS = ["limit", "remaining", "reset"].flatMap((what) => ["requests", "tokens"].map((of) => `x-ratelimit-${what}-${of}`));

let world;
before(async () => void (world = await startWorld()));
after(() => world?.close());

const newcomer = (options) => guestOf(world, options);
const at = (path) => `${world.stack.urls.chatgpt}/v1${path}`;
const send = (token, body, headers = {}) => fetch(at("/chat/completions"), {
  method: "POST",
  headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers },
  body: JSON.stringify(body),
});

/** An error as OpenAI's clients read it, with all four members and a request id. */
async function refused(reply) {
  assert.match(reply.headers.get("content-type"), /^application\/json/);
  assert.match(reply.headers.get("x-request-id"), /^[\w.-]{8,64}$/);
  const { error } = await reply.json();
  assert.deepEqual(Object.keys(error).sort(), ["code", "message", "param", "type"]);
  assert.ok(error.message.length > 10);
  return { status: reply.status, type: error.type, code: error.code };
}

describe("requests", { concurrency: 4 }, () => {
  test("an organization, a project and fields that nobody here knows", async () => {
    const guest = await newcomer({ organization: "org-x", project: "proj-x" });
    const text = unique("habits");
    await guest.ask(text, { safety_identifier: "user-7", metadata: { docket: "23-1" }, verbosity: "low" });
    const [{ body }] = asked(world, text);
    assert.deepEqual([body.safety_identifier, body.metadata, body.verbosity], ["user-7", { docket: "23-1" }, "low"]);
  });

  test("whether it is a stream is said by the body, not by Accept", async () => {
    const { token } = await newcomer();
    const plain = await send(token, question(unique("accept")), { accept: "text/event-stream" });
    assert.match(plain.headers.get("content-type"), /^application\/json/);
    assert.equal((await plain.json()).object, "chat.completion");
    const streamed = await send(token, question(unique("accept"), { stream: true }), { accept: "application/json" });
    assert.match(streamed.headers.get("content-type"), /^text\/event-stream/);
    assert.ok((await streamed.text()).endsWith("data: [DONE]\n\n"));
  });

  test("pages of any origin may ask, with all headers of OpenAI's client", async () => {
    const { token } = await newcomer();
    const names = "authorization,content-type,openai-organization,openai-project,x-stainless-lang,x-stainless-retry-count,idempotency-key";
    const headers = { origin: "https://page.example", "access-control-request-method": "POST", "access-control-request-headers": names };
    const preflight = await fetch(at("/chat/completions"), { method: "OPTIONS", headers });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get("access-control-allow-origin"), "*");
    const allowed = preflight.headers.get("access-control-allow-headers").split(", ");
    // The wildcard stands for all names but authorization (Fetch standard).
    assert.ok(["authorization", "content-type", "*"].every((name) => allowed.includes(name)), allowed.join());
    const reply = await send(token, question(unique("page")), { origin: "https://page.example" });
    assert.equal(reply.headers.get("access-control-allow-origin"), "*");
    const exposed = reply.headers.get("access-control-expose-headers").split(", ");
    assert.ok(["retry-after", "x-request-id", "*"].every((name) => exposed.includes(name)), exposed.join());
  });
});

test("the chunks of a stream, as they are on the wire", async () => {
  const { token } = await newcomer();
  const reply = await send(token, question(unique("wire"), { n: 2, stream: true, stream_options: { include_usage: true } }));
  const blocks = (await reply.text()).split("\n\n");
  assert.equal(blocks.pop(), "");
  assert.equal(blocks.pop(), "data: [DONE]");
  const chunks = blocks.filter((block) => !block.startsWith(":")).map((block) => {
    assert.match(block, /^data: \{.*\}$/);
    return JSON.parse(block.slice(6));
  });
  const [{ id, created }] = chunks;
  assert.ok(Number.isInteger(created));
  assert.ok(chunks.every((chunk) => chunk.id === id && chunk.created === created && chunk.object === "chat.completion.chunk" && Array.isArray(chunk.choices)));
  const last = chunks.pop();
  assert.deepEqual(last.choices, []);
  assert.ok(last.usage.total_tokens > 0);
  for (const index of [0, 1]) {
    const own = chunks.flatMap(({ choices }) => choices).filter((choice) => choice.index === index);
    assert.equal(own[0].delta.role, "assistant");
    assert.ok(own.slice(1).every(({ delta }) => !("role" in delta)));
    assert.deepEqual(own.filter(({ finish_reason }) => finish_reason !== null), [own.at(-1)]);
  }
});

describe("refusals", { concurrency: 4 }, () => {
  test("what is not served, to the client", async () => {
    const guest = await newcomer();
    for (const asking of [() => guest.client.embeddings.create({ model: "gpt-4", input: "x" }), () => guest.client.files.list(), () => guest.client.responses.create({ model: "gpt-4", input: "x" })]) {
      await assert.rejects(asking, (error) => error instanceof OpenAI.NotFoundError && error.code === "unknown_url" && /is not served here/.test(error.message));
    }
    assert.equal(guest.sent, 3);
  });

  test("another method, with the right one in Allow", async () => {
    for (const [method, path, allow] of [["GET", "/chat/completions", "POST, OPTIONS"], ["POST", "/models", "GET, OPTIONS"], ["DELETE", "/models/gpt-4", "GET, OPTIONS"]]) {
      const reply = await fetch(at(path), { method });
      assert.equal(reply.headers.get("allow"), allow);
      assert.deepEqual(await refused(reply), { status: 405, type: "invalid_request_error", code: "method_not_supported" });
    }
  });

  // Neither can be sent with fetch.
  const raw = async (options) => {
    const { hostname, port } = new URL(world.stack.urls.chatgpt);
    const sent = httpRequest({ hostname, port, ...options });
    sent.flushHeaders();
    const [reply] = await once(sent, "response");
    const { error } = JSON.parse((await reply.toArray()).join(""));
    sent.destroy();
    return { status: reply.statusCode, ...error };
  };

  test("a body that is too large, as soon as it is announced", async () => {
    const { token } = await newcomer();
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json", "content-length": 9 * 1024 * 1024 };
    const { message, ...error } = await raw({ method: "POST", path: "/v1/chat/completions", headers });
    assert.deepEqual(error, { status: 413, type: "invalid_request_error", param: null, code: null });
    assert.match(message, /larger than \d+ bytes/);
  });

  test("a host that is not ours", async () => {
    const error = await raw({ path: "/v1/models", headers: { host: "evil.example", connection: "close" } });
    assert.deepEqual([error.status, error.type, error.param], [403, "invalid_request_error", null]);
  });

  test("nobody's key", async () => {
    const reply = await send("sk-nobodys", question("x"));
    assert.deepEqual(await refused(reply), { status: 401, type: "invalid_request_error", code: "invalid_api_key" });
  });
});

describe("limits", { concurrency: 4 }, () => {
  const limit = (user, tokens) => ledgerOf(world, user, { set_limits: { key_id: null, limits: { requests_per_minute: 1_000, tokens_per_minute: { "gpt-4": tokens }, concurrent: 10 } } });

  test("stand on plain answers, on streams and on the provider's refusals, with the warning of a soft budget", async () => {
    const { user, ask } = await newcomer();
    await limit(user, 90_000);
    await ledgerOf(world, user, { set_budget: { key_id: null, period: "month", caps: { soft: 1, hard: null } } });
    const seen = [];
    for (const stream of [false, true]) {
      const { data, response } = await ask(unique("limits"), { stream }).withResponse();
      if (stream) await collect(data);
      seen.push(response.headers);
    }
    seen.push((await ask(unique("limits"), { temperature: 9 }).then(assert.fail, (error) => error)).headers);
    for (const headers of seen) {
      assert.ok(LIMIT_HEADERS.every((name) => headers.get(name)), "a header is missing");
      assert.equal(headers.get("x-ratelimit-limit-requests"), "1000");
      assert.match(headers.get("x-ratelimit-reset-requests"), /^(\d+h)?(\d+m)?[\d.]+m?s$/);
      assert.ok(headers.get("x-chitty-budget-warning"));
    }
  });

  test("a client that was refused waits as it was told and is served", async () => {
    const guest = await newcomer();
    // 120 tokens a second: a call that holds nearly all of a minute's leaves some seconds' wait.
    await limit(guest.user, 7_200);
    const long = `${unique("long")} [[fault:delay ms=5000]]`;
    const held = guest.ask(long, { max_completion_tokens: 7_000 });
    await until("the long call to be under way", () => asked(world, long).length === 1);
    const text = unique("waits");
    const stream = await guest.ask(text, { stream: true });
    assert.ok(textOf(await collect(stream)).length > 0);
    assert.ok(guest.sent >= 3, "it was never refused");
    assert.equal(asked(world, text).length, 1);
    await held;
  });
});
