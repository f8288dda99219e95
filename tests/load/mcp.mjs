// The MCP part of the bench: tools listed and called, beside other servers.
import { measureRounds, ratioOf, say } from "./rounds.mjs";
import { measureStarts } from "./startup.mjs";
import { median, spread } from "./statistics.mjs";
import { startSubjects } from "./subjects.mjs";
import { load, once } from "./wrk.mjs";

const WARM_UP_SECONDS = 2;
const START_ROUNDS = 9;

/** What a round measures: each subject at the concurrencies that mean something for it. */
function plan(subjects, folder, concurrency) {
  const { bare, sdkList, sdkCall, plainList, plainCall, coreList, coreCall, coordinatorList, model, complete } = subjects;
  const step = (subject, concurrency) => ({
    name: subject.name,
    subject,
    concurrency,
    measure: (seconds) => load(subject, { folder, seconds, concurrency }),
  });
  // Subjects that are compared stand side by side.
  const many = [sdkList, coreList, bare, coreCall, sdkCall, coordinatorList];
  // Added latency means something only where nothing waits in a queue.
  return [
    ...[plainList, ...many, plainCall].map((subject) => step(subject, concurrency)),
    ...[...many, model, complete].map((subject) => step(subject, 1)),
  ];
}

function summaries(steps, { of }) {
  return steps.map((step) => {
    const over = (field) => spread(of(step, field));
    return { name: step.name, concurrency: step.concurrency, rate: over("rate"), p50: over("p50"), p95: over("p95"), cpu: over("cpu") };
  });
}

function ratioRows(subjects, steps, measured, concurrencies) {
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
  return concurrencies.flatMap((concurrency) =>
    wanted.filter(([, , theirs]) => find(theirs, concurrency)).map(([name, ours, theirs, target]) => ({
      name,
      concurrency,
      target: concurrency === 1 ? undefined : target,
      ...ratioOf(measured, find(ours, concurrency), find(theirs, concurrency)),
    })),
  );
}

function latencyRows({ model, complete, coordinatorList, coreList }, steps, { of }) {
  const at = (subject, field) => of(steps.find((step) => step.subject === subject && step.concurrency === 1), field);
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

/**
 * Measures, and returns what the report says of it.
 *
 * @param {import("./servers.mjs").Servers} servers
 * @param {{rounds: number, seconds: number, concurrency: number, maxSteal: number}} options
 */
export async function measureMcp(servers, options, folder) {
  say("Sizes and starts ...");
  const startRows = await measureStarts({ parent: folder, rounds: START_ROUNDS });
  say("Starting the MCP servers ...");
  const { subjects, list } = await startSubjects(servers);
  const steps = plan(subjects, folder, options.concurrency);
  say(`About ${Math.ceil((steps.length * (options.rounds * options.seconds + WARM_UP_SECONDS)) / 60)} minutes of measuring ...`);
  for (const { subject, measure } of steps) {
    await once(subject);
    await measure(WARM_UP_SECONDS);
  }
  const measured = await measureRounds(steps, options, servers.pids);
  return {
    list,
    rows: summaries(steps, measured),
    ratioRows: ratioRows(subjects, steps, measured, [options.concurrency, 1]),
    latencyRows: latencyRows(subjects, steps, measured),
    startRows,
    noise: measured.noise,
  };
}
