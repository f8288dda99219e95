// The analytics part of the bench: a month's answer over a million calls, as a client of the worker sees it.
import { Caller } from "./caller.mjs";
import { measureRounds, say } from "./rounds.mjs";
import { median } from "./statistics.mjs";
import { EVENTS, fill, MONTH } from "./usage.mjs";

/** On the hour, with a change of the clock in some months, and beside the hour. */
const ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu"];
const GRANULARITIES = ["hour", "day", "week", "month"];
const GROUPS = [undefined, "model", "key", "case", "session"];
const TOOL = "chitty_usage_analytics";

function ask({ urls, keys }, granularity, zone, group) {
  const range = { start_date: MONTH.start, end_date: MONTH.end };
  const input = { ...range, granularity, time_zone: zone, ...(group && { group_by: group }) };
  return {
    url: `${urls.chatgpt}/mcp`,
    headers: {
      authorization: `Bearer ${keys.token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2025-11-25",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: TOOL, arguments: input } }),
  };
}

/** Milliseconds of each group's answer. */
async function answers(product, caller, granularity, zone) {
  const times = [];
  for (const group of GROUPS) {
    const { url, ...request } = ask(product, granularity, zone, group);
    const { status, text, ms } = await caller.send(url, request);
    // Days of other zones begin in the month before or end in the one after, which have no calls.
    const counted = /"attempts":(\d+)/g.exec(text)?.[1];
    if (status !== 200 || !text.includes('"total_cost"') || !(Number(counted) > 0)) {
      throw new Error(`${TOOL}: status ${status}, and the answer is not the one wanted: ${text.slice(0, 400)}`);
    }
    times.push(ms);
  }
  return { times };
}

/**
 * Measures, and returns what the report says of it.
 *
 * @param {import("./servers.mjs").Servers} servers
 * @param {{rounds: number, seconds: number, concurrency: number, maxSteal: number}} options
 */
export async function measureAnalytics(servers, options) {
  const product = await servers.product();
  say(`Filling in ${EVENTS} calls (about a minute) ...`);
  await fill(product, product.keys.userId);
  const caller = new Caller(1);
  const steps = GRANULARITIES.flatMap((granularity) =>
    ZONES.map((zone) => ({ name: granularity, zone, measure: () => answers(product, caller, granularity, zone) })),
  );
  try {
    for (const step of steps) await step.measure();
    const { of, noise } = await measureRounds(steps, options, servers.pids);
    const rows = steps.map((step) => {
      const rounds = of(step, "times");
      const times = GROUPS.map((_, at) => median(rounds.map((round) => round[at])));
      return { granularity: step.name, zone: step.zone, times, slowest: Math.max(...times) };
    });
    return { events: EVENTS, month: MONTH, groups: GROUPS.map((group) => group ?? "none"), rows, noise };
  } finally {
    caller.close();
  }
}
