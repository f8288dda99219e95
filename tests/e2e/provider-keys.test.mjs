// Users' own keys of model providers: used for their calls, and to be found nowhere.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { guestOf } from "./door.mjs";
import { MODEL_KEY, admit, asked, call, sha256, startWorld, unique, until } from "./support.mjs";

const ownKey = () => `sk-own-${randomBytes(24).toString("hex")}`;
const [FIRST, SECOND] = [ownKey(), ownKey()];

let world;
before(async () => void (world = await startWorld()));
after(() => world?.close());

/** A key as it is, in hex and, whatever stands before it, in base64. */
const forms = (key) => [key, Buffer.from(key).toString("hex"), ...[0, 1, 2].map((skip) => Buffer.from(key.slice(skip)).toString("base64").replace(/=+$/, "").slice(0, -2))];

function* files(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* files(path);
    else yield path;
  }
}

test("a user's key pays for their calls through both doors, is replaced and revoked, and is in no reply, log line or stored byte", async () => {
  const guest = await guestOf(world);
  const token = await admit(world, { user_id: guest.user });
  const said = [];
  const tool = async (name, args) => {
    const result = await call(world, "chatgpt", name, args, { token });
    said.push(JSON.stringify(result));
    return result.structuredContent;
  };
  const told = async (asking) => said.push(await asking.then(JSON.stringify, (error) => `${error.stack} ${JSON.stringify(error)}`));
  const paidWith = async (text) => {
    await told(guest.ask(text));
    return asked(world, text).map(({ key_sha256_start }) => key_sha256_start);
  };
  const shown = (key) => sha256(key).slice(0, 12);

  assert.deepEqual(await paidWith(unique("before")), [shown(MODEL_KEY)]);
  const { key } = await tool("chitty_api_key_add", { provider: "openai", api_key: FIRST });
  assert.deepEqual([key.state, key.last_four], ["active", FIRST.slice(-4)]);
  assert.deepEqual(await paidWith(unique("own")), [shown(FIRST)]);
  const text = unique("tool");
  await tool("chatgpt_complete", { messages: [{ role: "user", content: text }], max_tokens: 300 });
  assert.deepEqual(asked(world, text).map(({ key_sha256_start }) => key_sha256_start), [shown(FIRST)]);

  // Refused, failing and broken off; a key where none belongs, and one that its provider does not know.
  for (const fault of ["500", "cut after=5", "malformed after=5"]) await told(guest.ask(`${unique("fault")} [[fault:${fault}]]`, { max_completion_tokens: 9 }, { maxRetries: 0 }));
  await tool("chitty_api_key_add", { provider: "nobody", api_key: FIRST });
  await tool("chitty_api_key_rotate", { id: "none", api_key: SECOND });
  await tool("chitty_api_key_add", { provider: "openai", name: FIRST, api_key: "sk-invalid-0123456789" });

  const rotated = await tool("chitty_api_key_rotate", { id: key.id, api_key: SECOND });
  assert.deepEqual(await paidWith(unique("rotated")), [shown(SECOND)]);
  const { keys } = await tool("chitty_api_key_list", { include_ended: true });
  for (const { id, state } of keys) if (state !== "ended") await tool("chitty_api_key_revoke", { id });
  assert.ok(rotated.key.version > key.version);
  assert.deepEqual(await paidWith(unique("revoked")), [shown(MODEL_KEY)]);

  // One that cannot be opened any more is told and logged, and nobody else's pays instead.
  await tool("chitty_api_key_add", { provider: "openai", api_key: FIRST });
  await world.restart({ secrets: { CHITTY_ENCRYPTION_KEY: randomBytes(32).toString("base64") }, stay: true });
  assert.deepEqual(await paidWith(unique("locked")), []);
  assert.match(said.at(-1), /own_key_unusable/);
  const logged = await until("the log to tell of it", () => {
    const lines = JSON.stringify(world.stack.logs);
    return lines.includes("provider_key_undecryptable") && lines;
  });

  await world.stack.stop();
  const seen = [["a reply", said.join("\n")], ["the log", logged]];
  for (const path of files(world.folder)) seen.push([path, readFileSync(path).toString("latin1")]);
  assert.ok(seen.slice(2).some(([, bytes]) => bytes.includes(key.id)), "the search does not find what is stored");
  for (const [where, bytes] of seen) {
    for (const form of [FIRST, SECOND].flatMap(forms)) assert.ok(!bytes.includes(form), `${form} is in ${where}`);
  }
});
