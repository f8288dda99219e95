// Who is refused, what is refused, and that a refusal leaves nothing behind but its audit row.
import assert from "node:assert/strict";
import { createHmac, hkdfSync, randomBytes } from "node:crypto";
import { request as httpRequest } from "node:http";
import { after, before, describe, test } from "node:test";
import { PRODUCT } from "../../scripts/lib/stack.mjs";
import { MODERN, admit, assertExplains, bad, call, good, modern, post, request, sha256, startWorld, tables, unique, until } from "./support.mjs";

const DAY_MS = 24 * 60 * 60 * 1000;
const MAX_BODY = 1_048_576;
/** Tables that a refused request may still write to. */
const MAY_GROW = new Set(["audit_logs", "api_tokens"]);
/** A word in each refused prompt, to be found nowhere afterwards. */
const PROMPT = unique("refused-prompt");

let world;
const secrets = [];
before(async () => void (world = await startWorld()));
after(() => world?.close());

const rows = (sql, ...params) => world.stack.d1(sql, params);
const list = request("tools/list");
const make = (service) => `e2e_${service}_${randomBytes(24).toString("hex")}`;
const requestIdOf = (response) => response.headers.get("x-request-id");
const audited = (id, action = "authenticate") =>
  until(`an audit row of ${id}`, async () => (await rows("SELECT * FROM audit_logs WHERE request_id = ? AND action = ?", id, action))[0]);

async function counts() {
  const counted = (await tables(world)).filter((name) => !MAY_GROW.has(name));
  const [found] = await rows(`SELECT ${counted.map((name) => `(SELECT COUNT(*) FROM ${name}) AS ${name}`).join(", ")}`);
  return found;
}

/** Does `work` and makes sure that no table has another number of rows than before. */
async function unchanged(work) {
  const before = await counts();
  const asked = world.model.requests.length;
  const result = await work();
  assert.deepEqual(await counts(), before, "something was written");
  assert.equal(world.model.requests.length, asked, "the model was asked");
  return result;
}

/** An answer without a session to the protocol: `{error: {code, message, request_id}}`. */
async function assertRefused(response, status, code) {
  assert.equal(response.status, status);
  const { error } = await response.json();
  assert.equal(error.code, code);
  assertExplains(error.message);
  assert.equal(error.request_id, requestIdOf(response));
  return error;
}

/** A JSON-RPC error: `{code, message, data: {requestId}}`. */
async function assertRpcError(response, status, code) {
  assert.equal(response.status, status);
  const { error, ...rest } = await response.json();
  assert.equal(error.code, code, error.message);
  assertExplains(error.message);
  assert.ok(error.data.requestId);
  assert.equal(rest.jsonrpc, "2.0");
  return error;
}

describe("a token", () => {
  const now = Date.now();
  const CASES = [
    ["missing", { token: "" }, "MISSING_CREDENTIAL", "missing"],
    ["malformed", { token: "not-a-token" }, "AUTHENTICATION_FAILED", "malformed"],
    ["too short", { token: `e2e_service_${"a".repeat(31)}` }, "AUTHENTICATION_FAILED", "malformed"],
    ["unknown", { token: make("service") }, "AUTHENTICATION_FAILED", "unknown"],
    ["expired", { row: { expires_at: now - 1 } }, "AUTHENTICATION_FAILED", "expired"],
    ["without an end", { row: { expires_at: null, created_at: now - 91 * DAY_MS } }, "AUTHENTICATION_FAILED", "expired"],
    ["older than 90 days", { row: { created_at: now - 91 * DAY_MS, expires_at: now + DAY_MS } }, "AUTHENTICATION_FAILED", "expired"],
    ["inactive", { row: { status: "inactive" } }, "AUTHENTICATION_FAILED", "inactive"],
    ["revoked", { row: { status: "revoked", revoked_at: now } }, "AUTHENTICATION_FAILED", "inactive"],
    ["revoked by its time alone", { row: { revoked_at: now } }, "AUTHENTICATION_FAILED", "inactive"],
    ["of null status", { row: { status: null } }, "AUTHENTICATION_FAILED", "inactive"],
    ["of null scopes", { row: { scopes: null } }, "AUTHENTICATION_FAILED", "inactive"],
    ["of scopes that are no texts", { row: { scopes: "[1]" } }, "AUTHENTICATION_FAILED", "inactive"],
    ["that is a certificate", { row: { type: "certificate" } }, "AUTHENTICATION_FAILED", "unknown"],
  ];
  for (const worker of PRODUCT) {
    for (const [what, { token, row }, code, reason] of CASES) {
      test(`${what} is refused by ${worker}`, async () => {
        const presented = token ?? (await admit(world, row));
        if (presented.length > 30) secrets.push(presented);
        const response = await unchanged(() => post(world, worker, list, { token: presented }));
        await assertRefused(response, 401, code);
        assert.match(response.headers.get("www-authenticate"), /^Bearer( error="invalid_token", error_description="[^"]+")?$/);
        const found = await audited(requestIdOf(response));
        assert.deepEqual([found.outcome, found.reason, found.resource_id], ["deny", reason, worker]);
      });
    }
  }

  test("is not taken from another scheme, the URL or a cookie", async () => {
    const { coordinator } = world.stack.urls;
    for (const [path, headers] of [
      ["/mcp", { authorization: `Basic ${world.token}` }],
      ["/mcp", { authorization: world.token }],
      [`/mcp?access_token=${world.token}`, {}],
      ["/mcp", { cookie: `token=${world.token}` }],
    ]) {
      const response = await fetch(coordinator + path, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(list) });
      assert.equal(response.status, 401, path);
      await response.arrayBuffer();
    }
  });

  test("that is good is let in by each worker, with an audit row and the time it was used", async () => {
    for (const worker of PRODUCT) {
      const token = await admit(world);
      secrets.push(token);
      const response = await post(world, worker, list, { token });
      assert.equal(response.status, 200);
      assert.ok((await response.json()).result.tools.length > 0);
      const found = await audited(requestIdOf(response));
      assert.deepEqual([found.outcome, found.reason, found.user_id, found.resource_id], ["allow", null, world.user, worker]);
      await until("the time of use", async () => (await rows("SELECT last_used_at FROM api_tokens WHERE token_hash = ?", sha256(token)))[0].last_used_at);
    }
  });

  test("of a user keeps no other's name: a request id of the caller's choice is echoed", async () => {
    const id = unique("my-request");
    const response = await post(world, "coordinator", list, { headers: { "x-request-id": id } });
    await response.arrayBuffer();
    assert.equal(requestIdOf(response), id);
    const strange = await post(world, "coordinator", list, { headers: { "x-request-id": "no good!" } });
    await strange.arrayBuffer();
    assert.match(requestIdOf(strange), /^[0-9a-f-]{36}$/);
  });
});

describe("scopes", () => {
  test("hide the tools that they do not open, and refuse them when called", async () => {
    const token = await admit(world, { scopes: '["execution:read"]' });
    const { result } = await (await post(world, "coordinator", list, { token })).json();
    assert.deepEqual(result.tools.map(({ name }) => name), ["chitty_execution_status"]);
    await unchanged(async () => {
      const error = await bad(world, "coordinator", "chitty_secure_ai_execute", { prompt: PROMPT }, { token });
      assert.equal(error.code, "INSUFFICIENT_SCOPE");
      assert.match(error.message, /execution:run/);
      const found = await audited(error.request_id, "chitty_secure_ai_execute");
      assert.deepEqual([found.outcome, found.reason, found.user_id], ["deny", "insufficient_scope", world.user]);
      assert.deepEqual(JSON.parse(found.details), { needed: ["execution:run"], missing: ["execution:run"] });
    });
  });

  test("are not widened by a look-alike", async () => {
    for (const scopes of [[], ["execution"], ["*"], ["execution:runner"], ["Execution:run"], ["admin"], ["chatgpt:*"]]) {
      const token = await admit(world, { scopes: JSON.stringify(scopes) });
      const { result } = await (await post(world, "coordinator", list, { token })).json();
      assert.deepEqual(result.tools, [], JSON.stringify(scopes));
      const refused = await call(world, "coordinator", "chitty_secure_ai_execute", { prompt: PROMPT }, { token });
      assert.equal(refused.isError, true);
    }
  });

  test("that suffice let the call through, with an audit row", async () => {
    const token = await admit(world, { scopes: '["fortress:verify"]' });
    const result = await post(world, "fortress", request("tools/call", { name: "fortress_verify_signature", arguments: { content: "a", signature: "b" } }), { token });
    assert.equal((await result.json()).result.structuredContent.signature_valid, false);
    assert.equal((await audited(requestIdOf(result), "fortress_verify_signature")).outcome, "allow");
  });
});

describe("a statement of one of our workers", () => {
  const derive = (key, label) => Buffer.from(hkdfSync("sha256", Buffer.from(key, "base64"), "", `chitty v1 ${label}`, 32));
  /** As the coordinator states its caller: `v1.<key id>.<payload>.<HMAC>`. */
  const state = ({ key = world.keys.secrets.CHITTY_ENCRYPTION_KEY, aud = "fortress", iat = Date.now() } = {}) => {
    const principal = { user_id: "mallory", name: "forged", kind: "user", scopes: ["fortress:verify"], token_id: "none" };
    const payload = Buffer.from(JSON.stringify({ sub: principal, rid: "request", aud, iat })).toString("base64url");
    const signed = `v1.${sha256(derive(key, "key id")).slice(0, 8)}.${payload}`;
    return `${signed}.${createHmac("sha256", derive(key, "mac assertion")).update(signed).digest("base64url")}`;
  };
  const send = (statement, token = "") => post(world, "fortress", list, { token, headers: { "x-chitty-assertion": statement } });

  test("is taken while it is fresh, for its audience", async () => {
    const response = await send(state());
    assert.equal(response.status, 200);
    assert.deepEqual((await response.json()).result.tools.map(({ name }) => name), ["fortress_verify_signature"]);
  });

  const FORGED = {
    "under another key": () => state({ key: randomBytes(32).toString("base64") }),
    "for another worker": () => state({ aud: "coordinator" }),
    "an hour old": () => state({ iat: Date.now() - 3_600_000 }),
    "of the future": () => state({ iat: Date.now() + 60_000 }),
    "changed afterwards": () => state().replace(/\.([^.]*)\.([^.]*)$/, (_, payload, tag) => `.${Buffer.from(Buffer.from(payload, "base64url").toString().replace("mallory", "trusted")).toString("base64url")}.${tag}`),
    "cut short": () => state().slice(0, -4),
    "empty of sense": () => "v1.0.0.0",
    "much too long": () => `v1.${"a".repeat(12_000)}`,
  };
  for (const [what, forge] of Object.entries(FORGED)) {
    test(`${what} is refused, and a good token beside it does not help`, async () => {
      for (const token of ["", world.token]) {
        const response = await unchanged(() => send(forge(), token));
        await assertRefused(response, 401, "AUTHENTICATION_FAILED");
        const found = await audited(requestIdOf(response));
        assert.deepEqual([found.outcome, found.user_id], ["deny", null]);
      }
    });
  }
});

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
    test(`${what} is refused by each worker`, async () => {
      for (const worker of PRODUCT) {
        const sent = typeof body === "function" ? body() : body;
        const options = sent instanceof ReadableStream ? { duplex: "half" } : {};
        await unchanged(async () => assertRpcError(await post(world, worker, sent, options), status, code));
      }
    });
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

describe("a page of another origin", () => {
  for (const origin of ["https://evil.example", "null", "http://localhost.evil.example", "https://127.0.0.1.evil.example"]) {
    test(`${origin} may not call`, async () => {
      for (const worker of PRODUCT) {
        const response = await post(world, worker, list, { headers: { origin } });
        assert.equal(response.headers.get("access-control-allow-origin"), null);
        await assertRpcError(response, 403, -32600);
        const preflight = await fetch(`${world.stack.urls[worker]}/mcp`, { method: "OPTIONS", headers: { origin, "access-control-request-method": "POST" } });
        assert.equal(preflight.status, 403);
        await preflight.arrayBuffer();
      }
    });
  }

  test("of this machine may, in development", async () => {
    const origin = "http://localhost:6274";
    const response = await post(world, "coordinator", list, { headers: { origin } });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("access-control-allow-origin"), origin);
    await response.arrayBuffer();
  });

  test("a foreign host name, as in DNS rebinding, is refused", async () => {
    for (const worker of PRODUCT) {
      for (const host of ["evil.example", "localhost.evil.example:8787", "192.0.2.1"]) {
        const { status, body } = await withHost(world.stack.urls[worker], host, JSON.stringify(list));
        assert.equal(status, 403, `${worker} ${host}`);
        const { error } = JSON.parse(body);
        assertExplains(error.message);
        assert.ok(error.data.requestId);
      }
    }
  });

  /** `fetch` does not let a caller choose Host. */
  function withHost(url, host, body) {
    return new Promise((resolve, reject) => {
      const headers = { host, "content-type": "application/json", authorization: `Bearer ${world.token}`, "content-length": body.length };
      const sent = httpRequest(`${url}/mcp`, { method: "POST", headers }, async (response) => {
        const chunks = await response.toArray();
        resolve({ status: response.statusCode, body: Buffer.concat(chunks).toString() });
      });
      sent.on("error", reject).end(body);
    });
  }
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
    test(`${what} is a tool error that names the field`, () => unchanged(async () => {
      const error = await bad(world, worker, tool, args);
      assert.equal(error.code, "INVALID_ARGUMENTS");
      assert.match(error.message, names);
    }));
  }

  test("with a prompt of 2 MB is refused by its size", () => unchanged(async () => {
    const [, name, args] = execute({ prompt: long(2_000_000) });
    await assertRpcError(await post(world, "coordinator", request("tools/call", { name, arguments: args })), 413, -32600);
  }));

  test("of an unknown tool is an error of the protocol, in both eras", () => unchanged(async () => {
    for (const worker of PRODUCT) {
      const error = await assertRpcError(await post(world, worker, request("tools/call", { name: "chitty_unknown", arguments: {} })), 200, -32602);
      assert.match(error.message, /chitty_unknown.*tools\/list/);
      const { body, headers } = modern("tools/call", { name: "chitty_unknown", arguments: {} });
      await assertRpcError(await post(world, worker, body, { headers }), 200, -32602);
    }
  }));

  test("with arguments that are no object is an error of the protocol", () => unchanged(async () => {
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
    assert.equal(headers["mcp-protocol-version"], MODERN);
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

  test("for a package in a format that is not offered says so", async () => {
    const made = await good(world, "coordinator", "chitty_secure_ai_execute", { prompt: "echo: pdf" });
    const error = await bad(world, "coordinator", "chitty_evidence_package", { execution_id: made.execution_id, package_format: "pdf" });
    assert.equal(error.code, "FORMAT_NOT_OFFERED");
  });
});

test("what was refused is in no audit row and no log line: neither token nor prompt", async () => {
  const told = JSON.stringify([await rows("SELECT * FROM audit_logs"), world.stack.logs]);
  assert.ok(secrets.length > 20);
  for (const secret of [...secrets, world.token, PROMPT, ...Object.values(world.keys.secrets)]) {
    assert.equal(told.includes(secret), false, `found: ${secret.slice(0, 24)}…`);
  }
  assert.equal(world.stack.logs.some(({ message }) => /panicked|unreachable/.test(message)), false);
});
