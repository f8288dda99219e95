// The REST face against what its own document allows and forbids: schemathesis makes the requests and checks the
// answers. A request that it finds is told as a curl command.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { startWorld, unique, admit } from "./support.mjs";

const PYTHON = process.env.SCHEMATHESIS_PYTHON;
const skip = !PYTHON && "SCHEMATHESIS_PYTHON names no Python with the package schemathesis: ./scripts/test sets it";
const SEED = "20261121";
const CHECKS = [
  "not_a_server_error",
  "status_code_conformance",
  "content_type_conformance",
  "response_schema_conformance",
  "response_headers_conformance",
  "negative_data_rejection",
];
const WAYS = {
  "every bound of what is allowed": ["--phases", "coverage", "--mode", "positive"],
  "what is allowed and what is not, at random": ["--phases", "fuzzing", "--max-examples", "8"],
};

let world;
before(async () => void (world = skip || (await startWorld({ vars: { ANTHROPIC_API_KEY: "sk-ant-e2e" } }))));
after(() => world?.close?.());

function schemathesis(...options) {
  const told = ["-m", "schemathesis.cli", "run", `${world.stack.urls.chatgpt}/api/v1/openapi.json`, "--no-color", ...options];
  return new Promise((resolve) => {
    execFile(PYTHON, told, { cwd: world.folder, timeout: 120_000, maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
      resolve({ code: error ? (error.code ?? error.signal) : 0, said: stdout + stderr }));
  });
}

describe("whatever is asked, the answer is as described", { skip, concurrency: 2 }, () => {
  for (const [which, options] of Object.entries(WAYS)) {
    test(which, async () => {
      const token = await admit(world, { user_id: unique("fuzz"), scopes: '["chatgpt:*"]' });
      const { code, said } = await schemathesis(
        ...["--header", `Authorization: Bearer ${token}`, "--checks", CHECKS.join(",")],
        ...["--seed", SEED, "--generation-database", "none", ...options],
      );
      assert.equal(code, 0, said);
      assert.match(said, /Tested: (3[2-9]|[4-9]\d)\n/);
    });
  }
});
