// What the tests share: requests of both eras to the worker under test.
import assert from "node:assert/strict";

export const BASE = process.env.CONFORMANCE_URL ?? "http://127.0.0.1:8790";
export const MODERN = "2026-07-28";
export const LEGACY = "2025-11-25";

const JSON_AND_STREAM = "application/json, text/event-stream";

export const META = {
  "io.modelcontextprotocol/protocolVersion": MODERN,
  "io.modelcontextprotocol/clientInfo": { name: "own-checks", version: "1.0.0" },
  "io.modelcontextprotocol/clientCapabilities": {},
};

/** Metadata of a client that follows tasks. */
export const TASKS = {
  "io.modelcontextprotocol/clientCapabilities": { elicitation: {}, extensions: { "io.modelcontextprotocol/tasks": {} } },
};

/** Headers of a modern request for `method` on `name`. */
export function modernHeaders(method, name) {
  return {
    "content-type": "application/json",
    accept: JSON_AND_STREAM,
    "mcp-protocol-version": MODERN,
    "mcp-method": method,
    ...(name === undefined ? {} : { "mcp-name": name }),
  };
}

export const legacyHeaders = { "content-type": "application/json", accept: JSON_AND_STREAM, "mcp-protocol-version": LEGACY };

/** POSTs `body`, text or bytes, to the MCP endpoint. */
export function post(body, headers = legacyHeaders, options = {}) {
  return fetch(`${BASE}/mcp`, { method: "POST", headers, body, ...options });
}

/** Sends a modern request and returns the response. */
export function modern(method, params = {}, { id = 1, headers = {}, meta = {}, ...options } = {}) {
  const body = JSON.stringify({ jsonrpc: "2.0", id, method, params: { ...params, _meta: { ...META, ...meta } } });
  return post(body, { ...modernHeaders(method, params.name ?? params.uri ?? params.taskId), ...headers }, options);
}

/** Calls a tool in the modern era. */
export function call(name, args = {}, options = {}) {
  return modern("tools/call", { name, arguments: args }, options);
}

/** Sends a request of the handshake era. */
export function legacy(method, params = {}, { id = 1, headers = {}, ...options } = {}) {
  return post(JSON.stringify({ jsonrpc: "2.0", id, method, params }), { ...legacyHeaders, ...headers }, options);
}

/** The data of the events of a stream, as they come. */
export async function* events(response) {
  let rest = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim()).join("\n");
      if (data) yield JSON.parse(data);
    }
  }
}

/** Checks that `response` is a protocol error with this status and code, a sentence and a request id. */
export async function assertRefused(response, status, code, sentence, id = undefined) {
  const text = await response.text();
  assert.equal(response.status, status, text);
  const body = JSON.parse(text);
  assert.equal(body.jsonrpc, "2.0");
  assert.equal(body.error.code, code, text);
  assert.match(body.error.message, sentence);
  assert.match(body.error.data.requestId, /^[0-9a-f-]{36}$/);
  assert.equal(response.headers.get("x-request-id"), body.error.data.requestId);
  assert.equal(body.id, id, text);
}

/** How many slow runs the worker has begun, ended and dropped. */
export const runs = async () => (await fetch(`${BASE}/runs`)).json();

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `check` gives something truthy. */
export async function until(check, ms = 5000) {
  const end = Date.now() + ms;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not so within ${ms} ms: ${check}`);
    await sleep(50);
  }
}
