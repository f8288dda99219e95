// Guests at the OpenAI-compatible door, each with OpenAI's own client.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { admit, unique } from "./support.mjs";

// A limit, since without one a budget would have to hold back the price of the longest answer.
export const question = (content, rest = {}) => ({ model: "gpt-4", messages: [{ role: "user", content }], max_completion_tokens: 500, ...rest });

/** A client with all its habits, for a user of its own. `sent` counts what it sends, its own retries too. */
export async function guestOf(world, { token, ...options } = {}) {
  const user = unique("user");
  const own = await admit(world, { user_id: user, scopes: '["chatgpt:complete"]' });
  const guest = { user, token: own, sent: 0 };
  const counting = (...request) => {
    guest.sent += 1;
    return fetch(...request);
  };
  guest.client = new OpenAI({ apiKey: token ?? own, baseURL: `${world.stack.urls.chatgpt}/v1`, timeout: 20_000, fetch: counting, ...options });
  guest.ask = (content, rest, more) => guest.client.chat.completions.create(question(content, rest), more);
  return guest;
}

/** Tells the owner of the user's money a command. */
export async function ledgerOf(world, user, command) {
  const objects = await world.stack.mf.getDurableObjectNamespace("USER_LEDGER", "chitty-chatgpt-mcp-dev");
  const reply = await objects.get(objects.idFromName(user)).fetch("https://user-ledger.internal/", { method: "POST", body: JSON.stringify(command) });
  assert.equal(reply.status, 200, `${JSON.stringify(command)}: ${reply.status}`);
  return reply.json();
}

export async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

export const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
