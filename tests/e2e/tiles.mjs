// The published log as a stranger reads it (C2SP tlog-tiles); shares no code with the workers.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { openCheckpoint } from "./proofs.mjs";

const WIDTH = 256;
const hash = (...parts) => parts.reduce((sum, part) => sum.update(part), createHash("sha256")).digest();

/** MTH of RFC 6962 section 2.1. */
function treeHash(leaves) {
  if (leaves.length === 0) return hash();
  if (leaves.length === 1) return leaves[0];
  const split = 2 ** Math.floor(Math.log2(leaves.length - 1));
  return hash(Buffer.from([1]), treeHash(leaves.slice(0, split)), treeHash(leaves.slice(split)));
}

/** Where a tile is: the index in groups of three digits, all but the last with an x. */
function path(kind, index, width) {
  const digits = String(index).padStart(3 * Math.ceil(String(index).length / 3), "0");
  const groups = digits.match(/.{3}/g);
  const name = groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join("/");
  return `tile/${kind}/${name}${width < WIDTH ? `.p/${width}` : ""}`;
}

async function read(base, name) {
  const response = await fetch(`${base}/log/${name}`);
  assert.equal(response.status, 200, `${name}: ${response.status}`);
  assert.equal(response.headers.get("access-control-allow-origin"), "*");
  return { response, bytes: Buffer.from(await response.arrayBuffer()) };
}

/** All tiles of a kind that have `count` parts. */
async function tiles(base, kind, count) {
  const found = [];
  for (let index = 0; index * WIDTH < count; index += 1) {
    const width = Math.min(WIDTH, count - index * WIDTH);
    const { response, bytes } = await read(base, path(kind, index, width));
    assert.equal(response.headers.get("content-type"), "application/octet-stream");
    assert.match(response.headers.get("cache-control"), width === WIDTH ? /max-age=31536000, immutable/ : /max-age=60$/);
    found.push(bytes);
  }
  return found;
}

function* entriesOf(bundle) {
  for (let at = 0; at < bundle.length; ) {
    const end = at + 2 + bundle.readUInt16BE(at);
    yield bundle.subarray(at + 2, end);
    at = end;
  }
}

/** Rebuilds the log at `base` from its files; everything has to agree. Returns its key, head and entries. */
export async function readLog(base) {
  const key = (await read(base, "key")).bytes.toString().trim();
  const { response, bytes } = await read(base, "checkpoint");
  assert.equal(response.headers.get("content-type"), "text/plain; charset=utf-8");
  const note = bytes.toString();
  const head = openCheckpoint(note, key);
  const entries = (await tiles(base, "entries", head.size)).flatMap((bundle) => [...entriesOf(bundle)]);
  assert.equal(entries.length, head.size);
  let hashes = entries.map((entry) => hash(Buffer.from([0]), entry));
  assert.deepEqual(treeHash(hashes), head.root);
  for (let level = 0; hashes.length > 0; level += 1) {
    assert.deepEqual(Buffer.concat(await tiles(base, level, hashes.length)), Buffer.concat(hashes), `level ${level}`);
    const full = Array.from({ length: Math.floor(hashes.length / WIDTH) }, (_, at) => hashes.slice(at * WIDTH, (at + 1) * WIDTH));
    hashes = full.map(treeHash);
  }
  return { key, note, ...head, entries: entries.map((entry) => JSON.parse(entry)) };
}

/** The root that `proof` shows the tree of `second` leaves to have, whose first `first` have `root` (RFC 9162, 2.1.4.2). */
export function rootAfter(first, second, root, proof) {
  if (first === second) return root;
  const path = [...proof];
  if (Number.isInteger(Math.log2(first))) path.unshift(root);
  let [fn, sn] = [first - 1, second - 1];
  while (fn % 2 === 1) [fn, sn] = [fn >> 1, sn >> 1];
  let [fr, sr] = [path[0], path[0]];
  for (const sibling of path.slice(1)) {
    assert.notEqual(sn, 0, "the proof is too long");
    if (fn % 2 === 1 || fn === sn) {
      [fr, sr] = [hash(Buffer.from([1]), sibling, fr), hash(Buffer.from([1]), sibling, sr)];
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn >> 1, sn >> 1];
    } else {
      sr = hash(Buffer.from([1]), sr, sibling);
    }
    [fn, sn] = [fn >> 1, sn >> 1];
  }
  assert.equal(sn, 0, "the proof is too short");
  assert.deepEqual(fr, root, "the proof is of another first tree");
  return sr;
}
