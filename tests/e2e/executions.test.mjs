// Executions at the three levels, and what is left of them: rows, seals, costs, signatures, proofs.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { checkFact, checkProofText, gpgStatus, openCheckpoint, verifierOf } from "./proofs.mjs";
import { countTokens } from "../standins/text.mjs";
import { admit, asked, bad, call, dump, execute, good, row, run, sha256, startWorld, unique } from "./support.mjs";

// Dollars a million tokens of gpt-4, as the provider's price list has them: $30 in, $60 out.
const GPT4 = { input: 30, output: 60 };
/** Nano-dollars, exactly: a dollar a million tokens is 1000 nano-dollars a token. */
const nanos = ({ prompt_tokens: input, completion_tokens: output }) => 1000 * (input * GPT4.input + output * GPT4.output);
/** Nano-dollars of a decimal text, without a floating-point number between. */
const exactNanos = (dollars) => {
  const [whole, part = ""] = dollars.split(".");
  return Number(BigInt(whole + part.padEnd(9, "0")));
};

/** RFC 8785 text: keys sorted. What is packaged holds no number that needs more. */
const canonical = (value) => JSON.stringify(value, (_, inner) =>
  inner && typeof inner === "object" && !Array.isArray(inner)
    ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
    : inner);

let world;
before(async () => void (world = await startWorld()));
after(() => world?.close());

const rows = (sql, ...params) => world.stack.d1(sql, params);
const verifyChain = (fact_ids, options) => good(world, "coordinator", "chitty_chain_verify", { fact_ids }, options);

/** Tokens on file of an execution. */
async function usageOf(id) {
  const { prompt_tokens, completion_tokens } = await row(world, "secure_executions", id);
  return { prompt_tokens, completion_tokens };
}

test("standard: the chatgpt worker answers, once, in a session of the execution's id", async () => {
  const prompt = `${unique("standard")} echo: good morning`;
  const done = await execute(world, { prompt, create_evidence: true, case_id: "CASE-E2E-1" });
  assert.equal(done.status, "completed");
  assert.equal(done.security_level, "standard");
  assert.match(done.results.chatgpt_response, /Echo: good morning/);
  assert.deepEqual(Object.keys(done.results), ["chatgpt_response", "finish_reasons"]);
  assert.deepEqual(done.results.finish_reasons, { chatgpt_finish_reason: "stop" });
  assert.deepEqual(done.verification, { fortress_signed: false, chain_facts_logged: 0 });
  assert.equal(asked(world, prompt).length, 1);

  const stored = await row(world, "secure_executions", done.execution_id);
  assert.deepEqual(
    [stored.user_id, stored.status, stored.execution_method, stored.prompt_hash, stored.verification_status],
    [world.user, "completed", "direct", sha256(prompt), null],
  );
  const session = await row(world, "chat_sessions", stored.chat_session_id);
  assert.equal(session.id, done.execution_id);
  const said = await rows("SELECT role, content FROM chat_messages WHERE session_id = ? ORDER BY seq", session.id);
  assert.deepEqual(said, [
    { role: "user", content: prompt },
    { role: "assistant", content: done.results.chatgpt_response },
  ]);

  const usage = await usageOf(done.execution_id);
  assert.equal(usage.completion_tokens, countTokens(done.results.chatgpt_response));
  const cost = nanos(usage);
  assert.equal(exactNanos(done.cost_usd), cost);
  assert.deepEqual([stored.cost_nanos, stored.cost_status, session.total_cost_nanos], [cost, "priced", cost]);
  const evidence = await rows("SELECT * FROM evidence_records WHERE execution_id = ?", done.execution_id);
  assert.equal(evidence.length, 1);
  assert.equal(evidence[0].id, done.evidence_id);
  assert.deepEqual([evidence[0].status, evidence[0].signature_verified, evidence[0].case_id], ["completed", 0, "CASE-E2E-1"]);
  assert.equal(evidence[0].output_hash, sha256(done.results.chatgpt_response));
});

test("fortress: only the fortress asks the model, and nothing readable is left anywhere", async () => {
  const secret = unique("the-merger-closes-on-friday");
  const done = await execute(world, { prompt: `${secret} echo: ${secret}`, security_level: "fortress", create_evidence: true });
  assert.match(done.results.fortress_output, new RegExp(`Echo: ${secret}`));
  assert.deepEqual([done.results.chatgpt_response, done.verification.signature_valid], [undefined, true]);
  assert.equal(done.verification.chain_facts_logged, 1);

  const requests = asked(world, secret);
  assert.equal(requests.length, 1, "the prompt went to the model more than once");
  const [system, user] = requests[0].body.messages;
  const manifest = JSON.parse(done.results.fortress_manifest);
  assert.deepEqual([system.role, system.content, user.role], ["system", manifest.policy.system_prompt, "user"]);

  assert.deepEqual(await rows("SELECT id FROM chat_sessions WHERE id = ?", done.execution_id), []);
  const everything = JSON.stringify([await dump(world), world.stack.logs]);
  assert.ok(everything.includes(done.execution_id), "nothing was searched");
  assert.equal(everything.includes(secret), false, "prompt or answer is stored or logged in the clear");
  const job = await row(world, "fortress_jobs", manifest.job_id);
  for (const sealed of [job.sealed_prompt, job.sealed_output]) assert.match(sealed, /^v1\.[0-9a-f]{8}\.[\w-]{40,}$/);

  const evidence = await rows("SELECT * FROM evidence_records WHERE execution_id = ?", done.execution_id);
  assert.equal(evidence.length, 1);
  assert.deepEqual([evidence[0].status, evidence[0].signature_verified, evidence[0].case_id], ["verified", 1, null]);

  const status = await good(world, "coordinator", "chitty_execution_status", { execution_id: done.execution_id });
  assert.equal(status.execution.prompt, `${secret} echo: ${secret}`);
  assert.equal(status.execution.results.fortress_output, done.results.fortress_output);
});

describe("verified", () => {
  const prompt = `${unique("verified")} echo: both sides`;
  const label = unique("label");
  let done;
  let contents;
  before(async () => {
    done = await execute(world, { prompt, label, security_level: "verified", create_evidence: true, case_id: "CASE-E2E-2" });
    const made = await good(world, "coordinator", "chitty_evidence_package", { execution_id: done.execution_id });
    contents = made.evidence_package.contents;
  });

  test("asks both, compares, logs two facts and keeps one evidence record", async () => {
    assert.equal(asked(world, prompt).length, 2);
    const { chatgpt_response, fortress_output, chain_facts, verification_status } = done.results;
    assert.equal(verification_status, true);
    assert.equal(done.verification.answers_identical, chatgpt_response === fortress_output);
    assert.equal(new Set(chain_facts).size, 2);
    const facts = await rows(
      "SELECT uuid, subject, predicate, object, source, execution_id, user_id FROM chitty_chain_facts WHERE execution_id = ? AND predicate NOT IN ('custody_event', 'recorded') ORDER BY leaf_index",
      done.execution_id,
    );
    const job = JSON.parse(done.results.fortress_manifest).job_id;
    const common = { execution_id: done.execution_id, user_id: world.user };
    assert.deepEqual(facts, [
      { uuid: chain_facts[0], subject: `fortress:job:${job}`, predicate: "executed_securely", object: `output:${job}.txt`, source: "fortress-mcp", ...common },
      { uuid: chain_facts[1], subject: `execution:${done.execution_id}`, predicate: "compared_with_standard", object: `chatgpt:${done.execution_id}`, source: "chittyos-coordinator", ...common },
    ]);
    const evidence = await rows("SELECT * FROM evidence_records WHERE execution_id = ?", done.execution_id);
    assert.equal(evidence.length, 1);
    assert.deepEqual(JSON.parse(evidence[0].chain_facts), chain_facts);
    assert.equal((await row(world, "chat_sessions", done.execution_id)).total_messages, 2);
  });

  test("costs the exact sum of its two calls", async () => {
    const [session] = await rows("SELECT total_cost_nanos FROM chat_sessions WHERE id = ?", done.execution_id);
    const [direct] = await rows("SELECT prompt_tokens, completion_tokens FROM chat_messages WHERE session_id = ? AND role = 'assistant'", done.execution_id);
    const { usage } = JSON.parse(done.results.fortress_manifest);
    assert.equal(session.total_cost_nanos, nanos(direct));
    assert.equal(exactNanos(done.cost_usd), nanos(direct) + nanos(usage));
    assert.deepEqual(await usageOf(done.execution_id), {
      prompt_tokens: direct.prompt_tokens + usage.prompt_tokens,
      completion_tokens: direct.completion_tokens + usage.completion_tokens,
    });
  });

  test("the manifest is of this prompt and this answer", () => {
    const manifest = JSON.parse(done.results.fortress_manifest);
    assert.equal(manifest.prompt_sha256, sha256(prompt));
    assert.equal(manifest.output_sha256, sha256(done.results.fortress_output));
    assert.deepEqual([manifest.evidence_id, manifest.label], [done.execution_id, label]);
    const sent = asked(world, prompt).find(({ request_id }) => request_id === manifest.provider.request_id);
    assert.equal(sent?.body.messages[0].content, manifest.policy.system_prompt);
  });

  test("gpg finds the signature good, and one changed byte bad", async () => {
    const { fortress_manifest: manifest, fortress_signature: signature } = done.results;
    const fingerprint = done.verification.key_fingerprint;
    const said = await gpgStatus(world.keys.secrets.PGP_PUBLIC_KEY, manifest, signature);
    assert.ok(said.some((line) => line.startsWith("GOODSIG ")), said.join("\n"));
    assert.ok(said.some((line) => line.startsWith(`VALIDSIG ${fingerprint} `)), said.join("\n"));
    const forged = manifest.replace('"label":"', '"label":"X');
    const refused = await gpgStatus(world.keys.secrets.PGP_PUBLIC_KEY, forged, signature);
    assert.ok(refused.some((line) => line.startsWith("BADSIG ")), refused.join("\n"));
    for (const [content, valid] of [[manifest, true], [forged, false]]) {
      const verdict = await good(world, "fortress", "fortress_verify_signature", { content, signature });
      assert.deepEqual([verdict.signature_valid, verdict.content_hash], [valid, sha256(content)]);
    }
  });

  test("the package's proofs hold without the workers", () => {
    const { chain } = contents;
    assert.equal(chain.verifier_key, verifierOf(world.keys.secrets.CHAIN_SIGNING_KEY));
    assert.deepEqual(chain.facts.map(({ stored }) => stored.fact_id), done.results.chain_facts);
    for (const fact of chain.facts) checkFact(fact, chain.verifier_key);
    const proven = chain.tlog_proofs.map((text) => checkProofText(text, chain.verifier_key).fact_id);
    assert.deepEqual(proven, done.results.chain_facts);
    const { metadata } = chain.facts[0].stored.content.fact;
    assert.equal(metadata.manifest_sha256, sha256(done.results.fortress_manifest));
    assert.equal(metadata.signature_sha256, sha256(done.results.fortress_signature));
    for (const { checkpoint } of done.results.chain_positions) openCheckpoint(checkpoint, chain.verifier_key);
    const broken = structuredClone(chain.facts[1]);
    broken.receipt.inclusion_proof[0] = "00".repeat(32);
    assert.throws(() => checkFact(broken, chain.verifier_key));
  });

  test("the package is kept sealed, under the hash it names", async () => {
    const found = await rows("SELECT * FROM evidence_packages WHERE execution_id = ?", done.execution_id);
    assert.equal(found.length, 1);
    assert.match(found[0].package_text, /^v1\./);
    assert.equal(found[0].package_hash, sha256(canonical(contents)));
    const [evidence] = await rows("SELECT evidence_package_id FROM evidence_records WHERE execution_id = ?", done.execution_id);
    assert.equal(evidence.evidence_package_id, found[0].id);
  });

  test("chitty_chain_verify finds both facts good", async () => {
    const { verification } = await verifyChain(done.results.chain_facts);
    assert.deepEqual([verification.all_valid, verification.facts_verified], [true, 2]);
    assert.deepEqual(verification.facts.flatMap(({ problems }) => problems), []);
    const marked = await row(world, "chitty_chain_facts", done.results.chain_facts[0], "uuid");
    assert.deepEqual([marked.verified, marked.verification_method], [1, "inclusion_proof"]);
  });
});

describe("tampering in the database is named by chitty_chain_verify", () => {
  const fact = "UPDATE chitty_chain_facts SET";
  const cases = [
    ["the manifest", "UPDATE fortress_jobs SET manifest = replace(manifest, 'gpt-4', 'gpt-5') WHERE assertion_id = ?", /manifest is not the one logged/],
    ["the signature", "UPDATE fortress_jobs SET signature = replace(signature, 'A', 'B') WHERE assertion_id = ?", /signature is not the one logged/],
    ["an emptied signature", "UPDATE fortress_jobs SET signature = '' WHERE assertion_id = ?", /signature is gone/],
    ["the run itself", "DELETE FROM fortress_jobs WHERE assertion_id = ?", /manifest is not the one logged/],
    ...["subject", "predicate", "object", "source"].map((column) => [
      `the fact's ${column}`, `${fact} ${column} = ${column} || 'x' WHERE uuid = ?`, /row in the database .* differs/,
    ]),
    ["the fact's own text", `${fact} fact_json = replace(fact_json, 'executed', 'Executed') WHERE uuid = ?`, /row in the database .* differs/],
    ["the fact's place", `${fact} leaf_index = leaf_index + 1000 WHERE uuid = ?`, /row in the database .* differs/],
    ["the fact's leaf", `${fact} leaf_hash = '${"0".repeat(64)}' WHERE uuid = ?`, /row in the database .* differs/],
    ["the fact's row", "DELETE FROM chitty_chain_facts WHERE uuid = ?", /row in the database is missing/],
  ];
  for (const [what, sql, problem] of cases) {
    test(what, async () => {
      const made = await run(world, { prompt: unique("tamper"), label: "tamper" });
      assert.equal((await verifyChain([made.assertion_id])).verification.all_valid, true);
      await rows(sql, made.assertion_id);
      const { verification } = await verifyChain([made.assertion_id]);
      assert.deepEqual([verification.all_valid, verification.facts_verified], [false, 0]);
      assert.match(verification.facts[0].problems.join("; "), problem);
    });
  }
});

describe("the same evidence_id", () => {
  const label = "once";
  test("gives the same run, and asks the model once", async () => {
    const prompt = unique("once");
    const evidence_id = unique("evidence");
    const first = await run(world, { prompt, label, evidence_id });
    const again = await run(world, { prompt, label, evidence_id });
    assert.deepEqual(
      [again.job_id, again.output, again.signature, again.assertion_id, again.chain.leaf_index],
      [first.job_id, first.output, first.signature, first.assertion_id, first.chain.leaf_index],
    );
    assert.equal(asked(world, prompt).length, 1);
    assert.equal((await rows("SELECT id FROM fortress_jobs WHERE evidence_id = ?", evidence_id)).length, 1);
  });

  test("with another prompt is a conflict, and the model is not asked", async () => {
    const evidence_id = unique("evidence");
    await run(world, { prompt: unique("first"), label, evidence_id });
    const other = unique("second");
    const error = await bad(world, "fortress", "fortress_secure_execute", { prompt: other, label, evidence_id });
    assert.equal(error.code, "EVIDENCE_ID_CONFLICT");
    assert.equal(asked(world, other).length, 0);
  });

  test("asked for at once by two gives one run", async () => {
    const prompt = `${unique("twins")} [[fault:delay ms=300]]`;
    const args = { prompt, label, evidence_id: unique("evidence") };
    const both = await Promise.all([1, 2].map(() => call(world, "fortress", "fortress_secure_execute", args)));
    const failed = both.filter(({ isError }) => isError);
    for (const { content } of failed) assert.equal(JSON.parse(content[0].text).error.code, "RUN_IN_PROGRESS");
    assert.ok(failed.length < 2, "both were refused");
    assert.equal(asked(world, prompt).length, 1);
    assert.equal((await run(world, args)).status, "completed");
    assert.equal(asked(world, prompt).length, 1);
  });

  test("of another user is another run", async () => {
    const prompt = unique("mine");
    const evidence_id = unique("evidence");
    const token = await admit(world, { user_id: "bob" });
    const mine = await run(world, { prompt, label, evidence_id });
    const his = await run(world, { prompt, label, evidence_id }, { token });
    assert.notEqual(his.job_id, mine.job_id);
  });
});

describe("whose execution it is", () => {
  const scopes = (...list) => JSON.stringify(list);
  test("naming another user without the scope is refused before anything is written", async () => {
    const token = await admit(world, { scopes: scopes("execution:run", "chatgpt:sessions") });
    const prompt = unique("delegated");
    const error = await bad(world, "coordinator", "chitty_secure_ai_execute", { prompt, user_id: "ann" }, { token });
    assert.equal(error.code, "USER_ID_REFUSED");
    assert.match(error.message, /delegation:act/);
    assert.deepEqual(await rows("SELECT id FROM secure_executions WHERE prompt_hash = ?", sha256(prompt)), []);
    const session = await bad(world, "chatgpt", "chitty_chat_session_create", { user_id: "ann", session_name: "hers" }, { token });
    assert.equal(session.code, "USER_ID_REFUSED");
    assert.deepEqual(await rows("SELECT id FROM chat_sessions WHERE user_id = 'ann'"), []);
  });

  test("with the scope the execution, its run, session and facts are the other's", async () => {
    const token = await admit(world, { scopes: scopes("execution:run", "delegation:act") });
    const done = await execute(world, { prompt: unique("delegated"), user_id: "carol", security_level: "verified" }, { token });
    const job = JSON.parse(done.results.fortress_manifest).job_id;
    for (const [table, id] of [["secure_executions", done.execution_id], ["chat_sessions", done.execution_id], ["fortress_jobs", job]]) {
      assert.equal((await row(world, table, id)).user_id, "carol", table);
    }
    for (const id of done.results.chain_facts) {
      assert.equal((await row(world, "chitty_chain_facts", id, "uuid")).user_id, "carol");
    }
  });

  test("another user's execution and facts read as not found", async () => {
    const done = await execute(world, { prompt: unique("private"), security_level: "fortress" });
    const token = await admit(world, { user_id: "eve", scopes: scopes("execution:read", "evidence:package", "chain:verify") });
    for (const name of ["chitty_execution_status", "chitty_evidence_package"]) {
      const hers = await bad(world, "coordinator", name, { execution_id: done.execution_id }, { token });
      const nobodys = await bad(world, "coordinator", name, { execution_id: "01a1fe2b-0000-7000-8000-000000000000" }, { token });
      assert.equal(hers.code, "EXECUTION_NOT_FOUND");
      assert.deepEqual([hers.code, hers.message], [nobodys.code, nobodys.message]);
    }
    const { verification } = await verifyChain(done.results.chain_facts, { token });
    assert.deepEqual([verification.all_valid, verification.facts[0].log], [false, null]);
    const recent = await good(world, "coordinator", "chitty_chain_verify", {}, { token });
    assert.deepEqual(recent.verification.facts, []);
  });
});

test("a session made by hand keeps its system prompt and takes the exchange", async () => {
  const { session } = await good(world, "chatgpt", "chitty_chat_session_create", {
    user_id: world.user, session_name: "by hand", initial_system_prompt: "Be brief.",
  });
  assert.deepEqual(session.messages.map(({ role, content }) => [role, content]), [["system", "Be brief."]]);
  const answer = await good(world, "chatgpt", "chatgpt_complete", {
    messages: [{ role: "user", content: "echo: noted" }], session_id: session.id,
  });
  const said = await rows("SELECT role FROM chat_messages WHERE session_id = ? ORDER BY seq", session.id);
  assert.deepEqual(said.map(({ role }) => role), ["system", "user", "assistant"]);
  assert.equal(answer.cost_nanos, nanos(answer.usage));
  const token = await admit(world, { user_id: "eve" });
  const refused = await bad(world, "chatgpt", "chatgpt_complete", { messages: [{ role: "user", content: "mine?" }], session_id: session.id }, { token });
  assert.equal(refused.code, "SESSION_NOT_FOUND");
});

test("a model without a known price is unpriced, not free", async () => {
  const done = await execute(world, { prompt: unique("unpriced"), model: "gpt-3.5-turbo", security_level: "standard" });
  assert.ok(exactNanos(done.cost_usd) > 0);
  const prompt = `${unique("no usage")} [[fault:missing-usage]]`;
  const unknown = await execute(world, { prompt, security_level: "verified" });
  assert.equal(unknown.cost_usd, null);
  const stored = await row(world, "secure_executions", unknown.execution_id);
  assert.deepEqual([stored.status, stored.cost_nanos, stored.cost_status], ["completed", null, "unpriced"]);
});
