// The identity part of the bench: the code flow beside another provider, checks of callers, discovery.
import { bundle } from "./bundle.mjs";
import { KINDS, runChecks } from "./checks.mjs";
import { checkFromMemory, documents } from "./discovery.mjs";
import { runFlows, STEPS } from "./flows.mjs";
import { ourProvider, theirProvider } from "./providers.mjs";
import { measureRounds, ratioOf, say } from "./rounds.mjs";
import { median, quantile, spread } from "./statistics.mjs";
import { load, once } from "./wrk.mjs";

/** Flows and checks are counted, not timed, since each needs a person or a key of its own. */
const FLOWS_PER_SECOND = 40;
const CHECKS_PER_SECOND = 50;
const CHECKS_AT_ONCE = 64;
const TURNS = 5;
const WARM_UP_SECONDS = 1;

function plan({ ours, theirs, product, open, files }, folder, concurrency) {
  const flow = (provider, lanes) => ({
    name: provider.name,
    concurrency: lanes,
    measure: (seconds) => runFlows(provider, { count: seconds * FLOWS_PER_SECOND, lanes }),
  });
  const check = (lanes, turns) => ({
    name: "checks",
    measure: (seconds) => runChecks({ product, provider: ours, open }, { count: seconds * CHECKS_PER_SECOND, lanes, turns }),
  });
  const fetched = (file) => ({ name: file.name, concurrency, measure: (seconds) => load(file, { folder, seconds, concurrency }) });
  return {
    ours: [concurrency, 1].map((lanes) => flow(ours, lanes)),
    theirs: [concurrency, 1].map((lanes) => flow(theirs, lanes)),
    alone: check(1, TURNS),
    loaded: check(CHECKS_AT_ONCE, 1),
    files: Object.fromEntries(Object.entries(files).map(([name, file]) => [name, fetched(file)])),
  };
}

/** In the order of a round; what is compared stands side by side. */
function inOrder({ ours, theirs, alone, loaded, files }) {
  return [...ours.flatMap((step, at) => [step, theirs[at]]), alone, loaded, ...Object.values(files)];
}

function flowRows({ ours, theirs }, { of }) {
  return ours.flatMap((step, at) => [step, theirs[at]]).map((step) => ({
    name: step.name,
    concurrency: step.concurrency,
    rate: spread(of(step, "rate")),
    cpu: spread(of(step, "cpu")),
    steps: STEPS.map((name) => ({ name, p50: median(of(step, `${name} p50`)), p95: median(of(step, `${name} p95`)) })),
  }));
}

function ratioRows({ ours, theirs, files }, measured) {
  const row = (name, our, their, target) => ({ name, concurrency: our.concurrency, target, ...ratioOf(measured, our, their) });
  return [
    ...ours.map((step, at) => row("whole code flow", step, theirs[at], 1)),
    row("server metadata", files.metadata, files.theirMetadata),
    row("resource metadata", files.resource, files.theirResource),
  ];
}

/** Differences of the medians within each round; the slowest of a hundred of all rounds together. */
function checkRows({ alone, loaded }, { of }) {
  const times = (step, kind) => of(step, kind).map(({ times }) => times);
  const medians = (kind) => times(alone, kind).map((one) => quantile(one, 0.5));
  const without = medians("none");
  return KINDS.map((kind) => ({
    name: kind,
    p50: median(medians(kind)),
    added: kind === "none" ? undefined : spread(medians(kind).map((one, round) => one - without[round])),
    p99: quantile(times(alone, kind).flat(), 0.99),
    loadedP50: quantile(times(loaded, kind).flat(), 0.5),
    loadedP99: quantile(times(loaded, kind).flat(), 0.99),
    cpu: median(of(loaded, kind).map(({ cpu }) => cpu)),
  }));
}

function fileRows({ files }, { of }) {
  return Object.values(files).map((step) => ({
    name: step.name,
    concurrency: step.concurrency,
    rate: spread(of(step, "rate")),
    p50: spread(of(step, "p50")),
    p95: spread(of(step, "p95")),
    cpu: spread(of(step, "cpu")),
  }));
}

/**
 * Measures, and returns what the report says of it.
 *
 * @param {import("./servers.mjs").Servers} servers
 * @param {{rounds: number, seconds: number, concurrency: number, maxSteal: number}} options
 */
export async function measureIdentity(servers, options, folder) {
  say("Starting the authorization servers ...");
  await bundle("oauth-provider");
  const product = await servers.product();
  const conformance = await servers.worker("conformance");
  const [ours, theirs] = [await ourProvider(product), await theirProvider(await servers.worker("oauth-provider"))];
  const open = { url: `${conformance.urls.conformance}/mcp`, pid: conformance.pid };
  const files = documents(ours, theirs);
  const steps = plan({ ours, theirs, product, open, files }, folder, options.concurrency);
  for (const file of Object.values(files)) await once(file);
  for (const step of inOrder(steps)) await step.measure(WARM_UP_SECONDS);
  await checkFromMemory(product, files);
  const measured = await measureRounds(inOrder(steps), options, servers.pids);
  return {
    flowRows: flowRows(steps, measured),
    ratioRows: ratioRows(steps, measured),
    checkRows: checkRows(steps, measured),
    checksAtOnce: CHECKS_AT_ONCE,
    fileRows: fileRows(steps, measured),
    noise: measured.noise,
  };
}
