// What the check of a caller costs: the same request without one, with a key and with an access token,
// each of many used twice: first looked up in the database, then remembered.
import { createHash, randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { Caller } from "./caller.mjs";
import { usedBy } from "./cpu.mjs";
import { mint, ping } from "./flows.mjs";

const LIFE_MS = 60 * 60 * 1000;
const MINT_LANES = 16;
/** What is done after an answer, such as noting the use of a key, is not to slow the next turn, yet counts. */
const SETTLE_MS = 150;

/** In the order they are taken; `none` is what the others are compared with. */
export const KINDS = ["none", "key, first use", "key, next use", "access token, first use", "access token, next use"];

/**
 * Makes requests of each kind, `count` of each, `lanes` at once, in so many `turns`. Returns for each kind the `times` in
 * milliseconds and `cpu` in microseconds of the server's process for each request, with what it does after it.
 *
 * @param {{product: object, provider: import("./providers.mjs").Provider, open: {url: string, pid: number}}} where
 *   `open` is an MCP endpoint of the same core that lets everybody in
 * @returns {Promise<Record<string, {times: number[], cpu: number}>>}
 */
export async function runChecks({ product, provider, open }, { count, lanes, turns }) {
  const keys = await newKeys(product, count);
  const tokens = await mint(provider, { count, lanes: MINT_LANES });
  const closed = { url: `${provider.origin}/mcp`, pid: provider.pid };
  const credentials = [open, { ...closed, of: keys }, { ...closed, of: keys }, { ...closed, of: tokens }, { ...closed, of: tokens }];
  const results = KINDS.map(() => ({ times: [], cpu: 0 }));
  const caller = new Caller(lanes);
  try {
    await pause(SETTLE_MS);
    // Kinds take turns, so that what the machine does meanwhile meets all alike.
    for (let turn = 0; turn < turns; turn++) {
      const requests = Array.from({ length: count }, (_, at) => at).filter((at) => at % turns === turn);
      for (const [kind, { url, pid, of }] of credentials.entries()) {
        const before = usedBy(pid);
        results[kind].times.push(...(await caller.each(requests, (at) => ping(caller, url, of?.[at]))));
        await pause(SETTLE_MS);
        results[kind].cpu += (usedBy(pid) - before) / count;
      }
    }
  } finally {
    caller.close();
  }
  return Object.fromEntries(KINDS.map((kind, at) => [kind, results[at]]));
}

/** Keys of the development key's user. D1 takes 100 values a statement at most, but JSON of any length. */
async function newKeys(product, count) {
  const keys = Array.from({ length: count }, () => `chittymcp_service_${randomBytes(24).toString("hex")}`);
  const rows = keys.map((key) => ({ hash: createHash("sha256").update(key).digest("hex"), prefix: key.slice(0, 24) }));
  const now = Date.now();
  await product.d1(
    `INSERT INTO api_tokens (id, user_id, token_hash, key_prefix, name, scopes, status, created_at, expires_at, type)
     SELECT 'TOKEN-' || substr(value ->> 'hash', 1, 16), ?, value ->> 'hash', value ->> 'prefix', 'bench', '["admin:*"]',
            'active', ?, ?, 'bearer' FROM json_each(?)`,
    [product.keys.userId, now, now + LIFE_MS, JSON.stringify(rows)],
  );
  return keys;
}
