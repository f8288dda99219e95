// Settings of an operator: what they switch, and what the service says when they are wrong.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { readPrivateKey, revokeKey } from "openpgp";
import { asked, bad, execute, good, post, request, row, run, sha256, startWorld, unique, until } from "./support.mjs";

let world;
before(async () => void (world = await startWorld({ vars: { VERIFIED_COMPARES: "false" } })));
after(() => world?.close());

const jobOf = async (prompt) => (await world.stack.d1("SELECT * FROM fortress_jobs WHERE prompt_hash = ?", [sha256(prompt)]))[0];
const logged = (...words) =>
  until(`a log line of ${words}`, () => world.stack.logs.some(({ message }) => words.every((word) => message.includes(word))));
const health = async (worker) => {
  const response = await fetch(`${world.stack.urls[worker]}/health`);
  return [response.status, await response.json()];
};

test("with comparing switched off, a verified execution stays in fortress", async () => {
  const prompt = unique("sealed");
  const done = await execute(world, { prompt, security_level: "verified", create_evidence: true });
  assert.deepEqual([done.results.verification_status, done.results.chatgpt_response], [true, undefined]);
  assert.equal(done.results.chain_facts.length, 1);
  assert.equal(asked(world, prompt).length, 1);
  assert.deepEqual(await world.stack.d1("SELECT id FROM chat_sessions WHERE id = ?", [done.execution_id]), []);
});

describe("without a working log", () => {
  const args = { prompt: unique("unlogged"), label: "unlogged", evidence_id: unique("evidence") };
  before(() => world.restart({ secrets: { CHAIN_SIGNING_KEY: "PRIVATE+KEY+nothing" } }));

  test("a run is signed and kept, but not told as done", async () => {
    const error = await bad(world, "fortress", "fortress_secure_execute", args);
    assert.equal(error.code, "CHAIN_UNAVAILABLE");
    assert.match(error.message, /same evidence_id/);
    const job = await jobOf(args.prompt);
    assert.deepEqual([job.status, job.assertion_id], ["completed", null]);
    await logged("tool_failed", "CHAIN_UNAVAILABLE");
  });

  test("an execution fails with the reason, whatever its level", async () => {
    for (const security_level of ["fortress", "verified"]) {
      const error = await bad(world, "coordinator", "chitty_secure_ai_execute", { prompt: unique("unlogged"), security_level, create_evidence: true });
      assert.equal(error.code, "CHAIN_UNAVAILABLE");
      assert.equal((await row(world, "secure_executions", error.details.execution_id)).status, "failed");
    }
  });

  test("once the log works, the sweep logs what was signed, and the same evidence_id gives it", async () => {
    await world.restart();
    const left = await world.stack.d1("SELECT id FROM fortress_jobs WHERE status = 'completed' AND assertion_id IS NULL");
    assert.equal(left.length, 3);
    assert.equal((await world.stack.scheduled("coordinator")).outcome, "ok");
    const job = await jobOf(args.prompt);
    assert.match(job.assertion_id, /^[0-9a-f]{64}$/);
    const made = await run(world, args);
    assert.deepEqual([made.job_id, made.assertion_id], [job.id, job.assertion_id]);
    assert.equal(asked(world, args.prompt).length, 1);
    const { verification } = await good(world, "coordinator", "chitty_chain_verify", { fact_ids: [job.assertion_id] });
    assert.equal(verification.all_valid, true);
    assert.deepEqual(await world.stack.d1("SELECT id FROM fortress_jobs WHERE status = 'completed' AND assertion_id IS NULL"), []);
  });
});

test("with a published key that is revoked, nothing is signed, and old signatures are valid no more", async () => {
  const made = await run(world, { prompt: unique("before"), label: "before" });
  const privateKey = await readPrivateKey({ armoredKey: world.keys.secrets.PGP_PRIVATE_KEY });
  const { publicKey } = await revokeKey({ key: privateKey, reasonForRevocation: { flag: 2 }, format: "armored" });
  await world.restart({ secrets: { PGP_PUBLIC_KEY: publicKey } });

  const prompt = unique("revoked");
  const error = await bad(world, "fortress", "fortress_secure_execute", { prompt, label: "revoked" });
  assert.equal(error.code, "SIGNING_FAILED");
  const job = await jobOf(prompt);
  assert.deepEqual([job.status, job.signature, job.assertion_id], ["failed", null, null]);
  const verdict = await good(world, "fortress", "fortress_verify_signature", { content: made.manifest, signature: made.signature });
  assert.equal(verdict.signature_valid, false);
  assert.match(verdict.explanation, /revoked/);
  const { verification } = await good(world, "coordinator", "chitty_chain_verify", { fact_ids: [made.assertion_id] });
  assert.equal(verification.all_valid, false);
});

test("without a model's key, health says so, and so does each call", async () => {
  await world.restart({ secrets: { OPENAI_API_KEY: "" } });
  const [status, body] = await health("chatgpt");
  assert.deepEqual([status, body.status, body.model], [503, "unhealthy", "down"]);
  const error = await bad(world, "coordinator", "chitty_secure_ai_execute", { prompt: unique("no model") });
  assert.equal(error.code, "MODEL_NOT_CONFIGURED");
  assert.match(error.message, /OPENAI_API_KEY/);
});

test("without its own secrets a worker answers that it is not set up, and the log alone says why", async () => {
  await world.restart({ secrets: { PGP_PRIVATE_KEY: "", CHITTY_ENCRYPTION_KEY: "c2hvcnQ=" } });
  const response = await post(world, "fortress", request("tools/list"));
  assert.equal(response.status, 503);
  const { error } = await response.json();
  assert.equal(error.code, "NOT_CONFIGURED");
  assert.equal(error.request_id, response.headers.get("x-request-id"));
  await logged("not_ready", "PGP_PRIVATE_KEY");
});
