// Figures as Markdown: numbers, tables, and what every section says of how it was measured.

/** Percent of CPU time used by other programs above which throughput and latency say little. */
const BUSY = 10;
const NOT_IDLE =
  "**The machine was not idle:** throughput and latency include waiting for other programs, and their spread is wide; the ratios by CPU time are the steadier ones.";

export const number = (value, digits = 0) =>
  value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
export const between = ({ median, least, most }, digits) =>
  `${number(median, digits)} (${number(least, digits)} to ${number(most, digits)})`;

export function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, at) => (at === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}

export const throughput = (rows) =>
  table(
    ["subject", "at once", "requests a second", "p50 ms", "p95 ms", "CPU µs a request"],
    rows.map(({ name, concurrency, rate, p50, p95, cpu }) => [
      name, concurrency, between(rate, 0), number(p50.median, 2), number(p95.median, 2), number(cpu.median, 0),
    ]),
  );

const verdict = ({ target, rate }) => (target === undefined ? "" : rate.median >= target ? "met" : "**missed**");

export const ratios = (rows) =>
  table(
    ["ratio", "at once", "throughput", "target", "", "by CPU time"],
    rows.map((row) => [
      row.name, row.concurrency, between(row.rate, 2), row.target === undefined ? "" : `≥ ${row.target}`, verdict(row), number(row.cpu.median, 2),
    ]),
  );

/** Where, with what and how undisturbed it was measured: paragraphs. */
export function circumstances({ machine, options, noise }) {
  return [
    `Measured ${machine.date} on ${machine.cores} cores (${machine.cpu}), ${machine.memory} GiB of memory, ${machine.system}.`,
    `Versions: ${machine.versions}.`,
    `Command: \`${machine.command}\`: ${options.rounds} rounds, ${options.seconds} s for each subject and round, subjects in turn. ` +
      `Of all CPU time in a round the hypervisor took ${between(noise.steal, 1)} %, programs other than the bench ${between(noise.others, 1)} %; ` +
      `${noise.repeated} ${noise.repeated === 1 ? "round was" : "rounds were"} repeated for more than ${options.maxSteal} % stolen` +
      `${noise.kept ? `, and ${noise.kept} had to be kept all the same` : ""}.${noise.others.median > BUSY ? ` ${NOT_IDLE}` : ""}`,
  ];
}
