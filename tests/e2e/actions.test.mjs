// The face for GPT Actions, and ChatGPT's search and fetch with the pages they cite.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { PRODUCT } from "../../scripts/lib/stack.mjs";
import { admit, bad, execute, good, post, request, startWorld, unique, until } from "./support.mjs";

const DOCUMENTS = { "/gpt/openapi.json": "3.1", "/gpt/openapi-3.0.json": "3.0" };
const MAX_OPERATIONS = 30;
const CHALLENGE = "challenge-of-the-directory";

let world;
before(async () => void (world = await startWorld({ vars: { OPENAI_APPS_CHALLENGE: CHALLENGE } })));
after(() => world?.close());

const at = (worker, path) => `${world.stack.urls[worker]}${path}`;

function act(worker, tool, body, { token = world.token, headers = {} } = {}) {
  return fetch(at(worker, `/gpt/tools/${tool}`), {
    method: "POST",
    headers: { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

/** Every schema of a document, wherever it stands. */
function* objects(value) {
  if (value === null || typeof value !== "object") return;
  yield value;
  for (const inner of Object.values(value)) yield* objects(inner);
}

for (const worker of PRODUCT) {
  describe(`documents of ${worker}`, () => {
    for (const [path, version] of Object.entries(DOCUMENTS)) {
      test(path, async () => {
        const response = await fetch(at(worker, path));
        assert.equal(response.status, 200);
        assert.equal(response.headers.get("access-control-allow-origin"), "*");
        const document = await response.json();
        const validator = new Validator();
        const { valid, errors } = await validator.validate(structuredClone(document));
        assert.ok(valid, JSON.stringify(errors));
        assert.equal(validator.version, version);

        assert.deepEqual(document.servers, [{ url: world.stack.urls[worker] }]);
        const flow = document.components.securitySchemes.oauth2.flows.authorizationCode;
        assert.equal(flow.authorizationUrl, at("coordinator", "/authorize"));
        assert.equal(flow.tokenUrl, at("coordinator", "/token"));
        const { result } = await (await post(world, worker, request("tools/list"))).json();
        const names = result.tools.map(({ name }) => name);
        const operations = Object.values(document.paths).map(({ post }) => post);
        assert.ok(operations.length <= MAX_OPERATIONS);
        assert.deepEqual(operations.map(({ operationId }) => operationId), names.slice(0, MAX_OPERATIONS));
        for (const operation of operations) {
          const { annotations } = result.tools.find(({ name }) => name === operation.operationId);
          assert.equal(operation["x-openai-isConsequential"], !annotations.readOnlyHint);
          assert.ok(operation.summary.length <= 300 && operation.description.length <= 300);
          for (const scope of operation.security[0].oauth2) assert.ok(flow.scopes[scope], scope);
        }
        for (const object of objects(document.components.schemas)) {
          if (typeof object.description === "string") assert.ok(object.description.length <= 700);
          if (object.type === "object") assert.ok(object.properties, JSON.stringify(object));
          if (version === "3.0") assert.ok(!Array.isArray(object.type) && object.type !== "null" && !("const" in object));
        }
      });
    }
  });
}

test("an operation does what the tool does", async () => {
  const question = { messages: [{ role: "user", content: unique("action") }] };
  const response = await act("chatgpt", "chatgpt_complete", question);
  assert.equal(response.status, 200);
  const acted = await response.json();
  const called = await good(world, "chatgpt", "chatgpt_complete", question);
  assert.deepEqual(Object.keys(acted).sort(), Object.keys(called).sort());
  assert.match(acted.cost_usd, /^0\./);

  const id = response.headers.get("x-request-id");
  const audited = () => world.stack.d1("SELECT action, outcome FROM audit_logs WHERE request_id = ?", [id]);
  const rows = await until("audit rows", async () => {
    const found = await audited();
    return found.length >= 2 && found;
  });
  assert.deepEqual(rows.map(({ action, outcome }) => `${action} ${outcome}`).sort(), ["authenticate allow", "chatgpt_complete allow"]);
});

test("refusals have their status, a sentence and the way to a token", async () => {
  const poor = await admit(world, { scopes: '["fortress:verify"]' });
  for (const [status, code, response] of [
    [401, "MISSING_CREDENTIAL", await act("coordinator", "search", { query: "x" }, { token: null })],
    [401, "AUTHENTICATION_FAILED", await act("coordinator", "search", { query: "x" }, { token: "nothing" })],
    [403, "INSUFFICIENT_SCOPE", await act("coordinator", "search", { query: "x" }, { token: poor })],
    [403, "ORIGIN_REFUSED", await act("coordinator", "search", { query: "x" }, { headers: { origin: "https://evil.example" } })],
    [404, "TOOL_NOT_FOUND", await act("coordinator", "nothing", {})],
    [404, "RECORD_NOT_FOUND", await act("coordinator", "fetch", { id: "execution:none" })],
    [400, "INVALID_ARGUMENTS", await act("coordinator", "search", {})],
    [400, "INVALID_ARGUMENTS", await act("coordinator", "search", { query: "x", more: 1 })],
    [400, "INVALID_JSON", await act("coordinator", "search", "[]")],
    [413, "BODY_TOO_LARGE", await act("coordinator", "search", JSON.stringify({ query: "x".repeat(1_100_000) }))],
    [415, "CONTENT_TYPE", await act("coordinator", "search", "{}", { headers: { "content-type": "text/plain" } })],
  ]) {
    const { error } = await response.json();
    assert.deepEqual([response.status, error.code], [status, code], error.message);
    assert.ok(error.message.split(" ").length > 4 && error.request_id, error.message);
    const challenge = response.headers.get("www-authenticate");
    if (status === 401) assert.match(challenge, /resource_metadata="http.*\/\.well-known\/oauth-protected-resource/);
    if (code === "INSUFFICIENT_SCOPE") assert.match(challenge, /error="insufficient_scope".*scope="execution:read"/);
  }
});

describe("search and fetch", () => {
  const tool = (name, args, options) => good(world, "coordinator", name, args, options);
  const title = unique("deed");
  let made;
  before(async () => {
    const case_id = unique("CASE/Ä 1");
    made = await execute(world, { prompt: `What does ${title} say of ÜBERGABE?`, security_level: "verified", case_id, create_evidence: true });
    made.case_id = case_id;
  });

  test("find what is on file and read it", async () => {
    const { results } = await tool("search", { query: `${title} übergabe` });
    const execution = results.find(({ id }) => id === `execution:${made.execution_id}`);
    assert.ok(execution, JSON.stringify(results));
    for (const { id, title, url } of results) {
      const record = await tool("fetch", { id });
      assert.deepEqual([record.id, record.title, record.url], [id, title, url]);
      for (const value of Object.values(record.metadata)) assert.equal(typeof value, "string");
    }
    const kinds = async (query) => (await tool("search", { query })).results.map(({ id }) => id);
    assert.deepEqual(await kinds(made.case_id.toLowerCase()).then((ids) => ids.includes(`case:${made.case_id}`)), true);
    assert.ok((await kinds(`evidence ${made.case_id}`)).includes(`evidence:${made.evidence_id}`));
    assert.ok((await kinds(`session ${title}`)).includes(`session:${made.execution_id}`));
  });

  test("take words of any length and letters that SQL has a meaning for", async () => {
    for (const query of ["a".repeat(500), "%", "_", "\\", "'; DROP TABLE x; --", "法".repeat(400), "w ".repeat(250), " "]) {
      await tool("search", { query });
    }
    assert.deepEqual((await tool("search", { query: "%%" })).results, []);
    const { code } = await bad(world, "coordinator", "search", { query: "" });
    assert.equal(code, "INVALID_ARGUMENTS");
  });

  test("show nobody what is another's", async () => {
    const token = await admit(world, { user_id: unique("bob"), scopes: '["execution:read"]' });
    assert.deepEqual((await tool("search", { query: title }, { token })).results, []);
    for (const id of [`execution:${made.execution_id}`, `evidence:${made.evidence_id}`, `session:${made.execution_id}`, `case:${made.case_id}`]) {
      const { code } = await bad(world, "coordinator", "fetch", { id }, { token });
      assert.equal(code, "RECORD_NOT_FOUND");
    }
  });

  test("cite URLs that open", async () => {
    for (const id of [`execution:${made.execution_id}`, `case:${made.case_id}`]) {
      const { url, text } = await tool("fetch", { id });
      const opened = await fetch(url, { headers: { accept: "application/json", authorization: `Bearer ${world.token}` } });
      assert.equal(opened.status, 200, url);
      assert.equal((await opened.json()).text, text);
      const closed = await fetch(url, { headers: { accept: "text/html" } });
      assert.equal(closed.status, 401);
      assert.match(closed.headers.get("content-type"), /^text\/html/);
      assert.match(closed.headers.get("content-security-policy"), /frame-ancestors 'none'/);
      assert.ok(!(await closed.text()).includes(title));
    }
  });

  test("lead a person through signing in to the page", async () => {
    const { url } = await tool("fetch", { id: `execution:${made.execution_id}` });
    const key = await admit(world, { scopes: '["execution:read"]' }, `chitty_key_${randomBytes(32).toString("hex")}`);
    const jar = new Map();
    const browse = async (target, init = {}) => {
      const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
      const headers = { accept: "text/html", cookie, ...init.headers };
      const response = await fetch(new URL(target, url), { ...init, headers, redirect: "manual" });
      for (const line of response.headers.getSetCookie()) {
        const [name, ...value] = line.split(";")[0].split("=");
        jar.set(name, value.join("="));
      }
      return response;
    };
    const asked = await (await browse(url)).text();
    const ticket = asked.match(/name="ticket" value="([^"]+)"/)[1];
    const signedIn = await browse("/sign-in", { method: "POST", body: new URLSearchParams({ ticket, key }) });
    assert.equal(signedIn.status, 303, await signedIn.text());
    assert.equal(new URL(signedIn.headers.get("location"), url).href, url);
    const page = await browse(signedIn.headers.get("location"));
    assert.equal(page.status, 200);
    assert.ok((await page.text()).includes(title));
    const others = await browse(url.replace(made.execution_id, "none"));
    assert.equal(others.status, 404);
  });
});

test("the app directory reads its challenge at each worker", async () => {
  for (const worker of PRODUCT) {
    const response = await fetch(at(worker, "/.well-known/openai-apps-challenge"));
    assert.deepEqual([response.status, await response.text()], [200, CHALLENGE]);
  }
});
