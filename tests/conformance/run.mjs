#!/usr/bin/env node
// Runs the official conformance suite in both eras, and our own checks, against the built
// test-only worker in one workerd. Ends with one line of counts.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startStack, ROOT } from "../../scripts/lib/stack.mjs";
import { META, TASKS, modernHeaders } from "./support.mjs";

const USAGE = `Usage: node tests/conformance/run.mjs [--only NAME | --serve] [--help]

Runs the scenarios that protocol revisions 2026-07-28 and 2025-11-25 require, then the tests in
tests/conformance/*.test.mjs. Ends with the line "N passed, N failed". Build first:
./scripts/build --conformance

  --only NAME   2026-07-28, 2025-11-25 or own
  --serve       start the worker on port 8790 and keep serving, for use with the suite by hand`;

const SUITE = join(ROOT, "node_modules/@modelcontextprotocol/conformance/dist/index.js");
const REVISIONS = ["2026-07-28", "2025-11-25"];
const OWN = ["isolation", "cancellation", "bad-input", "clients", "database"].map((name) => join(ROOT, `tests/conformance/${name}.test.mjs`));

const OWN_TIMEOUT_MS = 60_000;
/** For the suite, or all own checks together. */
const RUN_TIMEOUT_MS = 600_000;
const SIGNALS = { SIGINT: 2, SIGTERM: 15 };

/** What is running now: a signal ends it. */
let child;

/** Runs node with `args`, passes its output on, and resolves to the exit code and that output. */
function run(args, env = {}) {
  return new Promise((resolve, reject) => {
    child = spawn(process.execPath, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"], timeout: RUN_TIMEOUT_MS });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        output += text;
        process.stdout.write(text);
      });
    }
    child.on("error", reject).on("close", (code) => resolve({ code, output }));
  });
}

/** Scored scenarios that passed and failed, from the suite's own summary. */
async function runSuite(url, revision) {
  console.log(`\n== MCP conformance, required by ${revision}`);
  const { code, output } = await run([SUITE, "server", "--url", `${url}/mcp`, "--requirements", revision]);
  return suiteCounts(output, code);
}

async function runOwn(url) {
  console.log("\n== Own checks");
  const { code, output } = await run(["--test", "--test-reporter=spec", "--test-concurrency=1", `--test-timeout=${OWN_TIMEOUT_MS}`, ...OWN], { CONFORMANCE_URL: url });
  const count = (name) => Number(output.match(new RegExp(`^. ${name} (\\d+)$`, "m"))?.[1] ?? 0);
  const [passed, failed] = [count("pass"), count("fail") + count("cancelled")];
  return { passed, failed: code === 0 && passed > 0 ? failed : Math.max(failed, 1) };
}

/** A task whose worker is killed is given up, with its reason, when it is looked at next. */
async function runRestart(stack, restart) {
  console.log("\n== A power cut in the middle of a task");
  const made = await taskOf(stack.urls.conformance, "tools/call", { name: "slow_compute", arguments: { seconds: 60 } });
  await stack.kill();
  const { urls } = await restart();
  const after = await taskOf(urls.conformance, "tasks/get", { taskId: made.taskId });
  const held = made.status === "working" && after.status === "failed" && /interrupted/.test(after.error.message);
  console.log(held ? "✔ the task failed, with its reason" : `✖ the task is ${JSON.stringify(after)}`);
  return { passed: held ? 1 : 0, failed: held ? 0 : 1 };
}

async function taskOf(url, method, params) {
  const meta = { ...META, ...TASKS };
  const response = await fetch(`${url}/mcp`, {
    method: "POST",
    headers: modernHeaders(method, params.name ?? params.taskId),
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: meta } }),
  });
  const { result, error } = await response.json();
  if (error) throw new Error(`${method}: ${error.message}`);
  return result;
}

/** The suite lists each scenario it ran, then those that it does not score; its exit code is about the others. */
function suiteCounts(output, code) {
  const [summary, unscored = ""] = output.slice(output.lastIndexOf("=== SUMMARY ===")).split(/^Not scored for /m);
  const names = (text, mark) => [...text.matchAll(new RegExp(`^ *${mark} ([\\w/-]+)`, "gm"))].map(([, name]) => name);
  const reported = new Set([...names(unscored, "✓"), ...names(unscored, "✗")]);
  // Such a scenario found nothing to check here: it shows neither that we pass nor that we fail.
  const empty = new Set([...summary.matchAll(/^✓ ([\w/-]+): 0 passed, 0 failed$/gm)].map(([, name]) => name));
  const passed = names(summary, "✓").filter((name) => !reported.has(name) && !empty.has(name)).length;
  // What the revision does not score has passed here before, so a failure is ours all the same.
  const failed = names(summary, "✗").length;
  const besides = names(unscored, "✓").filter((name) => !empty.has(name)).length;
  console.log(`${passed} scored scenarios passed, ${failed} failed; besides them ${besides} passed that are not scored`);
  if (empty.size > 0) console.log(`without a check of their own, and not counted: ${[...empty].join(", ")}`);
  // Nothing passed, or a bad exit without a failed scenario: the suite itself broke.
  return { passed, failed: passed === 0 || (code !== 0 && failed === 0) ? failed + 1 : failed };
}

function only(args) {
  const at = args.indexOf("--only");
  return at < 0 ? undefined : args[at + 1];
}

async function main(args) {
  if (args.includes("--help") || args.includes("-h")) return console.log(USAGE);
  const serve = args.includes("--serve");
  const state = mkdtempSync(join(tmpdir(), "chitty-conformance-"));
  const start = () => startStack({ workers: ["conformance"], ports: serve ? {} : { conformance: 0 }, persist: state });
  // In good order or not: workerd goes by itself when this process ends.
  process.once("exit", () => rmSync(state, { recursive: true, force: true, maxRetries: 3 }));
  for (const [signal, number] of Object.entries(SIGNALS)) {
    process.once(signal, () => {
      child?.kill();
      process.exit(128 + number);
    });
  }
  let stack = await start();
  if (serve) {
    console.log(`serving ${stack.urls.conformance}/mcp; Ctrl-C ends it`);
    return;
  }
  try {
    const wanted = only(args);
    const totals = [];
    for (const revision of REVISIONS) {
      if (!wanted || wanted === revision) totals.push(await runSuite(stack.urls.conformance, revision));
    }
    if (!wanted || wanted === "own") {
      totals.push(await runOwn(stack.urls.conformance));
      totals.push(await runRestart(stack, async () => (stack = await start())));
    }
    if (totals.length === 0) throw new Error(`--only ${wanted}: name ${REVISIONS.join(", ")} or own`);
    const sum = (key) => totals.reduce((total, one) => total + one[key], 0);
    console.log(`\n${sum("passed")} passed, ${sum("failed")} failed`);
    if (sum("failed") > 0) process.exitCode = 1;
  } finally {
    await stack.stop();
  }
}

await main(process.argv.slice(2));
