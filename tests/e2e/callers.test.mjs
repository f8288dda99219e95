// Who is refused: by token, scope, statement, origin and host; and what an audit finds of it.
import assert from "node:assert/strict";
import { createHmac, hkdfSync, randomBytes } from "node:crypto";
import { request as httpRequest } from "node:http";
import { after, before, describe, test } from "node:test";
import { PRODUCT } from "../../scripts/lib/stack.mjs";
import { assertChallenge, assertRefused, assertRpcError, requestIdOf, unchanged } from "./refusals.mjs";
import { admit, assertExplains, bad, call, post, request, sha256, startWorld, unique, until } from "./support.mjs";

const DAY_MS = 24 * 60 * 60 * 1000;
/** A word in each refused prompt, to be found nowhere afterwards. */
const PROMPT = unique("refused-prompt");

let world;
const secrets = [];
before(async () => void (world = await startWorld()));
after(() => world?.close());

const rows = (sql, ...params) => world.stack.d1(sql, params);
const list = request("tools/list");
const make = (service) => `e2e_${service}_${randomBytes(24).toString("hex")}`;
const audited = (id, action = "authenticate") =>
  until(`an audit row of ${id}`, async () => (await rows("SELECT * FROM audit_logs WHERE request_id = ? AND action = ?", id, action))[0]);

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
  for (const [what, { token, row }, code, reason] of CASES) {
    test(`${what} is refused by each worker`, () => unchanged(world, async () => {
      const presented = token ?? (await admit(world, row));
      if (presented.length > 30) secrets.push(presented);
      await Promise.all(PRODUCT.map(async (worker) => {
        const response = await post(world, worker, list, { token: presented });
        await assertRefused(response, 401, code);
        assertChallenge(response, world.stack.urls[worker], code === "MISSING_CREDENTIAL" ? undefined : "invalid_token");
        const found = await audited(requestIdOf(response));
        assert.deepEqual([found.outcome, found.reason, found.resource_id], ["deny", reason, worker]);
      }));
    }));
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

  test("of a user keeps no other's name: a request id of the caller's choice is not taken", async () => {
    for (const id of [unique("my-request"), "no good!"]) {
      const response = await post(world, "coordinator", list, { headers: { "x-request-id": id } });
      await response.arrayBuffer();
      assert.match(requestIdOf(response), /^[0-9a-f-]{36}$/);
    }
  });
});

describe("scopes", () => {
  test("hide the tools that they do not open, and refuse them when called", async () => {
    const token = await admit(world, { scopes: '["execution:read"]' });
    const { result } = await (await post(world, "coordinator", list, { token })).json();
    assert.deepEqual(result.tools.map(({ name }) => name), ["chitty_execution_status", "search", "fetch"]);
    await unchanged(world, async () => {
      const response = await post(world, "coordinator", request("tools/call", { name: "chitty_secure_ai_execute", arguments: { prompt: PROMPT } }), { token });
      assert.equal(response.status, 403);
      const challenge = assertChallenge(response, world.stack.urls.coordinator, "insufficient_scope");
      assert.match(challenge, / scope="execution:run"/);
      const { result } = await response.json();
      assert.deepEqual([result.isError, result._meta["mcp/www_authenticate"]], [true, [challenge]]);
      const { error } = JSON.parse(result.content[0].text);
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
        const response = await unchanged(world, () => send(forge(), token));
        await assertRefused(response, 401, "AUTHENTICATION_FAILED");
        const found = await audited(requestIdOf(response));
        assert.deepEqual([found.outcome, found.user_id], ["deny", null]);
      }
    });
  }
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

test("each worker says whose tokens it takes, for itself alone, to pages of any origin", async () => {
  const issuers = new Set();
  for (const worker of PRODUCT) {
    const url = world.stack.urls[worker];
    for (const path of ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"]) {
      const response = await fetch(url + path, { headers: { origin: "https://inspector.example" } });
      assert.equal(response.status, 200, worker + path);
      assert.equal(response.headers.get("access-control-allow-origin"), "*");
      const metadata = await response.json();
      assert.equal(metadata.resource, `${url}/mcp`);
      assert.deepEqual(metadata.bearer_methods_supported, ["header"]);
      assert.ok(metadata.scopes_supported.length > 0 && !metadata.scopes_supported.includes("offline_access"));
      for (const issuer of metadata.authorization_servers) issuers.add(issuer);
    }
  }
  assert.equal(issuers.size, 1);
});

test("what was refused is in no audit row and no log line: neither token nor prompt", async () => {
  const told = JSON.stringify([await rows("SELECT * FROM audit_logs"), world.stack.logs]);
  assert.ok(secrets.length > 10);
  assert.ok(told.includes("assertion_refused") && told.includes("insufficient_scope"), "nothing was searched");
  for (const secret of [...secrets, world.token, PROMPT, ...Object.values(world.keys.secrets)]) {
    assert.equal(told.includes(secret), false, `found: ${secret.slice(0, 24)}…`);
  }
  assert.equal(world.stack.logs.some(({ message }) => /panicked|unreachable/.test(message)), false);
});
