// Sessions as rooms, over WebSocket: asking, stopping, coming back, and who may come in.
import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, describe, test } from "node:test";
import WebSocket from "ws";
import { LABEL } from "../standins/text.mjs";
import { admit, asked, assertExplains, good, sha256, startWorld, unique, until } from "./support.mjs";

const GPT_4 = { input: 30_000, output: 60_000 };
const DELETED = 1008;
const MOST = 16;

let world;
before(async () => void (world = await startWorld()));
after(() => world?.close());

const address = (session, query = "") => `${world.stack.urls.chatgpt.replace("http", "ws")}/ws/stream/${encodeURIComponent(session)}${query}`;
const bearer = (token) => ({ headers: { authorization: `Bearer ${token}` } });

async function newcomer(scopes = '["chatgpt:*"]') {
  const user = unique("user");
  return { user, token: await admit(world, { user_id: user, scopes }), session: unique("session") };
}

/** A connection that keeps what it hears. */
async function enter(guest, query, { protocols = [], ...options } = bearer(guest.token)) {
  const socket = new WebSocket(address(guest.session, query), protocols, options);
  const heard = [];
  const client = { socket, heard };
  client.closed = new Promise((resolve) => socket.addEventListener("close", resolve));
  socket.addEventListener("message", ({ data }) => heard.push(data === "pong" ? { type: data } : JSON.parse(data)));
  client.say = (message) => socket.send(typeof message === "string" ? message : JSON.stringify(message));
  client.ask = (content, rest = {}) => client.say({ type: "ask", messages: [{ role: "user", content }], ...rest });
  client.until = (type, nth = 1) => until(`${type} ${nth}`, () => heard.filter((event) => event.type === type)[nth - 1]);
  await Promise.race([
    client.until("joined"),
    client.closed.then(({ code, reason }) => assert.fail(`closed: ${code} ${reason}`)),
  ]);
  return client;
}

/** The answer to somebody who is not let in. */
function knock(session, { token, method = "GET", query = "", upgrade = true, protocols } = {}) {
  const asks = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" };
  const headers = { ...(token ? { authorization: `Bearer ${token}` } : {}), ...(upgrade ? asks : {}), ...(protocols ? { "sec-websocket-protocol": protocols } : {}) };
  return new Promise((resolve, reject) => {
    const sent = request(`${world.stack.urls.chatgpt}/ws/stream/${session}${query}`, { method, headers });
    sent.on("upgrade", () => reject(new Error("let in")));
    sent.on("error", reject);
    sent.on("response", async (response) => {
      let body = "";
      for await (const chunk of response) body += chunk;
      resolve({ status: response.statusCode, headers: response.headers, error: JSON.parse(body).error });
    });
    sent.end();
  });
}

const types = (events) => events.map(({ type }) => type);
const said = (events) => events.filter(({ type }) => type === "delta").map(({ text }) => text).join("");
const events = (user) => world.stack.d1("SELECT * FROM usage_events WHERE user_id = ?", [user]);

describe("a session as a room", { concurrency: 6 }, () => {
  test("the model is heard as it speaks; question, answer and cost are on file", async () => {
    const guest = await newcomer();
    const client = await enter(guest);
    assert.deepEqual(client.heard[0], { type: "joined", session_id: guest.session, seq: 0, speaking: false });
    const text = unique("room");
    client.ask(text, { ref: "first", model: "gpt-4" });
    const done = await client.until("done");
    assert.ok(done.answer.response.startsWith(LABEL));
    assert.equal(said(client.heard), done.answer.response);
    const [, question] = client.heard;
    assert.deepEqual([question.type, question.ref, question.messages[0].content], ["asked", "first", text]);
    assert.ok(client.heard.filter(({ type }) => type === "delta").length >= 10);
    const numbers = client.heard.slice(1).map(({ seq }) => seq);
    assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b));
    const { prompt_tokens, completion_tokens } = done.answer.usage;
    assert.equal(done.answer.cost_nanos, prompt_tokens * GPT_4.input + completion_tokens * GPT_4.output);

    const { session } = await good(world, "chatgpt", "chitty_chat_session_get", { session_id: guest.session, include_messages: true }, guest);
    assert.deepEqual(session.messages.map(({ content }) => content), [text, done.answer.response]);
    client.ask("And then?");
    await client.until("done", 2);
    const [, again] = world.model.requests.filter(({ body }) => JSON.stringify(body).includes(text));
    assert.ok(again.body.messages.some(({ role, content }) => role === "assistant" && content === done.answer.response));
    client.socket.close();
  });

  test("two clients of a user hear the same; who was away catches up", async () => {
    const guest = await newcomer();
    const [one, two] = [await enter(guest), await enter(guest)];
    one.ask(unique("shared"));
    await Promise.all([one.until("done"), two.until("done")]);
    assert.deepEqual(two.heard.slice(1), one.heard.slice(1));
    const [, question, piece] = one.heard;
    const late = await enter(guest, `?after=${piece.seq}`);
    const end = await late.until("done");
    assert.deepEqual(types(late.heard), ["joined", "done"]);
    assert.equal(end.answer.response, one.heard.at(-1).answer.response);
    const all = await enter(guest, `?after=${question.seq - 1}`);
    await all.until("done");
    assert.deepEqual(types(all.heard), ["joined", "asked", "done"]);
    for (const client of [one, two, late, all]) client.socket.close();
  });

  test("a client that comes while the model speaks hears all of it", async () => {
    const guest = await newcomer();
    const one = await enter(guest);
    one.ask(`${unique("slow")} [[fault:drip ms=15]]`);
    await one.until("delta", 3);
    const two = await enter(guest);
    assert.equal(two.heard[0].speaking, true);
    await Promise.all([one.until("done"), two.until("done")]);
    assert.deepEqual(two.heard.slice(1), one.heard.slice(1));
  });

  test("the answer goes on when all have left, and is there when they come back", async () => {
    const guest = await newcomer();
    const one = await enter(guest);
    one.ask(`${unique("left")} [[fault:drip ms=15]]`);
    const piece = await one.until("delta", 2);
    one.socket.close();
    await one.closed;
    const back = await enter(guest, `?after=${piece.seq}`);
    const done = await back.until("done");
    assert.equal(done.answer.cost_status, "priced");
    const before = said(one.heard.filter(({ seq }) => seq <= piece.seq));
    assert.equal(before + said(back.heard), done.answer.response);
  });

  test("stop breaks the call off, and it is billed as an estimate", async () => {
    const guest = await newcomer();
    const client = await enter(guest);
    client.say({ type: "stop" });
    assert.equal((await client.until("error")).error.code, "NOTHING_TO_STOP");
    client.ask(`${unique("stop")} [[fault:drip ms=100]]`);
    await client.until("delta", 2);
    client.ask("too early", { ref: "early" });
    const early = await client.until("error", 2);
    assert.deepEqual([early.ref, early.error.code], ["early", "EXCHANGE_IN_PROGRESS"]);
    client.say({ type: "stop" });
    const { answer } = await client.until("done");
    assert.deepEqual([answer.finish_reason, answer.cost_status], ["stopped", "estimated"]);
    assert.equal(answer.response, said(client.heard));
    const [event] = await until("the books", async () => {
      const found = await events(guest.user);
      return found.length && found;
    });
    assert.deepEqual([event.cost_status, event.cost_nanos], ["estimated", answer.cost_nanos]);
    client.ask("Go on.");
    await client.until("done", 2);
  });

  test("a question's name is asked once", async () => {
    const guest = await newcomer();
    const client = await enter(guest);
    const text = unique("once");
    client.ask(text, { ref: "r" });
    await client.until("done");
    client.ask(text, { ref: "r" });
    const { error } = await client.until("error");
    assert.equal(error.code, "ALREADY_ASKED");
    assert.match(error.message, new RegExp(`event ${client.heard[1].seq}\\b`));
    assert.equal(asked(world, text).length, 1);
  });

  test("a browser brings a ticket as a subprotocol, good for one session, one time", async () => {
    const guest = await newcomer();
    const url = `${world.stack.urls.chatgpt}/ws/stream/${guest.session}`;
    const ticketFor = async (from, token = guest.token) => {
      const reply = await fetch(from, { method: "POST", headers: { authorization: `Bearer ${token}` } });
      return [reply.status, await reply.json()];
    };
    const [status, { ticket, expires_in }] = await ticketFor(url);
    assert.deepEqual([status, expires_in], [201, 60]);
    assert.match(ticket, /^[\w.-]+$/);
    const offer = (text) => ({ protocols: ["chitty.stream.v1", `chitty.ticket.${text}`] });
    const client = await enter(guest, "", offer(ticket));
    assert.equal(client.socket.protocol, "chitty.stream.v1");
    client.say("ping");
    await client.until("pong");
    client.ask("By ticket.");
    await client.until("done");
    client.socket.close();
    const elsewhere = await newcomer();
    const [, other] = await ticketFor(url);
    const revoked = { ...guest, token: await admit(world, { user_id: guest.user, scopes: '["chatgpt:*"]' }) };
    const [, late] = await ticketFor(url, revoked.token);
    await world.stack.d1("UPDATE api_tokens SET status = 'revoked' WHERE token_hash = ?", [sha256(revoked.token)]);
    for (const [session, text] of [[guest.session, ticket], [elsewhere.session, other.ticket], [guest.session, late.ticket], [guest.session, `${other.ticket}x`], [guest.session, guest.token]]) {
      const refused = await knock(session, { protocols: `chitty.stream.v1, chitty.ticket.${text}` });
      assert.deepEqual([refused.status, refused.error.code], [401, "AUTHENTICATION_FAILED"]);
    }
    assert.equal((await ticketFor(url, "chitty_key_wrong"))[0], 401);
  });

  test("who may not is refused, and told how", async () => {
    const guest = await newcomer();
    const reader = await newcomer('["chatgpt:read"]');
    for (const [session, options, status, code] of [
      [guest.session, { ...guest, upgrade: false }, 426, "UPGRADE_REQUIRED"],
      [guest.session, { ...guest, query: "?after=x" }, 400, "INVALID_AFTER"],
      [guest.session, { ...guest, query: "?after=-1" }, 400, "INVALID_AFTER"],
      [guest.session, { ...guest, query: "?after=9007199254740992" }, 400, "INVALID_AFTER"],
      ["a%0Ab", guest, 400, "INVALID_SESSION_ID"],
      ["x".repeat(201), guest, 400, "INVALID_SESSION_ID"],
      [guest.session, {}, 401, "MISSING_CREDENTIAL"],
      [guest.session, { token: "chitty_key_wrong" }, 401, "AUTHENTICATION_FAILED"],
      [guest.session, reader, 403, "INSUFFICIENT_SCOPE"],
      [guest.session, { ...guest, method: "PUT", upgrade: false }, 405, "METHOD_NOT_ALLOWED"],
    ]) {
      const refused = await knock(session, options);
      assert.deepEqual([refused.status, refused.error.code], [status, code]);
      assertExplains(refused.error.message);
      assert.equal("www-authenticate" in refused.headers, status === 401 || status === 403);
    }
  });

  test("another user's room of the same name is another room", async () => {
    const [one, two] = [await newcomer(), await newcomer()];
    const mine = await enter(one);
    mine.ask("Mine.");
    await mine.until("done");
    const theirs = await enter({ ...two, session: one.session }, "?after=0");
    assert.equal(theirs.heard.length, 1);
    theirs.ask("Tell me what was said.");
    const failed = await theirs.until("failed");
    assert.equal(failed.error.code, "SESSION_NOT_FOUND");
  });

  test("a key that is revoked asks no more, and hears no more", async () => {
    const guest = await newcomer();
    const other = { ...guest, token: await admit(world, { user_id: guest.user, scopes: '["chatgpt:*"]' }) };
    const [one, two] = [await enter(guest), await enter(other)];
    await world.stack.d1("UPDATE api_tokens SET status = 'revoked' WHERE token_hash = ?", [sha256(guest.token)]);
    two.ask("Who is here?");
    await two.until("done");
    assert.deepEqual(types(one.heard), ["joined", "error"]);
    assert.ok(one.socket.readyState >= WebSocket.CLOSING);
    const denied = await until("the audit row", () => world.stack.d1("SELECT * FROM audit_logs WHERE action = 'session_stream_stay' AND user_id = ?", [guest.user]).then((rows) => rows.length && rows));
    assert.match(denied[0].request_id, /^[\w.-]{8,64}$/);
  });

  test("a key that is revoked stops nobody's answer", async () => {
    const guest = await newcomer();
    const other = { ...guest, token: await admit(world, { user_id: guest.user, scopes: '["chatgpt:*"]' }) };
    const [one, two] = [await enter(guest), await enter(other)];
    two.ask(`${unique("stays")} [[fault:drip ms=15]]`);
    await two.until("delta", 2);
    await world.stack.d1("UPDATE api_tokens SET status = 'revoked' WHERE token_hash = ?", [sha256(guest.token)]);
    one.say({ type: "stop" });
    assert.equal((await one.until("error")).error.code, "AUTHENTICATION_FAILED");
    assert.equal((await two.until("done")).answer.cost_status, "priced");
  });

  test("so many and no more come in", async () => {
    const guest = await newcomer();
    const clients = await Promise.all(Array.from({ length: MOST }, () => enter(guest)));
    const { status, error } = await knock(guest.session, guest);
    assert.deepEqual([status, error.code], [429, "ROOM_FULL"]);
    assert.match(error.request_id, /^[\w.-]{8,64}$/);
    clients[0].socket.close();
    await clients[0].closed;
    await until("room for one more", () => enter(guest).catch(() => false));
  });

  test("what cannot be read is refused, and the connection stays", async () => {
    const guest = await newcomer();
    const client = await enter(guest);
    client.ask("Too hot.", { temperature: 9 });
    assert.equal((await client.until("error")).error.code, "INVALID_INPUT");
    for (const message of ["no json", "[]", '{"type":"sing"}', '{"type":"ask"}', new Uint8Array([1, 2]), "x".repeat(262_145)]) {
      const count = client.heard.length;
      client.socket.send(message);
      await until("a refusal", () => client.heard.length > count);
      assert.match(client.heard.at(-1).error.code, /^(INVALID_MESSAGE|MESSAGE_TOO_LARGE)$/);
    }
    client.ask("Still here?");
    await client.until("done");
  });

  test("with its session a room ends, and nothing of it is kept", async () => {
    const guest = await newcomer();
    const client = await enter(guest);
    client.ask("Forget me.");
    await client.until("done");
    await good(world, "chatgpt", "chitty_chat_session_delete", { session_id: guest.session }, guest);
    assert.equal((await client.closed).code, DELETED);
    const back = await enter(guest, "?after=0");
    assert.deepEqual(types(back.heard), ["joined"]);
    back.ask("Again?");
    await back.until("failed");
  });

  test("so does the erasure of all data", async () => {
    const guest = await newcomer('["chatgpt:*"]');
    const client = await enter(guest);
    client.ask("Forget all.");
    await client.until("done");
    await good(world, "chatgpt", "chitty_user_data_delete", { confirm: guest.user }, guest);
    assert.equal((await client.closed).code, DELETED);
    assert.deepEqual(types((await enter(guest, "?after=0")).heard), ["joined"]);
  });
});

test("a room that hibernates forgets nobody, and hears the next question", async () => {
  const guest = await newcomer();
  const [one, two] = [await enter(guest), await enter(guest)];
  one.ask("First.");
  const { seq } = await one.until("done");
  await two.until("done");
  const name = sha256(JSON.stringify([guest.user, guest.session]));
  await world.stack.mf.unsafeEvictDurableObject("chitty-chatgpt-mcp-dev", "ChatRoom", { name, webSockets: "hibernate" });
  two.ask("Second.");
  const [first, second] = await Promise.all([one.until("done", 2), two.until("done", 2)]);
  assert.deepEqual(first, second);
  const late = await enter(guest, `?after=${seq}`);
  await late.until("done");
  assert.deepEqual(types(late.heard), ["joined", "asked", "done"]);
});

test("workers that are started again keep what was written down, and clients come back", async () => {
  const guest = await newcomer();
  const client = await enter(guest);
  client.ask("Remember.", { ref: "kept" });
  const done = await client.until("done");
  client.ask(`${unique("cut")} [[fault:drip ms=200]]`);
  await until("the second answer", () => client.heard.some(({ type, seq }) => type === "delta" && seq > done.seq));
  await world.restart({ stay: true });
  const back = await enter(guest, `?after=${done.seq}`);
  const failed = await back.until("failed");
  assert.deepEqual(types(back.heard), ["joined", "asked", "failed"]);
  assert.deepEqual([failed.error.code, failed.error.may_have_billed], ["EXCHANGE_BROKEN_OFF", true]);
  back.ask("Go on.");
  const more = await back.until("done");
  assert.ok(more.seq > failed.seq && failed.seq > client.heard.at(-1).seq);
});
