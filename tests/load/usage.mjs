// A month of one user's calls, written to the database as the workers write them.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../scripts/lib/stack.mjs";

export const EVENTS = 1_000_000;
/** A month with thirty days, long over. */
export const MONTH = { start: "2026-06-01", end: "2026-07-01" };
const QUARTER_MS = 900_000;
const FROM_MS = Date.parse(MONTH.start);
const TO_MS = Date.parse(MONTH.end);
/** Rows of a statement, and quarter hours of the roll-ups made by one. */
const ROWS = 50_000;
const QUARTERS = 16;

const TABLE = "CREATE TABLE codes (n INTEGER PRIMARY KEY, first TEXT, total TEXT, own TEXT)";
const CODES = `INSERT INTO codes SELECT key, value ->> '$[0]', value ->> '$[1]', value ->> '$[2]' FROM json_each(?)`;
/** D1 binds numbers as floats. Three keys, five models, a session for fifty calls and a case for five thousand. */
const FILL = `INSERT INTO usage_events (id, request_id, attempt, user_id, key_id, session_id, case_id, provider,
    model_asked, model, messages, prompt_tokens, cached_tokens, cache_write_tokens, cache_write_1h_tokens,
    completion_tokens, reasoning_tokens, web_searches, cost_nanos, cost_status, price_id, first_token_bin, total_bin,
    overhead_bin, outcome, started_at, bucket, counted)
  WITH RECURSIVE n(n) AS (SELECT CAST(?1 AS INTEGER) UNION ALL SELECT n + 1 FROM n WHERE n < ?2 - 1)
  SELECT 'r-' || n.n || '.1', 'r-' || n.n, 1, ?3, 'key-' || n.n % 3, 'session-' || n.n / 50, 'case-' || n.n / 5000,
    'openai', 'gpt', 'gpt-' || n.n % 5, 2, 1000, 100, 0, 0, 200, 50, 0, 1234567, 'priced', 'p', first, total, own,
    CASE n.n % 100 WHEN 0 THEN 'PROVIDER_TIMEOUT' ELSE 'ok' END, at, at / ${QUARTER_MS}, 1
  FROM (SELECT n, CAST(?4 + n * ?5 AS INTEGER) AS at FROM n) n CROSS JOIN codes ON codes.n = n.n * 7919 % 10000`;

/** Where each bin of a histogram begins, in milliseconds, as src/core/analytics/bins.rs has it. */
const STARTS = Array.from({ length: 419 }).reduce((starts) => {
  const last = starts.at(-1);
  return [...starts, last + Math.max(1, Math.floor(last / 25))];
}, [0]);

function code(metric, ms) {
  const bin = STARTS.findLastIndex((start) => start <= ms);
  const letter = (index) => String.fromCharCode(97 + index);
  return `${metric}${letter(Math.floor(bin / 26))}${letter(bin % 26)}`;
}

/** Times as models have them: most near a middle, some far above. */
function codes() {
  return Array.from({ length: 10_000 }, (_, n) => {
    const spread = [0, 13, 13, 15].map((shift) => (Math.imul(n, 2_654_435_761) >>> shift) % 1_000);
    const total = 400 + Math.floor((spread.reduce((sum, one) => sum + one, 0) * spread[0]) / 300);
    return [code("F", Math.floor(total / 3)), code("T", total), code("O", n % 9)];
  });
}

/** Puts the calls of `userId` on file, and makes the roll-ups by the product's own SQL. */
export async function fill(product, userId) {
  await product.d1(TABLE);
  await product.d1(CODES, [JSON.stringify(codes())]);
  for (let from = 0; from < EVENTS; from += ROWS) {
    await product.d1(FILL, [from, from + ROWS, userId, FROM_MS, (TO_MS - FROM_MS) / EVENTS]);
  }
  const fold = readFileSync(join(ROOT, "src/core/analytics/fold.sql"), "utf8");
  const sql = fold.replace("{events}", "e.bucket >= ?1 AND e.bucket < ?2");
  for (let bucket = FROM_MS / QUARTER_MS; bucket < TO_MS / QUARTER_MS; bucket += QUARTERS) {
    await product.d1(sql, [bucket, bucket + QUARTERS]);
  }
}
