// What goes wrong on the way: the model fails, a caller leaves, workerd is killed, sixty-four come at once.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { verifierOf, openCheckpoint } from "./proofs.mjs";
import { asked, bad, call, execute, good, request, row, run, sha256, startWorld, unique, until } from "./support.mjs";

const LEVELS = ["standard", "fortress", "verified"];
const MANY = 64;
/** Under the 5 s after which a silent reply is opened, and the caller found missing. */

let world;
before(async () => void (world = await startWorld()));
after(() => world?.close());

const rows = (sql, ...params) => world.stack.d1(sql, params);
const status = (execution_id) => good(world, "coordinator", "chitty_execution_status", { execution_id });
const past = (table, id) => rows(`UPDATE ${table} SET deadline_at = ? WHERE id = ?`, Date.now() - 1, id);
const executionOf = async (prompt) => (await rows("SELECT * FROM secure_executions WHERE prompt_hash = ?", sha256(prompt)))[0];
const jobOf = async (prompt) => (await rows("SELECT * FROM fortress_jobs WHERE prompt_hash = ?", sha256(prompt)))[0];

async function sweep() {
  assert.equal((await world.stack.scheduled("coordinator")).outcome, "ok");
}

describe("a failing model", { concurrency: 8 }, () => {
  const FAULTS = [
    ["429", "MODEL_RATE_LIMITED", /rate of requests.*try again/],
    ["429 code=insufficient_quota", "MODEL_QUOTA_EXHAUSTED", /credit or spending limit/],
    ["500", "MODEL_UNAVAILABLE", /unavailable.*try again later/],
    ["401", "MODEL_UNAUTHORIZED", /OPENAI_API_KEY/],
    ["malformed", "MODEL_MALFORMED_ANSWER", /could not be read/],
    ["cut", "MODEL_INTERRUPTED", /broke off|connection/],
    ["cut after=0", "MODEL_UNAVAILABLE", /unavailable/],
    ["huge bytes=4000000", "MODEL_ANSWER_TOO_LARGE", /larger than/],
  ];
  for (const security_level of LEVELS) {
    for (const [fault, code, sentence] of FAULTS) {
      test(`${security_level}: ${fault} fails the execution with the reason`, async () => {
        const prompt = `${unique("fault")} [[fault:${fault}]]`;
        const error = await bad(world, "coordinator", "chitty_secure_ai_execute", { prompt, security_level, create_evidence: true });
        assert.equal(error.code, code);
        assert.match(error.message, sentence);
        assert.equal(error.details.status, "failed");

        const stored = await row(world, "secure_executions", error.details.execution_id);
        assert.deepEqual([stored.status, stored.error_message, stored.evidence_id], ["failed", error.message, null]);
        assert.ok(stored.completed_at >= stored.created_at);
        assert.deepEqual(await rows("SELECT id FROM evidence_records WHERE execution_id = ?", stored.id), []);
        const told = await status(stored.id);
        assert.deepEqual([told.execution.status, told.execution.error_message], ["failed", error.message]);
        if (security_level !== "standard") {
          const job = await jobOf(prompt);
          assert.equal(job.status, "failed");
          assert.ok(job.error_message);
        }
        const { code: refusal } = await bad(world, "coordinator", "chitty_evidence_package", { execution_id: stored.id });
        assert.equal(refusal, "EXECUTION_NOT_COMPLETED");
      });
    }

    test(`${security_level}: without usage it completes, unpriced`, async () => {
      const done = await execute(world, { prompt: `${unique("fault")} [[fault:missing-usage]]`, security_level });
      const stored = await row(world, "secure_executions", done.execution_id);
      assert.deepEqual([done.status, done.cost_usd, stored.cost_nanos, stored.cost_status], ["completed", null, null, "unpriced"]);
    });
  }

  test("verified: when the sealed side alone fails, what the other answered is on file", async () => {
    const prompt = `${unique("half")} [[fault:huge bytes=300000]]`;
    const error = await bad(world, "coordinator", "chitty_secure_ai_execute", { prompt, security_level: "verified" });
    assert.equal(error.code, "POLICY_EXCEEDED");
    const { execution } = await status(error.details.execution_id);
    assert.deepEqual([execution.status, execution.error_message], ["failed", error.message]);
    assert.equal(execution.results.chatgpt_response?.length, 300_000);
    assert.equal(execution.cost_usd, null);
  });

  test("a limit with a short Retry-After is waited for", async () => {
    const prompt = `${unique("patience")} [[fault:429 retry-after=0 times=1]]`;
    const done = await execute(world, { prompt, security_level: "fortress" });
    assert.equal(done.status, "completed");
    assert.deepEqual(asked(world, prompt).map(({ status }) => status), [429, 200]);
  });
});

test("no failure leaves anything executing", async () => {
  for (const table of ["secure_executions", "fortress_jobs"]) {
    assert.deepEqual(await rows(`SELECT id FROM ${table} WHERE status IN ('pending', 'executing')`), [], table);
  }
});

test("a run that is paid for goes on without its caller; the execution fails at its deadline", async () => {
  const prompt = `${unique("left")} [[fault:delay ms=1000]]`;
  const socket = connect(Number(new URL(world.stack.urls.coordinator).port), "127.0.0.1");
  const body = JSON.stringify(request("tools/call", { name: "chitty_secure_ai_execute", arguments: { prompt, security_level: "verified" } }));
  const head = ["POST /mcp HTTP/1.1", "host: localhost", `authorization: Bearer ${world.token}`, "content-type: application/json", `content-length: ${body.length}`];
  socket.write(`${head.join("\r\n")}\r\n\r\n${body}`);
  await until("both sides to be asked", () => asked(world, prompt).length === 2);
  socket.resetAndDestroy();
  const job = await until("the run to be signed", async () => {
    const stored = await jobOf(prompt);
    return stored.status === "completed" && stored;
  });
  assert.ok(asked(world, prompt).every(({ closed_early }) => !closed_early));
  const books = () => rows(`SELECT outcome, cost_status FROM usage_events WHERE request_id = ?`, job.id);
  assert.deepEqual(await until("its books", async () => (await books()).length && books()), [{ outcome: "ok", cost_status: "priced" }]);
  const { id, status } = await executionOf(prompt);
  assert.equal(status, "executing");
  await past("secure_executions", id);
  await sweep();
  assert.match((await executionOf(prompt)).error_message, /^interrupted: /);
});

describe("workerd is killed in the middle", () => {
  const prompts = [1, 2].map(() => `${unique("killed")} [[fault:hang]]`);
  let kept;
  before(async () => {
    kept = await execute(world, { prompt: unique("kept"), security_level: "verified", create_evidence: true });
    const calls = prompts.map((prompt) => call(world, "coordinator", "chitty_secure_ai_execute", { prompt, security_level: "verified", create_evidence: true }));
    const failures = Promise.allSettled(calls);
    await until("both sides of both executions to hang", () => prompts.every((prompt) => asked(world, prompt).length === 2));
    await world.stack.kill();
    for (const { status } of await failures) assert.equal(status, "rejected");
    await world.restart();
  });

  test("what was acknowledged is still there, and provable", async () => {
    assert.equal((await status(kept.execution_id)).execution.results.fortress_output, kept.results.fortress_output);
    const { verification } = await good(world, "coordinator", "chitty_chain_verify", { fact_ids: kept.results.chain_facts });
    assert.deepEqual([verification.all_valid, verification.facts_verified], [true, 2]);
    const size = openCheckpoint(verification.checkpoint, verifierOf(world.keys.secrets.CHAIN_SIGNING_KEY)).size;
    const next = await run(world, { prompt: unique("next"), label: "next" });
    assert.equal(next.chain.leaf_index, size);
  });

  test("the interrupted executions are on file as executing, with a deadline", async () => {
    await sweep();
    for (const prompt of prompts) {
      for (const stored of [await executionOf(prompt), await jobOf(prompt)]) {
        assert.equal(stored.status, "executing");
        assert.ok(stored.deadline_at > Date.now(), "no deadline in the future");
        assert.ok(stored.deadline_at < Date.now() + 600_000, "a deadline that nobody lives to see");
      }
      const { execution } = await status((await executionOf(prompt)).id);
      assert.deepEqual([execution.status, execution.prompt, execution.completed_at], ["executing", prompt, null]);
    }
  });

  test("after the deadline, asking for the status tells that it failed", async () => {
    const { id } = await executionOf(prompts[0]);
    await past("secure_executions", id);
    const { execution } = await status(id);
    assert.equal(execution.status, "failed");
    assert.match(execution.error_message, /^interrupted: /);
    assert.ok(execution.completed_at);
  });

  test("after the deadline, the sweep fails executions and runs", async () => {
    const { id } = await executionOf(prompts[1]);
    await past("secure_executions", id);
    for (const prompt of prompts) await past("fortress_jobs", (await jobOf(prompt)).id);
    await sweep();
    for (const stored of [await executionOf(prompts[1]), await jobOf(prompts[0]), await jobOf(prompts[1])]) {
      assert.equal(stored.status, "failed");
      assert.match(stored.error_message, /^interrupted: /);
    }
    for (const prompt of prompts) {
      assert.deepEqual(await rows("SELECT id FROM evidence_records WHERE execution_id = ?", (await executionOf(prompt)).id), []);
    }
  });

  test("the interrupted run's evidence_id tells the reason, and a new one runs", async () => {
    const { evidence_id } = await jobOf(prompts[0]);
    const error = await bad(world, "fortress", "fortress_secure_execute", { prompt: prompts[0], label: "again", evidence_id });
    assert.equal(error.code, "RUN_FAILED");
    assert.match(error.message, /interrupted/);
    assert.equal((await run(world, { prompt: unique("again"), label: "again", evidence_id: unique("new") })).status, "completed");
  });
});

describe("a run that is signed but not logged", () => {
  const factsOf = (id) => rows("SELECT uuid, leaf_index FROM chitty_chain_facts WHERE subject = ?", `fortress:job:${id}`);

  test("whose fact was logged before keeps that fact", async () => {
    const made = await run(world, { prompt: unique("unlogged"), label: "unlogged" });
    await rows("UPDATE fortress_jobs SET assertion_id = NULL WHERE id = ?", made.job_id);
    await sweep();
    assert.equal((await row(world, "fortress_jobs", made.job_id)).assertion_id, made.assertion_id);
    assert.deepEqual(await factsOf(made.job_id), [{ uuid: made.assertion_id, leaf_index: made.chain.leaf_index }]);
  });

  test("and that nobody signed, is not logged", async () => {
    const made = await run(world, { prompt: unique("unlogged"), label: "unlogged" });
    const copy = { ...(await row(world, "fortress_jobs", made.job_id)), id: unique("JOB"), idempotency_key: unique("key"), evidence_id: null, execution_id: null, assertion_id: null };
    delete copy.cost;
    const names = Object.keys(copy);
    await rows(`INSERT INTO fortress_jobs (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`, ...Object.values(copy));
    await Promise.all([sweep(), sweep()]);
    await sweep();
    assert.deepEqual(await factsOf(copy.id), []);
    assert.equal((await row(world, "fortress_jobs", copy.id)).assertion_id, null);
    await rows("DELETE FROM fortress_jobs WHERE id = ?", copy.id);
  });

  test("asked for again, is logged then", async () => {
    const args = { prompt: unique("unlogged"), label: "unlogged", evidence_id: unique("evidence") };
    const made = await run(world, args);
    await rows("UPDATE fortress_jobs SET assertion_id = NULL WHERE id = ?", made.job_id);
    assert.equal((await run(world, args)).assertion_id, made.assertion_id);
    assert.equal((await row(world, "fortress_jobs", made.job_id)).assertion_id, made.assertion_id);
  });
});

describe(`${MANY} at once`, () => {
  const prompts = Array.from({ length: MANY }, () => unique("crowd"));

  test("each gets its own place in the log, and none is left out", async () => {
    const before = await rows("SELECT COUNT(*) AS n FROM chitty_chain_facts");
    const done = await Promise.all(prompts.map((prompt) => execute(world, { prompt, security_level: "fortress", create_evidence: true })));
    const taken = done.map(({ results }) => results.chain_positions[0].leaf_index).sort((a, b) => a - b);
    assert.deepEqual(taken, taken.map((_, at) => before[0].n + at));
    assert.equal(new Set(done.flatMap(({ results }) => results.chain_facts)).size, MANY);
    for (const prompt of prompts) assert.equal(asked(world, prompt).length, 1);
    const evidence = await rows("SELECT COUNT(*) AS n, COUNT(DISTINCT execution_id) AS executions FROM evidence_records WHERE execution_id IN (SELECT value FROM json_each(?))", JSON.stringify(done.map(({ execution_id }) => execution_id)));
    assert.deepEqual(evidence, [{ n: MANY, executions: MANY }]);
  });

  test("the same evidence_id is one run, one model call and one fact", async () => {
    const prompt = unique("same");
    const args = { prompt, label: "same", evidence_id: unique("evidence") };
    const answers = await Promise.all(prompts.map(() => call(world, "fortress", "fortress_secure_execute", args)));
    for (const { isError, content } of answers) {
      if (isError) assert.equal(JSON.parse(content[0].text).error.code, "RUN_IN_PROGRESS");
    }
    const made = await run(world, args);
    assert.equal(asked(world, prompt).length, 1);
    // Of a large round, rows follow the answer.
    const facts = await until("the fact's row", async () => {
      const found = await rows("SELECT uuid FROM chitty_chain_facts WHERE subject = ?", `fortress:job:${made.job_id}`);
      return found.length > 0 && found;
    });
    assert.deepEqual(facts, [{ uuid: made.assertion_id }]);
  });

  test("the log and its rows in the database agree, from the first fact to the last", async () => {
    const { checkpoint } = (await good(world, "coordinator", "chitty_chain_verify", { fact_ids: [] })).verification;
    const { size } = openCheckpoint(checkpoint, verifierOf(world.keys.secrets.CHAIN_SIGNING_KEY));
    const facts = await until(`${size} rows`, async () => {
      const found = await rows("SELECT uuid, leaf_index FROM chitty_chain_facts ORDER BY leaf_index");
      return found.length >= size && found;
    });
    assert.deepEqual(facts.map(({ leaf_index }) => leaf_index), facts.map((_, at) => at));
    for (let at = 0; at < facts.length; at += 50) {
      const fact_ids = facts.slice(at, at + 50).map(({ uuid }) => uuid);
      const { verification } = await good(world, "coordinator", "chitty_chain_verify", { fact_ids });
      assert.deepEqual(verification.facts.flatMap(({ problems }) => problems), []);
      assert.equal(openCheckpoint(verification.checkpoint, verifierOf(world.keys.secrets.CHAIN_SIGNING_KEY)).size, facts.length);
    }
  });
});
