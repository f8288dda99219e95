// The figures of sign-ins, callers and discovery as a Markdown section.
import { between, circumstances, number, ratios, table, throughput } from "./table.mjs";

/** Milliseconds: what a check may add at the median, and how long the slowest of a hundred may take under load. */
const MOST_ADDED = 1;
const MOST_LOADED = 100;

const flows = (rows) =>
  table(
    ["code flow", "at once", "flows a second", "CPU ms a flow", ...rows[0].steps.map(({ name }) => `${name} p50/p95`)],
    rows.map(({ name, concurrency, rate, cpu, steps }) => [
      name,
      concurrency,
      between(rate, 1),
      between({ median: cpu.median / 1000, least: cpu.least / 1000, most: cpu.most / 1000 }, 1),
      ...steps.map(({ p50, p95 }) => `${number(p50, 1)}/${number(p95, 1)}`),
    ]),
  );

const judged = (text, holds) => `${text} ${holds ? "met" : "**missed**"}`;

const checks = (rows, atOnce) =>
  table(
    ["caller", "p50 ms", "added at p50", "p99 ms", `p50 ms, ${atOnce} at once`, `p99 ms, ${atOnce} at once`, "CPU µs a request"],
    rows.map(({ name, p50, added, p99, loadedP50, loadedP99, cpu }) => [
      name,
      number(p50, 2),
      added ? judged(between(added, 2), added.median < MOST_ADDED) : "",
      number(p99, 2),
      number(loadedP50, 1),
      added ? judged(number(loadedP99, 1), loadedP99 < MOST_LOADED) : number(loadedP99, 1),
      number(cpu),
    ]),
  );

/** The section, as Markdown. */
export function renderIdentity({ machine, options, noise, flowRows, ratioRows, checkRows, checksAtOnce, fileRows }) {
  return [
    ...circumstances({ machine, options, noise }),
    "### Ratios to workers-oauth-provider\nMedian of the rounds, with the least and the most; above 1 the coordinator is faster.",
    ratios(ratioRows),
    "### The code flow\nSteps in milliseconds.",
    flows(flowRows),
    `### The check of a caller\nMCP's \`ping\`, one at a time and ${checksAtOnce} at once. Targets: less than ${MOST_ADDED} ms added at the median, ` +
      `p99 of the whole request below ${MOST_LOADED} ms under load.`,
    checks(checkRows, checksAtOnce),
    "### Discovery\nThe coordinator gave the same documents, and logged nothing, while its tables of keys, clients and grants were renamed: they come from memory.",
    throughput(fileRows),
  ].join("\n\n");
}
