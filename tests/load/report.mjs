// The figures of MCP as a Markdown section, and the place of each section in docs/BENCHMARKS.md.
import { readFileSync, writeFileSync } from "node:fs";
import { between, circumstances, number, ratios, table, throughput } from "./table.mjs";

const start = (name) => `<!-- figures of ${name}: written by scripts/bench -->`;
const end = (name) => `<!-- end of figures of ${name} -->`;

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
export function render({ machine, options, list, rows, ratioRows, latencyRows, startRows, noise }) {
  const floor = startRows.find(({ name }) => name === "bare");
  return [
    ...circumstances({ machine, options, noise }),
    `Both MCP servers list the same ${list.count} tools: ${number(list.bytes)} bytes from ours, ${number(list.bytesTypeScript)} from the SDK's.`,
    "### Ratios\nMedian of the rounds, with the least and the most.",
    ratios(ratioRows),
    "### Throughput",
    throughput(rows),
    "### Latency",
    latency(latencyRows),
    "### Size and start\nFrom starting workerd to its first answer, the files in the page cache.",
    starts(startRows, floor),
  ].join("\n\n");
}

/** Puts `section` between the markers that the file has for the part `name`. */
export function record(file, name, section) {
  const text = readFileSync(file, "utf8");
  const [from, to] = [text.indexOf(start(name)), text.indexOf(end(name))];
  if (from < 0 || to < from) throw new Error(`${file} lacks the lines ${start(name)} and ${end(name)}, in this order`);
  writeFileSync(file, `${text.slice(0, from + start(name).length)}\n${section}\n${text.slice(to)}`);
}
