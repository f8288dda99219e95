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

/** The section, as Markdown. */
export function renderLog({ machine, sustained, saturated, size, noise, verifying, offered, batch, writers, seconds }) {
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
  ].join("\n\n");
}
