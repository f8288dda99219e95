// The gateway part of the bench: what the /v1 door adds to a model's answer, beside another gateway.
import { startGateways } from "./gateways.mjs";
import { measureRounds, say } from "./rounds.mjs";
import { median, spread } from "./statistics.mjs";
import { loadStreams } from "./streams.mjs";
import { load, once } from "./wrk.mjs";

/** V8 optimises WebAssembly function by function, as it is used: until then a call takes twice as long. */
const WARM_UP_SECONDS = 8;

function plan({ gateways, checks }, folder, concurrency) {
  const plain = (subject, lanes) => ({
    name: subject.name,
    concurrency: lanes,
    measure: (seconds) => load(subject, { folder, seconds, concurrency: lanes }),
  });
  const streamed = (subject, lanes) => ({
    name: subject.name,
    concurrency: lanes,
    measure: (seconds) => loadStreams(subject, { seconds, concurrency: lanes }),
  });
  const { model, floor, admitted, ours, theirs } = gateways;
  const compared = (step, form, lanes) => ({
    concurrency: lanes,
    model: step(model[form], lanes),
    floor: step(floor[form], lanes),
    admitted: step(admitted[form], lanes),
    ours: step(ours[form], lanes),
    theirs: step(theirs[form], lanes),
  });
  return {
    whole: [1, concurrency].map((lanes) => compared(plain, "plain", lanes)),
    streams: [1, concurrency].map((lanes) => compared(streamed, "streamed", lanes)),
    checks: [checks.nothing, checks.object, checks.whole].map((subject) => plain(subject, 1)),
  };
}

/** In the order of a round; what is compared stands side by side. */
const inOrder = ({ whole, streams, checks }) => [
  ...[...whole, ...streams].flatMap(({ model, floor, admitted, ours, theirs }) => [ours, model, theirs, floor, admitted]),
  ...checks,
];

/** What a step takes longer than another, taken within each round. */
function added({ of }, step, floor, field) {
  const without = of(floor, field);
  return spread(of(step, field).map((value, round) => value - without[round]));
}

function rows(compared, measured) {
  const { of } = measured;
  return compared.flatMap(({ concurrency, model, floor, admitted, ours, theirs }) =>
    [model, ours, theirs, floor, admitted].map((step) => ({
      name: step.name,
      role: { [ours.name]: "ours", [theirs.name]: "theirs" }[step.name],
      concurrency,
      rate: spread(of(step, "rate")),
      cpu: median(of(step, "cpu")),
      p50: median(of(step, "p50")),
      p99: median(of(step, "p99")),
      ...(step !== model && { added: { p50: added(measured, step, model, "p50"), p99: added(measured, step, model, "p99") } }),
    })),
  );
}

function checkRows(checks, measured) {
  const [nothing] = checks;
  return checks.map((step) => ({
    name: step.name,
    p50: median(measured.of(step, "p50")),
    p99: median(measured.of(step, "p99")),
    ...(step !== nothing && { added: added(measured, step, nothing, "p50") }),
  }));
}

/**
 * Measures, and returns what the report says of it.
 *
 * @param {import("./servers.mjs").Servers} servers
 * @param {{rounds: number, seconds: number, concurrency: number, maxSteal: number}} options
 */
export async function measureGateway(servers, options, folder) {
  say("Starting the gateways ...");
  const subjects = await startGateways(servers);
  await once(subjects.checks.setUp);
  const steps = plan(subjects, folder, options.concurrency);
  for (const step of inOrder(steps)) await step.measure(WARM_UP_SECONDS);
  const measured = await measureRounds(inOrder(steps), options, servers.pids);
  return {
    wholeRows: rows(steps.whole, measured),
    streamRows: rows(steps.streams, measured),
    checkRows: checkRows(steps.checks, measured),
    noise: measured.noise,
  };
}
