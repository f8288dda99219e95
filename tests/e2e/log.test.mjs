// The log in workerd: many writers at once, its published files, and what a power cut leaves of it.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { command, fact, FRONT } from "./appends.mjs";
import { checkProofText, openCheckpoint } from "./proofs.mjs";
import { bad, execute, good, startWorld, unique, until } from "./support.mjs";
import { readLog, rootAfter } from "./tiles.mjs";

const WRITERS = 64;
const EACH = 5;

let world;
before(async () => void (world = await startWorld({ fronts: { fortress: FRONT } })));
after(() => world?.close());

const fortress = () => world.stack.urls.fortress;
const append = (request) => command(fortress(), { append: request });

/** Appends until it is told that the fact is in the log; each time with the same key. */
async function insist(request) {
  for (;;) {
    const { status, body } = await append(request);
    if (status === 200) return body;
    assert.ok(status >= 500, JSON.stringify(body));
  }
}

test("64 writers get the places 0..N-1, each fact one, and stand in the published log", async () => {
  const writers = Array.from({ length: WRITERS }, async (_, writer) => {
    const receipts = [];
    for (let n = 0; n < EACH; n += 1) receipts.push(await insist(fact(`writer/${writer}/${n}`)));
    return receipts;
  });
  const receipts = (await Promise.all(writers)).flat();
  const places = receipts.map(({ leaf_index }) => leaf_index).sort((a, b) => a - b);
  assert.deepEqual(places, Array.from({ length: WRITERS * EACH }, (_, index) => index));
  const log = await readLog(fortress());
  assert.equal(log.size, WRITERS * EACH);
  for (const { leaf_index, fact_id, checkpoint, tree_size } of receipts) {
    assert.equal(log.entries[leaf_index].fact_id, fact_id);
    assert.equal(openCheckpoint(checkpoint, log.key).size, tree_size);
  }
  const rounds = new Set(receipts.map(({ tree_size }) => tree_size));
  assert.ok(rounds.size < receipts.length / 4, `${rounds.size} rounds`);
  const rows = () => world.stack.d1("SELECT count(*) AS n FROM chitty_chain_facts").then(([{ n }]) => n === WRITERS * EACH);
  await until("the rows of all facts", rows);
});

test("one request appends many, with an outcome for each", async () => {
  const [one, two] = [fact("many/1"), fact("many/2")];
  const wrong = { ...fact("many/3"), fact: { ...one.fact, subject: "" } };
  const { status, body } = await command(fortress(), { append_all: [one, wrong, two, one] });
  assert.equal(status, 200);
  const [first, refused, second, again] = body;
  assert.equal(refused.refused.code, "invalid_fact");
  assert.deepEqual([second.receipt.leaf_index, again.receipt.leaf_index], [first.receipt.leaf_index + 1, first.receipt.leaf_index]);
  const large = await append({ ...one, fact: { ...one.fact, object: "x".repeat(70_000) } });
  assert.deepEqual([large.status, large.body.code], [409, "invalid_fact"]);
  assert.match(large.body.message, /at most/);
});

describe("the published files", () => {
  const ask = (path, options) => fetch(`${fortress()}/log/${path}`, options);

  test("are not sent again to who has them", async () => {
    for (const name of ["checkpoint", "tile/0/000", "key"]) {
      const first = await ask(name);
      const etag = first.headers.get("etag");
      assert.ok(etag && (await first.arrayBuffer()).byteLength > 0, name);
      const again = await ask(name, { headers: { "if-none-match": etag } });
      assert.deepEqual([again.status, (await again.arrayBuffer()).byteLength], [304, 0]);
      const head = await ask(name, { method: "HEAD" });
      assert.deepEqual([head.status, head.headers.get("etag"), (await head.arrayBuffer()).byteLength], [200, etag, 0]);
    }
    assert.equal((await ask("checkpoint")).headers.get("cache-control"), "no-cache");
  });

  test("are all there is under that path, and only to be read", async () => {
    for (const path of ["", "tile/0/001.p/999", "tile/0/999", "tile/9/000", "entries", "tile/0/000/"]) {
      assert.equal((await ask(path)).status, 404, path);
    }
    for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
      const response = await ask("checkpoint", { method, body: "x" });
      assert.equal(response.status, 405, method);
      await response.arrayBuffer();
    }
  });

  test("hold nothing of what was logged", async () => {
    const prompt = unique("private");
    await execute(world, { prompt, security_level: "verified" });
    const { entries } = await readLog(fortress());
    assert.deepEqual([...new Set(entries.flatMap(Object.keys))].sort(), ["fact_id", "logged_at_ms", "v"]);
  });
});

describe("tools", () => {
  test("give the head and proofs that hold offline", async () => {
    const made = await execute(world, { prompt: unique("proved"), security_level: "fortress" });
    const { tree_size, verifier_key, checkpoint, root_hash } = await good(world, "coordinator", "chitty_chain_checkpoint", {});
    const head = openCheckpoint(checkpoint, verifier_key);
    assert.deepEqual([head.size, head.root.toString("hex")], [tree_size, root_hash]);
    const proved = await good(world, "coordinator", "chitty_chain_prove", { fact_id: made.results.chain_facts[0] });
    const { inclusion } = proved;
    assert.equal(checkProofText(inclusion.tlog_proof, verifier_key).fact_id, made.results.chain_facts[0]);
    assert.ok(inclusion.tlog_proof.length < 2048);
    const same = await good(world, "coordinator", "chitty_chain_prove", { leaf_index: inclusion.leaf_index, tree_size: inclusion.tree_size });
    assert.deepEqual(same, proved);

    const before = openCheckpoint(checkpoint, verifier_key);
    await execute(world, { prompt: unique("later"), security_level: "fortress" });
    const { consistency, checkpoint: later } = await good(world, "coordinator", "chitty_chain_prove", { first_size: before.size });
    const proof = consistency.proof.map((text) => Buffer.from(text, "hex"));
    const { size, root } = openCheckpoint(later, verifier_key);
    assert.ok(size > before.size);
    assert.deepEqual(rootAfter(before.size, size, before.root, proof), root);
    assert.equal(consistency.first_checkpoint, checkpoint);
  });

  test("say what is wrong with a question", async () => {
    const refused = async (name, args) => (await bad(world, "coordinator", name, args)).message;
    assert.match(await refused("chitty_chain_prove", {}), /give one of/);
    assert.match(await refused("chitty_chain_prove", { leaf_index: 1, first_size: 1 }), /give one of/);
    assert.match(await refused("chitty_chain_prove", { fact_id: "A".repeat(64) }), /64 lower-case hex digits/);
    assert.match(await refused("chitty_chain_prove", { fact_id: "a".repeat(64) }), /no such fact/);
    assert.match(await refused("chitty_chain_checkpoint", { tree_size: 1_000_000 }), /ask for a tree size up to that/);
    assert.match(await refused("chitty_chain_prove", { first_size: 9, tree_size: 1 }), /smaller size first|the next is of/);
  });

  test("answer over REST alike", async () => {
    const get = (path) => fetch(`${world.stack.urls.coordinator}${path}`, { headers: { authorization: `Bearer ${world.token}` } });
    const response = await get("/api/v1/chain/checkpoint");
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), await good(world, "coordinator", "chitty_chain_checkpoint", {}));
    const proof = await get("/api/v1/chain/proof?leaf_index=0");
    assert.equal((await proof.json()).inclusion.leaf_index, 0);
    assert.equal((await get("/api/v1/chain/proof")).status, 400);
    assert.equal((await fetch(`${world.stack.urls.coordinator}/api/v1/chain/checkpoint`)).status, 401);
  });
});

test("a power cut under load loses nothing that was answered", async () => {
  const before = await readLog(fortress());
  const [tried, answered] = [[], []];
  let cut = false;
  const writers = Array.from({ length: WRITERS }, async (_, writer) => {
    for (let n = 0; !cut; n += 1) {
      const request = fact(`cut/${writer}/${n}`);
      tried.push(request);
      const receipt = await insist(request).catch((error) => {
        if (!cut) throw error;
      });
      if (receipt) answered.push({ request, receipt });
    }
  });
  await until("some answers", () => answered.length > WRITERS * 3);
  cut = true;
  await world.stack.kill();
  await Promise.all(writers);

  await world.restart({ fronts: { fortress: FRONT } });
  for (const { request, receipt } of answered) {
    const again = await insist(request);
    assert.deepEqual(again, { ...receipt, replayed: true });
  }
  const places = new Set();
  for (const request of tried) places.add((await insist(request)).leaf_index);
  const log = await readLog(fortress());
  assert.equal(places.size, tried.length);
  assert.equal(log.size, before.size + tried.length);
  assert.deepEqual(log.entries.slice(0, before.size), before.entries);
  for (const { receipt } of answered) assert.equal(log.entries[receipt.leaf_index].fact_id, receipt.fact_id);
});
