// Each wrong request gets the protocol's own error, with a sentence and a request id.
import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import { BASE, META, assertRefused, call, legacy, legacyHeaders, modern, modernHeaders, post } from "./support.mjs";

const PARSE = -32700;
const INVALID_REQUEST = -32600;
const METHOD_NOT_FOUND = -32601;
const INVALID_PARAMS = -32602;
const HEADER_MISMATCH = -32020;
const UNSUPPORTED_VERSION = -32022;

test("malformed JSON", async () => {
  await assertRefused(await post("{\"jsonrpc\":"), 400, PARSE, /not valid JSON/);
  await assertRefused(await post(""), 400, PARSE, /not valid JSON/);
});

test("bytes that are no UTF-8", async () => {
  await assertRefused(await post(new Uint8Array([0x7b, 0x22, 0xff, 0xfe])), 400, PARSE, /not UTF-8 from byte 2/);
});

test("deep nesting", async () => {
  const deep = "[".repeat(5000) + "]".repeat(5000);
  const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"test_simple_text","arguments":{"a":${deep}}}}`;
  await assertRefused(await post(body), 400, PARSE, /recursion limit/);
});

test("a batch", async () => {
  const message = { jsonrpc: "2.0", id: 1, method: "ping" };
  await assertRefused(await post(JSON.stringify([message, message])), 400, INVALID_REQUEST, /one message a POST/);
});

test("messages that are no JSON-RPC", async () => {
  await assertRefused(await post("7"), 400, INVALID_REQUEST, /must be a JSON object/);
  await assertRefused(await post(`{"id":1,"method":"ping"}`), 400, INVALID_REQUEST, /"jsonrpc" must be "2.0"/, 1);
  await assertRefused(await post(`{"jsonrpc":"2.0","id":1.5,"method":"ping"}`), 400, INVALID_REQUEST, /"id" must be/);
  await assertRefused(await post(`{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}`), 400, INVALID_REQUEST, /"params" must be an object/, 1);
});

test("another content type", async () => {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" });
  await assertRefused(await post(body, { ...legacyHeaders, "content-type": "text/plain" }), 415, INVALID_REQUEST, /send application\/json/);
});

test("an Accept without JSON", async () => {
  const response = await legacy("ping", {}, { headers: { accept: "text/html" } });
  await assertRefused(response, 406, INVALID_REQUEST, /accept application\/json/, 1);
});

test("listening without a stream", async () => {
  const response = await modern("subscriptions/listen", { notifications: {} }, { headers: { accept: "application/json" } });
  await assertRefused(response, 406, INVALID_REQUEST, /accept text\/event-stream/, 1);
});

test("a body over the limit, its length stated and not", async () => {
  const body = new TextEncoder().encode(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping", params: { pad: "x".repeat(1_048_576) } }));
  await assertRefused(await post(body), 413, INVALID_REQUEST, /larger than 1048576 bytes/);
  const stream = new ReadableStream({
    start(controller) {
      for (let start = 0; start < body.length; start += 65_536) controller.enqueue(body.slice(start, start + 65_536));
      controller.close();
    },
  });
  await assertRefused(await post(stream, legacyHeaders, { duplex: "half" }), 413, INVALID_REQUEST, /larger than 1048576 bytes/);
});

test("other methods", async () => {
  for (const method of ["GET", "DELETE", "PUT"]) {
    const response = await fetch(`${BASE}/mcp`, { method });
    assert.equal(response.headers.get("allow"), "POST, OPTIONS");
    await assertRefused(response, 405, INVALID_REQUEST, /POST a JSON-RPC message/);
  }
});

test("a foreign origin, and a foreign host", async () => {
  const response = await legacy("ping", {}, { headers: { origin: "https://evil.example.com" } });
  assert.equal(response.headers.get("access-control-allow-origin"), null);
  await assertRefused(response, 403, INVALID_REQUEST, /may not call this server/);
  // `fetch` does not let a caller set Host.
  const status = await new Promise((resolve, reject) => {
    const sent = request(`${BASE}/mcp`, { method: "POST", headers: { ...legacyHeaders, host: "evil.example.com" } }, (answer) => resolve(answer.statusCode));
    sent.on("error", reject).end(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" }));
  });
  assert.equal(status, 403);
});

test("a page of an allowed origin may call, and is told so", async () => {
  const origin = "http://localhost:3000";
  const preflight = await fetch(`${BASE}/mcp`, {
    method: "OPTIONS",
    headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "mcp-method,mcp-param-region" },
  });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get("access-control-allow-origin"), origin);
  assert.match(preflight.headers.get("access-control-allow-headers"), /mcp-method.*mcp-param-region/);
  const response = await legacy("ping", {}, { headers: { origin } });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("access-control-allow-origin"), origin);
});

test("unknown methods, in the status of each era", async () => {
  await assertRefused(await modern("tools/explode"), 404, METHOD_NOT_FOUND, /"tools\/explode" is not offered/, 1);
  await assertRefused(await legacy("tools/explode"), 200, METHOD_NOT_FOUND, /"tools\/explode" is not offered/, 1);
});

test("an unknown tool, prompt and resource", async () => {
  await assertRefused(await call("explode"), 200, INVALID_PARAMS, /no tool "explode": tools\/list/, 1);
  await assertRefused(await modern("prompts/get", { name: "explode" }), 200, INVALID_PARAMS, /no prompt "explode"/, 1);
  await assertRefused(await modern("resources/read", { uri: "test://explode" }), 200, INVALID_PARAMS, /no resource "test:\/\/explode"/, 1);
});

/** A tool error: shown to the model, with the code and the request id in its text. */
async function assertToolError(response, sentence) {
  assert.equal(response.status, 200);
  const { result } = await response.json();
  assert.equal(result.isError, true);
  const { error } = JSON.parse(result.content[0].text);
  assert.equal(error.code, "INVALID_ARGUMENTS");
  assert.match(error.message, sentence);
  assert.equal(error.request_id, response.headers.get("x-request-id"));
}

test("arguments that do not fit the tool", async () => {
  await assertToolError(await call("test_simple_text", { surprise: 1 }), /unknown field `surprise`/);
  await assertToolError(await call("test_slow_cancellable", { ms: "long" }), /ms: invalid type: string/);
  await assertToolError(await call("test_slow_cancellable", {}), /missing field `ms`/);
  await assertToolError(await call("test_slow_cancellable", { ms: 60_001 }), /ms: greater than 60000/);
  await assertToolError(await call("test_slow_cancellable", { ms: -1 }), /ms: invalid value: integer `-1`/);
});

test("parameters of the wrong type", async () => {
  await assertRefused(await legacy("tools/call", { name: 7 }), 200, INVALID_PARAMS, /"name" must be a string/, 1);
  await assertRefused(await legacy("tools/call", { name: "test_simple_text", arguments: [] }), 200, INVALID_PARAMS, /"arguments" must be an object/, 1);
  await assertRefused(await legacy("prompts/get", { name: "test_prompt_with_arguments", arguments: { arg1: 1, arg2: 2 } }), 200, INVALID_PARAMS, /must be strings/, 1);
  await assertRefused(await legacy("logging/setLevel", { level: "loud" }), 200, INVALID_PARAMS, /"level"/, 1);
});

test("a cursor of nobody's", async () => {
  for (const list of ["tools/list", "prompts/list", "resources/list", "resources/templates/list"]) {
    await assertRefused(await modern(list, { cursor: "nonsense" }), 200, INVALID_PARAMS, /leave it out to start from the first page/, 1);
  }
});

test("a version nobody speaks, and headers that contradict the body", async () => {
  const meta = { "io.modelcontextprotocol/protocolVersion": "2099-01-01" };
  await assertRefused(await modern("tools/list", {}, { meta, headers: { "mcp-protocol-version": "2099-01-01" } }), 400, UNSUPPORTED_VERSION, /use one of/, 1);
  await assertRefused(await legacy("ping", {}, { headers: { "mcp-protocol-version": "1999-01-01" } }), 400, UNSUPPORTED_VERSION, /use one of/, 1);
  await assertRefused(await modern("tools/list", {}, { headers: { "mcp-method": "prompts/list" } }), 400, HEADER_MISMATCH, /send the same in both/, 1);
  await assertRefused(await call("test_mirrored_header", { region: "eu" }), 400, HEADER_MISMATCH, /mcp-param-region header is missing/i, 1);
});

test("a modern request without its metadata", async () => {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list", params: {} });
  await assertRefused(await post(body, modernHeaders("tools/list")), 400, INVALID_PARAMS, /every request carries it/, 1);
});

test("a state that was changed, belongs to another request, or is no text", async () => {
  const name = "test_input_required_result_request_state";
  const meta = { "io.modelcontextprotocol/clientCapabilities": { elicitation: {} } };
  const first = await (await call(name, {}, { meta })).json();
  const state = first.result.requestState;
  const retry = (tool, requestState) => modern("tools/call", { name: tool, arguments: {}, requestState, inputResponses: { confirm: { action: "accept", content: { ok: true } } } }, { id: 2, meta });
  const sentence = /send the request again without it/;
  await assertRefused(await retry(name, `${state.slice(0, -2)}AA`), 200, INVALID_PARAMS, sentence, 2);
  await assertRefused(await retry("test_input_required_result_tampered_state", state), 200, INVALID_PARAMS, sentence, 2);
  await assertRefused(await retry(name, 7), 200, INVALID_PARAMS, /must be a string/, 2);
  const { result } = await (await retry(name, state)).json();
  assert.match(result.content[0].text, /state-ok/);
});

test("an answer to a question that was never asked", async () => {
  const body = JSON.stringify({ jsonrpc: "2.0", id: "made up", result: {} });
  await assertRefused(await post(body), 400, INVALID_PARAMS, /no request with this id/);
});

test("the older {tool, arguments} form", async () => {
  const good = await post(JSON.stringify({ tool: "test_simple_text", arguments: {} }));
  assert.equal(good.status, 200);
  assert.equal((await good.json()).content[0].text, "This is a simple text response for testing.");
  await assertRefused(await post(JSON.stringify({ tool: "explode" })), 400, INVALID_PARAMS, /no tool "explode"/);
  await assertRefused(await post(JSON.stringify({ tool: "test_simple_text", arguments: [] })), 400, INVALID_REQUEST, /a string and an object/);
  await assertRefused(await post(JSON.stringify({ tool: "test_elicitation", arguments: { message: "?" } })), 400, INVALID_PARAMS, /accept text\/event-stream/);
  assert.ok(META);
});
