// The official TypeScript clients, both generations, against the server of both eras.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from "@modelcontextprotocol/client";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { CreateMessageRequestSchema, ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { BASE, events, legacy } from "./support.mjs";

const INFO = { name: "own-checks", version: "1.0.0" };
const CAPABILITIES = { capabilities: { elicitation: {}, sampling: {} } };
const ENDPOINT = new URL(`${BASE}/mcp`);
const ACCEPTED = { action: "accept", content: { username: "ann", email: "ann@example.com" } };
const SAMPLED = { role: "assistant", model: "test", content: { type: "text", text: "Paris" } };

async function connectOld() {
  const client = new Client(INFO, CAPABILITIES);
  client.setRequestHandler(ElicitRequestSchema, async () => ACCEPTED);
  client.setRequestHandler(CreateMessageRequestSchema, async () => SAMPLED);
  await client.connect(new StreamableHTTPClientTransport(ENDPOINT));
  return client;
}

async function connectNew(mode) {
  const client = new ModernClient(INFO, { ...CAPABILITIES, versionNegotiation: { mode } });
  client.setRequestHandler("elicitation/create", async () => ACCEPTED);
  client.setRequestHandler("sampling/createMessage", async () => SAMPLED);
  await client.connect(new ModernTransport(ENDPOINT));
  return client;
}

const GENERATIONS = {
  "first generation": connectOld,
  "second generation, handshake": () => connectNew("legacy"),
  "second generation, negotiating": () => connectNew("auto"),
  "second generation, 2026-07-28": () => connectNew({ pin: "2026-07-28" }),
};

for (const [name, connect] of Object.entries(GENERATIONS)) {
  test(`${name}: lists, calls, reports progress, answers questions`, async () => {
    const client = await connect();
    try {
      const { tools } = await client.listTools();
      assert.ok(tools.some((tool) => tool.name === "test_simple_text"));
      const progress = [];
      const counted = await client.callTool({ name: "test_tool_with_progress", arguments: {} }, ...options(name, { onprogress: ({ progress: value }) => progress.push(value) }));
      assert.match(counted.content[0].text, /three steps/);
      assert.deepEqual(progress, [0, 50, 100]);
      const routed = await client.callTool({ name: "test_mirrored_header", arguments: { region: "grüezi", shard: 3 } });
      assert.deepEqual(routed.structuredContent, { region: "grüezi", shard: 3 });
      const asked = await client.callTool({ name: "test_elicitation", arguments: { message: "Who?" } });
      assert.match(asked.content[0].text, /action=accept, content=.*ann@example.com/);
      const sampled = await client.callTool({ name: "test_sampling", arguments: { prompt: "Capital?" } });
      assert.equal(sampled.content[0].text, "LLM response: Paris");
      const { contents } = await client.readResource({ uri: "test://template/7/data" });
      assert.equal(JSON.parse(contents[0].text).id, "7");
      const { messages } = await client.getPrompt({ name: "test_simple_prompt" });
      assert.equal(messages[0].role, "user");
    } finally {
      await client.close();
    }
  });
}

/** The first generation takes a result schema before the options. */
function options(name, given) {
  return name === "first generation" ? [undefined, given] : [given];
}

test("several streams of one handshake client run side by side", async () => {
  const params = { name: "test_tool_with_progress", arguments: {} };
  const calls = [1, 2, 3].map((id) => legacy("tools/call", { ...params, _meta: { progressToken: id } }, { id }));
  for (const [index, response] of (await Promise.all(calls)).entries()) {
    const messages = [];
    for await (const message of events(response)) messages.push(message);
    assert.deepEqual(messages.slice(0, 3).map((message) => message.params.progressToken), [index + 1, index + 1, index + 1]);
    assert.equal(messages[3].id, index + 1);
  }
});
