// What may be read and watched at the coordinator, by whom, and the icons its lists carry.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openCheckpoint, verifierOf } from "./proofs.mjs";
import { admit, execute, messages, modern, post, request, startWorld, unique } from "./support.mjs";

const CHECKPOINT = "chitty://chain/checkpoint";
const OF_EXECUTION = "chitty://executions/{execution_id}";

let world, prompt, made, uri;
before(async () => {
  world = await startWorld();
  prompt = unique("resource");
  made = await execute(world, { prompt, security_level: "fortress" });
  uri = `chitty://executions/${made.execution_id}`;
});
after(() => world?.close());

async function ask(method, params, options) {
  return (await post(world, "coordinator", request(method, params), options)).json();
}

/** The text and type of a resource that must be there. */
async function read(uri, options) {
  const { result, error } = await ask("resources/read", { uri }, options);
  assert.ok(result, JSON.stringify(error));
  const [content, ...more] = result.contents;
  assert.deepEqual([content.uri, more], [uri, []]);
  return content;
}

/** Makes sure that nothing tells this resource from one that does not exist. */
async function assertNotFound(uri, options) {
  const refusal = async (uri) => {
    const { body, headers } = modern("resources/read", { uri });
    const response = await post(world, "coordinator", body, { ...options, headers: { ...headers, "mcp-name": uri } });
    const { error } = await response.json();
    assert.ok(error, `${uri} was read`);
    assert.deepEqual([error.code, error.data.uri], [-32602, uri]);
    return [response.status, error.message.replace(uri, "URI"), Object.keys(error.data)];
  };
  assert.deepEqual(await refusal(uri), await refusal(`chitty://executions/${unique("none")}`));
}

test("the checkpoint is listed, executions are a template", async () => {
  const { result: list } = await ask("resources/list");
  assert.deepEqual(list.resources.map(({ uri, mimeType }) => [uri, mimeType]), [[CHECKPOINT, "text/plain"]]);
  const { result: templates } = await ask("resources/templates/list");
  assert.deepEqual(templates.resourceTemplates.map(({ uriTemplate, mimeType }) => [uriTemplate, mimeType]), [[OF_EXECUTION, "application/json"], ["chitty://evidence-packages/{package_id}", undefined]]);
  for (const { name, title, description } of [...list.resources, ...templates.resourceTemplates]) {
    for (const text of [name, title, description]) assert.ok(text?.length > 5, `${name} is not described`);
  }
});

test("tools carry an icon that needs no other host", async () => {
  for (const worker of ["coordinator", "chatgpt", "fortress"]) {
    const { result } = await (await post(world, worker, request("tools/list"))).json();
    for (const { name, icons } of result.tools) {
      assert.ok(icons?.length > 0, `${name} has no icon`);
      for (const { src, mimeType } of icons) assert.ok(src.startsWith(`data:${mimeType}`), `${name}: ${src.slice(0, 40)}`);
    }
  }
});

test("the checkpoint is the log's signed note", async () => {
  const { text, mimeType } = await read(CHECKPOINT);
  assert.equal(mimeType, "text/plain");
  const { size } = openCheckpoint(text, verifierOf(world.keys.secrets.CHAIN_SIGNING_KEY));
  const [{ n }] = await world.stack.d1("SELECT COUNT(*) AS n FROM chitty_chain_facts");
  assert.ok(n >= 1);
  assert.equal(size, n);
});

test("an execution is what its owner was told", async () => {
  const { text, mimeType } = await read(uri);
  assert.equal(mimeType, "application/json");
  const execution = JSON.parse(text);
  assert.deepEqual(
    [execution.id, execution.status, execution.prompt, execution.results.fortress_output],
    [made.execution_id, "completed", prompt, made.results.fortress_output],
  );
});

test("another user's execution is not found, like one that does not exist", async () => {
  const user_id = unique("somebody");
  const token = await admit(world, { user_id, scopes: '["execution:read", "chain:verify"]' });
  await assertNotFound(uri, { token });
  await read(CHECKPOINT, { token });
  // Who may act for everybody may also look.
  await read(uri, { token: await admit(world, { user_id, scopes: '["admin:*"]' }) });
});

test("without the scope nothing is found", async () => {
  await assertNotFound(uri, { token: await admit(world, { scopes: '["chain:verify"]' }) });
  await assertNotFound(CHECKPOINT, { token: await admit(world, { scopes: '["execution:read"]' }) });
  await read(CHECKPOINT, { token: await admit(world, { scopes: '["chain:verify"]' }) });
  await read(uri, { token: await admit(world, { scopes: '["execution:read"]' }) });
});

test("an execution can be watched: the stream tells of its change", async () => {
  const { body, headers } = modern("subscriptions/listen", { notifications: { resourceSubscriptions: [uri] } });
  const listening = new AbortController();
  const response = await post(world, "coordinator", body, { headers, signal: AbortSignal.any([listening.signal, AbortSignal.timeout(20_000)]) });
  assert.equal(response.status, 200);
  const stream = messages(response);
  const { value: hello } = await stream.next();
  assert.equal(hello.method, "notifications/subscriptions/acknowledged");
  assert.deepEqual(hello.params.notifications, { resourceSubscriptions: [uri] });
  await world.stack.d1("UPDATE secure_executions SET updated_at = updated_at + 1000 WHERE id = ?", [made.execution_id]);
  const { value: told } = await stream.next();
  assert.deepEqual([told.method, told.params.uri], ["notifications/resources/updated", uri]);
  listening.abort();
  await assert.rejects(() => stream.next(), { name: "AbortError" });
});
