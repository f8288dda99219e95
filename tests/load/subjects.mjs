// What is measured of MCP: servers, and the requests they get.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../scripts/lib/stack.mjs";
import { bundle } from "./bundle.mjs";
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

/** An MCP request as a stateless client sends it. */
export function request(method, params, headers = {}) {
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
  await bundle("typescript", { "listed-tools": listed });
}

/** @param {import("./servers.mjs").Servers} servers */
export async function startSubjects(servers) {
  const conformance = await servers.worker("conformance");
  const { tools, bytes } = await listed(`${conformance.urls.conformance}/mcp`);
  await bundleTypeScript(tools);
  const bare = await servers.worker("bare");
  const typescript = await servers.worker("typescript");

  const core = `${conformance.urls.conformance}/mcp`;
  const sdk = `${typescript.urls.typescript}/mcp`;
  const plain = `${typescript.urls.typescript}/json-schema`;
  const subjects = {
    bare: { name: "bare Rust worker", url: bare.urls.bare, pid: bare.pid, ...callEcho() },
    sdkList: { name: "TypeScript SDK, tools/list", url: sdk, pid: typescript.pid, ...listTools() },
    sdkCall: { name: "TypeScript SDK, tools/call", url: sdk, pid: typescript.pid, ...callEcho() },
    plainList: { name: "TypeScript SDK with JSON schemas, tools/list", url: plain, pid: typescript.pid, ...listTools() },
    plainCall: { name: "TypeScript SDK with JSON schemas, tools/call", url: plain, pid: typescript.pid, ...callEcho() },
    coreList: { name: "core, tools/list", url: core, pid: conformance.pid, ...listTools() },
    coreCall: { name: "core, tools/call", url: core, pid: conformance.pid, ...callEcho() },
    ...ofProduct(await servers.product()),
  };
  /** What both MCP servers list. */
  const list = { count: tools.length, bytes, bytesTypeScript: await checkSameList(subjects) };
  return { subjects, list };
}

function ofProduct({ urls, pid, keys, model }) {
  const bearer = { authorization: `Bearer ${keys.token}` };
  const name = "chatgpt_complete";
  return {
    coordinatorList: { name: "coordinator, tools/list with a key", url: `${urls.coordinator}/mcp`, pid, ...listTools(bearer) },
    complete: {
      name,
      url: `${urls.chatgpt}/mcp`,
      pid,
      ...request("tools/call", { name, arguments: QUESTION }, bearer),
      wanted: '"recorded":true',
    },
    model: {
      name: "stand-in model, direct",
      url: `${model.url}/chat/completions`,
      pid: process.pid,
      headers: { "content-type": "application/json", authorization: "Bearer sk-stand-in" },
      body: JSON.stringify(QUESTION),
      wanted: '"choices":[',
    },
  };
}

/**
 * Comparable only if all list the same: the same tools, where the schemas are passed on with the same ones.
 * Returns how long the SDK's list is.
 */
async function checkSameList({ coreList, sdkList, plainList }) {
  const [ours, theirs, plain] = await Promise.all([coreList, sdkList, plainList].map(once));
  if (named(ours) !== named(theirs) || shape(ours) !== shape(plain)) throw new Error("the servers do not list the same tools");
  return theirs.length;
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

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}
