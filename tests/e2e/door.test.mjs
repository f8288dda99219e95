// The OpenAI-compatible door: OpenAI's own client, as it is, with our keys; and what its calls cost.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import OpenAI from "openai";
import { collect, guestOf, ledgerOf, question, textOf } from "./door.mjs";
import { LABEL } from "../standins/text.mjs";
import { asked, bad, good, startWorld, unique, until } from "./support.mjs";

/** Nano-dollars a token, from the providers' price pages. */
const GPT_4 = { input: 30_000, output: 60_000 };
const GPT_4O_MINI = { input: 150, cached: 75, output: 600 };
const SONNET_5 = { input: 2_000, cached: 200, written: 2_500, output: 10_000 };
/** Tokens that a request may have besides the bytes of its one message. */
const AROUND = 32;
const MANY = 200;
const PAID_FOR = 20;
const WEATHER = {
  name: "get_weather",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false },
};
const TOOL = { tools: [{ type: "function", function: WEATHER }], tool_choice: { type: "function", function: { name: WEATHER.name } } };
const COUNTED = { stream: true, stream_options: { include_usage: true } };

let world;
before(async () => void (world = await startWorld({ vars: { ANTHROPIC_API_KEY: "sk-ant-e2e" } })));
after(() => world?.close());

const statuses = (content) => asked(world, content).map(({ status }) => status);
const priceOf = (rates, { prompt_tokens, completion_tokens }) => prompt_tokens * rates.input + completion_tokens * rates.output;

const newcomer = (options) => guestOf(world, options);
const ledger = (user, command) => ledgerOf(world, user, command);
const setBudget = (user, hard) => ledger(user, { set_budget: { key_id: null, period: "month", caps: { soft: null, hard } } });
const budgetOf = async (user) => {
  const { standing, held } = await ledger(user, { state: { key_id: null } });
  return { held, ...standing.budgets[0] };
};

const events = (user) => world.stack.d1("SELECT * FROM usage_events WHERE user_id = ? ORDER BY started_at, attempt", [user]);

/** The user's events, once there are so many: they are written after the answer has gone out. */
const recorded = (user, count) => until(`${count} usage events of ${user}`, async () => {
  const found = await events(user);
  return found.length >= count && found;
});

describe("answers", { concurrency: 8 }, () => {
  test("create, at the price of the provider's page", async () => {
    const { user, ask } = await newcomer();
    const text = unique("create");
    const { data, response, request_id } = await ask(text).withResponse();
    assert.match(data.id, /^chatcmpl-/);
    assert.ok(data.choices[0].message.content.startsWith(LABEL));
    assert.equal(data.choices[0].finish_reason, "stop");
    const cost = priceOf(GPT_4, data.usage);
    assert.deepEqual([data.usage.chitty.cost_status, data.usage.chitty.cost_nanos], ["priced", cost]);
    assert.equal(Number(response.headers.get("x-chitty-cost-usd")), cost / 1e9);
    assert.match(request_id, /^[\w.-]{8,64}$/);
    assert.match(response.headers.get("x-ratelimit-limit-requests"), /^\d+$/);

    const [event] = await recorded(user, 1);
    assert.deepEqual([event.cost_nanos, event.cost_status, event.outcome], [cost, "priced", "ok"]);
    assert.deepEqual([event.prompt_tokens, event.completion_tokens], [data.usage.prompt_tokens, data.usage.completion_tokens]);
    assert.deepEqual(statuses(text), [200]);
  });

  test("a fraction of a nano-dollar is charged once, on the whole; cached tokens cost less", async () => {
    const { ask } = await newcomer();
    const { usage } = await ask(`${unique("cached")} [[fault:cached read=3]]`, { model: "gpt-4o-mini" });
    assert.equal(usage.prompt_tokens_details.cached_tokens, 3);
    assert.equal(usage.chitty.cost_nanos, priceOf(GPT_4O_MINI, usage) - 3 * (GPT_4O_MINI.input - GPT_4O_MINI.cached));
  });

  test("stream, and stream with usage", async () => {
    const { user, ask } = await newcomer();
    const text = unique("stream");
    const whole = await ask(text);
    const bare = await collect(await ask(text, { stream: true }));
    assert.equal(textOf(bare), whole.choices[0].message.content);
    assert.ok(bare.length >= 15 && bare.every(({ id, usage }) => id === bare[0].id && !usage));
    assert.equal(bare.at(-1).choices[0].finish_reason, "stop");
    const counted = await collect(await ask(text, COUNTED));
    assert.deepEqual([counted.at(-1).choices, counted.at(-1).usage], [[], whole.usage]);
    const costs = (await recorded(user, 3)).map(({ cost_nanos }) => cost_nanos);
    assert.deepEqual(costs, Array(3).fill(priceOf(GPT_4, whole.usage)));
  });

  test("the .stream() helper and its events", async () => {
    const { client } = await newcomer();
    const heard = { connect: 0, chunk: 0, content: "", end: 0 };
    const helper = client.chat.completions.stream(question(unique("helper"), { stream_options: { include_usage: true } }));
    helper.on("connect", () => (heard.connect += 1)).on("chunk", () => (heard.chunk += 1)).on("end", () => (heard.end += 1));
    helper.on("content", (delta) => (heard.content += delta));
    const final = await helper.finalChatCompletion();
    assert.equal(heard.content, final.choices[0].message.content);
    assert.deepEqual([heard.connect, heard.end], [1, 1]);
    assert.ok(heard.chunk >= 15);
    assert.equal((await helper.totalUsage()).total_tokens, final.usage.total_tokens);
  });

  test("tool calls, plain, streamed and run", async () => {
    const { ask, client } = await newcomer();
    const text = unique("tool");
    const [plain] = (await ask(text, TOOL)).choices;
    const [streamed] = (await client.chat.completions.stream(question(text, TOOL)).finalChatCompletion()).choices;
    assert.deepEqual([plain.finish_reason, streamed.finish_reason], ["tool_calls", "tool_calls"]);
    assert.equal(plain.message.content, null);
    const [one, two] = [plain, streamed].map(({ message }) => message.tool_calls[0]);
    assert.deepEqual([two.type, two.function.name, two.function.arguments], [one.type, WEATHER.name, one.function.arguments]);
    assert.equal(typeof JSON.parse(one.function.arguments).city, "string");

    const cities = [];
    const tools = [{ type: "function", function: { ...WEATHER, parse: JSON.parse, function: ({ city }) => (cities.push(city), `rain in ${city}`) } }];
    const runner = client.chat.completions.runTools(question(text, { tools, tool_choice: TOOL.tool_choice }));
    assert.match(await runner.finalFunctionToolCallResult(), /^rain in /);
    assert.deepEqual(cities, [JSON.parse(one.function.arguments).city]);
  });

  test("several choices are one call", async () => {
    const { user, ask } = await newcomer();
    const chunks = await collect(await ask(unique("choices"), { n: 3, ...COUNTED }));
    const spoken = new Set(chunks.flatMap(({ choices }) => choices.map(({ index }) => index)));
    assert.deepEqual([...spoken].sort(), [0, 1, 2]);
    assert.equal((await recorded(user, 1))[0].cost_nanos, priceOf(GPT_4, chunks.at(-1).usage));
  });

  test("models", async () => {
    const { client } = await newcomer();
    const listed = await collect(client.models.list());
    const owners = Object.fromEntries(listed.map(({ id, owned_by }) => [id, owned_by]));
    assert.deepEqual([owners["gpt-4"], owners["claude-sonnet-5"]], ["openai", "anthropic"]);
    assert.deepEqual(await client.models.retrieve("gpt-4"), listed.find(({ id }) => id === "gpt-4"));
    await assert.rejects(client.models.retrieve("gpt-none"), (error) => error instanceof OpenAI.NotFoundError && error.code === "model_not_found");
  });

  test("a model of Anthropic, in OpenAI's shapes at Anthropic's price", async () => {
    const { user, ask, client } = await newcomer();
    const text = `${unique("claude")} [[fault:cached read=4 write=2]]`;
    const model = { model: "claude-sonnet-5" };
    const plain = await ask(text, model);
    assert.ok(plain.choices[0].message.content.startsWith(LABEL));
    const chunks = await collect(await ask(text, { ...model, ...COUNTED }));
    assert.equal(textOf(chunks), plain.choices[0].message.content);
    const call = await client.chat.completions.stream(question(text, { ...model, ...TOOL })).finalMessage();
    assert.equal(typeof JSON.parse(call.tool_calls[0].function.arguments).city, "string");

    const { usage } = plain;
    assert.equal(usage.prompt_tokens_details.cached_tokens, 4);
    const cost = priceOf(SONNET_5, usage) - 4 * (SONNET_5.input - SONNET_5.cached) + 2 * (SONNET_5.written - SONNET_5.input);
    assert.equal(usage.chitty.cost_nanos, cost);
    assert.deepEqual(chunks.at(-1).usage, usage);
    const [first] = await recorded(user, 3);
    assert.deepEqual([first.provider, first.cost_nanos, first.cache_write_tokens], ["anthropic", cost, 2]);
    assert.ok(asked(world, text).every(({ path }) => path.endsWith("/v1/messages")));
  });
});

describe("refusals", { concurrency: 8 }, () => {
  const REFUSED = [
    ["an unknown model", { model: "gpt-none" }, OpenAI.NotFoundError, { code: "model_not_found", param: "model" }],
    ["no messages", { messages: [] }, OpenAI.BadRequestError, { param: "messages" }],
    ["messages that are none", { messages: "hello" }, OpenAI.BadRequestError, { param: "messages" }],
    ["too many choices", { n: 9 }, OpenAI.BadRequestError, { param: "n" }],
    ["no tokens", { max_completion_tokens: 0 }, OpenAI.BadRequestError, { type: "invalid_request_error" }],
    ["what the provider refuses", { temperature: 9 }, OpenAI.BadRequestError, { type: "invalid_request_error" }],
  ];
  for (const [what, rest, kind, fields] of REFUSED) {
    for (const stream of [false, true]) {
      test(`${what}, ${stream ? "streamed" : "plain"}`, async () => {
        const guest = await newcomer();
        const error = await guest.ask(unique("refused"), { ...rest, stream }).then(assert.fail, (error) => error);
        assert.ok(error instanceof kind, String(error));
        assert.deepEqual(Object.fromEntries(Object.keys(fields).map((name) => [name, error[name]])), fields);
        assert.equal(guest.sent, 1);
      });
    }
  }

  test("a wrong key", async () => {
    const { client } = await newcomer({ token: "sk-nobodys" });
    await assert.rejects(client.models.list(), (error) => error instanceof OpenAI.AuthenticationError && error.code === "invalid_api_key");
  });

  test("a body that is no JSON", async () => {
    const { token } = await newcomer();
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const reply = await fetch(`${world.stack.urls.chatgpt}/v1/chat/completions`, { method: "POST", headers, body: '{"model":' });
    assert.deepEqual([reply.status, (await reply.json()).error.type], [400, "invalid_request_error"]);
  });

  for (const fault of ["error-mid-stream after=5", "cut after=5", "malformed after=5"]) {
    test(`${fault}: an error, never a short answer`, async () => {
      const { user, ask } = await newcomer();
      const seen = [];
      const reading = async () => {
        for await (const chunk of await ask(`${unique("broken")} [[fault:${fault}]]`, { stream: true })) seen.push(chunk);
      };
      await assert.rejects(reading, (error) => error instanceof OpenAI.APIError && error.message.length > 10);
      assert.ok(seen.length > 0 && seen.every(({ choices }) => choices[0].finish_reason === null));
      assert.equal((await recorded(user, 1))[0].cost_status, "estimated");
    });
  }

  test("an answer of many pieces comes whole, and one that is too large is an error", async () => {
    const { ask } = await newcomer();
    const { choices } = await ask(`${unique("long")} [[fault:huge bytes=400000]]`);
    assert.equal(choices[0].message.content.length, 400_000);
    const { ask: more } = await newcomer();
    await assert.rejects(more(`${unique("large")} [[fault:huge bytes=1100000]]`), /larger than 1048576 bytes/);
  });

  test("a provider that is too busy is asked again by us alone", async () => {
    const guest = await newcomer();
    const text = `${unique("busy")} [[fault:429 retry-after=1 times=1]]`;
    const started = performance.now();
    const { usage } = await guest.ask(text);
    assert.ok(performance.now() - started >= 990, "it did not wait");
    assert.deepEqual([statuses(text), guest.sent], [[429, 200], 1]);
    const attempts = await recorded(guest.user, 2);
    assert.deepEqual(attempts.map(({ cost_nanos }) => cost_nanos), [null, priceOf(GPT_4, usage)]);
  });
});

describe("Idempotency-Key", { concurrency: 4 }, () => {
  const under = (key) => ({ headers: { "Idempotency-Key": key } });

  test("the same body is one call; another body is refused; a replay can be a stream", async () => {
    const guest = await newcomer();
    const [text, key] = [unique("once"), unique("key")];
    const first = await guest.ask(text, {}, under(key));
    const { data, response } = await guest.ask(text, {}, under(key)).withResponse();
    assert.deepEqual([data, response.headers.get("idempotent-replayed")], [first, "true"]);
    const other = await guest.ask(`${text} other`, {}, under(key)).then(assert.fail, (error) => error);
    assert.deepEqual([other.status, other.type, guest.sent], [422, "idempotency_error", 3]);
    assert.deepEqual(statuses(text), [200]);
    assert.equal((await recorded(guest.user, 1)).length, 1);
  });

  test("a stream is replayed as a stream", async () => {
    const guest = await newcomer();
    const [text, key] = [unique("once"), unique("key")];
    const first = await collect(await guest.ask(text, COUNTED, under(key)));
    const { data, response } = await guest.ask(text, COUNTED, under(key)).withResponse();
    const again = await collect(data);
    assert.equal(response.headers.get("idempotent-replayed"), "true");
    assert.deepEqual([textOf(again), again[0].id, again.at(-1).usage], [textOf(first), first[0].id, first.at(-1).usage]);
    assert.deepEqual(statuses(text), [200]);
  });

  test("of ten at once one is served, and the clients of the others do not try again", async () => {
    const guest = await newcomer();
    const [text, key] = [`${unique("once")} [[fault:delay ms=1000]]`, unique("key")];
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => guest.ask(text, {}, under(key))));
    const refusals = outcomes.flatMap(({ reason }) => reason ?? []);
    assert.equal(refusals.length, 9);
    assert.ok(refusals.every((error) => error instanceof OpenAI.ConflictError && error.type === "idempotency_error"), String(refusals[0]));
    assert.deepEqual([statuses(text), guest.sent], [[200], 10]);
  });

  test("after a refusal that cost nothing the key is free again", async () => {
    const guest = await newcomer();
    const [text, key] = [unique("once"), unique("key")];
    await setBudget(guest.user, 1);
    await assert.rejects(guest.ask(text, {}, under(key)), OpenAI.RateLimitError);
    await setBudget(guest.user, null);
    assert.ok((await guest.ask(text, {}, under(key))).id);
  });
});

describe("a client that leaves", { concurrency: 4 }, () => {
  test("in the middle of a stream: it is read to its end and billed by its usage", async () => {
    const { user, ask } = await newcomer();
    await setBudget(user, 10 ** 12);
    const text = `${unique("left")} [[fault:drip ms=10]]`;
    for await (const _ of await ask(text, { stream: true })) break;
    assert.deepEqual(statuses(text), [null], "the model had ended before its listener left");
    const [event] = await recorded(user, 1);
    const [sent] = asked(world, text);
    assert.deepEqual([sent.status, sent.closed_early], [200, false]);
    assert.deepEqual([event.cost_status, event.cost_nanos], ["priced", priceOf(GPT_4, event)]);
    const { spent, reserved, held } = await budgetOf(user);
    assert.deepEqual([spent, reserved, held], [event.cost_nanos, 0, 0]);
  });

  test("before anything has arrived", async () => {
    const { user, ask } = await newcomer({ maxRetries: 0 });
    const text = `${unique("left")} [[fault:delay ms=500]]`;
    const caller = new AbortController();
    const answer = ask(text, {}, { signal: caller.signal });
    await until("the model to be asked", () => asked(world, text).length === 1);
    caller.abort();
    await assert.rejects(answer, OpenAI.APIUserAbortError);
    const [event] = await recorded(user, 1);
    assert.deepEqual([event.cost_status, event.cost_nanos], ["priced", priceOf(GPT_4, event)]);
    assert.equal(asked(world, text)[0].closed_early, false);
  });
});

describe("a budget", { concurrency: 4 }, () => {
  test("that is used up is told once, and nothing goes out", async () => {
    const guest = await newcomer();
    const text = unique("poor");
    await setBudget(guest.user, 1_000);
    for (const stream of [false, true]) {
      const error = await guest.ask(text, { stream }).then(assert.fail, (error) => error);
      assert.ok(error instanceof OpenAI.RateLimitError, String(error));
      assert.deepEqual([error.code, error.type, error.headers.get("x-should-retry")], ["budget_exceeded", "insufficient_quota", "false"]);
    }
    assert.deepEqual([guest.sent, asked(world, text), await events(guest.user)], [2, [], []]);
  });

  test("allows no model whose price nobody knows", async () => {
    const guest = await newcomer();
    const unpriced = { model: "stand-in-unpriced" };
    const { usage } = await guest.ask(unique("free"), unpriced);
    assert.deepEqual([usage.chitty.cost_status, usage.chitty.cost_nanos], ["unpriced", null]);
    await setBudget(guest.user, 10 ** 12);
    await assert.rejects(guest.ask(unique("dear"), unpriced), (error) => error instanceof OpenAI.BadRequestError && error.code === "model_unpriced");
  });

  test("is one for the door and the tools", async () => {
    const guest = await newcomer();
    await setBudget(guest.user, 10 ** 12);
    const told = { messages: [{ role: "user", content: unique("tool") }], max_tokens: 500 };
    const options = { token: guest.token };
    const { cost_nanos } = await good(world, "chatgpt", "chatgpt_complete", told, options);
    const { usage } = await guest.ask(unique("door"));
    const sum = cost_nanos + usage.chitty.cost_nanos;
    await until("both to be settled", async () => (await budgetOf(guest.user)).spent === sum);
    await setBudget(guest.user, sum);
    const text = unique("refused");
    const error = await bad(world, "chatgpt", "chatgpt_complete", { ...told, messages: [{ role: "user", content: text }] }, options);
    assert.equal(error.code, "BUDGET_EXCEEDED");
    await assert.rejects(guest.ask(text), (refused) => refused.code === "budget_exceeded");
    assert.deepEqual(asked(world, text), []);
  });

  test(`of ${PAID_FOR} calls is never overdrawn by ${MANY} at once`, async () => {
    const guest = await newcomer();
    const word = unique("many");
    const prompt = (at) => `${word} ${String(at).padStart(3, "0")} [[fault:delay ms=300]]`;
    const bound = GPT_4.input * (prompt(0).length + AROUND) + GPT_4.output * 20;
    const cap = bound * PAID_FOR + bound - 1;
    await setBudget(guest.user, cap);

    const most = { used: 0, held: 0, looks: 0 };
    let over = false;
    const watching = (async () => {
      while (!over) {
        const { spent, reserved, held } = await budgetOf(guest.user);
        Object.assign(most, { used: Math.max(most.used, spent + reserved), held: Math.max(most.held, held), looks: most.looks + 1 });
      }
    })();
    const calls = Array.from({ length: MANY }, (_, at) => guest.ask(prompt(at), { max_completion_tokens: 20 }));
    const outcomes = await Promise.allSettled(calls);
    over = true;
    await watching;

    const answers = outcomes.flatMap(({ value }) => value ?? []);
    const refusals = outcomes.flatMap(({ reason }) => reason ?? []);
    assert.deepEqual([...new Set(refusals.map(({ code }) => code))], ["budget_exceeded"]);
    const told = refusals.map(({ message }) => /has \$(\S+) left .* may cost \$(\S+):/.exec(message).slice(1).map((usd) => Math.round(usd * 1e9)));
    assert.ok(told.every(([left, cost]) => left < cost && cost === bound), "one that would have fitted was refused");
    assert.ok(answers.length >= PAID_FOR, `only ${answers.length} were admitted`);
    assert.deepEqual([guest.sent, asked(world, word).length], [MANY, answers.length]);
    assert.ok(most.used <= cap && most.used >= bound && most.looks > 5, JSON.stringify({ cap, bound, ...most }));

    const billed = (await recorded(guest.user, answers.length)).map(({ cost_nanos }) => cost_nanos);
    const sum = billed.reduce((one, two) => one + two);
    assert.equal(sum, answers.reduce((total, { usage }) => total + priceOf(GPT_4, usage), 0));
    assert.equal(billed.length, answers.length);
    const { spent, reserved, held } = await until("everything to be settled", async () => {
      const budget = await budgetOf(guest.user);
      return budget.held === 0 && budget;
    });
    assert.deepEqual({ spent, reserved, held }, { spent: sum, reserved: 0, held: 0 });
    assert.ok(spent <= cap);
  });
});
