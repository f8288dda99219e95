// The figures as a Markdown section, and its place in docs/BENCHMARKS.md.
import { readFileSync, writeFileSync } from "node:fs";

const START = "<!-- figures: written by scripts/bench -->";
const END = "<!-- end of figures -->";

/** Percent of CPU time used by other programs above which throughput and latency say little. */
const BUSY = 10;
const NOT_IDLE =
  "**The machine was not idle:** throughput and latency include waiting for other programs, and their spread is wide; the ratios by CPU time are the steadier ones.";

const number = (value, digits = 0) =>
  value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const between = ({ median, least, most }, digits) =>
  `${number(median, digits)} (${number(least, digits)} to ${number(most, digits)})`;

function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, at) => (at === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}

const throughput = (rows) =>
  table(
    ["subject", "at once", "requests a second", "p50 ms", "p95 ms", "CPU µs a request"],
    rows.map(({ name, concurrency, rate, p50, p95, cpu }) => [
      name, concurrency, between(rate, 0), number(p50.median, 2), number(p95.median, 2), number(cpu.median, 0),
    ]),
  );

const verdict = ({ target, rate }) => (target === undefined ? "" : rate.median >= target ? "met" : "**missed**");

const ratios = (rows) =>
  table(
    ["ratio", "at once", "throughput", "target", "", "by CPU time"],
    rows.map((row) => [
      row.name, row.concurrency, between(row.rate, 2), row.target === undefined ? "" : `≥ ${row.target}`, verdict(row), number(row.cpu.median, 2),
    ]),
  );

const latency = (rows) =>
  table(
    ["one request at a time", "p50 ms", "p95 ms"],
    rows.map(({ name, p50, p95 }) => [name, number(p50, 2), number(p95, 2)]),
  );

const KIB = 1024;
const starts = (rows, floor) =>
  table(
    ["worker", "wasm KiB", "gzipped KiB", "limit KiB", "start ms", "start less the bare worker's"],
    rows.map(({ name, wasm, gzipped, limit, start }) => [
      name,
      number(wasm / KIB),
      number(gzipped / KIB),
      limit ? `${number(limit / KIB)}${gzipped > limit ? " **exceeded**" : ""}` : "",
      between(start, 0),
      number(start.median - floor.start.median, 0),
    ]),
  );

/** The section, as Markdown. */
export function render({ machine, options, list, rows, ratioRows, latencyRows, startRows, noise, tokens }) {
  const floor = startRows.find(({ name }) => name === "bare");
  return [
    `Measured ${machine.date} on ${machine.cores} cores (${machine.cpu}), ${machine.memory} GiB of memory, ${machine.system}.`,
    `Versions: ${machine.versions}.`,
    `Command: \`${machine.command}\`: ${options.rounds} rounds, ${options.seconds} s for each subject and round, subjects in turn. ` +
      `Of all CPU time in a round the hypervisor took ${between(noise.steal, 1)} %, programs other than the bench ${between(noise.others, 1)} %; ` +
      `${noise.repeated} ${noise.repeated === 1 ? "round was" : "rounds were"} repeated for more than ${options.maxSteal} % stolen` +
      `${noise.kept ? `, and ${noise.kept} had to be kept all the same` : ""}.${noise.others.median > BUSY ? ` ${NOT_IDLE}` : ""}`,
    `Both MCP servers list the same ${list.count} tools: ${number(list.bytes)} bytes from ours, ${number(list.bytesTypeScript)} from the SDK's.`,
    "### Ratios\nMedian of the rounds, with the least and the most.",
    ratios(ratioRows),
    "### Throughput",
    throughput(rows),
    "### Latency",
    latency(latencyRows),
    `The check of a key: ${number(tokens.first.p50, 2)} ms for a request with a key not seen before, ${number(tokens.again.p50, 2)} ms for the next ` +
      `one with it (p50 of ${tokens.count} keys), so ${number(tokens.first.p50 - tokens.again.p50, 2)} ms for the look-up in D1.`,
    "### Size and start\nFrom starting workerd to its first answer, the files in the page cache.",
    starts(startRows, floor),
  ].join("\n\n");
}

/** Puts `section` between the markers of the file. */
export function record(file, section) {
  const text = readFileSync(file, "utf8");
  const [start, end] = [text.indexOf(START), text.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`${file} lacks the lines ${START} and ${END}, in this order`);
  writeFileSync(file, `${text.slice(0, start + START.length)}\n${section}\n${text.slice(end)}`);
}
