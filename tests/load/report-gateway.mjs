// The figures of the /v1 door as a Markdown section.
import { between, circumstances, number, table } from "./table.mjs";

/** Milliseconds at the median: what a check takes, and what a stream's first words are late by. */
const MOST_CHECKED = 2;
const MOST_LATE = 1;

const judged = (text, holds) => (holds === undefined ? text : `${text} ${holds ? "met" : "**missed**"}`);

/** `holds` judges a percentile's added time, if it is ours. */
const latencies = (rows, holds) =>
  table(
    ["gateway", "at once", "p50 ms", "added at p50", "p99 ms", "added at p99", "a second", "CPU µs each"],
    rows.map((row) => {
      const late = (field) => (row.added ? judged(between(row.added[field], 2), holds(row, field)) : "");
      return [row.name, row.concurrency, number(row.p50, 2), late("p50"), number(row.p99, 2), late("p99"), between(row.rate, 0), number(row.cpu)];
    }),
  );

/** Less than the other gateway at the same concurrency. */
const lower = (rows) => (row, field) => {
  const other = rows.find(({ role, concurrency }) => role === "theirs" && concurrency === row.concurrency);
  return row.role === "ours" ? row.added[field].median < other.added[field].median : undefined;
};

const soon = (row, field) => (row.role === "ours" && row.concurrency === 1 && field === "p50" ? row.added.p50.median < MOST_LATE : undefined);

const checks = (rows) =>
  table(
    ["request", "p50 ms", "added at p50", "p99 ms"],
    rows.map(({ name, p50, p99, added }, at) => {
      const target = at === rows.length - 1 ? added.median < MOST_CHECKED : undefined;
      return [name, number(p50, 2), added ? judged(between(added, 2), target) : "", number(p99, 2)];
    }),
  );

/** The section, as Markdown. */
export function renderGateway({ machine, options, noise, wholeRows, streamRows, checkRows }) {
  return [
    ...circumstances({ machine, options, noise }),
    "### Added latency\nA whole answer. Target: less than the other gateway adds.",
    latencies(wholeRows, lower(wholeRows)),
    `### First words of a stream\nUntil the first text of the answer. Target: less than ${MOST_LATE} ms added at the median.`,
    latencies(streamRows, soon),
    `### Budget and limits\nTarget: less than ${MOST_CHECKED} ms at the median for both requests to the user's account.`,
    checks(checkRows),
  ].join("\n\n");
}
