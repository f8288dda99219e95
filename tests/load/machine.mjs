// Where and with what the figures were measured.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, getPriority, release, totalmem } from "node:os";
import { join } from "node:path";
import { ROOT } from "../../scripts/lib/stack.mjs";

const npmVersion = (name) => JSON.parse(readFileSync(join(ROOT, "node_modules", name, "package.json"), "utf8")).version;

function crateVersion(name) {
  const lock = readFileSync(join(ROOT, "Cargo.lock"), "utf8");
  return lock.match(new RegExp(`name = "${name}"\nversion = "([^"]+)"`))?.[1] ?? "unknown";
}

/** wrk prints its version with its help, and then exits with 1. */
function wrkVersion() {
  try {
    return execFileSync("wrk", ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch (error) {
    return String(error.stdout ?? "");
  }
}

function system() {
  const text = readFileSync("/etc/os-release", "utf8");
  return `${text.match(/^PRETTY_NAME="?([^"\n]*)/m)?.[1] ?? "Linux"}, kernel ${release()}`;
}

export function describeMachine(args) {
  const rustc = execFileSync(process.env.CHITTY_RUSTC ?? "rustc", ["--version"], { encoding: "utf8" }).split(" ")[1];
  const versions = [
    `rustc ${rustc}`,
    `worker ${crateVersion("worker")}`,
    `wasm-bindgen ${crateVersion("wasm-bindgen")}`,
    ...["workerd", "miniflare", "@modelcontextprotocol/server", "@cloudflare/workers-oauth-provider"].map((name) => `${name} ${npmVersion(name)}`),
    `Node ${process.versions.node}`,
    wrkVersion().split(" ").slice(0, 2).join(" "),
  ];
  return {
    date: new Date().toISOString().slice(0, 10),
    cores: cpus().length,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    memory: Math.round(totalmem() / 2 ** 30),
    system: system(),
    versions: versions.join(", "),
    command: [...(getPriority() === 0 ? [] : ["nice", "-n", String(getPriority())]), "./scripts/bench", ...args].join(" "),
  };
}
