// Keys that sign runs: rotated and revoked through the tools, published, and seen by gpg as by us.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gpgStatus } from "./proofs.mjs";
import { admit, bad, good, run, startWorld, unique } from "./support.mjs";

let world;
before(async () => void (world = await startWorld()));
after(() => world?.close());

const rotate = (from_fingerprint, options) => good(world, "fortress", "fortress_key_rotate", { from_fingerprint }, options);
const revoke = (args) => good(world, "fortress", "fortress_key_revoke", args);
const verify = ({ manifest: content, signature }) => good(world, "fortress", "fortress_verify_signature", { content, signature });
const published = async (name) => {
  const response = await fetch(`${world.stack.urls.fortress}/keys/${name}`);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("cache-control"), "public, max-age=60");
  assert.equal(response.headers.get("access-control-allow-origin"), "*");
  return response;
};
const statusOf = async (...args) => (await gpgStatus(...args)).join("\n");
const history = async () => (await (await published("history.json")).json()).keys;

test("a key is replaced, its runs stand, and the new one signs, also after a restart", async () => {
  const before = await run(world, { prompt: unique("before"), label: "before" });
  const [first] = await history();
  assert.deepEqual([first.fingerprint, first.status, first.valid_from.log_index], [before.verified_by, "active", 0]);

  const made = await rotate(first.fingerprint);
  assert.deepEqual(await rotate(first.fingerprint), made);
  const after = await run(world, { prompt: unique("after"), label: "after" });
  assert.equal(after.verified_by, made.key.fingerprint);
  await world.restart();
  const later = await run(world, { prompt: unique("later"), label: "later" });
  assert.equal(later.verified_by, made.key.fingerprint);
  for (const signed of [before, after, later]) assert.equal((await verify(signed)).signature_valid, true);
  const { verification } = await good(world, "coordinator", "chitty_chain_verify", { fact_ids: [before.assertion_id, after.assertion_id, made.key.rotation.fact_id] });
  assert.equal(verification.all_valid, true, JSON.stringify(verification.facts.map(({ problems }) => problems)));

  const keys = await (await published("fortress.asc")).text();
  for (const signed of [before, after]) {
    const status = await statusOf(keys, signed.manifest, signed.signature);
    assert.match(status, /^GOODSIG/m);
    assert.match(status, new RegExp(`^VALIDSIG ${signed.verified_by}`, "m"));
  }
  // The rotation itself, under each of the two keys.
  const { statement, old_signature, new_signature } = made.key.rotation;
  for (const [signature, fingerprint] of [[old_signature, first.fingerprint], [new_signature, made.key.fingerprint]]) {
    assert.match(await statusOf(keys, statement, signature), new RegExp(`^VALIDSIG ${fingerprint}`, "m"));
  }
});

test("revoked softly, what was logged before holds here, and gpg shows the revocation", async () => {
  const signed = await run(world, { prompt: unique("soft"), label: "soft" });
  const { previous } = await rotate(signed.verified_by);
  const { key } = await revoke({ fingerprint: previous.fingerprint, reason: "superseded", note: "drill" });
  assert.deepEqual(await revoke({ fingerprint: previous.fingerprint, reason: "superseded" }), { key });
  assert.equal(key.status, "superseded");
  const verdict = await verify(signed);
  assert.deepEqual([verdict.signature_valid, verdict.key.status], [true, "superseded"]);
  assert.equal(verdict.key.logged.fact_id, signed.assertion_id);
  const keys = await (await published("fortress.asc")).text();
  assert.match(await statusOf(keys, signed.manifest, signed.signature), /^REVKEYSIG/m);
});

test("revoked as compromised, nothing holds, and what was logged before is told apart", async () => {
  const signed = await run(world, { prompt: unique("hard"), label: "hard" });
  await rotate(signed.verified_by);
  const refused = await bad(world, "fortress", "fortress_key_revoke", { fingerprint: signed.verified_by, reason: "compromised" });
  assert.equal(refused.code, "INVALID_INPUT");
  await revoke({ fingerprint: signed.verified_by, reason: "compromised", compromised_at: new Date().toISOString() });
  const verdict = await verify(signed);
  assert.deepEqual([verdict.signature_valid, verdict.reason, verdict.key.before_compromise], [false, "key_revoked", true]);
  await revoke({ fingerprint: signed.verified_by, reason: "compromised", compromised_at: "2026-01-01T00:00:00Z" });
  assert.equal((await verify(signed)).key.before_compromise, false);
  const [row] = await world.stack.d1("SELECT private_key FROM fortress_keys WHERE fingerprint = ?", [signed.verified_by]);
  assert.equal(row.private_key, null);
  const { verification } = await good(world, "coordinator", "chitty_chain_verify", { fact_ids: [signed.assertion_id] });
  assert.equal(verification.all_valid, false);
});

test("only who may keep keys rotates them, and only the one that signs", async () => {
  const token = await admit(world, { scopes: '["fortress:execute", "fortress:verify", "execution:read"]' });
  const active = (await history()).at(-1).fingerprint;
  const error = await bad(world, "fortress", "fortress_key_rotate", { from_fingerprint: active }, { token });
  assert.equal(error.code, "INSUFFICIENT_SCOPE");
  assert.equal((await bad(world, "fortress", "fortress_key_revoke", { fingerprint: active, reason: "retired" })).code, "KEY_IN_USE");
  const first = (await history())[0].fingerprint;
  assert.equal((await bad(world, "fortress", "fortress_key_rotate", { from_fingerprint: first })).code, "KEY_NOT_ACTIVE");
  const folder = mkdtempSync(join(tmpdir(), "chitty-gpg-"));
  try {
    writeFileSync(join(folder, "keys.asc"), await (await published("fortress.asc")).text());
    const listed = execFileSync("gpg", ["--homedir", folder, "--batch", "--with-colons", "--show-keys", join(folder, "keys.asc")], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    assert.equal(listed.split("\n").filter((line) => line.startsWith("pub:")).length, (await history()).length);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  assert.equal((await fetch(`${world.stack.urls.fortress}/keys/history.json`, { method: "POST" })).status, 405);
});
