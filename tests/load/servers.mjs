// The processes that are measured: each subject in a workerd of its own.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { admitDevToken, makeKeys } from "../../scripts/lib/dev-keys.mjs";
import { startStack, WORKERS } from "../../scripts/lib/stack.mjs";
import { startStandIn } from "../standins/openai.mjs";

Object.assign(WORKERS, {
  bare: { config: "tests/load/bare/wrangler.toml" },
  typescript: { config: "tests/load/typescript/wrangler.toml" },
  "oauth-provider": { config: "tests/load/oauth-provider/wrangler.toml" },
});

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

  /** The worker `name`, alone in a process: a stack with its `pid`. */
  worker(name) {
    return this.#once(name, () => this.#stack(name, [name]));
  }

  /** The three workers of the product, the model that they ask, and the keys they were given. */
  product() {
    return this.#once("product", async () => {
      const model = await startStandIn();
      this.#ending.push(() => model.close());
      const keys = await makeKeys();
      const product = await this.#stack("product", ["coordinator", "chatgpt", "fortress"], {
        secrets: { ...keys.secrets, OPENAI_API_KEY: "sk-stand-in" },
        vars: { OPENAI_BASE_URL: model.url, LOG_LEVEL: "warn", RATE_LIMITS: UNBOUNDED },
        shield: MANY,
      });
      await admitDevToken(product, keys);
      return Object.assign(product, { model, keys });
    });
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

/** The workerd processes that this one has started and that still run. */
function children() {
  const pids = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ").map(Number);
  return pids.filter((pid) => pid && readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("workerd"));
}
