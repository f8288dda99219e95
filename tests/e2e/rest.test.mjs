// The REST face of the chatgpt worker: each resource's life, who is refused, and the document.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { restOf } from "./rest.mjs";
import { admit, assertExplains, good as tool, post, request, startWorld, unique, until } from "./support.mjs";

/** Tools that have another way over HTTP: streams are read at /v1/chat/completions. */
const ELSEWHERE = ["chatgpt_stream"];

let world;
let rest;
before(async () => {
  world = await startWorld({ vars: { ANTHROPIC_API_KEY: "sk-ant-e2e" } });
  rest = await restOf(world);
});
after(() => world?.close());

const said = (content) => ({ messages: [{ role: "user", content }], max_tokens: 50 });

describe("the document", () => {
  test("is valid, for everybody, and has every tool", async () => {
    const validator = new Validator();
    const { valid, errors } = await validator.validate(structuredClone(rest.document));
    assert.ok(valid, JSON.stringify(errors));
    assert.equal(validator.version, "3.1");
    const response = await fetch(`${rest.base}/api/v1/openapi.json`, { headers: { origin: "https://anything.example" } });
    assert.equal(response.headers.get("access-control-allow-origin"), "*");

    const { result } = await (await post(world, "chatgpt", request("tools/list"))).json();
    const described = new Map(rest.operations.map((operation) => [operation.operationId, operation]));
    for (const { name, annotations, securitySchemes } of result.tools) {
      const operation = described.get(name);
      assert.equal(Boolean(operation), !ELSEWHERE.includes(name), name);
      if (!operation) continue;
      assert.equal(operation.method === "get", annotations.readOnlyHint, name);
      assert.deepEqual(operation.security[0].oauth2, securitySchemes[0].scopes);
    }
    for (const path of ["/v1/chat/completions", "/v1/models", "/v1/models/{model}"]) assert.ok(rest.document.paths[path], path);
  });

  test("leads each operation to its tool, and names all that it needs", async () => {
    const poor = await admit(world, { scopes: '["execution:read"]' });
    for (const { method, path, parameters = [], security, operationId } of rest.operations.filter(({ path }) => path.startsWith("/api/"))) {
      const places = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      assert.deepEqual(parameters.filter((one) => one.in === "path").map(({ name }) => name), places, path);
      const target = path.replace(/\{\w+\}/g, "x");
      const body = method === "post" || method === "patch" ? {} : undefined;
      const refused = await rest.bad(403, method, target, body, { token: poor });
      assert.equal(refused.code, "INSUFFICIENT_SCOPE");
      assert.deepEqual(refused.details.needed_scopes, security[0].oauth2, operationId);
      assert.match(refused.headers.get("www-authenticate"), /error="insufficient_scope"/);
      const unknown = await rest.bad(401, method, target, body, { token: null });
      assert.match(unknown.headers.get("www-authenticate"), /resource_metadata=/);
      const rows = await until("its audit row", async () => {
        const found = await world.stack.d1("SELECT action FROM audit_logs WHERE request_id = ? AND outcome = 'deny'", [refused.request_id]);
        return found.length && found;
      });
      assert.deepEqual(rows, [{ action: operationId }]);
    }
  });
});

describe("the life of", { concurrency: 4 }, () => {
  test("a session", async () => {
    const [name, word, label] = [unique("session"), unique("word"), unique("label")];
    const { session: { id } } = await rest.good(201, "post", "/api/v1/sessions", { session_name: name, initial_system_prompt: "Be brief." });
    const at = `/api/v1/sessions/${id}`;
    const changed = await rest.good(200, "patch", at, { session_name: `${name} 2`, labels: [label] });
    assert.equal(changed.session.session_name, `${name} 2`);
    assert.equal((await rest.good(200, "patch", at, { session_id: id, case_id: "CASE 1" })).session.case_id, "CASE 1");
    const { message } = await rest.good(201, "post", `${at}/messages`, { role: "user", content: `I say ${word}` });
    const answer = await rest.good(200, "post", "/api/v1/completions", { ...said("and?"), session_id: id });
    assert.match(answer.cost_usd, /^0\./);
    const { session } = await rest.good(200, "get", `${at}?message_limit=2&after_seq=${message.seq - 1}&include_messages=true`);
    assert.equal(session.messages[0].content, `I say ${word}`);
    assert.deepEqual((await rest.good(200, "get", `${at}?include_messages=false`)).session.messages, []);
    const { results } = await rest.good(200, "get", `/api/v1/messages?query=${word}&session_id=${id}`);
    assert.deepEqual(results.map(({ message_id }) => message_id), [message.id]);
    const { content } = await rest.good(200, "get", `${at}/export?format=markdown`);
    assert.ok(content.includes(word));

    await rest.good(200, "post", `${at}/archive`);
    const listed = async (status) => (await rest.good(200, "get", `/api/v1/sessions?label=${label}&status=${status}&limit=5`)).count;
    assert.deepEqual([await listed("archived"), await listed("active")], [1, 0]);
    await rest.good(200, "post", `${at}/archive`, { archived: false });
    assert.equal(await listed("active"), 1);
    assert.equal((await rest.good(200, "delete", at)).deleted, true);
    await rest.bad(404, "get", at);
  });

  test("a template", async () => {
    const made = { template_name: unique("template"), system_prompt: "You are brief." };
    const { template } = await rest.good(201, "post", "/api/v1/templates", made);
    const at = `/api/v1/templates/${template.id}`;
    assert.equal((await rest.good(200, "get", at)).template.system_prompt, made.system_prompt);
    await rest.good(200, "patch", at, { description: "For tests." });
    const own = await rest.good(200, "get", "/api/v1/templates?only_own=true&limit=100");
    assert.ok(own.templates.some(({ description }) => description === "For tests."));
    const { session } = await rest.good(201, "post", "/api/v1/sessions", { session_name: "s", template_id: template.id });
    assert.equal(session.messages[0].content, made.system_prompt);
    await rest.good(200, "delete", at);
    await rest.bad(404, "get", at);
  });

  test("a model config, whose name may have any letters", async () => {
    const config_name = `${unique("settings")}/ä ? 50%`;
    const at = `/api/v1/model-configs/${encodeURIComponent(config_name)}`;
    await rest.good(201, "post", "/api/v1/model-configs", { config_name, temperature: 0 });
    await rest.bad(409, "post", "/api/v1/model-configs", { config_name });
    assert.equal((await rest.good(200, "get", at)).config.config_name, config_name);
    assert.equal((await rest.good(200, "patch", at, { max_tokens: 7 })).config.max_tokens, 7);
    const { configs } = await rest.good(200, "get", "/api/v1/model-configs");
    assert.ok(configs.some((one) => one.config_name === config_name));
    await rest.good(200, "delete", at);
    await rest.bad(404, "get", at);
  });

  test("a provider key, which no answer shows", async () => {
    const api_key = `sk-${unique("own")}`;
    const seen = [];
    const keep = (body) => (seen.push(body), body);
    const { key } = keep(await rest.good(201, "post", "/api/v1/provider-keys", { name: unique("key"), api_key }));
    assert.ok(keep(await rest.good(200, "get", "/api/v1/provider-keys")).keys.some(({ id }) => id === key.id));
    const rotated = keep(await rest.good(201, "post", `/api/v1/provider-keys/${key.id}/rotate`, { api_key: `${api_key}-2` }));
    keep(await rest.bad(409, "post", `/api/v1/provider-keys/${key.id}/rotate`, { api_key: `${api_key}-3` }));
    keep(await rest.good(200, "delete", `/api/v1/provider-keys/${rotated.key.id}`));
    await rest.bad(404, "delete", `/api/v1/provider-keys/${unique("none")}`);
    assert.ok(!JSON.stringify(seen).includes(api_key));
  });

  test("a budget, and what it refuses", async () => {
    const user_id = unique("poor");
    const owner = { token: await admit(world, { user_id, scopes: '["chatgpt:*"]' }) };
    await rest.good(200, "patch", "/api/v1/budgets", { period: "day", hard_usd: "0.0045" }, owner);
    // Enough for one.
    const { cost_nanos } = await rest.good(200, "post", "/api/v1/completions", said("hello"), owner);
    assert.ok(cost_nanos > 0);
    const refused = await rest.bad(429, "post", "/api/v1/completions", said("hello"), owner);
    assert.equal(refused.code, "BUDGET_EXCEEDED");
    assert.match(refused.headers.get("retry-after"), /^[1-9]\d*$/);
    await rest.good(200, "patch", "/api/v1/budgets", { period: "day", hard_usd: null }, owner);
    const usage = await until("the call to be on the books", async () => {
      const found = await rest.good(200, "get", "/api/v1/usage?granularity=hour&group_by=model&time_zone=Asia%2FKathmandu", undefined, owner);
      return JSON.stringify(found).includes(`${cost_nanos}`) && found;
    });
    assert.ok(usage);
    await rest.good(200, "get", "/api/v1/usage?format=csv", undefined, owner);
    await rest.good(200, "get", "/api/v1/budgets", undefined, owner);
  });

  test("a user's data, to its end", async () => {
    const user_id = unique("leaving");
    const owner = { token: await admit(world, { user_id, scopes: '["chatgpt:*"]' }) };
    const session_name = unique("last");
    const { session: { id: session_id } } = await rest.good(201, "post", "/api/v1/sessions", { session_name }, owner);
    const { lines } = await rest.good(200, "get", "/api/v1/me/export", undefined, owner);
    assert.ok(lines.includes(session_name));
    await rest.bad(422, "delete", "/api/v1/me?confirm=somebody", undefined, owner);
    await rest.good(200, "get", `/api/v1/sessions/${session_id}`, undefined, owner);
    assert.equal((await rest.good(200, "delete", `/api/v1/me?confirm=${user_id}`, undefined, owner)).sessions, 1);
    await rest.bad(404, "get", `/api/v1/sessions/${session_id}`, undefined, owner);
  });
});

test("what is another's is not there", async () => {
  const { session: { id: session_id } } = await rest.good(201, "post", "/api/v1/sessions", { session_name: "mine" });
  const { template } = await rest.good(201, "post", "/api/v1/templates", { template_name: "mine", system_prompt: "x" });
  const config_name = unique("mine");
  await rest.good(201, "post", "/api/v1/model-configs", { config_name });
  const { key } = await rest.good(201, "post", "/api/v1/provider-keys", { name: unique("mine"), api_key: `sk-${unique("own")}` });
  const ids = { session_id, template_id: template.id, config_name, id: key.id };
  const user_id = unique("stranger");
  const stranger = { token: await admit(world, { user_id, scopes: '["chatgpt:*"]' }) };
  const bodies = { "/messages": { role: "user", content: "x" }, "/rotate": { api_key: "sk-0123456789abcdef" } };
  for (const { method, path } of rest.operations.filter(({ path }) => path.startsWith("/api/") && path.includes("{"))) {
    const end = Object.keys(bodies).find((end) => path.endsWith(end));
    const body = ["post", "patch"].includes(method) ? bodies[end] ?? {} : undefined;
    const target = path.replace(/\{(\w+)\}/g, (_, name) => ids[name]);
    if (method === "delete" && /templates|model-configs/.test(path)) {
      // To delete one that is not there is no error.
      assert.equal((await rest.good(200, method, target, body, stranger)).deleted, false);
    } else {
      await rest.bad(404, method, target, body, stranger);
    }
  }
  for (const path of [`sessions/${session_id}`, `templates/${ids.template_id}`, `model-configs/${config_name}`]) {
    await rest.good(200, "get", `/api/v1/${path}`);
  }
  await rest.bad(403, "get", `/api/v1/sessions?user_id=${world.user}`, undefined, stranger);
});

test("an operation gives what the tool gives", async () => {
  const args = { limit: 3, offset: 0, status: "active" };
  const listed = await rest.good(200, "get", `/api/v1/sessions?${new URLSearchParams(args)}`);
  assert.deepEqual(listed, await tool(world, "chatgpt", "chitty_chat_session_list", args));
});

test("what does not fit is refused with its status and a sentence", async () => {
  const sessions = "/api/v1/sessions";
  for (const [status, code, method, target, body, headers] of [
    [400, "INVALID_ARGUMENTS", "get", `${sessions}?limit=many`],
    [400, "INVALID_ARGUMENTS", "get", `${sessions}?limit=1&limit=2`],
    [400, "INVALID_ARGUMENTS", "get", `${sessions}?limits=1`],
    [400, "INVALID_ARGUMENTS", "post", `${sessions}?session_name=x`, {}],
    [400, "INVALID_ARGUMENTS", "post", sessions, {}],
    [400, "INVALID_ARGUMENTS", "patch", `${sessions}/a`, { session_id: "b" }],
    [400, "INVALID_JSON", "post", sessions, "[]"],
    [400, "INVALID_JSON", "post", sessions, "{"],
    [404, "NOT_FOUND", "get", "/api/v1/nothing"],
    [404, "NOT_FOUND", "get", `${sessions}/`],
    [404, "SESSION_NOT_FOUND", "get", `${sessions}/none`],
    [405, "METHOD_NOT_ALLOWED", "put", sessions, {}],
    [415, "CONTENT_TYPE", "post", sessions, "{}", { "content-type": "text/plain" }],
  ]) {
    const error = await rest.bad(status, method, target, body, { headers });
    assert.equal(error.code, code, `${method} ${target}: ${error.message}`);
    assertExplains(error.message);
    if (target.includes("limits")) assert.match(error.message, /"limits".*only .*limit/);
    if (status === 405) assert.deepEqual(error.headers.get("allow").split(", ").sort(), ["GET", "HEAD", "OPTIONS", "POST"]);
  }
});

test("HEAD is GET without its body, and pages of any origin may ask", async () => {
  const target = `${rest.base}/api/v1/model-configs`;
  const headers = { authorization: `Bearer ${world.token}`, origin: "https://anything.example" };
  const [head, get] = [await fetch(target, { method: "HEAD", headers }), await fetch(target, { headers })];
  assert.deepEqual([head.status, await head.text(), head.headers.get("content-length")], [200, "", get.headers.get("content-length")]);
  assert.equal(get.headers.get("access-control-allow-origin"), "*");
  const preflight = await fetch(target, { method: "OPTIONS", headers: { origin: headers.origin, "access-control-request-method": "POST" } });
  assert.deepEqual([preflight.status, preflight.headers.get("access-control-allow-methods")], [204, "POST, GET, HEAD, OPTIONS"]);
});
