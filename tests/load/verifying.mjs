// What verifying costs in wasm: a place in a large tree, the signature of a run.
import { request } from "./subjects.mjs";
import { median } from "./statistics.mjs";
import { once } from "./wrk.mjs";

/** Levels above the leaves of the tree: 2^20 leaves. */
const LEVELS = 20;
const INCLUSIONS = 100_000;
const SIGNATURES = 3_000;
const ROUNDS = 5;

/** A run of the product: what it signed, the signature and the key. */
async function signedRun({ urls, keys }) {
  const name = "fortress_secure_execute";
  const call = request("tools/call", { name, arguments: { prompt: "echo: measured", label: "bench" } }, { authorization: `Bearer ${keys.token}` });
  const text = await once({ name, url: `${urls.fortress}/mcp`, wanted: '"signature"', ...call });
  const { manifest, signature } = JSON.parse(text).result.structuredContent;
  const published = await fetch(`${urls.fortress}/keys/fortress.asc`);
  return { content: manifest, signature, public_key: await published.text(), now_secs: Math.floor(Date.now() / 1000) };
}

/** Microseconds of one check, the median of rounds: that of many less that of one, since a worker's clock stands still. */
async function costOf(url, check, times) {
  const ask = async (count) => {
    const began = performance.now();
    const response = await fetch(url, { method: "POST", body: JSON.stringify({ ...check, times: count }) });
    const answer = await response.json();
    if (answer.held !== count) throw new Error(`${check.check}: ${answer.held} of ${count} held`);
    return { ms: performance.now() - began, answer };
  };
  const { answer } = await ask(times);
  const costs = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const [many, one] = [await ask(times), await ask(1)];
    costs.push(((many.ms - one.ms) * 1000) / (times - 1));
  }
  return { micros: median(costs), proofBytes: answer.proof_bytes };
}

/** `{inclusion: {micros, proofBytes}, signature: {micros}}`. */
export async function measureVerifying(servers, product) {
  const url = (await servers.worker("checks")).urls.checks;
  const inclusion = await costOf(url, { check: "inclusion", levels: LEVELS }, INCLUSIONS);
  const signature = await costOf(url, { check: "signature", ...(await signedRun(product)) }, SIGNATURES);
  return { inclusion, signature, levels: LEVELS };
}
