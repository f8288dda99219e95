// scripts/run's job as an operator sees it: what is printed, and the exit code that a script goes by.
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ROOT } from "../../scripts/lib/stack.mjs";

const JOB = join(ROOT, "scripts/lib/run.mjs");
const TIMEOUT_MS = 120_000;
const VERDICTS = [
  "execution completed",
  "signed by fortress",
  "signature valid",
  "two facts logged",
  "facts proven in the chain",
  "evidence recorded",
  "evidence package made",
];

const folder = mkdtempSync(join(tmpdir(), "chitty-run-"));
const keys = join(folder, "keys.json");
after(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the job on free ports and storage of its own; `settings` are its environment. */
function job(settings = {}) {
  const { OPENAI_API_KEY, OPENAI_BASE_URL, CHITTY_MODEL, CHITTY_CALLER_DIR, NODE_TEST_CONTEXT, ...env } = process.env;
  const args = [JOB, "--once", "--port", "0", "--state", join(folder, "state"), "--keys", keys];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: TIMEOUT_MS, env: { ...env, ...settings } }, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, stdout, stderr }));
  });
}

test("the main job ends well: every verdict holds, and the keys are its own", async () => {
  const { code, stdout, stderr } = await job();
  assert.equal(code, 0, stderr + stdout);
  assert.match(stdout, /^Model: a stand-in for gpt-4/m);
  assert.match(stdout, /^ +model +gpt-4/m);
  assert.deepEqual([...stdout.matchAll(/^ *✓ (.+)$/gm)].map(([, verdict]) => verdict), VERDICTS);
  assert.doesNotMatch(stdout, /✗/);
  assert.equal(statSync(keys).mode & 0o777, 0o600);
  const { token } = JSON.parse(readFileSync(keys, "utf8"));
  assert.ok(!stdout.includes(token) && !stderr.includes(token), "a token was printed that nobody needs");
});

test("a model that is out of reach ends it with its reason, and a code of failure", async () => {
  const { code, stdout, stderr } = await job({ OPENAI_BASE_URL: "http://127.0.0.1:1/v1" });
  assert.equal(code, 1, stdout);
  assert.match(stdout, /^Model: gpt-4 at http:\/\/127\.0\.0\.1:1\/v1, with a placeholder for the key/m);
  assert.match(stderr, /^error: chitty_secure_ai_execute: .*unavailable.*\(MODEL_UNAVAILABLE, request [0-9a-f-]{36}\)$/m);
  assert.doesNotMatch(stdout, /✓/);
});

test("a model that nobody knows ends it likewise", async () => {
  const { code, stdout, stderr } = await job({ CHITTY_MODEL: "no-such-model" });
  assert.equal(code, 1, stdout);
  assert.match(stderr, /^error: chitty_secure_ai_execute: .*no-such-model.*\(MODEL_UNKNOWN, /m);
});

test("what is no port is said before anything is built", () => {
  for (const port of ["abc", "-1", "65533", "1e3", ""]) {
    const { status, stdout, stderr } = spawnSync(join(ROOT, "scripts/run"), ["--port", port], { encoding: "utf8" });
    assert.deepEqual([status, stdout, stderr], [2, "", "error: --port takes a number from 0 to 65532\n"], port);
  }
});
