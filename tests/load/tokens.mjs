// What the check of a token costs: each of many keys used twice, first looked up in the database, then remembered.
import { createHash, randomBytes } from "node:crypto";
import { Agent, request } from "node:http";
import { quantile } from "./statistics.mjs";

const LIFE_MS = 60 * 60 * 1000;
/** Rows of one insert: D1 takes at most 100 values a statement. */
const ROWS = 10;

/**
 * Median and 95th percentile in milliseconds of a request with a key that is not yet known to the worker
 * (`first`) and of the next one with the same key (`again`).
 *
 * @param {{product: object, keys: object, subject: import("./wrk.mjs").Case, count: number}} options
 */
export async function measureTokenCheck({ product, keys, subject, count }) {
  const tokens = Array.from({ length: count }, () => `chittymcp_service_${randomBytes(24).toString("hex")}`);
  for (let at = 0; at < count; at += ROWS) await admit(product, keys, tokens.slice(at, at + ROWS));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const times = { first: [], again: [] };
  try {
    for (const token of tokens) {
      for (const which of ["first", "again"]) times[which].push(await timed(subject, token, agent));
    }
  } finally {
    agent.destroy();
  }
  const both = (values) => ({ p50: quantile(values, 0.5), p95: quantile(values, 0.95) });
  return { first: both(times.first), again: both(times.again), count };
}

async function admit(product, keys, tokens) {
  const now = Date.now();
  const rows = tokens.map((token) => {
    const hash = createHash("sha256").update(token).digest("hex");
    return [`TOKEN-${hash.slice(0, 16)}`, keys.userId, hash, token.slice(0, 24), now, now + LIFE_MS];
  });
  const places = rows.map(() => `(?, ?, ?, ?, 'bench', '["admin:*"]', 'active', ?, ?, 'bearer')`).join(", ");
  await product.d1(
    `INSERT INTO api_tokens (id, user_id, token_hash, key_prefix, name, scopes, status, created_at, expires_at, type) VALUES ${places}`,
    rows.flat(),
  );
}

function timed({ url, headers, body }, token, agent) {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: "POST", agent, headers: { ...headers, authorization: `Bearer ${token}` } }, (response) => {
      response.resume();
      response.on("error", reject).on("end", () => {
        if (response.statusCode !== 200) reject(new Error(`a new key was answered with status ${response.statusCode}`));
        else resolve(performance.now() - started);
      });
    });
    sent.on("error", reject).end(body);
  });
}
