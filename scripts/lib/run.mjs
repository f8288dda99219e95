// The part of scripts/run that needs Node: keys, workers, model, the main job, then serving.
import { relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { DEV_KEYS_FILE, admitDevToken, ensureDevKeys } from "./dev-keys.mjs";
import { describe, runMainJob } from "./main-job.mjs";
import { verifierKey } from "./note-keys.mjs";
import { freePort, PRODUCT, ROOT, startStack, WORKERS } from "./stack.mjs";

const PUBLIC_MODEL_URL = "https://api.openai.com/v1";
/** What a model on this machine, which checks no key, is sent. */
const KEYLESS = "no-key";
/** The coordinator's cron trigger, which nothing else runs here. */
const CRON_EVERY_MS = 60_000;

const { values: options } = parseArgs({
  options: {
    once: { type: "boolean" },
    port: { type: "string" },
    state: { type: "string" },
    keys: { type: "string" },
    verbose: { type: "boolean" },
  },
});

/** Ports side by side from the one asked for, which scripts/run has checked, free ones for 0, else the workers' own. */
function portsFrom(port) {
  if (port === undefined) return Object.fromEntries(Object.entries(WORKERS).map(([name, { port }]) => [name, port]));
  const first = Number(port);
  const [chatgpt, fortress, witness] = first === 0 ? [0, 0, 0] : [first + 1, first + 2, first + 3];
  return { coordinator: first, chatgpt, fortress, witness };
}

/** A witness of the log on this machine: it shows how one works, and is nobody else's word. */
async function ownWitness(ports, keys) {
  const port = ports.witness || (await freePort());
  const { signer, verifier } = keys.witness;
  return {
    ports: { ...ports, witness: port },
    secrets: { WITNESS_SIGNING_KEY: signer, WITNESS_LOGS: verifierKey(keys.secrets.CHAIN_SIGNING_KEY) },
    policy: `witness local ${verifier} http://127.0.0.1:${port}\nquorum local`,
  };
}

/** A path as given on the command line, from where that was typed. */
const pathFrom = (path) => path && resolve(process.env.CHITTY_CALLER_DIR ?? ".", path);

/** The model to use: OpenAI or whatever OPENAI_BASE_URL names, or the stand-in where neither it nor a key is set. */
async function chooseModel() {
  const model = process.env.CHITTY_MODEL || "gpt-4";
  const { OPENAI_API_KEY: key, OPENAI_BASE_URL: base } = process.env;
  if (key || base) {
    const url = base || PUBLIC_MODEL_URL;
    const told = `${model} at ${url}${key ? "" : ", with a placeholder for the key (OPENAI_API_KEY is not set)"}`;
    return { model, key: key || KEYLESS, url, told, close: async () => {} };
  }
  const { startStandIn } = await import("../../tests/standins/openai.mjs");
  const standIn = await startStandIn({ port: 0 });
  const told = `a stand-in for ${model}, whose answers are made up (set OPENAI_API_KEY or OPENAI_BASE_URL to ask a real model)`;
  return { model, key: "sk-stand-in", url: standIn.url, told, close: () => standIn.close() };
}

function echo({ level, message }) {
  if (options.verbose || level === "error") process.stderr.write(`[${level}] ${message}\n`);
}

function howToConnect({ urls }, keys, file) {
  return [
    "Connect an MCP client (Streamable HTTP); it opens a page where you sign in with the key:",
    ...PRODUCT.map((name) => `  ${name.padEnd(12)}${urls[name]}/mcp`),
    `  ${"key".padEnd(12)}${keys.token}`,
    `  ${"or header".padEnd(12)}Authorization: Bearer ${keys.token}`,
    `  ${"account".padEnd(12)}${urls.coordinator}/account`,
    `  ${"witness".padEnd(12)}${urls.witness} (of the log, on this machine for show)`,
    `  (a development key of this machine, kept in ${relative(ROOT, file).startsWith("..") ? file : relative(ROOT, file)}; as user '${keys.userId}')`,
  ].join("\n");
}

async function main() {
  const ports = portsFrom(options.port);
  const keysFile = pathFrom(options.keys) ?? DEV_KEYS_FILE;
  const keys = await ensureDevKeys(keysFile);
  const model = await chooseModel();
  console.log(`Model: ${model.told}`);
  let stack;
  try {
    const witness = await ownWitness(ports, keys);
    stack = await startStack({
      workers: [...PRODUCT, "witness"],
      ports: witness.ports,
      persist: pathFrom(options.state),
      secrets: { ...keys.secrets, ...witness.secrets, OPENAI_API_KEY: model.key },
      vars: { OPENAI_BASE_URL: model.url, WITNESSES: witness.policy },
      log: echo,
    });
    await admitDevToken(stack, keys);
    const job = await runMainJob({ url: stack.urls.coordinator, token: keys.token, userId: keys.userId, model: model.model });
    console.log(describe(job));
    if (options.once) return Object.values(job.verdicts).every(Boolean);
    console.log(howToConnect(stack, keys, keysFile));
    console.log("\nServing. Ctrl-C stops.");
    const cron = setInterval(() => sweep(stack), CRON_EVERY_MS);
    await interrupted();
    clearInterval(cron);
    return true;
  } finally {
    await stack?.stop();
    await model.close();
  }
}

async function sweep(stack) {
  try {
    await stack.scheduled("coordinator");
  } catch (error) {
    console.error(`the coordinator's cron run failed: ${error.message}`);
  }
}

function interrupted() {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, resolve);
  });
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  const advice = error.code === "ERR_ADDRESS_IN_USE" ? "\nAnother program has the port; choose others with --port." : "";
  console.error(`error: ${error.message}${advice}`);
  process.exitCode = 1;
}
