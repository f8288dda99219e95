// Starts the workers together in one workerd, each on its own loopback port, with nothing between
// a client and a worker. Used by scripts/run, scripts/bench and the end-to-end tests.
import { randomInt } from "node:crypto";
import { channel } from "node:diagnostics_channel";
import { once } from "node:events";
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { unstable_getMiniflareWorkerOptions, unstable_readConfig } from "wrangler";
import { applyMigrations } from "./migrations.mjs";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Every worker that can be started: its wrangler.toml and the port it has unless told otherwise. */
export const WORKERS = {
  coordinator: { config: "wrangler.toml", port: 8787 },
  chatgpt: { config: "src/chatgpt/wrangler.toml", port: 8001 },
  fortress: { config: "src/fortress/wrangler.toml", port: 8002 },
  witness: { config: "src/witness/wrangler.toml", port: 8003 },
  conformance: { config: "tests/conformance/wrangler.toml", port: 8790 },
};

/** The workers of the product, in the order they are started. A witness is another party's. */
export const PRODUCT = ["coordinator", "chatgpt", "fortress"];

/** How many log lines are kept; older ones give way. */
const MAX_LOGS = 10_000;

// wrangler would otherwise tell of every .env file it sees. None is used: secrets are passed to startStack.
process.env.WRANGLER_LOG ??= "none";

/**
 * Starts workerd and resolves when every worker answers.
 *
 * Miniflare runs no cron trigger by itself: call `scheduled`.
 *
 * @param {object} [options]
 * @param {Record<string, number>} [options.ports] port of each worker; 0 takes a free one
 * @param {string} [options.persist] folder that keeps all state; the same one as
 *   `wrangler dev --persist-to`. Default `.local/state`
 * @param {Record<string, string>} [options.secrets] given to each worker whose wrangler.toml requires them;
 *   an empty text stands for one that is not set
 * @param {Record<string, string>} [options.vars] given to every worker, over its wrangler.toml
 * @param {string[]} [options.workers] which workers; default the three of the product
 * @param {(entry: {at: number, level: string, message: string}) => void} [options.log] called for each
 *   line a worker logs, besides `logs`
 * @param {Record<string, string>} [options.fronts] a module for each worker named that stands before its own,
 *   `./index.js`: it exports what that does
 * @param {number} [options.shield] requests that the platform's rate limits let through, instead of those of wrangler.toml
 * @param {boolean} [options.points] data points for Analytics Engine become log lines `{"data_point": …}`; Miniflare drops
 *   them
 * @param {string} [options.env] environment of the wrangler.toml files; default the development one
 * @param {(request: Request) => Promise<Response>} [options.outbound] answers what the workers fetch, instead of the
 *   network
 * @returns {Promise<Stack>}
 */
export async function startStack(options = {}) {
  const names = options.workers ?? PRODUCT;
  const persist = options.persist ?? join(ROOT, ".local/state");
  mkdirSync(persist, { recursive: true });

  const ports = { ...options.ports };
  // Tokens name who issued them, so the coordinator's address is needed before it listens.
  if (ports.coordinator === 0) ports.coordinator = await freePort();
  const vars = { ISSUER: `http://127.0.0.1:${ports.coordinator ?? WORKERS.coordinator.port}`, ...options.vars };
  const workers = names.map((name) => workerOptions(name, { ...options, ports, vars }));
  const helpers = options.points ? [loggingPoints(workers)] : [];
  const stack = new Stack(names, workers, helpers, options.log);
  try {
    await stack.start(join(persist, "v3"));
    if (workers.some((worker) => worker.d1Databases?.DB)) {
      await applyMigrations(stack.database(), join(ROOT, "schema/d1"));
    }
  } catch (error) {
    await stack.stop().catch(() => {});
    throw error;
  }
  return stack;
}

/**
 * A loopback port that nobody listens on now; below those that the system gives to connections (32768 and up), one of
 * which might have it before a server listens.
 */
export async function freePort() {
  for (let tries = 0; tries < 100; tries++) {
    const port = randomInt(10_000, 32_000);
    const server = createServer().listen(port, "127.0.0.1");
    const free = await once(server, "listening").then(() => true, () => false);
    if (!free) continue;
    server.close();
    await once(server, "close");
    return port;
  }
  throw new Error("no free port was found");
}

function workerOptions(name, { ports = {}, secrets = {}, vars = {}, env, outbound, shield, fronts = {} }) {
  const known = WORKERS[name];
  if (!known) throw new Error(`no worker '${name}': choose from ${Object.keys(WORKERS).join(", ")}`);
  const config = unstable_readConfig({ config: join(ROOT, known.config), env }, { hideWarnings: true });
  const required = config.secrets?.required ?? [];
  const missing = required.filter((secret) => secrets[secret] === undefined);
  if (missing.length > 0) throw new Error(`${known.config} requires secrets that were not given: ${missing.join(", ")}`);

  const { workerOptions: given, main } = unstable_getMiniflareWorkerOptions({ ...config, secrets: undefined }, env);
  const { modulesRules, ...settings } = given;
  return {
    ...settings,
    ratelimits: shield ? widened(settings.ratelimits, shield) : settings.ratelimits,
    name: config.name,
    modulesRoot: join(main, ".."),
    modules: [...front(join(main, ".."), fronts[name]), ...builtModules(join(main, ".."), name)],
    bindings: { ...config.vars, ...pick(secrets, required), ...vars },
    cronTriggers: config.triggers.crons,
    outboundService: outbound,
    unsafeDirectSockets: [{ host: "127.0.0.1", port: ports[name] ?? known.port }],
  };
}

function front(folder, contents) {
  return contents === undefined ? [] : [{ type: "ESModule", path: join(folder, "front.js"), contents }];
}

function widened(ratelimits = {}, limit) {
  const each = ([name, given]) => [name, { ...given, simple: { ...given.simple, limit } }];
  return Object.fromEntries(Object.entries(ratelimits).map(each));
}

/** Puts a worker that logs in the place of each dataset, and returns it. */
function loggingPoints(workers) {
  const script = `import { WorkerEntrypoint } from "cloudflare:workers";
export default class extends WorkerEntrypoint {
  writeDataPoint(point) { console.log(JSON.stringify({ data_point: point })); }
}`;
  const name = "data-points";
  for (const worker of workers) {
    const datasets = Object.keys(worker.analyticsEngineDatasets ?? {});
    worker.analyticsEngineDatasets = undefined;
    worker.serviceBindings = { ...worker.serviceBindings, ...Object.fromEntries(datasets.map((binding) => [binding, name])) };
  }
  return { name, modules: [{ type: "ESModule", path: `${name}.js`, contents: script }], compatibilityDate: workers[0].compatibilityDate };
}

function pick(values, keys) {
  return Object.fromEntries(keys.map((key) => [key, values[key]]));
}

/** What scripts/build leaves: the bundled entry first, then the wasm it imports. */
function builtModules(folder, name) {
  let files;
  try {
    files = readdirSync(folder);
  } catch {
    throw new Error(`the ${name} worker is not built: run ./scripts/build ${name}`);
  }
  const wasm = files.filter((file) => file.endsWith(".wasm"));
  return [
    { type: "ESModule", path: join(folder, "index.js") },
    ...wasm.map((file) => ({ type: "CompiledWasm", path: join(folder, file), contents: readFileSync(join(folder, file)) })),
  ];
}

class Stack {
  #workers;
  #helpers;
  #process;
  #listener;

  constructor(names, workers, helpers, listener) {
    this.#workers = Object.fromEntries(names.map((name, index) => [name, workers[index]]));
    this.#helpers = helpers;
    this.#listener = listener;
    /** What the workers logged, the last 10,000 lines: `{at, level, message}`, `at` in ms since the epoch. */
    this.logs = [];
    /** Base URL of each worker, without a slash at the end. */
    this.urls = {};
  }

  async start(state) {
    const options = convertV4MiniflareOptions({
      workers: [...Object.values(this.#workers), ...this.#helpers],
      host: "127.0.0.1",
      port: 0,
      resourcePersistencePath: state,
      log: new Log(LogLevel.NONE),
      logRequests: false,
      cf: false,
      telemetry: { enabled: false },
      handleStructuredLogs: ({ timestamp, level, message }) => this.#record({ at: timestamp, level, message }),
    });
    // Miniflare keeps its runtime to itself; `kill` needs to know which process that is.
    const children = [];
    const spawned = ({ process: child }) => children.push(child);
    const spawns = channel("child_process");
    spawns.subscribe(spawned);
    try {
      this.mf = new Miniflare(options);
      await this.mf.ready;
    } finally {
      spawns.unsubscribe(spawned);
    }
    this.#process = children.find((child) => child.spawnfile?.includes("workerd"));
    for (const [name, worker] of Object.entries(this.#workers)) {
      this.urls[name] = (await this.mf.unsafeGetDirectURL(worker.name)).origin;
    }
  }

  #record(entry) {
    this.logs.push(entry);
    if (this.logs.length > MAX_LOGS) this.logs.shift();
    this.#listener?.(entry);
  }

  /** The D1 database that all workers share. */
  database() {
    const owner = Object.values(this.#workers).find((worker) => worker.d1Databases?.DB);
    if (!owner) throw new Error("none of the started workers has the database bound");
    let binding;
    // One binding object, made late: it needs the runtime.
    const get = () => (binding ??= this.mf.getD1Database("DB", owner.name));
    return {
      prepare: async (sql, params) => (await get()).prepare(sql).bind(...params),
      batch: async (statements) => (await get()).batch(await Promise.all(statements)),
    };
  }

  /** The R2 bucket that a worker has under `binding`. */
  bucket(worker, binding) {
    return this.mf.getR2Bucket(binding, this.#workers[worker].name);
  }

  /** Runs one statement on the shared database and returns its rows. */
  async d1(sql, params = []) {
    const statement = await this.database().prepare(sql, params);
    return (await statement.all()).results;
  }

  /** Runs a worker's cron handler now and returns its outcome, such as `{outcome: "ok"}`. */
  async scheduled(name) {
    const worker = this.#workers[name];
    const [cron] = worker?.cronTriggers ?? [];
    if (!cron) throw new Error(`the worker '${name}' was not started or has no cron trigger`);
    return (await this.mf.getWorker(worker.name)).scheduled({ cron, scheduledTime: new Date() });
  }

  /**
   * Ends workerd at once, as a power cut would: no request is finished, nothing is flushed.
   * The state stays; start again on the same `persist` to see what survived.
   */
  async kill() {
    const child = this.#process;
    const gone = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
    child.kill("SIGKILL");
    await Promise.all([gone, this.mf.dispose()]);
  }

  /** Ends workerd in good order; once it has ended, does nothing. */
  async stop() {
    await this.mf?.dispose();
  }
}
