// The witness worker over HTTP, row by row of C2SP tlog-witness; logs of the tests' own.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ML_DSA_WITNESS, noteKeys, WITNESS } from "../../scripts/lib/note-keys.mjs";
import { startStack } from "../../scripts/lib/stack.mjs";
import { addCheckpoint, checkpoint, consistency, cosignedAt, leaf } from "./tlog.mjs";

const SIZE_TYPE = "text/x.tlog.size";
const own = noteKeys("witness.example/w1", WITNESS);
const newer = noteKeys("witness.example/w1", ML_DSA_WITNESS);
const folder = mkdtempSync(join(tmpdir(), "chitty-witness-"));
let stack;

// Each test has a log of its own.
const NAMES = ["grown", "forked", "raced", "restarted", "strict"];
const logs = Object.fromEntries(NAMES.map((name) => [name, noteKeys(`log.example/${name}`)]));

const BOTH = { WITNESS_SIGNING_KEY_ML_DSA: newer.signer };
const start = (optional = BOTH) =>
  startStack({
    workers: ["witness"],
    ports: { witness: 0 },
    persist: folder,
    secrets: {
      WITNESS_SIGNING_KEY: own.signer,
      WITNESS_LOGS: Object.values(logs).map(({ verifier }) => verifier).join("\n"),
    },
    vars: optional,
  });

before(async () => {
  stack = await start();
});
after(async () => {
  await stack?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const leaves = (count, branchAt = count, branch = "x") =>
  Array.from({ length: count }, (_, index) => leaf(index < branchAt ? `${index}` : `${branch}${index}`));

async function add(body) {
  const response = await fetch(`${stack.urls.witness}/add-checkpoint`, { method: "POST", body });
  return { status: response.status, type: response.headers.get("content-type"), text: await response.text() };
}

/** Sends the tree of `all`, with the proof from its first `old` leaves. */
async function send(log, old, all) {
  const note = checkpoint(log.signer, all);
  return { note, ...(await add(addCheckpoint(old, consistency(old, all), note))) };
}

async function seen(log) {
  const overview = await (await fetch(stack.urls.witness)).json();
  assert.equal(overview.verifier_key, own.verifier);
  assert.deepEqual(overview.verifier_keys, [own.verifier, newer.verifier]);
  return overview.logs.find(({ verifier_keys: [key] }) => key === log.verifier);
}

async function served(log) {
  const origin = log.verifier.split("+")[0];
  const hash = createHash("sha256").update(origin).digest("hex");
  const response = await fetch(`${stack.urls.witness}/${hash}/checkpoint`);
  return { status: response.status, note: await response.text() };
}

function assertExpects(answer, size) {
  assert.deepEqual([answer.status, answer.type, answer.text], [409, SIZE_TYPE, `${size}\n`]);
}

test("a log that grows is cosigned; another old size is 409 with the right one", async () => {
  const log = logs.grown;
  assert.equal((await served(log)).status, 404);
  let old = 0;
  for (const size of [0, 1, 2, 7, 7, 40]) {
    const answer = await send(log, old, leaves(size));
    assert.equal(answer.status, 200, answer.text);
    assert.match(answer.text, /^(\u2014 witness\.example\/w1 \S+\n){2}$/);
    // By Node's own Ed25519 and ML-DSA-44.
    for (const { verifier } of [own, newer]) {
      const at = cosignedAt(answer.note + answer.text, verifier);
      assert.ok(Math.abs(at - Date.now() / 1000) < 60);
      assert.throws(() => cosignedAt((answer.note + answer.text).replace(`\n${size}\n`, `\n${size + 1}\n`), verifier), /wrong/);
    }
    const { status, note } = await served(log);
    assert.equal(status, 200);
    assert.equal(note, answer.note + answer.text);
    old = size;
  }
  assertExpects(await send(log, 7, leaves(50)), 40);
  assertExpects(await send(log, 0, leaves(3)), 40);
  const { size, forks } = await seen(log);
  assert.deepEqual([size, forks], [40, []]);
});

test("a forked log is refused and both signed heads are kept", async () => {
  const log = logs.forked;
  const first = await send(log, 0, leaves(9));
  assert.equal(first.status, 200);
  const other = leaves(9, 6);
  assertExpects(await send(log, 9, other), 9);
  assertExpects(await send(log, 9, other), 9);
  // The second branch grows on: no proof from what was cosigned can hold.
  const larger = await send(log, 9, leaves(14, 6));
  assert.equal(larger.status, 422);
  const { size, forks } = await seen(log);
  assert.equal(size, 9);
  assert.deepEqual(forks.map(({ kind }) => kind), ["same_size", "unproven"]);
  for (const fork of forks) assert.equal(fork.cosigned, first.note + first.text);
  assert.equal(forks[0].refused, checkpoint(log.signer, other));
  assert.equal(forks[1].refused, larger.note);
  // The branch seen first goes on.
  assert.equal((await send(log, 9, leaves(14))).status, 200);
});

test("of two that grow it at once from the same size, one is told the other's", async () => {
  const log = logs.raced;
  const answers = await Promise.all([11, 12, 13, 14].map((size) => send(log, 0, leaves(size))));
  const good = answers.filter(({ status }) => status === 200);
  assert.equal(good.length, 1);
  const { size } = await seen(log);
  for (const answer of answers.filter(({ status }) => status !== 200)) assertExpects(answer, size);
});

test("what it saw outlives a kill", async () => {
  const log = logs.restarted;
  assert.equal((await send(log, 0, leaves(5))).status, 200);
  await stack.kill();
  // Without the second key it is as it was before there was one.
  stack = await start({});
  assertExpects(await send(log, 0, leaves(8)), 5);
  const answer = await send(log, 5, leaves(8));
  assert.equal(answer.status, 200);
  assert.equal(answer.text.split("\n").length, 2);
  assert.ok(cosignedAt(answer.note + answer.text, own.verifier) > 0);
  assert.deepEqual((await (await fetch(stack.urls.witness)).json()).verifier_keys, [own.verifier]);
  // What is no ML-DSA-44 key is not taken for one.
  await stack.kill();
  stack = await start({ WITNESS_SIGNING_KEY_ML_DSA: own.signer });
  assert.equal((await fetch(stack.urls.witness)).status, 503);
  await stack.kill();
  stack = await start();
});

describe("refusals", () => {
  const log = logs.strict;
  const good = () => addCheckpoint(0, [], checkpoint(log.signer, leaves(3)));

  test("404 for a log that is not known", async () => {
    const stranger = noteKeys("elsewhere.example/log");
    assert.equal((await send(stranger, 0, leaves(3))).status, 404);
  });

  test("403 for another key, and for a signature that does not hold", async () => {
    const impostor = noteKeys("log.example/strict");
    assert.equal((await send(impostor, 0, leaves(3))).status, 403);
    assert.equal((await add(good().replace("\n3\n", "\n4\n"))).status, 403);
  });

  test("400 for anything malformed", async () => {
    for (const body of ["", "old 0\n", "\u0000", good().replace("old 0", "old 00"), good().replace("old 0", "old 4"), Buffer.from([0xff, 0xfe])]) {
      assert.equal((await add(body)).status, 400, String(body));
    }
    assert.equal((await add("x".repeat(400_000))).status, 413);
  });

  test("422 for a proof that does not hold, and for one where none is needed", async () => {
    const proof = consistency(2, leaves(3));
    assert.equal((await add(addCheckpoint(0, proof, checkpoint(log.signer, leaves(3))))).status, 422);
    assert.equal((await add(good())).status, 200);
    const altered = consistency(3, leaves(9)).map(() => leaf("other"));
    assert.equal((await add(addCheckpoint(3, altered, checkpoint(log.signer, leaves(9))))).status, 422);
    assert.equal((await seen(log)).size, 3);
  });

  test("other paths and methods", async () => {
    const { witness } = stack.urls;
    assert.equal((await fetch(`${witness}/add-checkpoint`)).status, 404);
    assert.equal((await fetch(`${witness}/`, { method: "DELETE" })).status, 405);
    assert.equal((await fetch(`${witness}/${"0".repeat(64)}/checkpoint`)).status, 404);
  });
});
