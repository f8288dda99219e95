#!/usr/bin/env node
// The part of scripts/bench that needs Node: starts the subjects, loads them in turn, writes the table.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../../scripts/lib/stack.mjs";
import { watchMachine } from "./cpu.mjs";
import { describeMachine } from "./machine.mjs";
import { record, render } from "./report.mjs";
import { measureStarts } from "./startup.mjs";
import { median, spread } from "./statistics.mjs";
import { Subjects } from "./subjects.mjs";
import { measureTokenCheck } from "./tokens.mjs";
import { load, once } from "./wrk.mjs";

/** Rounds are repeated for stolen CPU time at most this often, all in all. */
const MAX_REPEATS = 5;
const WARM_UP_SECONDS = 2;
const START_ROUNDS = 9;
const KEYS = 200;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    duration: { type: "string", default: "5" },
    concurrency: { type: "string", default: "16" },
    "max-steal": { type: "string", default: "3" },
    "no-record": { type: "boolean", default: false },
  },
});

function whole(name, least, most) {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new Error(`--${name} takes a whole number from ${least} to ${most}`);
}

const options = {
  rounds: whole("rounds", 1, 100),
  seconds: whole("duration", 1, 600),
  concurrency: whole("concurrency", 2, 1000),
  maxSteal: whole("max-steal", 0, 100),
};

const say = (text) => process.stderr.write(`${text}\n`);

/** What a round measures: each subject at the concurrencies that mean something for it. */
function plan({ bare, sdkList, sdkCall, plainList, plainCall, coreList, coreCall, coordinatorList, model, complete }) {
  // Subjects that are compared stand side by side.
  const many = [sdkList, coreList, bare, coreCall, sdkCall, coordinatorList];
  // Added latency means something only where nothing waits in a queue.
  return [
    ...[plainList, ...many, plainCall].map((subject) => ({ subject, concurrency: options.concurrency })),
    ...[...many, model, complete].map((subject) => ({ subject, concurrency: 1 })),
  ];
}

async function measureRound(round, steps, folder, pids) {
  const noise = watchMachine(pids);
  const results = new Map();
  // Every other round backwards, so that none always follows the same one.
  for (const step of round % 2 ? [...steps].reverse() : steps) {
    results.set(step, await load(step.subject, { folder, seconds: options.seconds, concurrency: step.concurrency }));
  }
  return { results, noise: noise() };
}

async function measureRounds(steps, folder, pids) {
  const rounds = [];
  let repeated = 0;
  while (rounds.length < options.rounds) {
    const round = await measureRound(rounds.length, steps, folder, pids);
    const { steal, others } = round.noise;
    const again = steal > options.maxSteal && repeated < MAX_REPEATS;
    say(`round ${rounds.length + 1} of ${options.rounds}: ${steal.toFixed(1)} % CPU stolen, ${others.toFixed(1)} % used by others${again ? "; once more" : ""}`);
    if (again) repeated += 1;
    else rounds.push(round);
  }
  return { rounds, repeated };
}

function summaries(steps, rounds) {
  return steps.map((step) => {
    const of = (field) => spread(rounds.map(({ results }) => results.get(step)[field]));
    return { name: step.subject.name, concurrency: step.concurrency, rate: of("rate"), p50: of("p50"), p95: of("p95"), cpu: of("cpu") };
  });
}

/** Each ratio is taken within a round and only then summed up: the machine drifts between rounds. */
function ratioRows(subjects, steps, rounds) {
  const wanted = [
    ["tools/list: core / TypeScript SDK", subjects.coreList, subjects.sdkList, 3],
    ["tools/call: core / TypeScript SDK", subjects.coreCall, subjects.sdkCall, 3],
    ["tools/list: core / TypeScript SDK with JSON schemas", subjects.coreList, subjects.plainList],
    ["tools/call: core / TypeScript SDK with JSON schemas", subjects.coreCall, subjects.plainCall],
    ["tools/list: core / bare Rust worker", subjects.coreList, subjects.bare, 0.5],
    ["tools/call: core / bare Rust worker", subjects.coreCall, subjects.bare, 0.5],
    ["tools/list with a key: coordinator / TypeScript SDK without", subjects.coordinatorList, subjects.sdkList],
  ];
  const find = (subject, concurrency) => steps.find((step) => step.subject === subject && step.concurrency === concurrency);
  return [options.concurrency, 1].flatMap((concurrency) =>
    wanted.filter(([, , theirs]) => find(theirs, concurrency)).map(([name, ours, theirs, target]) => {
      const [our, their] = [find(ours, concurrency), find(theirs, concurrency)];
      return {
        name,
        concurrency,
        target: concurrency === 1 ? undefined : target,
        rate: spread(rounds.map(({ results }) => results.get(our).rate / results.get(their).rate)),
        cpu: spread(rounds.map(({ results }) => results.get(their).cpu / results.get(our).cpu)),
      };
    }),
  );
}

function latencyRows({ model, complete, coordinatorList, coreList }, steps, rounds) {
  const at = (subject, field) => {
    const step = steps.find((step) => step.subject === subject && step.concurrency === 1);
    return rounds.map(({ results }) => results.get(step)[field]);
  };
  const row = (subject) => ({ name: subject.name, p50: median(at(subject, "p50")), p95: median(at(subject, "p95")) });
  const added = (name, whole, part) => {
    const difference = (field) => median(at(whole, field).map((value, round) => value - at(part, field)[round]));
    return { name, p50: difference("p50"), p95: difference("p95") };
  };
  return [
    row(model),
    row(complete),
    added("added by chatgpt_complete", complete, model),
    row(coreList),
    row(coordinatorList),
  ];
}

async function main() {
  const folder = mkdtempSync(join(tmpdir(), "chitty-bench-"));
  const subjects = new Subjects(folder);
  try {
    say("Sizes and starts ...");
    const startRows = await measureStarts({ parent: folder, rounds: START_ROUNDS });
    say("Starting the subjects ...");
    await subjects.start();
    const steps = plan(subjects);
    say(`About ${Math.ceil((steps.length * (options.rounds * options.seconds + WARM_UP_SECONDS)) / 60)} minutes of measuring ...`);
    for (const { subject, concurrency } of steps) {
      await once(subject);
      await load(subject, { folder, seconds: WARM_UP_SECONDS, concurrency });
    }
    const { rounds, repeated } = await measureRounds(steps, folder, subjects.pids);
    const tokens = await measureTokenCheck({ product: subjects.product, keys: subjects.keys, subject: subjects.coordinatorList, count: KEYS });
    const noise = {
      steal: spread(rounds.map((round) => round.noise.steal)),
      others: spread(rounds.map((round) => round.noise.others)),
      repeated,
      kept: rounds.filter((round) => round.noise.steal > options.maxSteal).length,
    };
    const section = render({
      machine: describeMachine(process.argv.slice(2)),
      options,
      list: subjects.list,
      rows: summaries(steps, rounds),
      ratioRows: ratioRows(subjects, steps, rounds),
      latencyRows: latencyRows(subjects, steps, rounds),
      startRows,
      noise,
      tokens,
    });
    console.log(section);
    if (!values["no-record"]) record(join(ROOT, "docs/BENCHMARKS.md"), section);
  } finally {
    await subjects.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

try {
  await main();
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
