// The processes that are measured: each subject in a workerd of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { admitDevToken, makeKeys } from "../../scripts/lib/dev-keys.mjs";
import { freePort, ROOT, startStack, WORKERS } from "../../scripts/lib/stack.mjs";
import { startStandIn } from "../standins/openai.mjs";

Object.assign(WORKERS, {
  bare: { config: "tests/load/bare/wrangler.toml" },
  checks: { config: "tests/load/checks/wrangler.toml" },
  typescript: { config: "tests/load/typescript/wrangler.toml" },
  "oauth-provider": { config: "tests/load/oauth-provider/wrangler.toml" },
  ledger: { config: "tests/load/ledger/wrangler.toml" },
  forward: { config: "tests/load/forward/wrangler.toml" },
});

const PORTKEY = "tests/load/portkey/node_modules/@portkey-ai/gateway/build/start-server.js";
/** A server in Node.js listens within this time. */
const START_MS = 10_000;
const LOOK_MS = 50;

/** The limits themselves are not what is measured. */
const MANY = 1_000_000_000;
const UNBOUNDED = JSON.stringify({ requests_per_minute: 10_000_000, tokens_per_minute: { "*": MANY, "gpt-4": MANY, "gpt-3.5": MANY }, concurrent: 1_000 });

/** Starts servers, each once. `stop` ends what was started, also when starting failed half way. */
export class Servers {
  #ending = [];
  #folder;
  #started = new Map();
  /** Processes of the servers, besides this one. */
  pids = [];

  /** @param {string} folder a new folder for state, which the caller removes */
  constructor(folder) {
    this.#folder = folder;
  }

  /** The worker `name`, alone in a process, with `vars`: a stack with its `pid`. */
  worker(name, vars = {}) {
    return this.#once(name, () => this.#stack(name, [name], { vars }));
  }

  /** The stand-in model in a process of its own: `url`, which ends in /v1, and `pid`. */
  model() {
    return this.#once("model", async () => {
      const port = await freePort();
      const pid = await this.#node(port, ["tests/standins/openai.mjs", "--port", String(port)]);
      return { pid, url: `http://127.0.0.1:${port}/v1` };
    });
  }

  /** The Portkey gateway as its package starts it: `url` and `pid`. */
  portkey() {
    return this.#once("portkey", async () => {
      const port = await freePort();
      const pid = await this.#node(port, [PORTKEY, `--port=${port}`, "--headless"], { NODE_ENV: "production" });
      return { pid, url: `http://127.0.0.1:${port}` };
    });
  }

  /**
   * The three workers of the product, the model that they ask, and the keys they were given.
   *
   * @param {{model?: {url: string}, beside?: string[], fronts?: Record<string, string>}} [options] a model that runs
   *   already, workers that bind what the product's own export, and modules before these
   */
  product({ model: running, beside = [], fronts } = {}) {
    return this.#once("product", async () => {
      const model = running ?? (await this.#modelHere());
      const keys = await makeKeys();
      const product = await this.#stack("product", ["coordinator", "chatgpt", "fortress", ...beside], {
        secrets: { ...keys.secrets, OPENAI_API_KEY: "sk-stand-in" },
        vars: { OPENAI_BASE_URL: model.url, LOG_LEVEL: "warn", RATE_LIMITS: UNBOUNDED },
        shield: MANY,
        fronts,
      });
      await admitDevToken(product, keys);
      return Object.assign(product, { model, keys });
    });
  }

  async #modelHere() {
    const model = await startStandIn();
    this.#ending.push(() => model.close());
    return model;
  }

  /** A program in Node.js, once it listens on `port`: its process. */
  async #node(port, args, env = {}) {
    const child = spawn(process.execPath, args, { cwd: ROOT, env: { ...process.env, ...env }, stdio: "ignore" });
    this.#ending.push(async () => {
      const ended = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
      child.kill("SIGKILL");
      await ended;
    });
    await listening(port, args[0]);
    this.pids.push(child.pid);
    return child.pid;
  }

  #once(name, start) {
    if (!this.#started.has(name)) this.#started.set(name, start());
    return this.#started.get(name);
  }

  async #stack(name, workers, options = {}) {
    const ports = Object.fromEntries(workers.map((worker) => [worker, 0]));
    const before = children();
    const stack = await startStack({ workers, ports, persist: join(this.#folder, name), ...options });
    this.#ending.push(() => stack.stop());
    const [pid] = children().filter((child) => !before.includes(child));
    if (!pid) throw new Error(`the process of ${name} was not found`);
    this.pids.push(pid);
    return Object.assign(stack, { pid });
  }

  async stop() {
    for (const end of this.#ending.reverse()) await end();
  }
}

/** Resolves once something answers on `port`, with whatever status. */
async function listening(port, name) {
  const until = performance.now() + START_MS;
  while (performance.now() < until) {
    const answered = await fetch(`http://127.0.0.1:${port}/`).then((response) => response.text(), () => undefined);
    if (answered !== undefined) return;
    await pause(LOOK_MS);
  }
  throw new Error(`${name} does not listen on ${port}`);
}

/** The workerd processes that this one has started and that still run. */
function children() {
  const pids = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ").map(Number);
  return pids.filter((pid) => pid && readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("workerd"));
}
