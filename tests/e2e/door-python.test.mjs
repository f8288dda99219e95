// The OpenAI-compatible door: OpenAI's client for Python, as it is, with our keys.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { admit, startWorld, unique } from "./support.mjs";

const PYTHON = process.env.OPENAI_PYTHON;
const skip = !PYTHON && "OPENAI_PYTHON names no Python with the package openai: ./scripts/test sets it";

test("what it does, it does here", { skip }, async (context) => {
  const world = await startWorld({ vars: { ANTHROPIC_API_KEY: "sk-ant-e2e" } });
  context.after(() => world.close());
  const keyOf = (user_id) => admit(world, { user_id, scopes: '["chatgpt:complete"]' });
  const poor = unique("poor");
  const objects = await world.stack.mf.getDurableObjectNamespace("USER_LEDGER", "chitty-chatgpt-mcp-dev");
  const body = JSON.stringify({ set_budget: { key_id: null, period: "month", caps: { soft: null, hard: 1_000 } } });
  const set = await objects.get(objects.idFromName(poor)).fetch("https://user-ledger.internal/", { method: "POST", body });
  assert.equal(set.status, 200);
  const told = [fileURLToPath(new URL("door.py", import.meta.url)), `${world.stack.urls.chatgpt}/v1`, await keyOf(unique("rich")), await keyOf(poor)];
  const { stdout } = await promisify(execFile)(PYTHON, told, { timeout: 60_000 });
  assert.match(stdout, /^openai \d/);
});
