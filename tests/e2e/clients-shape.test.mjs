// What directories and clients ask of every server before anybody calls a tool: instructions that are
// read whole, names, titles, hints, scopes.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { PRODUCT } from "../../scripts/lib/stack.mjs";
import { post, request, startWorld } from "./support.mjs";

/** ChatGPT reads no more of the instructions. */
const READ = 512;
/** Claude's directory takes no longer names. */
const MAX_NAME = 64;
const HINTS = ["destructiveHint", "idempotentHint", "openWorldHint", "readOnlyHint"];
/** Scopes whose use changes nothing. */
const READING = ["execution:read", "chain:verify", "fortress:verify"];

let world;
before(async () => void (world = await startWorld()));
after(() => world?.close());

const ask = async (worker, method, params) => (await (await post(world, worker, request(method, params))).json()).result;

for (const worker of PRODUCT) {
  describe(worker, () => {
    test("its instructions fit and name its tools", async () => {
      const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "e2e", version: "1" } };
      const { instructions, serverInfo } = await ask(worker, "initialize", params);
      assert.ok(instructions.length > 40 && instructions.length <= READ, `${instructions.length} characters`);
      assert.ok(serverInfo.title && serverInfo.description && serverInfo.icons?.length);
      const { tools } = await ask(worker, "tools/list", {});
      // `_list` stands for a tool named before it with another ending.
      const said = (name) => instructions.includes(name) || instructions.includes(name.slice(name.lastIndexOf("_")));
      for (const { name } of tools) assert.ok(said(name), `${name} is not in the instructions`);
    });

    test("every tool is named, titled, described and hinted", async () => {
      const { tools } = await ask(worker, "tools/list", {});
      assert.ok(tools.length > 0);
      assert.equal(new Set(tools.map(({ name }) => name)).size, tools.length);
      assert.equal(new Set(tools.map(({ title }) => title)).size, tools.length, "two tools have one title");
      for (const { name, title, description, annotations, inputSchema, securitySchemes } of tools) {
        assert.match(name, /^[A-Za-z][A-Za-z0-9_]*$/);
        assert.ok(name.length <= MAX_NAME, name);
        assert.ok(title.length >= 4 && title.length <= 60, `${name}: ${title}`);
        assert.ok(description.length >= 20 && description.length <= 1024, `${name}: ${description.length}`);
        assert.deepEqual(Object.keys(annotations).sort(), HINTS, name);
        for (const hint of HINTS) assert.equal(typeof annotations[hint], "boolean", `${name}: ${hint}`);
        assert.ok(!(annotations.readOnlyHint && annotations.destructiveHint), name);
        const { scopes } = securitySchemes.find(({ type }) => type === "oauth2");
        assert.ok(scopes.length > 0, name);
        // A check that notes when it was made writes, but twice is as good as once.
        const harmless = annotations.readOnlyHint || (annotations.idempotentHint && !annotations.destructiveHint);
        const changes = scopes.some((scope) => !READING.includes(scope));
        assert.ok(harmless || changes, `${name} writes with a scope for reading`);
        assert.equal(inputSchema.type, "object", name);
      }
    });
  });
}

test("search and fetch have the shapes that ChatGPT looks for", async () => {
  const { tools } = await ask("coordinator", "tools/list", {});
  const find = (name) => tools.find((tool) => tool.name === name);
  const [search, fetch] = [find("search"), find("fetch")];
  assert.deepEqual(Object.keys(search.inputSchema.properties), ["query"]);
  assert.deepEqual(Object.keys(fetch.inputSchema.properties), ["id"]);
  const item = search.outputSchema.properties.results.items;
  assert.deepEqual(Object.keys(item.properties).sort(), ["id", "title", "url"]);
  assert.deepEqual(Object.keys(fetch.outputSchema.properties).sort(), ["id", "metadata", "text", "title", "url"]);
  for (const tool of [search, fetch]) assert.equal(tool.annotations.readOnlyHint, true);
});
