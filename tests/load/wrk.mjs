// Load by wrk: one request again and again, from one thread.
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { usedBy } from "./cpu.mjs";

const SCRIPT = fileURLToPath(new URL("request.lua", import.meta.url));
const run = promisify(execFile);

/**
 * A request that wrk can send.
 *
 * @typedef {object} Case
 * @property {string} name
 * @property {string} url
 * @property {Record<string, string>} headers
 * @property {string} [body] it is a GET without one
 * @property {string} wanted part of every right answer
 * @property {number} pid the server's process
 */

const methodOf = (body) => (body === undefined ? "GET" : "POST");

/** Sends the request of `subject` once and returns the answer's text; throws if it is not the right one. */
export async function once({ name, url, headers, body, wanted }) {
  const response = await fetch(url, { method: methodOf(body), headers, body });
  const text = await response.text();
  if (!response.ok || !text.includes(wanted)) {
    throw new Error(`${name}: status ${response.status}, and the answer is not the one wanted: ${text.slice(0, 400)}`);
  }
  return text;
}

/**
 * Loads `subject` for `seconds` and returns what came of it: `rate` in requests a second, `p50`,
 * `p95` and `p99` in milliseconds, `cpu` in microseconds of the server's process for each request. Throws if any
 * answer was not the right one.
 *
 * @param {Case} subject
 */
export async function load(subject, { folder, seconds, concurrency }) {
  const file = join(folder, "request");
  const head = Object.entries(subject.headers).map(([name, value]) => `${name}: ${value}`);
  writeFileSync(file, `${head.join("\n")}\n\n${subject.body ?? ""}`);
  const before = usedBy(subject.pid);
  const { stdout } = await run("wrk", [
    "--threads", "1", "--connections", String(concurrency), "--duration", `${seconds}s`, "--timeout", "10s",
    "--latency", "--script", SCRIPT, subject.url, "--", file, subject.wanted, methodOf(subject.body),
  ], { timeout: (seconds + 30) * 1000 });
  const used = usedBy(subject.pid) - before;

  const line = stdout.split("\n").find((text) => text.startsWith("RESULT "));
  if (!line) throw new Error(`${subject.name}: wrk did not report: ${stdout}`);
  const result = JSON.parse(line.slice("RESULT ".length));
  const { requests, refused, wrong, broken } = result;
  if (requests === 0 || refused + wrong + broken > 0) {
    throw new Error(`${subject.name}: of ${requests} answers ${refused} were not 2xx, ${wrong} not the right ones; ${broken} connections broke`);
  }
  const [p50, p95, p99] = [result.p50 / 1000, result.p95 / 1000, result.p99 / 1000];
  return { requests, rate: requests / result.seconds, p50, p95, p99, cpu: used / requests };
}
