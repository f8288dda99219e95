// Usage for dashboards: what the chatgpt worker tells Analytics Engine of its calls.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { guestOf } from "./door.mjs";
import { good, startWorld, unique, until } from "./support.mjs";

let world;
before(async () => void (world = await startWorld({ points: true })));
after(() => world?.close());

const told = (count) => until(`${count} data points`, () => {
  const lines = world.stack.logs.flatMap(({ message }) => (message.startsWith('{"data_point"') ? JSON.parse(message).data_point : []));
  return lines.length >= count && lines;
});

test("each attempt of the door and of the tools is a point that names nobody", async () => {
  const guest = await guestOf(world);
  const text = unique("point");
  const plain = await guest.ask(`${text} [[fault:429 retry-after=1 times=1]]`);
  const sessionId = unique("session");
  const more = { session_id: sessionId, messages: [{ role: "user", content: text }], max_tokens: 300 };
  const tool = await good(world, "chatgpt", "chatgpt_complete", more, { token: guest.token });
  const found = await told(3);
  assert.equal(found.length, 3);
  // They arrive in any order: the door's first attempt failed, and its second was number two.
  const place = ({ blobs, doubles }) => (blobs[4] === "ok" ? doubles[10] === 2 ? 1 : 2 : 0);
  const points = found.sort((one, other) => place(one) - place(other));
  assert.deepEqual(points.map(({ blobs }) => [blobs[0], blobs[1], blobs[4], blobs[5]]), [
    ["openai", "gpt-4", "MODEL_RATE_LIMITED", "none"],
    ["openai", "gpt-4", "ok", "priced"],
    ["openai", "gpt-4", "ok", "priced"],
  ]);
  assert.deepEqual(points.map(({ indexes, blobs }) => indexes[0] === blobs[2]), [true, true, true]);
  assert.deepEqual(points.map(({ doubles }) => doubles[6]), [-1, plain.usage.chitty.cost_nanos, tool.cost_nanos]);
  assert.deepEqual(points.map(({ doubles }) => [doubles.length, doubles[10]]), [[12, 1], [12, 2], [12, 1]]);
  assert.equal(points[1].doubles[0], plain.usage.prompt_tokens);
  const all = JSON.stringify(points);
  const keys = await world.stack.d1("SELECT id FROM api_tokens");
  for (const name of [guest.user, sessionId, text, ...keys.map(({ id }) => id)]) assert.ok(!all.includes(name), name);
});
