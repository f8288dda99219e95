// What the tests share: the three workers in one workerd with a stand-in model, and callers to them.
import assert from "node:assert/strict";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { admitDevToken, makeKeys } from "../../scripts/lib/dev-keys.mjs";
import { PRODUCT, startStack } from "../../scripts/lib/stack.mjs";
import { startStandIn } from "../standins/openai.mjs";
import { startFortressServer } from "./fortress-server.mjs";

export const MODERN = "2026-07-28";
export const LEGACY = "2025-11-25";
export const MODEL_KEY = "sk-e2e-0123456789abcdef";
const LIFE_MS = 24 * 60 * 60 * 1000;
const POLL_MS = 25;

export const sha256 = (data) => createHash("sha256").update(data).digest("hex");

/** What is tested is rarely the limits. */
const UNBOUNDED = JSON.stringify({ requests_per_minute: 100_000, tokens_per_minute: { "*": 1_000_000_000, "gpt-4": 1_000_000_000, "gpt-3.5": 1_000_000_000 }, concurrent: 1_000 });

let remote = false;

/** From now on the fortress gives its runs to a Fortress server, which each world has one of. */
export function overFortressServer() {
  remote = true;
}

/**
 * Starts everything on storage and keys of its own. `restart` starts the workers again on the same
 * storage, with other secrets and variables if wanted, and at the same addresses with `stay`; `close` ends all and
 * removes the storage.
 */
export async function startWorld(overrides = {}) {
  const folder = mkdtempSync(join(tmpdir(), "chitty-e2e-"));
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  // A run that is interrupted does not come to `close`.
  process.once("exit", remove);
  const [keys, model] = await Promise.all([makeKeys(), startStandIn()]);
  const world = { folder, keys, model, token: keys.token, user: keys.userId };
  if (remote) world.fortressServer = await startFortressServer({ key: keys.secrets.PGP_PRIVATE_KEY, modelUrl: model.url });
  world.restart = async ({ secrets = {}, vars = {}, stay = false, outbound, points, shield, fronts } = {}) => {
    await world.stack?.stop();
    const portOf = (name) => (stay ? Number(new URL(world.stack.urls[name]).port) : 0);
    world.stack = await startStack({
      ports: Object.fromEntries(PRODUCT.map((name) => [name, portOf(name)])),
      persist: folder,
      secrets: { ...keys.secrets, OPENAI_API_KEY: MODEL_KEY, ...secrets },
      vars: { OPENAI_BASE_URL: model.url, ANTHROPIC_BASE_URL: model.url, RATE_LIMITS: UNBOUNDED, CHAIN_ROUND_MS: "50", ...world.fortressServer?.vars, ...vars },
      outbound,
      points,
      shield,
      fronts,
    });
    await admitDevToken(world.stack, keys);
  };
  world.close = async () => {
    await world.stack?.stop();
    await world.fortressServer?.close();
    await model.close();
    remove();
    process.off("exit", remove);
  };
  try {
    await world.restart(overrides);
  } catch (error) {
    await world.close();
    throw error;
  }
  return world;
}

/** Admits a new token and returns it. `row` overrides columns of its row in `api_tokens`. */
export async function admit(world, row = {}, token = `e2e_service_${randomBytes(24).toString("hex")}`) {
  const now = Date.now();
  const columns = {
    id: `TOKEN-${randomUUID()}`,
    user_id: world.user,
    token_hash: sha256(token),
    key_prefix: token.slice(0, 16),
    name: "e2e",
    scopes: '["admin:*"]',
    status: "active",
    created_at: now,
    expires_at: now + LIFE_MS,
    type: "bearer",
    ...row,
  };
  const names = Object.keys(columns);
  await world.stack.d1(
    `INSERT INTO api_tokens (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`,
    Object.values(columns),
  );
  return token;
}

/** POSTs to a worker's /mcp as a caller of the handshake era. `body` may be a value, text or bytes. */
export function post(world, worker, body, { token = world.token, headers = {}, ...options } = {}) {
  const plain = typeof body === "string" || body instanceof Uint8Array || body instanceof ReadableStream;
  return fetch(`${world.stack.urls[worker]}/mcp`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": LEGACY,
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...headers,
    },
    body: plain ? body : JSON.stringify(body),
    ...options,
  });
}

export const request = (method, params = {}, id = 1) => ({ jsonrpc: "2.0", id, method, params });

/** A request of the 2026 era: its body and the headers that mirror it. */
export function modern(method, params = {}) {
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": { name: "e2e", version: "1.0.0" },
    "io.modelcontextprotocol/clientCapabilities": {},
    ...params._meta,
  };
  return {
    body: request(method, { ...params, _meta }),
    headers: {
      "mcp-protocol-version": MODERN,
      "mcp-method": method,
      ...(params.name ? { "mcp-name": params.name } : {}),
    },
  };
}

/** The messages of a reply as they come, be it JSON or an event stream. */
export async function* messages(response) {
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
    yield await response.json();
    return;
  }
  let rest = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5)).join("\n");
      if (data) yield JSON.parse(data);
    }
  }
  assert.equal(rest, "", "the stream ended inside an event");
}

/** Calls a tool and returns its result, good or failed. */
export async function call(world, worker, name, args = {}, options = {}) {
  const response = await post(world, worker, request("tools/call", { name, arguments: args }), options);
  let last;
  for await (const message of messages(response)) last = message;
  assert.ok(last?.result, `${name} gave no result: ${JSON.stringify(last)}`);
  return last.result;
}

/** The structured result of a tool call that must succeed. */
export async function good(world, worker, name, args, options) {
  const result = await call(world, worker, name, args, options);
  assert.ok(!result.isError, `${name}: ${result.content?.[0]?.text}`);
  assert.deepEqual(JSON.parse(result.content[0].text), result.structuredContent);
  return result.structuredContent;
}

/** The error of a tool call that must fail: `{code, message, request_id, details?}`. */
export async function bad(world, worker, name, args, options) {
  const result = await call(world, worker, name, args, options);
  assert.equal(result.isError, true, `${name} succeeded: ${JSON.stringify(result.structuredContent)}`);
  const { error } = JSON.parse(result.content[0].text);
  assertExplains(error.message);
  assert.match(error.request_id, /^[\w.-]{8,64}$/);
  return error;
}

export const execute = (world, args, options) => good(world, "coordinator", "chitty_secure_ai_execute", args, options);
export const run = (world, args, options) => good(world, "fortress", "fortress_secure_execute", args, options);

/** A message for people: some words, not a bare code. */
export function assertExplains(message) {
  assert.equal(typeof message, "string");
  assert.ok(message.trim().split(/\s+/).length >= 4, `says too little: ${message}`);
}

/** Asks again until `probe` gives something truthy, and returns that. */
export async function until(what, probe, ms = 15_000) {
  const end = Date.now() + ms;
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${ms} ms for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

export async function row(world, table, id, column = "id") {
  const found = await world.stack.d1(`SELECT * FROM ${table} WHERE ${column} = ?`, [id]);
  assert.equal(found.length, 1, `${table} has ${found.length} rows of ${id}`);
  return found[0];
}

/** Names of all tables. */
export async function tables(world) {
  const found = await world.stack.d1(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_cf_%'",
  );
  return found.map(({ name }) => name);
}

/** Every row of every table: `{table: rows}`. */
export async function dump(world) {
  const all = {};
  for (const name of await tables(world)) all[name] = await world.stack.d1(`SELECT * FROM ${name}`);
  return all;
}

/** What the model was asked whose prompt contains `text`. */
export const asked = (world, text) => world.model.requests.filter(({ body }) => JSON.stringify(body).includes(text));

/** A word that occurs nowhere else. */
export const unique = (word) => `${word}-${randomBytes(8).toString("hex")}`;
