// What is audited, erased and compared, over REST at the coordinator, and packages as resources.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { restOf } from "./rest.mjs";
import { admit, call, execute, messages, post, request, sha256, startWorld, unique } from "./support.mjs";

let world, rest;
before(async () => {
  world = await startWorld();
  rest = await restOf(world, "coordinator");
});
after(() => world?.close());

test("the document is valid and has them", async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(rest.document));
  assert.ok(valid, JSON.stringify(errors));
  const told = rest.operations.map(({ method, path, operationId }) => [operationId, method, path]);
  for (const [tool, path] of [
    ["chitty_security_audit", "/api/v1/audits"],
    ["chitty_content_erase", "/api/v1/erasures"],
    ["chitty_compare_ai_responses", "/api/v1/comparisons"],
  ]) assert.deepEqual(told.find(([id]) => id === tool), [tool, "post", path]);
});

test("a comparison is made, audited, and erased", async () => {
  const prompt = unique("compare");
  const made = await rest.good(201, "post", "/api/v1/comparisons", { prompt, create_analysis: false });
  assert.ok(made.summary.both_completed && made.summary.fortress_verified);
  const execution_id = made.fortress_execution;

  const { audit_report } = await rest.good(201, "post", "/api/v1/audits", { execution_ids: [execution_id], audit_level: "basic" });
  assert.equal(audit_report.executions_audited, 1);
  const again = await rest.good(201, "post", "/api/v1/audits", { audit_id: audit_report.audit_id });
  assert.equal(again.audit_report.audit_id, audit_report.audit_id);
  await rest.bad(404, "post", "/api/v1/audits", { execution_ids: [unique("none")] });

  const told = { execution_id, reason: "asked for", authority: "GDPR Art. 17" };
  const refused = await rest.bad(422, "post", "/api/v1/erasures", { ...told, confirm: false });
  assert.equal(refused.code, "NOT_CONFIRMED");
  const eve = await admit(world, { user_id: unique("eve"), scopes: '["evidence:erase"]' });
  await rest.bad(404, "post", "/api/v1/erasures", { ...told, confirm: true }, { token: eve });
  const erased = await rest.good(200, "post", "/api/v1/erasures", { ...told, confirm: true });
  assert.deepEqual([erased.execution_id, erased.content], [execution_id, "content erased"]);
  const refusal = await rest.bad(422, "post", "/api/v1/evidence-packages", { execution_id });
  assert.equal(refusal.code, "CONTENT_ERASED");
});

test("the file of a package is linked, and read by its owner alone", async () => {
  const { execution_id } = await execute(world, { prompt: unique("link"), security_level: "fortress" });
  const input = { execution_id, package_format: "legal_brief" };
  const { content, structuredContent } = await call(world, "coordinator", "chitty_evidence_package", input);
  const { package_id, package_hash, file } = structuredContent.evidence_package;
  const uri = `chitty://evidence-packages/${package_id}`;
  assert.deepEqual(content.slice(1), [
    { type: "resource_link", uri, name: file.name, mimeType: "application/zip", size: file.bytes },
  ]);
  for (const version of ["2025-06-18", "2025-03-26"]) {
    const options = { headers: { "mcp-protocol-version": version } };
    const answer = await call(world, "coordinator", "chitty_evidence_package", input, options);
    assert.equal(answer.content.length, version === "2025-03-26" ? 1 : 2, version);
  }

  const read = async (options) => {
    let last;
    for await (const message of messages(await post(world, "coordinator", request("resources/read", { uri }), options))) last = message;
    return last;
  };
  const { result } = await read();
  assert.deepEqual([result.contents[0].uri, result.contents[0].mimeType], [uri, "application/zip"]);
  assert.equal(sha256(Buffer.from(result.contents[0].blob, "base64")), package_hash);
  const eve = await admit(world, { user_id: unique("eve"), scopes: '["evidence:package"]' });
  const reader = await admit(world, { scopes: '["execution:read"]' });
  for (const token of [eve, reader]) assert.equal((await read({ token })).error.code, -32602);
});
