// What is measured: each subject in a workerd of its own, and the requests it gets.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { admitDevToken, makeKeys } from "../../scripts/lib/dev-keys.mjs";
import { ROOT, startStack, WORKERS } from "../../scripts/lib/stack.mjs";
import { startStandIn } from "../standins/openai.mjs";
import { once } from "./wrk.mjs";

const REVISION = "2026-07-28";
const META = {
  "io.modelcontextprotocol/protocolVersion": REVISION,
  "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1.0.0" },
  "io.modelcontextprotocol/clientCapabilities": {},
};
/** The tool of the conformance worker that answers with its arguments, two of which are repeated in headers. */
const ECHO = { name: "test_mirrored_header", arguments: { region: "eu-central", shard: 7 } };
const ECHO_HEADERS = { "mcp-param-region": "eu-central", "mcp-param-shard": "7" };
const ECHOED = '"structuredContent":{"region":"eu-central","shard":7}';
const QUESTION = { model: "gpt-4", messages: [{ role: "user", content: "echo: measured" }], max_tokens: 64 };

Object.assign(WORKERS, {
  bare: { config: "tests/load/bare/wrangler.toml" },
  typescript: { config: "tests/load/typescript/wrangler.toml" },
});

function request(method, params, headers = {}) {
  return {
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": REVISION,
      "mcp-method": method,
      ...(params.name && { "mcp-name": params.name }),
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: META } }),
  };
}

const listTools = (headers) => ({ ...request("tools/list", {}, headers), wanted: '"tools":[{' });
const callEcho = () => ({ ...request("tools/call", ECHO, ECHO_HEADERS), wanted: ECHOED });

/** Bundles the TypeScript server so that it lists `tools`. */
async function bundleTypeScript(tools) {
  const folder = join(ROOT, "tests/load/typescript/build");
  mkdirSync(folder, { recursive: true });
  const listed = join(folder, "listed-tools.json");
  writeFileSync(listed, JSON.stringify({ tools }));
  await build({
    entryPoints: [join(ROOT, "tests/load/typescript/server.ts")],
    outfile: join(folder, "index.js"),
    alias: { "listed-tools": listed },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    logLevel: "error",
  });
}

/** Starts every subject. `stop` ends what was started, also when starting failed half way. */
export class Subjects {
  #ending = [];
  #folder;
  /** Processes of the servers, besides this one. */
  pids = [];

  /** @param {string} folder a new folder for state, which the caller removes */
  constructor(folder) {
    this.#folder = folder;
  }

  async start() {
    const conformance = await this.#stack("conformance", ["conformance"]);
    const { tools, bytes } = await listed(`${conformance.urls.conformance}/mcp`);
    /** What both MCP servers list. */
    this.list = { count: tools.length, bytes };
    await bundleTypeScript(tools);
    const bare = await this.#stack("bare", ["bare"]);
    const typescript = await this.#stack("typescript", ["typescript"]);
    await this.#startProduct();

    const core = `${conformance.urls.conformance}/mcp`;
    const sdk = `${typescript.urls.typescript}/mcp`;
    const plain = `${typescript.urls.typescript}/json-schema`;
    this.bare = { name: "bare Rust worker", url: bare.urls.bare, pid: bare.pid, ...callEcho() };
    this.sdkList = { name: "TypeScript SDK, tools/list", url: sdk, pid: typescript.pid, ...listTools() };
    this.sdkCall = { name: "TypeScript SDK, tools/call", url: sdk, pid: typescript.pid, ...callEcho() };
    this.plainList = { name: "TypeScript SDK with JSON schemas, tools/list", url: plain, pid: typescript.pid, ...listTools() };
    this.plainCall = { name: "TypeScript SDK with JSON schemas, tools/call", url: plain, pid: typescript.pid, ...callEcho() };
    this.coreList = { name: "core, tools/list", url: core, pid: conformance.pid, ...listTools() };
    this.coreCall = { name: "core, tools/call", url: core, pid: conformance.pid, ...callEcho() };
    await this.#checkSameList();
  }

  /** The three workers of the product and the model that they ask. */
  async #startProduct() {
    const model = await startStandIn();
    this.#ending.push(() => model.close());
    const keys = await makeKeys();
    const product = await this.#stack("product", ["coordinator", "chatgpt", "fortress"], {
      secrets: { ...keys.secrets, OPENAI_API_KEY: "sk-stand-in" },
      vars: { OPENAI_BASE_URL: model.url, LOG_LEVEL: "warn" },
    });
    await admitDevToken(product, keys);
    const bearer = { authorization: `Bearer ${keys.token}` };
    const { pid, urls } = product;
    const name = "chatgpt_complete";
    this.product = product;
    this.keys = keys;
    this.coordinatorList = { name: "coordinator, tools/list with a key", url: `${urls.coordinator}/mcp`, pid, ...listTools(bearer) };
    this.complete = {
      name,
      url: `${urls.chatgpt}/mcp`,
      pid,
      ...request("tools/call", { name, arguments: QUESTION }, bearer),
      wanted: '"recorded":true',
    };
    this.model = {
      name: "stand-in model, direct",
      url: `${model.url}/chat/completions`,
      pid: process.pid,
      headers: { "content-type": "application/json", authorization: "Bearer sk-stand-in" },
      body: JSON.stringify(QUESTION),
      wanted: '"choices":[',
    };
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

  /** Comparable only if all list the same: the same tools, where the schemas are passed on with the same ones. */
  async #checkSameList() {
    const [ours, theirs, plain] = await Promise.all([this.coreList, this.sdkList, this.plainList].map(once));
    if (named(ours) !== named(theirs) || shape(ours) !== shape(plain)) throw new Error("the servers do not list the same tools");
    this.list.bytesTypeScript = theirs.length;
  }

  async stop() {
    for (const end of this.#ending.reverse()) await end();
  }
}

async function listed(url) {
  const text = await once({ name: "core, tools/list", url, ...listTools() });
  const { result } = JSON.parse(text);
  if (result.nextCursor) throw new Error("the conformance worker lists its tools on more than one page");
  return { tools: result.tools, bytes: text.length };
}

const toolsOf = (text) => JSON.parse(text).result.tools;
const named = (text) => JSON.stringify(toolsOf(text).map(({ name, description }) => [name, description]));
const shape = (text) => JSON.stringify(toolsOf(text).map(({ name, description, inputSchema }) => sorted({ name, description, inputSchema })));

/** The workerd processes that this one has started and that still run. */
function children() {
  const pids = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ").map(Number);
  return pids.filter((pid) => pid && readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("workerd"));
}

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}
