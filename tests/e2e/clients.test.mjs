// Clients that others wrote: the TypeScript SDK in both its generations, and the Inspector's CLI.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { ROOT } from "../../scripts/lib/stack.mjs";
import { LEGACY, MODERN, startWorld, unique } from "./support.mjs";

const INSPECTOR = join(ROOT, "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js");
const INSPECTOR_TIMEOUT_MS = 60_000;
const HINTS = ["destructiveHint", "idempotentHint", "openWorldHint", "readOnlyHint"];
// Those of JSON Schema 2020-12: strict validators refuse any other.
const FORMATS = ["date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uri-reference", "uuid", "regex"];

/** Tools of each worker, and a call of each worker that must succeed. */
const WORKERS = {
  coordinator: {
    tools: [
      "chitty_secure_ai_execute", "chitty_execution_status", "chitty_evidence_package", "chitty_chain_verify",
      "chitty_evidence_custody",
      "chitty_compare_ai_responses", "chitty_security_audit", "chitty_content_erase", "chitty_chain_checkpoint", "chitty_chain_prove",
      "search", "fetch", "chitty_token_mint", "chitty_token_list", "chitty_token_rotate", "chitty_token_revoke",
    ],
    call: () => ["chitty_secure_ai_execute", { prompt: unique("client"), security_level: "verified", create_evidence: true }],
  },
  chatgpt: {
    tools: [
      "chatgpt_complete", "chatgpt_stream", "chitty_chat_search", "chitty_message_add",
      ...["create", "list", "get", "update", "archive", "delete", "export"].map((verb) => `chitty_chat_session_${verb}`),
      ...["create", "list", "get", "update", "delete"].flatMap((verb) => [`chitty_session_template_${verb}`, `chitty_model_config_${verb}`]),
      ...["add", "list", "rotate", "revoke"].map((verb) => `chitty_api_key_${verb}`),
      "chitty_budget_set", "chitty_budget_get", "chitty_usage_analytics", "chitty_user_data_export", "chitty_user_data_delete",
    ],
    call: () => ["chatgpt_complete", { messages: [{ role: "user", content: unique("client") }] }],
  },
  fortress: {
    tools: [
      "fortress_secure_execute", "fortress_ingest_content", "fortress_run_agent", "fortress_get_output", "fortress_verify_signature",
      "fortress_audit_trail", "fortress_key_rotate", "fortress_key_revoke", "fortress_package_seal", "fortress_log_due", "fortress_signatures_verify", "fortress_log_assertion", "chitty_chain_query", "chitty_evidence_create", "chitty_evidence_list",
    ],
    call: () => ["fortress_secure_execute", { prompt: unique("client"), label: "client" }],
  },
};

let world;
before(async () => void (world = await startWorld()));
after(() => world?.close());

const CLIENTS = {
  "client 2.4.0, 2026-07-28": { make: () => newClient({ mode: { pin: MODERN } }), version: MODERN },
  "client 2.4.0, negotiated": { make: () => newClient({ mode: "auto" }), version: MODERN },
  "client 2.4.0, handshake": { make: () => newClient({ mode: "legacy" }), version: LEGACY },
  "sdk 1.32.2": { make: () => [new OldClient({ name: "e2e", version: "1.0.0" }), OldTransport], version: LEGACY },
};

function newClient(versionNegotiation) {
  return [new Client({ name: "e2e", version: "1.0.0" }, { versionNegotiation }), StreamableHTTPClientTransport];
}

async function connected({ make }, worker, work) {
  const [client, Transport] = make();
  const requestInit = { headers: { Authorization: `Bearer ${world.token}` } };
  const transport = new Transport(new URL(`${world.stack.urls[worker]}/mcp`), { requestInit });
  await client.connect(transport);
  try {
    await work(client, transport);
  } finally {
    await client.close();
  }
}

function validators(tools) {
  const ajv = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true });
  addFormats.default(ajv, FORMATS);
  return Object.fromEntries(tools.map(({ name, inputSchema, outputSchema }) => {
    assert.equal(inputSchema.type, "object", name);
    assert.equal(outputSchema.type, "object", name);
    return [name, { input: ajv.compile(inputSchema), output: ajv.compile(outputSchema) }];
  }));
}

function assertDescribed(tool) {
  for (const field of ["title", "description"]) assert.ok(tool[field]?.length > 5, `${tool.name} has no ${field}`);
  assert.deepEqual(Object.keys(tool.annotations).sort(), HINTS, tool.name);
  for (const hint of HINTS) assert.equal(typeof tool.annotations[hint], "boolean");
}

function assertValid(validate, value) {
  assert.ok(validate(value), JSON.stringify(validate.errors));
}

function assertResult({ output }, result) {
  assert.ok(!result.isError, result.content?.[0]?.text);
  assertValid(output, result.structuredContent);
  assert.deepEqual(JSON.parse(result.content[0].text), result.structuredContent);
}

for (const [name, kind] of Object.entries(CLIENTS)) {
  describe(name, () => {
    for (const [worker, { tools: expected, call }] of Object.entries(WORKERS)) {
      test(`lists and calls the tools of ${worker}`, () => connected(kind, worker, async (client, transport) => {
        assert.equal(client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion, kind.version);
        const { tools } = await client.listTools();
        assert.deepEqual(tools.map(({ name }) => name).sort(), [...expected].sort());
        tools.forEach(assertDescribed);
        const schemas = validators(tools);
        const [tool, args] = call();
        assertValid(schemas[tool].input, args);
        assertResult(schemas[tool], await client.callTool({ name: tool, arguments: args }));
      }));
    }
  });
}

test("every tool's results are what its output schema says", () => connected(CLIENTS["client 2.4.0, negotiated"], "coordinator", async (client) => {
  const schemas = {};
  const done = {};
  const check = async (from, name, args) => {
    const result = await from.callTool({ name, arguments: args });
    assertResult(schemas[name], result);
    done[name] = result.structuredContent;
    return result.structuredContent;
  };
  const learn = async (from) => Object.assign(schemas, validators((await from.listTools()).tools));

  await learn(client);
  for (const security_level of ["standard", "fortress", "verified"]) {
    const made = await check(client, "chitty_secure_ai_execute", { prompt: unique("schema"), security_level, create_evidence: true, case_id: "CASE-E2E" });
    await check(client, "chitty_execution_status", { execution_id: made.execution_id });
    await check(client, "chitty_evidence_package", { execution_id: made.execution_id });
    await check(client, "chitty_chain_verify", security_level === "standard" ? {} : { fact_ids: made.results.chain_facts });
    await check(client, "chitty_evidence_custody", { execution_id: made.execution_id });
    await check(client, "chitty_security_audit", { execution_ids: [made.execution_id] });
    if (security_level === "verified") await check(client, "chitty_content_erase", { execution_id: made.execution_id, reason: "schema", authority: "test", confirm: true });
  }
  await check(client, "chitty_compare_ai_responses", { prompt: unique("schema") });
  await check(client, "chitty_chain_checkpoint", {});
  await check(client, "chitty_chain_prove", { leaf_index: 0 });
  const { results } = await check(client, "search", { query: "CASE-E2E" });
  await check(client, "fetch", { id: results[0].id });
  const minted = await check(client, "chitty_token_mint", { name: "schema", platform: "e2e" });
  const rotated = await check(client, "chitty_token_rotate", { id: minted.key.id, overlap_hours: 1 });
  await check(client, "chitty_token_revoke", { id: rotated.key.id, descendants: true });
  await check(client, "chitty_token_list", { include_ended: true });
  await connected(CLIENTS["client 2.4.0, negotiated"], "fortress", async (fortress) => {
    await learn(fortress);
    const made = await check(fortress, "fortress_secure_execute", { prompt: unique("schema"), label: "schema", evidence_id: unique("evidence") });
    const public_key = world.keys.secrets.PGP_PUBLIC_KEY;
    await check(fortress, "fortress_verify_signature", { content: made.manifest, signature: made.signature, public_key });
    await check(fortress, "fortress_verify_signature", { content: made.manifest, signature: "none", public_key: "none" });
    const text = { content: made.manifest, signature: made.signature };
    const { faults } = await check(fortress, "fortress_signatures_verify", { texts: [text, { ...text, content: "other" }] });
    assert.deepEqual(faults.map((why) => why === null), [true, false]);
    const { input_id } = await check(fortress, "fortress_ingest_content", { content: unique("schema"), label: "schema" });
    const { output_file } = await check(fortress, "fortress_run_agent", { input_id });
    await check(fortress, "fortress_get_output", { output_file });
    await check(fortress, "fortress_get_output", { output_file, verify_signature: false });
    await check(fortress, "fortress_log_assertion", { subject: "schema", predicate: "is", object: "checked", source: "e2e" });
    await check(fortress, "chitty_chain_query", { limit: 5 });
    await check(fortress, "chitty_evidence_create", { evidence_type: "ai_execution", description: "schema", fortress_job_id: input_id });
    await check(fortress, "chitty_evidence_list", { limit: 1 });
    await check(fortress, "fortress_audit_trail", { job_id: input_id });
    await check(fortress, "fortress_package_seal", { package_id: "PKG-schema", tag_manifest: `${"0".repeat(64)}  manifest-sha256.txt\n` });
    await check(fortress, "fortress_log_due", {});
    const { previous } = await check(fortress, "fortress_key_rotate", { from_fingerprint: made.verified_by });
    await check(fortress, "fortress_key_revoke", { fingerprint: previous.fingerprint, reason: "superseded" });
    await check(fortress, "fortress_verify_signature", { content: made.manifest, signature: made.signature });
  });
  await connected(CLIENTS["client 2.4.0, negotiated"], "chatgpt", async (chatgpt) => {
    await learn(chatgpt);
    const { session } = await check(chatgpt, "chitty_chat_session_create", { session_name: "schema", metadata: { note: 1 } });
    const question = { messages: [{ role: "user", content: unique("schema") }], session_id: session.id };
    await check(chatgpt, "chatgpt_complete", question);
    await check(chatgpt, "chatgpt_complete", { messages: [{ role: "user", content: "[[fault:missing-usage]]" }] });
    await check(chatgpt, "chatgpt_stream", question);
    const mine = { session_id: session.id };
    await check(chatgpt, "chitty_message_add", { ...mine, role: "user", content: "noted", cost: "0.0001", tokens_used: 3 });
    await check(chatgpt, "chitty_chat_session_update", { ...mine, session_name: "renamed", labels: ["schema"], document_ids: ["D-1"], case_id: "C-1" });
    await check(chatgpt, "chitty_chat_session_get", mine);
    await check(chatgpt, "chitty_chat_session_list", { label: "schema" });
    await check(chatgpt, "chitty_chat_search", { query: "noted" });
    await check(chatgpt, "chitty_chat_session_export", { ...mine, format: "markdown" });
    await check(chatgpt, "chitty_chat_session_archive", { ...mine, archived: true });
    await check(chatgpt, "chitty_model_config_create", { config_name: "schema", model: "gpt-4o", max_tokens: 50 });
    await check(chatgpt, "chitty_model_config_update", { config_name: "schema", is_default: true });
    await check(chatgpt, "chitty_model_config_get", { config_name: "schema" });
    await check(chatgpt, "chitty_model_config_list", {});
    const { template } = await check(chatgpt, "chitty_session_template_create", { template_name: "schema", system_prompt: "Be brief.", model_config: "schema" });
    const its = { template_id: template.id ?? template.template_id };
    await check(chatgpt, "chitty_session_template_update", { ...its, description: "for the test" });
    await check(chatgpt, "chitty_session_template_get", its);
    await check(chatgpt, "chitty_session_template_list", {});
    await check(chatgpt, "chitty_session_template_delete", its);
    await check(chatgpt, "chitty_model_config_delete", { config_name: "schema" });
    await check(chatgpt, "chitty_chat_session_delete", mine);
    await check(chatgpt, "chitty_user_data_export", {});
    const added = await check(chatgpt, "chitty_api_key_add", { name: "schema", api_key: "sk-schema-0123456789" });
    const rotated = await check(chatgpt, "chitty_api_key_rotate", { id: added.key.id, api_key: "sk-schema-9876543210" });
    await check(chatgpt, "chitty_api_key_revoke", { id: rotated.key.id });
    await check(chatgpt, "chitty_api_key_list", { include_ended: true });
    await check(chatgpt, "chitty_budget_set", { period: "day", soft_usd: "900", hard_usd: "1000.000000001", limits: {} });
    await check(chatgpt, "chitty_budget_get", {});
    await check(chatgpt, "chitty_usage_analytics", { group_by: "model" });
    await check(chatgpt, "chitty_usage_analytics", { format: "csv" });
    await check(chatgpt, "chitty_budget_set", { period: "day", soft_usd: null, hard_usd: null });
    await check(chatgpt, "chitty_user_data_delete", { confirm: world.user });
  });
  assert.deepEqual(Object.keys(done).sort(), Object.keys(schemas).sort(), "a tool was not called");
}));

describe("the Inspector's CLI", () => {
  const inspect = async (worker, ...args) => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [INSPECTOR, "--cli", `${world.stack.urls[worker]}/mcp`, "--transport", "http", "--header", `Authorization: Bearer ${world.token}`, ...args],
      { timeout: INSPECTOR_TIMEOUT_MS, cwd: world.folder, env: { ...process.env, HOME: world.folder } },
    );
    return JSON.parse(stdout);
  };
  const CALLS = {
    coordinator: ["chitty_secure_ai_execute", ["prompt=hello", "security_level=verified"], ({ verification }) => verification.signature_valid === true],
    chatgpt: ["chitty_chat_session_create", ["session_name=by the inspector"], ({ session }) => session.session_name === "by the inspector"],
    fortress: ["fortress_secure_execute", ["prompt=hello", "label=inspector"], ({ status }) => status === "completed"],
  };
  for (const [worker, { tools: expected }] of Object.entries(WORKERS)) {
    test(`lists and calls the tools of ${worker}`, async () => {
      const { tools } = await inspect(worker, "--method", "tools/list");
      assert.deepEqual(tools.map(({ name }) => name).sort(), [...expected].sort());
      const [name, args, holds] = CALLS[worker];
      const result = await inspect(worker, "--method", "tools/call", "--tool-name", name, ...args.flatMap((arg) => ["--tool-arg", arg]));
      assert.ok(holds(result.structuredContent), JSON.stringify(result));
    });
  }
});
