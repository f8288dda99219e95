// The Fortress server beside the workers, on a stand-in model, with an agent in a real sandbox.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ROOT } from "../../scripts/lib/stack.mjs";

const API_KEY = "e2e-fortress-api-key-0123456789abcdef";
/** The server does not run as root. Nobody has this user id. */
const UID = 1_900_000_000 + (process.pid % 100_000);

/** The native program, which scripts/test builds. */
function program() {
  const path = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "debug/chitty");
  if (!existsSync(path)) throw new Error(`${path} is missing: cargo build -p chitty-cli`);
  return path;
}

/** A folder with what the server reads, as the user that it runs as may read it. */
function prepare(key) {
  const folder = mkdtempSync(join(tmpdir(), "chf-"));
  chmodSync(folder, 0o755);
  copyFileSync(program(), join(folder, "chitty"));
  copyFileSync(join(ROOT, "tests/standins/agent.pl"), join(folder, "agent.pl"));
  chmodSync(join(folder, "agent.pl"), 0o644);
  writeFileSync(join(folder, "key.asc"), key);
  mkdirSync(join(folder, "data"));
  if (process.getuid() === 0) for (const path of ["data", "key.asc"]) chownSync(join(folder, path), UID, UID);
  return folder;
}

function begin(folder, modelUrl, listen) {
  const agent = join(folder, "agent.pl");
  const line = [
    ...(process.getuid() === 0 ? ["setpriv", "--reuid", `${UID}`, "--regid", `${UID}`, "--clear-groups", "--"] : []),
    ...[join(folder, "chitty"), "fortress", "serve", "--listen", listen, "--data", join(folder, "data"), "--development"],
    ...["--model-url", modelUrl, "--concurrency", "8", "--bind", agent, "--", "/usr/bin/perl", agent],
  ];
  const env = {
    PATH: "/usr/local/bin:/usr/bin:/bin",
    FORTRESS_API_KEY: API_KEY,
    PGP_PRIVATE_KEY_FILE: join(folder, "key.asc"),
    OPENAI_API_KEY: "sk-e2e-0123456789abcdef",
  };
  return spawn(line[0], line.slice(1), { cwd: "/", env, stdio: ["ignore", "ignore", "pipe"] });
}

/** The address that it says it listens at. */
function listening(server) {
  const said = [];
  return new Promise((resolve, reject) => {
    createInterface({ input: server.stderr }).on("line", (text) => {
      said.push(text);
      const event = text.startsWith("{") ? JSON.parse(text) : {};
      if (event.event === "listening") resolve(event.fields.address);
    });
    server.once("error", reject);
    server.once("exit", () => reject(new Error(`the Fortress server ended: ${said.join("\n")}`)));
  });
}

/**
 * Starts one that signs with `key` and asks the model at `modelUrl`.
 *
 * @returns {Promise<{vars: Record<string, string>, restart: () => Promise<void>, close: () => Promise<void>}>} `vars`: what the
 *   workers are told of it; `restart` kills it under whatever runs, and starts it again on the same data and address
 */
export async function startFortressServer({ key, modelUrl }) {
  const folder = prepare(key);
  let server = begin(folder, modelUrl, "127.0.0.1:0");
  const end = async () => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, "exit");
    server.kill("SIGKILL");
    await ended;
  };
  const close = async () => {
    await end();
    rmSync(folder, { recursive: true, force: true });
  };
  const restart = async () => {
    await end();
    server = begin(folder, modelUrl, address);
    await listening(server);
  };
  let address;
  try {
    address = await listening(server);
  } catch (error) {
    await close();
    throw error;
  }
  return { vars: { FORTRESS_API_URL: `http://${address}`, FORTRESS_API_KEY: API_KEY }, restart, close };
}
