// The figures of the log as a Markdown section.
import { number, table } from "./table.mjs";

/** Facts a second and milliseconds from the append to the published receipt. */
const LEAST_RATE = 2_000;
const MOST_P99 = 1_500;
/** What azul's sequencer does at most: 2,500 entries each 750 ms. */
const AZUL = 3_333;

const verdict = (holds) => (holds === undefined ? "" : holds ? "met" : "**missed**");
const row = (name, { rate, p50, p99, most }, holds) => [name, number(rate), number(p50), number(p99), number(most), verdict(holds)];

/** Microseconds and bytes of an inclusion proof; signatures a second. */
const MOST_INCLUSION = 40;
const MOST_PROOF = 2048;
const LEAST_SIGNATURES = 3_000;

function renderVerifying({ inclusion, signature, levels }) {
  const signatures = 1_000_000 / signature.micros;
  const holds = inclusion.micros <= MOST_INCLUSION && inclusion.proofBytes <= MOST_PROOF;
  return (
    "### Verifying\nThe core's checks in a worker of their own, thousands in one request, less the request. " +
    `Targets: inclusion among 2^${levels} leaves within ${MOST_INCLUSION} µs by a proof of at most ${number(MOST_PROOF)} bytes ` +
    `(a C2SP tlog-proof with its checkpoint); ${number(LEAST_SIGNATURES)} signatures of runs a second.\n\n` +
    table(
      ["check", "µs", "a second", "bytes", ""],
      [
        [`inclusion among 2^${levels} leaves`, number(inclusion.micros, 1), number(1_000_000 / inclusion.micros), number(inclusion.proofBytes), verdict(holds)],
        ["OpenPGP signature of a run", number(signature.micros, 1), number(signatures), "", verdict(signatures >= LEAST_SIGNATURES)],
      ],
    )
  );
}

/** Leaves of the published log, and signatures of runs, that an audit checks a second. */
const LEAST_LEAVES = 100_000;
const LEAST_AUDITED = 3_000;

function renderAudit({ rows, signatures, published, facts, slices }) {
  const line = (name, { count, ms }, least) => {
    const rate = (count * 1000) / Math.max(ms, 1);
    return [name, number(count), number(ms), number(rate), least ? number(least) : "", verdict(least && rate >= least)];
  };
  return (
    "### Audit\nThe standing forensic audit of the product over this log and its runs, as its report states it: the coordinator reads " +
    "the published files through the fortress worker, 16 at a time, hashes every leaf, and asks the fortress for 100 signatures " +
    `in a call. ${number(published.files)} files had ${number(published.bytes / 1_048_576)} MiB. What is read of a slice is bounded, so that it took ` +
    `${number(slices)} runs of the cron until it came to the facts of the log's own storage, which are held against their rows ` +
    "and records in D1; of these it is the first slice.\n\n" +
    table(
      ["part", "read", "ms", "a second", "target", ""],
      [
        line("leaves of the published log", published, LEAST_LEAVES),
        line("signatures of runs", signatures, LEAST_AUDITED),
        line("rows with their records", rows),
        line("facts with their rows", facts),
      ],
    )
  );
}

/** The section, as Markdown. */
export function renderLog({ machine, sustained, saturated, size, noise, verifying, audit, offered, batch, writers, seconds }) {
  // A fact that is offered is also appended, or the run ends; what is late makes the rate lower.
  const holds = sustained.rate >= LEAST_RATE * 0.97 && sustained.p99 <= MOST_P99;
  return [
    `Measured ${machine.date} on ${machine.cores} cores (${machine.cpu}), ${machine.memory} GiB of memory, ${machine.system}.`,
    `Versions: ${machine.versions}.`,
    `Command: \`${machine.command}\`. Of all CPU time the hypervisor took ${number(noise.steal, 1)} %, programs other than the bench ${number(noise.others, 1)} %.`,
    `### Appends\nFrom a request with ${batch} facts to their receipts, whose checkpoint and tiles are published by then. ` +
      `Target: ${number(LEAST_RATE)} facts a second for ten minutes, 99 of 100 answered within ${number(MOST_P99)} ms. ` +
      `azul's sequencer takes at most ${number(AZUL)} entries a second, by its interval and pool. ` +
      `The log had ${number(size)} entries in the end, and was rebuilt from its published files.`,
    table(
      ["load", "facts a second", "p50 ms", "p99 ms", "longest ms", ""],
      [
        row(`${number(offered)} a second offered for ${seconds} s`, sustained, holds),
        row(`${writers} requests at once, each followed by the next`, saturated),
      ],
    ),
    renderVerifying(verifying),
    renderAudit(audit),
  ].join("\n\n");
}
