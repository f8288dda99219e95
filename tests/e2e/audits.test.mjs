// Audits of the published log and of signatures, through the real workers and their storage.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { command, fact, FRONT } from "./appends.mjs";
import { execute, good, startWorld, unique, until } from "./support.mjs";
import { readLog } from "./tiles.mjs";

/** More than a full bundle. */
const FACTS = 300;

let world;
before(async () => void (world = await startWorld({ fronts: { fortress: FRONT } })));
after(() => world?.close());

const audit = async () => (await good(world, "coordinator", "chitty_security_audit", { audit_level: "forensic" })).audit_report;

/** Changes a published file, audits, and puts it back. */
async function changed(name, change) {
  const bucket = await world.stack.bucket("fortress", "LOG_TILES");
  const file = await bucket.get(name);
  const before = Buffer.from(await file.arrayBuffer());
  const after = change(Buffer.from(before));
  await (after ? bucket.put(name, after) : bucket.delete(name));
  const report = await audit();
  await bucket.put(name, before, { httpMetadata: file.httpMetadata });
  return report.findings;
}

test("a forensic audit reads the published log, and names the file and the entry that were changed", async () => {
  await execute(world, { prompt: unique("audited"), security_level: "verified", create_evidence: true });
  await execute(world, { prompt: unique("audited"), security_level: "fortress" });
  const facts = Array.from({ length: FACTS }, (_, n) => fact(`audited/${n}`));
  assert.equal((await command(world.stack.urls.fortress, { append_all: facts })).status, 200);
  const { size } = await readLog(world.stack.urls.fortress);
  await until("the rows of all facts", async () => {
    const [{ n }] = await world.stack.d1("SELECT count(*) AS n FROM chitty_chain_facts");
    return n === size;
  });

  const whole = await audit();
  assert.deepEqual([whole.status, whole.findings], ["completed", []]);
  assert.equal(whole.signatures_checked, 2);
  assert.equal(whole.published.leaves, size);
  // Two bundles, each with its hashes, and a tile of the level above.
  assert.equal(whole.published.files, 5);
  assert.ok(whole.published.bytes > 100 * size);

  // Each audit is a fact itself, so only full files keep their names.
  const flip = (at) => (bytes) => {
    bytes[at] ^= 1;
    return bytes;
  };
  const [entry] = await changed("tile/entries/000", flip(40));
  assert.deepEqual([entry.code, entry.subject], ["published_altered", "log:tile/entries/000"]);
  assert.match(entry.what, /of entry 0$/);
  assert.equal(entry.severity, "critical");
  const [hash] = await changed("tile/0/000", flip(255 * 32));
  assert.deepEqual([hash.code, hash.subject], ["published_altered", "log:tile/0/000"]);
  assert.match(hash.what, /of entry 255$/);
  const gone = await changed("tile/entries/000", () => undefined);
  assert.deepEqual(gone.map(({ code, subject }) => [code, subject]), [["published_missing", "log:tile/entries/000"]]);
  assert.deepEqual((await audit()).findings, []);
});

test("a run whose signature was changed is named by its audit", async () => {
  const made = await execute(world, { prompt: unique("signed"), security_level: "fortress" });
  const [{ id, signature }] = await world.stack.d1("SELECT id, signature FROM fortress_jobs WHERE evidence_id = ?", [made.execution_id]);
  const other = signature.replace(/[A-Z]/, (letter) => (letter === "A" ? "B" : "A"));
  assert.notEqual(other, signature);
  await world.stack.d1("UPDATE fortress_jobs SET signature = ? WHERE id = ?", [other, id]);
  const { findings } = await audit();
  const named = findings.filter(({ code }) => code === "signature_invalid").map(({ subject }) => subject);
  assert.deepEqual(named, [`secure_executions:${made.execution_id}`, `fortress_jobs:${id}`]);
});
