// The fortress's own tools, by a client that others wrote and over REST: runs in steps, facts, evidence, trails.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { restOf } from "./rest.mjs";
import { admit, asked, sha256, startWorld, unique } from "./support.mjs";

let world;
/** What a user of its own calls with. */
const people = {};
before(async () => {
  world = await startWorld();
  for (const name of ["ann", "bob"]) people[name] = await person(unique(name));
});
after(async () => {
  for (const { client } of Object.values(people)) await client.close();
  await world?.close();
});

async function person(user_id, scopes = ["fortress:*", "execution:read", "evidence:package", "chain:verify", "chain:assert"]) {
  const token = await admit(world, { user_id, scopes: JSON.stringify(scopes) });
  const client = new Client({ name: "e2e", version: "1.0.0" });
  const headers = { authorization: `Bearer ${token}` };
  await client.connect(new StreamableHTTPClientTransport(new URL("/mcp", world.stack.urls.fortress), { requestInit: { headers } }));
  return { client, token, user_id };
}

/** The result of a call that must succeed; the client has checked it against the tool's output schema. */
async function good({ client }, name, args) {
  const result = await client.callTool({ name, arguments: args });
  assert.ok(!result.isError, `${name}: ${result.content[0].text}`);
  return result.structuredContent;
}

async function code({ client }, name, args) {
  const result = await client.callTool({ name, arguments: args });
  assert.equal(result.isError, true, `${name} succeeded`);
  return JSON.parse(result.content[0].text).error.code;
}

describe("a run in steps", () => {
  let content;
  let input;
  let run;
  before(async () => {
    content = `${unique("steps")} echo: step by step`;
    await people.ann.client.listTools();
    input = await good(people.ann, "fortress_ingest_content", { content, label: "steps" });
    run = await good(people.ann, "fortress_run_agent", { input_id: input.input_id });
  });

  test("is asked once, signed, logged and read", async () => {
    assert.deepEqual([input.status, input.content_hash], ["pending", sha256(content)]);
    assert.deepEqual([run.job_id, run.status], [input.input_id, "completed"]);
    const again = await good(people.ann, "fortress_run_agent", { input_id: input.input_id });
    assert.deepEqual(again, run);
    assert.equal(asked(world, content).length, 1);
    const read = await good(people.ann, "fortress_get_output", { output_file: run.output_file });
    assert.match(read.output, /Echo: step by step/);
    assert.equal(read.signature_valid, true);
    assert.equal(JSON.parse(read.manifest).prompt_sha256, sha256(content));
  });

  test("leaves a trail and a fact, for its owner alone", async () => {
    const { audit_trail } = await good(people.ann, "fortress_audit_trail", { job_id: run.job_id });
    assert.deepEqual(audit_trail.events.map(({ event }) => event), ["ingested", "started", "signed", "fact_logged"]);
    assert.equal(audit_trail.chain_facts[0].uuid, run.assertion_id);
    const { facts } = await good(people.ann, "chitty_chain_query", { subject: `fortress:job:${run.job_id}` });
    assert.deepEqual(facts.map(({ uuid, predicate }) => [uuid, predicate]), [[run.assertion_id, "executed_securely"]]);

    assert.equal(await code(people.bob, "fortress_run_agent", { input_id: input.input_id }), "INPUT_NOT_FOUND");
    assert.equal(await code(people.bob, "fortress_get_output", { output_file: run.output_file }), "OUTPUT_NOT_FOUND");
    assert.equal(await code(people.bob, "fortress_audit_trail", { job_id: run.job_id }), "RECORD_NOT_FOUND");
    assert.equal((await good(people.bob, "chitty_chain_query", { subject: `fortress:job:${run.job_id}` })).count, 0);
    const evidence = { evidence_type: "ai_execution", description: "not mine", fortress_job_id: run.job_id };
    assert.equal(await code(people.bob, "chitty_evidence_create", evidence), "JOB_NOT_FOUND");
  });

  test("a rush of calls runs an input once", async () => {
    const content = `${unique("rush")} echo: once`;
    const { input_id } = await good(people.ann, "fortress_ingest_content", { content, label: "rush" });
    const results = await Promise.all(Array.from({ length: 8 }, () => people.ann.client.callTool({ name: "fortress_run_agent", arguments: { input_id } })));
    assert.equal(asked(world, content).length, 1);
    const codes = results.filter(({ isError }) => isError).map(({ content: [{ text }] }) => JSON.parse(text).error.code);
    assert.ok(codes.length < 8 && codes.every((code) => code === "RUN_IN_PROGRESS"), codes.join());
    assert.equal((await good(people.ann, "fortress_run_agent", { input_id })).status, "completed");
  });
});

test("facts are logged once for their key, found in pages, and refused where too large or not one's own", async () => {
  const subject = unique("subject");
  const fact = { subject, predicate: "noted", object: "object 0", source: "e2e", idempotency_key: unique("key") };
  const first = await good(people.ann, "fortress_log_assertion", fact);
  const again = await good(people.ann, "fortress_log_assertion", fact);
  assert.deepEqual([again.fact_id, again.timestamp], [first.fact_id, first.timestamp]);
  assert.equal(await code(people.ann, "fortress_log_assertion", { ...fact, object: "else" }), "IDEMPOTENCY_KEY_CONFLICT");
  for (const n of [1, 2]) await good(people.ann, "fortress_log_assertion", { subject, predicate: "noted", object: `object ${n}`, source: "e2e" });
  const seen = [];
  for (let cursor; ;) {
    const page = await good(people.ann, "chitty_chain_query", { subject, limit: 2, ...(cursor ? { cursor } : {}) });
    seen.push(...page.facts.map(({ object }) => object));
    if (!(cursor = page.next_cursor)) break;
  }
  assert.deepEqual(seen, ["object 2", "object 1", "object 0"]);
  assert.equal(await code(people.ann, "fortress_log_assertion", { ...fact, source: "fortress-mcp" }), "SOURCE_TAKEN");
  assert.equal(await code(people.ann, "fortress_log_assertion", { ...fact, object: "a".repeat(65_537) }), "INVALID_ARGUMENTS");
  assert.equal(await code(people.ann, "fortress_log_assertion", { ...fact, object: "\u0001".repeat(32_000) }), "INVALID_FACT");
});

test("evidence is put on file and listed, through tools and over REST alike", async () => {
  const case_id = unique("CASE");
  const wanted = { evidence_type: "document", description: "A contract", case_id, metadata: { pages: 3 }, idempotency_key: unique("key") };
  const { evidence } = await good(people.ann, "chitty_evidence_create", wanted);
  assert.deepEqual([evidence.status, evidence.metadata.pages, evidence.metadata.case_id], ["pending", 3, case_id]);

  const rest = await restOf(world, "fortress");
  const as = ({ token }) => ({ token });
  const same = await rest.good(201, "post", "/api/v1/evidence", wanted, as(people.ann));
  assert.equal(same.evidence.id, evidence.id);
  const listed = await rest.good(200, "get", `/api/v1/evidence?case_id=${case_id}&status=pending`, undefined, as(people.ann));
  assert.deepEqual(listed.evidence, [evidence]);
  assert.equal((await rest.good(200, "get", `/api/v1/evidence?case_id=${case_id}`, undefined, as(people.bob))).count, 0);

  const put = await rest.good(201, "post", "/api/v1/fortress/inputs", { content: `${unique("rest")} echo: rest`, label: "rest" }, as(people.ann));
  const run = await rest.good(200, "post", `/api/v1/fortress/inputs/${put.input_id}/run`, {}, as(people.ann));
  const read = await rest.good(200, "get", `/api/v1/fortress/outputs/${run.output_file}?verify_signature=false`, undefined, as(people.ann));
  assert.equal(read.signature_valid, null);
  await rest.bad(404, "get", `/api/v1/fortress/outputs/${run.output_file}`, undefined, as(people.bob));
  const trail = await rest.good(200, "get", `/api/v1/fortress/audit-trail?job_id=${run.job_id}`, undefined, as(people.ann));
  assert.equal(trail.audit_trail.events.at(-1).id, run.assertion_id);
  await rest.bad(400, "get", "/api/v1/fortress/audit-trail", undefined, as(people.ann));
});

test("each tool needs its scope", async () => {
  const { client } = await person(unique("poor"), ["fortress:verify"]);
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map(({ name }) => name), ["fortress_verify_signature"]);
  await client.close();
});
