// The log's checkpoints given to a witness, another party's worker, and stamped by authorities of openssl.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ML_DSA_WITNESS, noteKeys, WITNESS } from "../../scripts/lib/note-keys.mjs";
import { startStack } from "../../scripts/lib/stack.mjs";
import { startAuthority } from "../standins/tsa.mjs";
import { openCheckpoint, verifierOf } from "./proofs.mjs";
import { good, run, startWorld, unique, until } from "./support.mjs";
import { addCheckpoint, checkpoint, cosignedAt, leaf } from "./tlog.mjs";

const WAIT_MS = 60_000;
const own = noteKeys("witness.example/w1", WITNESS);
const newer = noteKeys("witness.example/w1", ML_DSA_WITNESS);
const folder = mkdtempSync(join(tmpdir(), "chitty-witness-"));
let world, witness, authorities, logKey, vars;

before(async () => {
  world = await startWorld();
  logKey = verifierOf(world.keys.secrets.CHAIN_SIGNING_KEY);
  authorities = [await startAuthority(), await startAuthority()];
  witness = await startStack({
    workers: ["witness"],
    ports: { witness: 0 },
    persist: folder,
    secrets: { WITNESS_SIGNING_KEY: own.signer, WITNESS_LOGS: logKey },
    vars: { WITNESS_SIGNING_KEY_ML_DSA: newer.signer },
  });
  vars = {
    // One witness with two keys: both must have cosigned.
    WITNESSES: [
      `witness old ${own.verifier} ${witness.urls.witness}`,
      `witness new ${newer.verifier} ${witness.urls.witness}`,
      "group w1 all old new",
      "quorum w1",
    ].join("\n"),
    TSA_URLS: authorities.map(({ url }) => url).join(", "),
    TSA_TRUST_ANCHORS: authorities.map(({ root }) => root).join("\n"),
    ANCHOR_EVERY_MS: "0",
  };
});
after(async () => {
  await world?.close();
  await witness?.stop();
  for (const authority of authorities ?? []) await authority.close();
  rmSync(folder, { recursive: true, force: true });
});

const head = () => good(world, "coordinator", "chitty_chain_checkpoint", {});
const log = () => run(world, { prompt: unique("anchored"), label: "anchored" });

/** The newest checkpoint, when both verdicts of it are `time` and `witnesses`. */
const anchored = (time, witnesses) =>
  until(`${time} and ${witnesses}`, async () => {
    const found = await head();
    return found.anchoring?.time.verdict === time && found.anchoring.witnesses.verdict === witnesses && found;
  }, WAIT_MS);

test("with nobody configured the verdicts say so", async () => {
  await log();
  const { anchoring } = await head();
  assert.deepEqual(anchoring, { time: { verdict: "not_configured" }, witnesses: { verdict: "not_configured" } });
});

test("a checkpoint is stamped and cosigned, and others' tools agree", async () => {
  await world.restart({ vars });
  await log();
  const { anchoring, checkpoint: own_note, tree_size } = await anchored("stamped", "witnessed");
  const { time, witnesses } = anchoring;
  assert.equal(openCheckpoint(time.checkpoint, logKey).size, time.tree_size);
  const authority = authorities.find(({ url }) => url === time.kept.url);
  await authority.verify(time.checkpoint, Buffer.from(time.kept.reply, "base64"));
  await assert.rejects(authority.verify(`${time.checkpoint} `, Buffer.from(time.kept.reply, "base64")));
  assert.equal(time.stamp.authority, "Example authority");
  assert.ok(Math.abs(time.stamp.time_ms - Date.now()) < WAIT_MS);

  assert.equal(openCheckpoint(witnesses.checkpoint, logKey).size, witnesses.tree_size);
  for (const { verifier } of [own, newer]) assert.ok(Math.abs(cosignedAt(witnesses.checkpoint, verifier) - Date.now() / 1000) < WAIT_MS / 1000);
  assert.deepEqual(witnesses.by.map((one) => one.witness).sort(), [own.verifier, newer.verifier].sort());

  // Everybody is shown it.
  assert.equal(tree_size, witnesses.tree_size);
  const served = await (await fetch(`${world.stack.urls.fortress}/log/checkpoint`)).text();
  assert.equal(served, witnesses.checkpoint);
  assert.ok(served.startsWith(own_note));
});

test("the log's checkpoint that grew is anchored again", async () => {
  const before = (await head()).tree_size;
  const [first, second] = authorities.map(({ replies }) => replies.length);
  await log();
  const { tree_size } = await until("a larger anchor", async () => {
    const found = await anchored("stamped", "witnessed");
    return found.tree_size > before && found;
  }, WAIT_MS);
  const asked = authorities.map(({ replies }) => replies.length);
  assert.ok(asked[0] > first || asked[1] > second);
  const { logs: [seen] } = await (await fetch(witness.urls.witness)).json();
  assert.deepEqual([seen.size, seen.forks], [tree_size, []]);
});

test("a branch signed with the log's own key is refused, and both heads are kept", async () => {
  const { tree_size } = await head();
  const forged = checkpoint(world.keys.secrets.CHAIN_SIGNING_KEY, Array.from({ length: tree_size }, (_, index) => leaf(`forged${index}`)));
  const response = await fetch(`${witness.urls.witness}/add-checkpoint`, { method: "POST", body: addCheckpoint(tree_size, [], forged) });
  assert.deepEqual([response.status, await response.text()], [409, `${tree_size}\n`]);
  const { logs: [seen] } = await (await fetch(witness.urls.witness)).json();
  const [fork] = seen.forks;
  assert.deepEqual([fork.kind, fork.refused], ["same_size", forged]);
  for (const note of [fork.cosigned, fork.refused]) assert.equal(openCheckpoint(note, logKey).size, tree_size);
});

test("while nobody answers, facts are logged all the same, and it is said who did not", async () => {
  for (const authority of authorities) authority.down = true;
  await witness.stop();
  await log();
  const { anchoring } = await until("failures", async () => {
    const found = await head();
    return found.anchoring.time.failures?.length > 0 && found;
  }, WAIT_MS);
  assert.equal(anchoring.time.verdict, "not_stamped");
  assert.ok(anchoring.time.failures.some(({ of, reason }) => of === authorities[0].url && reason.includes("503")));
  assert.equal(anchoring.witnesses.verdict, "not_witnessed");
  // One comes back, and is heard when its turn comes again.
  authorities[1].down = false;
  assert.equal((await anchored("stamped", "not_witnessed")).anchoring.time.kept.url, authorities[1].url);
});
