// Each role against each tool and endpoint, and the same table in docs/SECURITY.md. UPDATE=1 writes it there.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { PRODUCT } from "../../scripts/lib/stack.mjs";
import { messages, post, request, startWorld } from "./support.mjs";

const DOCUMENT = new URL("../../docs/SECURITY.md", import.meta.url);
const BEGIN = "<!-- roles: written by tests/e2e/roles.test.mjs -->\n";
const END = "<!-- end of roles -->";

const ROLES = ["reader", "analyst", "counsel", "operator", "service", "admin"];
const ALL = ROLES;
const WORKS = ["analyst", "counsel", "service", "admin"];
const CASES = ["counsel", "service", "admin"];
const KEEPS_KEYS = ["counsel", "operator", "service", "admin"];

/** Who may call what. A tool that is not named here fails the test. */
const TOOLS = {
  chitty_secure_ai_execute: WORKS,
  chitty_execution_status: ALL,
  chitty_evidence_package: CASES,
  chitty_chain_verify: ALL,
  chitty_chain_checkpoint: ALL,
  chitty_chain_prove: ALL,
  chitty_compare_ai_responses: WORKS,
  chitty_security_audit: ALL,
  chitty_content_erase: CASES,
  chitty_token_mint: KEEPS_KEYS,
  chitty_token_list: KEEPS_KEYS,
  chitty_token_rotate: KEEPS_KEYS,
  chitty_token_revoke: KEEPS_KEYS,
  search: ALL,
  fetch: ALL,
  chatgpt_complete: WORKS,
  chatgpt_stream: WORKS,
  chitty_chat_session_create: WORKS,
  chitty_chat_session_list: ALL,
  chitty_chat_session_get: ALL,
  chitty_chat_session_update: WORKS,
  chitty_chat_session_archive: WORKS,
  chitty_chat_session_delete: WORKS,
  chitty_chat_session_export: ALL,
  chitty_message_add: WORKS,
  chitty_chat_search: ALL,
  chitty_session_template_create: WORKS,
  chitty_session_template_list: ALL,
  chitty_session_template_get: ALL,
  chitty_session_template_update: WORKS,
  chitty_session_template_delete: WORKS,
  chitty_model_config_create: WORKS,
  chitty_model_config_list: ALL,
  chitty_model_config_get: ALL,
  chitty_model_config_update: WORKS,
  chitty_model_config_delete: WORKS,
  chitty_budget_set: KEEPS_KEYS,
  chitty_budget_get: ALL,
  chitty_usage_analytics: ALL,
  chitty_user_data_export: ALL,
  chitty_user_data_delete: WORKS,
  chitty_api_key_add: WORKS,
  chitty_api_key_list: WORKS,
  chitty_api_key_rotate: WORKS,
  chitty_api_key_revoke: WORKS,
  chitty_evidence_custody: CASES,
  fortress_package_seal: ["admin"],
  fortress_log_due: ["admin"],
  fortress_signatures_verify: ["admin"],
  fortress_secure_execute: CASES,
  fortress_verify_signature: ALL,
  fortress_ingest_content: CASES,
  fortress_run_agent: CASES,
  fortress_get_output: ALL,
  fortress_audit_trail: ALL,
  fortress_key_rotate: ["operator", "admin"],
  fortress_key_revoke: ["operator", "admin"],
  fortress_log_assertion: CASES,
  chitty_chain_query: ALL,
  chitty_evidence_create: CASES,
  chitty_evidence_list: ALL,
};
const ENDPOINTS = {
  "GET /api/v2/tokens": KEEPS_KEYS,
  "POST /api/v2/tokens/mint": KEEPS_KEYS,
  "POST /api/v2/tokens/none/rotate": KEEPS_KEYS,
  "POST /api/v2/tokens/none/revoke": KEEPS_KEYS,
  "GET /api/v2/audit/export": ["operator", "admin"],
};

let world;
/** Token of each role, and its scopes. */
const tokens = {};
const scopes = {};

before(async () => {
  world = await startWorld();
  await Promise.all(ROLES.map(async (role) => {
    const made = await send("POST /api/v2/tokens/mint", world.token, { name: role, role });
    assert.equal(made.status, 201);
    const { token, key } = await made.json();
    [tokens[role], scopes[role]] = [token, key.scopes];
  }));
});
after(() => world?.close());

function send(endpoint, token, body = {}) {
  const [method, path] = endpoint.split(" ");
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  return fetch(world.stack.urls.coordinator + path, { method, headers, body: method === "GET" ? undefined : JSON.stringify(body) });
}

/** Names of the tools that a worker shows. */
async function shown(worker, token) {
  const { result } = await (await post(world, worker, request("tools/list"), { token })).json();
  return result.tools.map(({ name }) => name);
}

/** Whether a call without arguments is let in: anything but a refusal for its scopes. */
async function letIn(worker, name, token) {
  const response = await post(world, worker, request("tools/call", { name, arguments: {} }), { token });
  let last;
  for await (const message of messages(response)) last = message;
  if (response.status === 403) return false;
  assert.equal(response.status, 200, JSON.stringify(last));
  const failed = last.result?.isError ? JSON.parse(last.result.content[0].text).error.code : undefined;
  return failed !== "INSUFFICIENT_SCOPE";
}

async function holders(mayCall) {
  const found = await Promise.all(ROLES.map((role) => mayCall(role)));
  return ROLES.filter((_, index) => found[index]);
}

test("each role may call its tools and sees no others", async () => {
  const named = [];
  for (const worker of PRODUCT) {
    const visible = Object.fromEntries(await Promise.all(ROLES.map(async (role) => [role, await shown(worker, tokens[role])])));
    for (const name of await shown(worker, world.token)) {
      named.push(name);
      assert.ok(TOOLS[name], `${name} of ${worker} has no row in this test: say who may call it`);
      assert.deepEqual(await holders((role) => letIn(worker, name, tokens[role])), TOOLS[name], name);
      assert.deepEqual(ROLES.filter((role) => visible[role].includes(name)), TOOLS[name], `${name} in tools/list`);
    }
  }
  assert.deepEqual([...new Set(named)].sort(), Object.keys(TOOLS).sort(), "rows of tools that are not there");
});

test("each role may use its endpoints", async () => {
  for (const [endpoint, expected] of Object.entries(ENDPOINTS)) {
    const found = await holders(async (role) => {
      const response = await send(endpoint, tokens[role]);
      await response.arrayBuffer();
      assert.ok([200, 400, 403, 404].includes(response.status), `${endpoint} ${role}: ${response.status}`);
      return response.status !== 403;
    });
    assert.deepEqual(found, expected, endpoint);
  }
});

test("the table in docs/SECURITY.md is this one", () => {
  const all = [...new Set(ROLES.flatMap((role) => scopes[role]))].filter((scope) => scope !== "admin:*").sort();
  assert.deepEqual(scopes.admin, ["admin:*"]);
  const line = (cells) => `| ${cells.join(" | ")} |\n`;
  const marks = (holds) => ROLES.map((role) => (holds(role) ? "yes" : "–"));
  const printed = [
    line(["", ...ROLES]),
    line(ROLES.concat("").map(() => "---")),
    ...all.map((scope) => line([`\`${scope}\``, ...marks((role) => role === "admin" || scopes[role].includes(scope))])),
    ...Object.entries({ ...TOOLS, ...ENDPOINTS }).map(([name, roles]) => line([`\`${name.replace("/none/", "/{id}/")}\``, ...marks((role) => roles.includes(role))])),
  ].join("");
  const document = readFileSync(DOCUMENT, "utf8");
  const [start, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  assert.ok(start >= 0 && end > start, "docs/SECURITY.md has lost the table's marks");
  const written = document.slice(start + BEGIN.length, end);
  if (process.env.UPDATE) writeFileSync(DOCUMENT, document.slice(0, start + BEGIN.length) + printed + document.slice(end));
  else assert.equal(written, printed, "docs/SECURITY.md differs: run this test with UPDATE=1 and read what changed");
});
