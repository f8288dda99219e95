// What is refused: bodies, paths, methods and arguments that do not fit, and models that there are not.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { PRODUCT } from "../../scripts/lib/stack.mjs";
import { assertRefused, assertRpcError, unchanged } from "./refusals.mjs";
import { bad, good, modern, post, request, startWorld, unique } from "./support.mjs";

const MAX_BODY = 1_048_576;
const PROMPT = unique("refused-prompt");

let world;
before(async () => void (world = await startWorld()));
after(() => world?.close());

const rows = (sql, ...params) => world.stack.d1(sql, params);
const list = request("tools/list");

describe("a body", () => {
  const nested = (depth) => `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":${'{"a":'.repeat(depth)}1${"}".repeat(depth)}}}`;
  const over = () => JSON.stringify(request("tools/call", { name: "chitty_execution_status", arguments: { execution_id: "x".repeat(MAX_BODY) } }));
  const stream = (text) => new ReadableStream({
    start(controller) {
      for (let at = 0; at < text.length; at += 65_536) controller.enqueue(new TextEncoder().encode(text.slice(at, at + 65_536)));
      controller.close();
    },
  });
  const CASES = {
    "that is no JSON": ["{", 400, -32700],
    "that is empty": ["", 400, -32700],
    "with bytes after the JSON": [`${JSON.stringify(list)}x`, 400, -32700],
    "that is not UTF-8": [Buffer.concat([Buffer.from('{"jsonrpc":"2.0","id":1,"method":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]), 400, -32700],
    "with half a surrogate pair": ['{"jsonrpc":"2.0","id":1,"method":"\\ud800"}', 400, -32700],
    "nested too deep": [nested(200), 400, -32700],
    "nested ten thousand deep": [nested(10_000), 400, -32700],
    "that is a batch": [[list], 400, -32600],
    "that is a number": ["1", 400, -32600],
    "of another JSON-RPC": [{ ...list, jsonrpc: "1.0" }, 400, -32600],
    "whose id is an object": [{ ...list, id: {} }, 400, -32600],
    "whose id is fractional": [{ ...list, id: 1.5 }, 400, -32600],
    "whose method is a number": [{ ...list, method: 7 }, 400, -32600],
    "whose params are a list": [{ ...list, params: [] }, 400, -32600],
    "of the older form with a wrong type": [{ tool: 5, arguments: {} }, 400, -32600],
    "over the limit, of a length that is told": [over, 413, -32600],
    "over the limit, of a length that is not told": [() => stream(over()), 413, -32600],
  };
  for (const [what, [body, status, code]] of Object.entries(CASES)) {
    test(`${what} is refused by each worker`, () => unchanged(world, () => Promise.all(PRODUCT.map(async (worker) => {
      const sent = typeof body === "function" ? body() : body;
      const options = sent instanceof ReadableStream ? { duplex: "half" } : {};
      await assertRpcError(await post(world, worker, sent, options), status, code);
    }))));
  }

  test("of exactly the limit is read", async () => {
    const empty = JSON.stringify(request("tools/call", { name: "chitty_execution_status", arguments: { execution_id: "" } }));
    const body = empty.replace('""', `"${"x".repeat(MAX_BODY - empty.length)}"`);
    assert.equal(body.length, MAX_BODY);
    const { result } = await (await post(world, "coordinator", body)).json();
    assert.equal(JSON.parse(result.content[0].text).error.code, "INVALID_ARGUMENTS");
  });

  for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "multipart/form-data; boundary=x", ""]) {
    test(`of the type '${type}' is refused`, async () => {
      await assertRpcError(await post(world, "coordinator", new TextEncoder().encode(JSON.stringify(list)), { headers: { "content-type": type } }), 415, -32600);
    });
  }

  test("of a caller that reads no JSON is refused", async () => {
    await assertRpcError(await post(world, "coordinator", list, { headers: { accept: "text/html" } }), 406, -32600);
  });

  test("in the older form {tool, arguments} is answered with the bare result", async () => {
    const response = await post(world, "fortress", { tool: "fortress_verify_signature", arguments: { content: "a", signature: "b" } });
    assert.equal(response.status, 200);
    const result = await response.json();
    assert.equal(JSON.parse(result.content[0].text).signature_valid, false);
    await assertRpcError(await post(world, "fortress", { tool: "no_such_tool", arguments: {} }), 400, -32602);
  });
});

describe("paths and methods", () => {
  for (const method of ["GET", "DELETE", "PUT", "PATCH"]) {
    test(`${method} /mcp is not allowed`, async () => {
      for (const worker of PRODUCT) {
        const response = await fetch(`${world.stack.urls[worker]}/mcp`, { method, headers: { authorization: `Bearer ${world.token}`, accept: "text/event-stream" } });
        assert.equal(response.headers.get("allow"), "POST, OPTIONS");
        await assertRpcError(response, 405, -32600);
      }
    });
  }

  for (const path of ["/nothing", "/mcp/", "/mcp/x", "/MCP", "/health/x", "/.env", "/%6dcp"]) {
    test(`${path} is not found`, async () => {
      for (const worker of PRODUCT) {
        const response = await fetch(world.stack.urls[worker] + path, { method: "POST", headers: { authorization: `Bearer ${world.token}` }, body: "{}" });
        await assertRefused(response, 404, "NOT_FOUND");
      }
    });
  }
});

describe("health", () => {
  test("/health says yes or no for each dependency, and nothing else", async () => {
    const EXPECTED = {
      coordinator: ["chittyos-mcp-coordinator", { database: "up", chatgpt_mcp: "up", fortress_mcp: "up" }],
      chatgpt: ["cloudflare-chatgpt-mcp", { database: "up", model: "up" }],
      fortress: ["cloudflare-fortress-mcp", { database: "up" }],
    };
    for (const worker of PRODUCT) {
      const response = await fetch(`${world.stack.urls[worker]}/health`);
      assert.equal(response.status, 200);
      const text = await response.text();
      const { status, service, version, timestamp, ...parts } = JSON.parse(text);
      assert.deepEqual([status, service], ["healthy", EXPECTED[worker][0]]);
      assert.match(version, /^\d+\.\d+\.\d+$/);
      assert.ok(Math.abs(Date.parse(timestamp) - Date.now()) < 60_000);
      for (const [name, state] of Object.entries(EXPECTED[worker][1])) assert.equal(parts[name], state, name);
      for (const state of Object.values(parts)) assert.match(state, /^(up|down)$/);
      for (const hidden of ["http", "127.0.0.1", "sk-", ...Object.values(world.keys.secrets)]) assert.equal(text.includes(hidden), false);
    }
  });
});

describe("a tool call", () => {
  const long = (bytes) => PROMPT.padEnd(bytes, "x");
  const ask = (fields) => ["chatgpt", "chatgpt_complete", { messages: [{ role: "user", content: PROMPT }], ...fields }];
  const execute = (fields) => ["coordinator", "chitty_secure_ai_execute", { prompt: PROMPT, ...fields }];
  const seal = (fields) => ["fortress", "fortress_secure_execute", { prompt: PROMPT, label: "x", ...fields }];
  const INVALID = {
    "without its prompt": [execute({ prompt: undefined }), /prompt/],
    "with an empty prompt": [execute({ prompt: "" }), /prompt/],
    "with a prompt that is a list": [execute({ prompt: [PROMPT] }), /prompt/],
    "with a prompt of 100 kB": [execute({ prompt: long(100_000) }), /prompt/],
    "with an unknown field": [execute({ promt: "x" }), /promt/],
    "with an unknown level": [execute({ security_level: "paranoid" }), /security_level/],
    "with evidence asked for by a word": [execute({ create_evidence: "yes" }), /create_evidence/],
    "with a label of 501 characters": [execute({ label: "x".repeat(501) }), /label/],
    "with an empty model": [execute({ model: "" }), /model/],
    "to fortress without a label": [seal({ label: undefined }), /label/],
    "to fortress with a field of elsewhere": [seal({ temperature: 0 }), /temperature/],
    "to fortress with an empty evidence_id": [seal({ evidence_id: "" }), /evidence_id/],
    "to fortress with a prompt of 100 kB": [seal({ prompt: long(100_000) }), /prompt/],
    "of temperature 99": [ask({ temperature: 99 }), /temperature/],
    "of a negative temperature": [ask({ temperature: -0.1 }), /temperature/],
    "of temperature as text": [ask({ temperature: "hot" }), /temperature/],
    "of no tokens": [ask({ max_tokens: 0 }), /max_tokens/],
    "of -1 tokens": [ask({ max_tokens: -1 }), /max_tokens/],
    "of 10^15 tokens": [ask({ max_tokens: 1e15 }), /max_tokens/],
    "of half a token": [ask({ max_tokens: 1.5 }), /max_tokens/],
    "without messages": [ask({ messages: [] }), /messages/],
    "with 257 messages": [ask({ messages: Array(257).fill({ role: "user", content: "x" }) }), /messages/],
    "with an empty message": [ask({ messages: [{ role: "user", content: "" }] }), /content/],
    "of an unknown role": [ask({ messages: [{ role: "root", content: PROMPT }] }), /role/],
    "with a model's name of strange signs": [ask({ model: "gpt 4; drop" }), /model/],
    "with a control character in its session": [ask({ session_id: "a\nb" }), /session_id/],
    "with too many fact ids": [["coordinator", "chitty_chain_verify", { fact_ids: Array(51).fill("a".repeat(64)) }], /fact_ids/],
    "with a short fact id": [["coordinator", "chitty_chain_verify", { fact_ids: ["abc"] }], /fact_ids/],
    "with an unknown package format": [["coordinator", "chitty_evidence_package", { execution_id: "x", package_format: "docx" }], /package_format/],
  };
  for (const [what, [[worker, tool, args], names]] of Object.entries(INVALID)) {
    test(`${what} is a tool error that names the field`, () => unchanged(world, async () => {
      const error = await bad(world, worker, tool, args);
      assert.equal(error.code, "INVALID_ARGUMENTS");
      assert.match(error.message, names);
    }));
  }

  test("with a prompt of 2 MB is refused by its size", () => unchanged(world, async () => {
    const [, name, args] = execute({ prompt: long(2_000_000) });
    await assertRpcError(await post(world, "coordinator", request("tools/call", { name, arguments: args })), 413, -32600);
  }));

  test("of an unknown tool is an error of the protocol, in both eras", () => unchanged(world, async () => {
    for (const worker of PRODUCT) {
      const error = await assertRpcError(await post(world, worker, request("tools/call", { name: "chitty_unknown", arguments: {} })), 200, -32602);
      assert.match(error.message, /chitty_unknown.*tools\/list/);
      const { body, headers } = modern("tools/call", { name: "chitty_unknown", arguments: {} });
      await assertRpcError(await post(world, worker, body, { headers }), 200, -32602);
    }
  }));

  test("with arguments that are no object is an error of the protocol", () => unchanged(world, async () => {
    await assertRpcError(await post(world, "coordinator", request("tools/call", { name: "chitty_execution_status", arguments: "x" })), 200, -32602);
  }));

  test("of an unknown method is an error of the protocol, in both eras", async () => {
    await assertRpcError(await post(world, "coordinator", request("tools/uncall")), 200, -32601);
    const { body, headers } = modern("tools/uncall");
    await assertRpcError(await post(world, "coordinator", body, { headers }), 404, -32601);
  });

  test("whose headers disagree with its body is refused", async () => {
    const { body, headers } = modern("tools/call", { name: "chitty_execution_status", arguments: { execution_id: "x" } });
    for (const changed of [{ "mcp-method": "tools/list" }, { "mcp-name": "chitty_chain_verify" }, { "mcp-protocol-version": "2025-11-25" }]) {
      await assertRpcError(await post(world, "coordinator", body, { headers: { ...headers, ...changed } }), 400, -32020);
    }
    await assertRpcError(await post(world, "coordinator", list, { headers: { "mcp-protocol-version": "1999-01-01" } }), 400, -32022);
  });

  for (const security_level of ["standard", "fortress", "verified"]) {
    test(`${security_level}, of a model that nobody knows, fails with a name to change`, async () => {
      const error = await bad(world, "coordinator", "chitty_secure_ai_execute", { prompt: PROMPT, model: "gpt-unheard-of", security_level });
      assert.equal(error.code, "MODEL_UNKNOWN");
      assert.match(error.message, /gpt-unheard-of/);
      const [stored] = await rows("SELECT status, error_message FROM secure_executions WHERE id = ?", error.details.execution_id);
      assert.deepEqual([stored.status, stored.error_message], ["failed", error.message]);
    });
  }

  test("for an execution that there is not, reads as not found", async () => {
    for (const execution_id of ["nothing", "' OR 1=1 --", "\u0000", "🦀"]) {
      const error = await bad(world, "coordinator", "chitty_execution_status", { execution_id });
      assert.equal(error.code, "EXECUTION_NOT_FOUND");
    }
  });

  test("for a package of court of a run that nobody signed says so", async () => {
    const made = await good(world, "coordinator", "chitty_secure_ai_execute", { prompt: "echo: brief" });
    const error = await bad(world, "coordinator", "chitty_evidence_package", { execution_id: made.execution_id, package_format: "legal_brief" });
    assert.equal(error.code, "EXECUTION_NOT_SIGNED");
  });
});

test("what was refused is in no audit row and no log line", async () => {
  const told = JSON.stringify([await rows("SELECT * FROM audit_logs"), world.stack.logs]);
  for (const secret of [PROMPT, world.token]) assert.equal(told.includes(secret), false);
  assert.equal(world.stack.logs.some(({ message }) => /panicked|unreachable/.test(message)), false);
});
