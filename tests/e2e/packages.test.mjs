// Evidence packages: made, fetched, and checked with the programs inside, by a client that has only the answer.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { ROOT } from "../../scripts/lib/stack.mjs";
import { elsewhere } from "./elsewhere.mjs";
import { verifierOf } from "./proofs.mjs";
import { admit, bad, execute, good, row, sha256, startWorld, unique } from "./support.mjs";

const run = promisify(execFile);

let world;
before(async () => void (world = await startWorld()));
after(() => world?.close());

const fetchFile = (url, token = world.token) => fetch(url, { headers: { authorization: `Bearer ${token}` } });

/** The files of a package, unpacked. */
async function unpacked({ file, package_id }, token = world.token) {
  const place = mkdtempSync(join(tmpdir(), "chitty-package-"));
  const reply = await fetchFile(file.url, token);
  assert.equal(reply.status, 200);
  writeFileSync(join(place, "package.zip"), Buffer.from(await reply.arrayBuffer()));
  await run("python3", ["-m", "zipfile", "-e", join(place, "package.zip"), place]);
  return join(place, package_id);
}

const remove = (folder) => folder && rmSync(join(folder, ".."), { recursive: true });

describe("whoever receives a package, on a machine that has never seen this project", () => {
  // The calls that document 001 prints for its test of the evidence chain, by a client that others wrote.
  const user_id = "lawyer-123";
  const case_id = "trademark-dispute-456";
  let done, verification, folder;
  before(async () => {
    const token = await admit(world, { user_id, scopes: JSON.stringify(["execution:run", "evidence:package", "chain:verify"]) });
    const client = new Client({ name: "e2e", version: "1.0.0" });
    const requestInit = { headers: { Authorization: `Bearer ${token}` } };
    await client.connect(new StreamableHTTPClientTransport(new URL(`${world.stack.urls.coordinator}/mcp`), { requestInit }));
    const call = async (name, args) => {
      const result = await client.callTool({ name, arguments: args });
      assert.ok(!result.isError, result.content?.[0]?.text);
      return result.structuredContent;
    };
    done = await call("chitty_secure_ai_execute", {
      prompt: "Legal opinion on trademark dispute", security_level: "verified", user_id, case_id,
      create_evidence: true, label: "trademark-legal-opinion",
    });
    const { evidence_package } = await call("chitty_evidence_package", {
      execution_id: done.execution_id, case_id, package_format: "legal_brief",
    });
    ({ verification } = await call("chitty_chain_verify", {
      fact_ids: done.results.chain_facts, verify_signatures: true, cross_reference: true,
    }));
    await client.close();
    folder = await unpacked(evidence_package, token);
  });
  after(() => remove(folder));

  const known = () => [done.verification.key_fingerprint, verifierOf(world.keys.secrets.CHAIN_SIGNING_KEY)];

  test("the log has the facts of the run", () => {
    assert.deepEqual([verification.all_valid, verification.facts_verified], [true, done.results.chain_facts.length]);
    assert.ok(verification.facts_verified >= 2);
  });

  test("there is no network, and nothing of this project", async () => {
    const reach = "import socket; socket.create_connection(('127.0.0.1', %d), 2)".replace("%d", new URL(world.stack.urls.coordinator).port);
    const reached = await elsewhere(folder, "python3", "-c", reach);
    assert.match(reached.stderr, /Connection refused|unreachable/);
    assert.notEqual((await elsewhere(folder, "ls", ROOT)).code, 0);
  });

  test("finds the package whole with gpg, sha256sum and verify.py alone", async () => {
    const whole = await elsewhere(folder, "sh", "verify/verify.sh", ...known());
    assert.equal(whole.code, 0, whole.stdout + whole.stderr);
    for (const verdict of ["integrity +holds", " +completeness +holds", "signer +holds", " +content +present"]) {
      assert.match(whole.stdout, new RegExp(`^${verdict}`, "m"));
    }
  });

  test("finds a word that was changed, and a key that is another's", async () => {
    const output = join(folder, "data/execution/output");
    const answer = readFileSync(output, "utf8");
    assert.equal(answer, done.results.fortress_output);
    writeFileSync(output, "another answer");
    const changed = await elsewhere(folder, "sh", "verify/verify.sh", ...known());
    writeFileSync(output, answer);
    assert.equal(changed.code, 1);
    assert.match(changed.stdout, /data\/execution\/output: FAILED/);
    const another = await elsewhere(folder, "sh", "verify/verify.sh", "0".repeat(40), known()[1]);
    assert.equal(another.code, 1);
    assert.match(another.stdout, /^signer +FAILS/m);
  });
});

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
    folder = await unpacked(made);
  });
  after(() => remove(folder));

  test("comes under the hash that the answer, the row and the log name", async () => {
    assert.deepEqual([made.file.bytes, made.package_hash], [bytes.length, sha256(bytes)]);
    const stored = await row(world, "evidence_packages", made.package_id);
    assert.deepEqual([stored.package_hash, stored.status, stored.package_text], [made.package_hash, "delivered", null]);
    const { events, verifier_key } = await good(world, "coordinator", "chitty_evidence_custody", { execution_id: done.execution_id });
    assert.equal(verifier_key, verifierOf(world.keys.secrets.CHAIN_SIGNING_KEY));
    const packaged = events.find(({ fact_id }) => fact_id === made.custody_fact_id);
    assert.deepEqual([packaged.fields.action, packaged.fields.package_sha256], ["packaged", made.package_hash]);
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
