// Evidence packages: made, fetched, and checked with the programs inside, by a client that has only the answer.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { verifierOf } from "./proofs.mjs";
import { admit, bad, execute, good, row, sha256, startWorld, unique } from "./support.mjs";

const run = promisify(execFile);

let world;
before(async () => void (world = await startWorld()));
after(() => world?.close());

const fetchFile = (url, token = world.token) => fetch(url, { headers: { authorization: `Bearer ${token}` } });

/** Runs a program of the package with nothing of ours around it. */
async function alone(folder, ...program) {
  const done = run("env", ["-i", "PATH=/usr/local/bin:/usr/bin:/bin", ...program], { cwd: folder });
  return done.then(({ stdout }) => ({ code: 0, stdout }), ({ code, stdout }) => ({ code, stdout }));
}

describe("a legal brief of a verified execution", () => {
  const prompt = unique("brief");
  let done, made, bytes, folder;
  before(async () => {
    done = await execute(world, { prompt, security_level: "verified", create_evidence: true, case_id: "CASE-E2E-9" });
    const input = { execution_id: done.execution_id, package_format: "legal_brief" };
    made = (await good(world, "coordinator", "chitty_evidence_package", input)).evidence_package;
    const reply = await fetchFile(made.file.url);
    assert.equal(reply.status, 200);
    assert.equal(reply.headers.get("content-type"), "application/zip");
    assert.equal(reply.headers.get("cache-control"), "private, no-store");
    assert.match(reply.headers.get("content-disposition"), new RegExp(`^attachment; filename="${made.package_id}\\.zip"$`));
    bytes = Buffer.from(await reply.arrayBuffer());
    const place = mkdtempSync(join(tmpdir(), "chitty-package-"));
    writeFileSync(join(place, "package.zip"), bytes);
    await run("python3", ["-m", "zipfile", "-e", join(place, "package.zip"), place]);
    folder = join(place, made.package_id);
  });
  after(() => folder && rmSync(join(folder, ".."), { recursive: true }));

  test("comes under the hash that the answer, the row and the log name", async () => {
    assert.deepEqual([made.file.bytes, made.package_hash], [bytes.length, sha256(bytes)]);
    const stored = await row(world, "evidence_packages", made.package_id);
    assert.deepEqual([stored.package_hash, stored.status, stored.package_text], [made.package_hash, "delivered", null]);
    const { events, verifier_key } = await good(world, "coordinator", "chitty_evidence_custody", { execution_id: done.execution_id });
    assert.equal(verifier_key, verifierOf(world.keys.secrets.CHAIN_SIGNING_KEY));
    const packaged = events.find(({ fact_id }) => fact_id === made.custody_fact_id);
    assert.deepEqual([packaged.fields.action, packaged.fields.package_sha256], ["packaged", made.package_hash]);
  });

  test("is found whole and signed by its own programs, and a changed answer is found", async () => {
    const known = [done.verification.key_fingerprint, verifierOf(world.keys.secrets.CHAIN_SIGNING_KEY)];
    const whole = await alone(folder, "sh", "verify/verify.sh", ...known);
    assert.equal(whole.code, 0, whole.stdout);
    const output = join(folder, "data/execution/output");
    assert.equal(readFileSync(output, "utf8"), done.results.fortress_output);
    writeFileSync(output, "another answer");
    const changed = await alone(folder, "sh", "verify/verify.sh", ...known);
    writeFileSync(output, done.results.fortress_output);
    assert.equal(changed.code, 1);
    assert.match(changed.stdout, /data\/execution\/output: FAILED/);
  });

  test("leads to facts that chitty_chain_verify finds good", async () => {
    const fact_ids = [...done.results.chain_facts, made.custody_fact_id];
    const { verification } = await good(world, "coordinator", "chitty_chain_verify", { fact_ids });
    assert.deepEqual([verification.all_valid, verification.facts_verified], [true, fact_ids.length]);
    const proofs = readdirSync(join(folder, "data/chain")).filter((name) => name.endsWith(".tlog-proof"));
    assert.equal(proofs.length, done.results.chain_facts.length + 1);
  });

  test("is nobody else's", async () => {
    const scopes = JSON.stringify(["evidence:package", "execution:read"]);
    const eve = await admit(world, { user_id: "eve", scopes });
    assert.equal((await fetchFile(made.file.url, eve)).status, 404);
    const reader = await admit(world, { scopes: JSON.stringify(["execution:read"]) });
    assert.equal((await fetchFile(made.file.url, reader)).status, 403);
    const nobody = await fetch(made.file.url);
    assert.deepEqual([nobody.status, nobody.headers.has("www-authenticate")], [401, true]);
    assert.equal((await fetch(made.file.url, { method: "POST" })).status, 405);
    const error = await bad(world, "coordinator", "chitty_evidence_custody", { execution_id: done.execution_id }, { token: eve });
    assert.equal(error.code, "EXECUTION_NOT_FOUND");
  });
});

test("a document is a file of its own", async () => {
  const done = await execute(world, { prompt: unique("document"), security_level: "standard" });
  const input = { execution_id: done.execution_id, package_format: "pdf" };
  const made = (await good(world, "coordinator", "chitty_evidence_package", input)).evidence_package;
  const bytes = Buffer.from(await (await fetchFile(made.file.url)).arrayBuffer());
  assert.equal(bytes.subarray(0, 8).toString(), "%PDF-1.7");
  assert.equal(sha256(bytes), made.package_hash);
  input.package_format = "legal_brief";
  assert.equal((await bad(world, "coordinator", "chitty_evidence_package", input)).code, "EXECUTION_NOT_SIGNED");
});

test("custody that a person records is a fact", async () => {
  const done = await execute(world, { prompt: unique("custody"), security_level: "fortress" });
  const event = {
    action: "transferred", actor: "J. Bloggs", location: "room 4", purpose: "expert examination", authority: "order of 2 November",
  };
  const input = { execution_id: done.execution_id, event };
  const { recorded, events } = await good(world, "coordinator", "chitty_evidence_custody", input);
  assert.deepEqual([events.length, events[0].fact_id, events[0].fields.recorded_by], [1, recorded, world.user]);
  const { verification } = await good(world, "coordinator", "chitty_chain_verify", { fact_ids: [recorded] });
  assert.equal(verification.all_valid, true);
});
