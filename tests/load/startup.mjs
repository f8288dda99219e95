// How large each worker is, and how long from starting workerd to its first answer.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import workerd from "workerd";
import { ROOT } from "../../scripts/lib/stack.mjs";
import { spread } from "./statistics.mjs";

const MB = 1_000_000;
/** Folder of each built worker, and the most its wasm may have gzipped. */
const BUILT = {
  bare: { folder: "tests/load/bare/build" },
  coordinator: { folder: "src/coordinator/build", limit: MB },
  chatgpt: { folder: "src/chatgpt/build", limit: MB },
  fortress: { folder: "src/fortress/build", limit: 1.5 * MB },
};
const PATIENCE_MS = 20_000;

// No bindings: the answer says that the worker is not set up, which is an answer.
const CONFIG = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [
    (name = "index.js", esModule = embed "index.js"),
    (name = "index_bg.wasm", wasm = embed "index_bg.wasm"),
  ],
  compatibilityDate = "2026-11-01",
  compatibilityFlags = ["no_nodejs_compat", "no_nodejs_compat_v2"],
);
`;

/**
 * Sizes in bytes and times in milliseconds: `[{name, wasm, gzipped, limit, start}]`, the workers started in turn.
 *
 * @param {{parent: string, rounds: number}} options `parent` is a folder for what is needed on the way
 */
export async function measureStarts({ parent, rounds }) {
  const workers = Object.entries(BUILT).map(([name, { folder, limit }]) => {
    const wasm = readFileSync(join(ROOT, folder, "index_bg.wasm"));
    return { name, limit, wasm: wasm.length, gzipped: gzipSync(wasm, { level: 9 }).length, folder: prepare(parent, join(ROOT, folder)), times: [] };
  });
  try {
    for (let round = 0; round < rounds; round++) {
      for (const worker of workers) worker.times.push(await startOnce(worker.folder));
    }
  } finally {
    for (const { folder } of workers) rmSync(folder, { recursive: true, force: true });
  }
  return workers.map(({ name, wasm, gzipped, limit, times }) => ({ name, wasm, gzipped, limit, start: spread(times) }));
}

/** workerd reads only what lies beside its configuration. */
function prepare(parent, built) {
  const folder = mkdtempSync(join(parent, "start-"));
  for (const file of ["index.js", "index_bg.wasm"]) copyFileSync(join(built, file), join(folder, file));
  writeFileSync(join(folder, "config.capnp"), CONFIG);
  return folder;
}

async function startOnce(folder) {
  const started = performance.now();
  const child = spawn(workerd.default ?? workerd, ["serve", "config.capnp", "--control-fd=3"], { cwd: folder, stdio: ["ignore", "ignore", "pipe", "pipe"] });
  const gone = once(child, "exit");
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (said += text));
  try {
    const port = await Promise.race([listening(child), gone.then(() => { throw new Error(`workerd ended: ${said}`); })]);
    const response = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    await response.arrayBuffer();
    return performance.now() - started;
  } finally {
    child.kill("SIGKILL");
    await gone;
  }
}

async function listening(child) {
  let told = "";
  for await (const chunk of child.stdio[3]) {
    told += chunk;
    const event = told.split("\n").slice(0, -1).map((line) => JSON.parse(line)).find(({ event }) => event === "listen");
    if (event) return event.port;
  }
  throw new Error("workerd did not say where it listens");
}
