// Claude Code as it is installed, from a bare URL to a tool call with a token of its own. Not in ./scripts/test: it is
// 364 MB under terms that each user accepts for themselves. Run it with
//   npx -y -p @anthropic-ai/claude-code@2.1.330 -c 'node --test tests/by-hand/claude-code.test.mjs'
// It asks no real model: a stand-in tells it which tool to call.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Response } from "miniflare";
import { Browser, refresh, refused, resource, userKey } from "../e2e/oauth.mjs";
import { makeOpener } from "../e2e/opener.mjs";
import { startWorld } from "../e2e/support.mjs";

const TOOL = "mcp__chittymcp__chitty_chain_verify";
/** What Claude Code is called, and the document behind that address as far as it concerns a server. */
const CLIENT_ID = "https://claude.ai/oauth/claude-code-client-metadata";
const DOCUMENT = {
  client_id: CLIENT_ID,
  client_name: "Claude Code",
  redirect_uris: ["http://localhost/callback", "http://127.0.0.1/callback"],
  grant_types: ["authorization_code", "refresh_token"],
  response_types: ["code"],
  token_endpoint_auth_method: "none",
};
/** Signing in needs a terminal. */
const IN_TERMINAL = ["-c", "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"];

let world;
let key;
let model;
let opener;
let env;
before(async () => {
  const outbound = async (request) => (request.url === CLIENT_ID ? Response.json(DOCUMENT) : fetch(request.url, request));
  world = await startWorld({ outbound });
  key = await userKey(world);
  model = await startModel();
  opener = makeOpener();
  env = { ...opener.env, ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: "none", CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1", ENABLE_TOOL_SEARCH: "false" };
  mkdirSync(join(opener.home, "project"));
});
after(async () => {
  await model?.close();
  await world?.close();
  opener?.close();
});

/** A model that has the tool called once, and then repeats what it answered. */
async function startModel() {
  const server = createServer(async (request, response) => {
    const { model: name, messages = [] } = JSON.parse((await request.setEncoding("utf8").toArray()).join(""));
    const result = messages.flatMap(({ content }) => content).find(({ type }) => type === "tool_result");
    const send = (type, fields) => response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`);
    const [block, delta, stop_reason] = result
      ? [{ type: "text", text: "" }, { type: "text_delta", text: JSON.stringify(result.content) }, "end_turn"]
      : [{ type: "tool_use", id: "toolu_1", name: TOOL, input: {} }, { type: "input_json_delta", partial_json: "{}" }, "tool_use"];
    const usage = { input_tokens: 1, output_tokens: 1 };
    response.writeHead(200, { "content-type": "text/event-stream" });
    send("message_start", { message: { id: "msg_1", type: "message", role: "assistant", model: name, content: [], stop_reason: null, stop_sequence: null, usage } });
    send("content_block_start", { index: 0, content_block: block });
    send("content_block_delta", { index: 0, delta });
    send("content_block_stop", { index: 0 });
    send("message_delta", { delta: { stop_reason, stop_sequence: null }, usage });
    send("message_stop", {});
    response.end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}

/** Runs a program with nothing to read, and returns what it said. */
async function run(program, args) {
  const running = promisify(execFile)(program, args, { env, cwd: join(opener.home, "project"), timeout: 60_000 });
  if (program === "claude") running.child.stdin.end();
  const { stdout, stderr } = await running;
  return stdout + stderr;
}
const claude = (...args) => run("claude", args);

const FILE = () => join(opener.home, ".claude/.credentials.json");
const kept = () => Object.values(JSON.parse(readFileSync(FILE(), "utf8")).mcpOAuth).find(({ serverName }) => serverName === "chittymcp");

/** Makes it believe that its access token has expired. */
function expire() {
  const all = JSON.parse(readFileSync(FILE(), "utf8"));
  for (const one of Object.values(all.mcpOAuth)) Object.assign(one, { accessToken: "an.expired.token", expiresAt: Date.now() - 1000 });
  writeFileSync(FILE(), JSON.stringify(all));
}

test("it sees that it must sign in, does so in the browser, and is connected", async () => {
  await claude("mcp", "add", "--transport", "http", "chittymcp", resource(world));
  assert.match(await claude("mcp", "list"), /chittymcp: .*Needs authentication/);
  const login = run("python3", [...IN_TERMINAL, "claude", "mcp", "login", "chittymcp"]);
  login.catch(() => {});
  const asked = new URL(await opener.opened());
  const { client_id, redirect_uri, resource: target, code_challenge_method } = Object.fromEntries(asked.searchParams);
  assert.deepEqual([client_id, target, code_challenge_method], [CLIENT_ID, resource(world), "S256"]);
  const back = await new Browser(world, key).authorize(asked);
  assert.equal(back.href.split("?")[0], redirect_uri);
  assert.match(redirect_uri, /^http:\/\/localhost:\d+\/callback$/);
  assert.equal((await fetch(back)).status, 200);
  assert.match(await login, /Authenticated with "chittymcp"/);
  assert.match(await claude("mcp", "list"), /chittymcp: .*Connected/);
});

test("it calls a tool", async () => {
  assert.match(await claude("-p", "Verify the chain.", "--allowedTools", TOOL), /VERIFY-[0-9a-f-]{36}/);
});

test("it refreshes a token that has expired, and goes on", async () => {
  const { refreshToken } = kept();
  expire();
  assert.match(await claude("mcp", "list"), /chittymcp: .*Connected/);
  assert.notEqual(kept().refreshToken, refreshToken);
});

test("it signs out, and its grant ends", async () => {
  const { refreshToken } = kept();
  await claude("mcp", "logout", "chittymcp");
  await refused(await refresh(world, { id: CLIENT_ID, auth: "none" }, refreshToken), "invalid_grant");
  assert.match(await claude("mcp", "list"), /chittymcp: .*Needs authentication/);
});

test("it takes a key in a header instead", async () => {
  await claude("mcp", "add", "--transport", "http", "withkey", resource(world), "--header", `Authorization: Bearer ${key}`);
  assert.match(await claude("mcp", "list"), /withkey: .*Connected/);
});
