// The Responses of the stand-in: OpenAI's shapes, one answer in both ways, bad input, faults.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import OpenAI from 'openai';
import { assertValid, namedEvents, post as postChat, responses, user } from './harness.mjs';
import { startStandIn } from './openai.mjs';
import { PARAMETERS } from './responses.mjs';
import { LABEL } from './text.mjs';

const WEATHER = { type: 'function', name: 'get_weather', strict: false, parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } };

let standIn;
before(async () => { standIn = await startStandIn(); });
after(() => standIn.close());
beforeEach(() => fetch(new URL('/stand-in/reset', standIn.url), { method: 'POST' }));

const ask = (input, rest = {}) => ({ model: 'gpt-4', input, store: false, ...rest });
const post = (body, headers = {}) => fetch(`${standIn.url}/responses`, {
  method: 'POST', headers: { authorization: 'Bearer sk-test', 'content-type': 'application/json', ...headers }, body: JSON.stringify(body),
});
const eventType = (name) => `Response${name.replace(/^response\.(output_text\.)?/, (_, text) => (text ? 'text_' : '')).replaceAll('.', '_').replace(/(?:^|_)([a-z])/g, (_, letter) => letter.toUpperCase())}Event`;

async function respond(body, { isChecked = true } = {}) {
  if (isChecked) assert.ok(responses.accepts('CreateResponse', body), 'the test itself sends a good request');
  const response = await post(body);
  const json = await response.json();
  assert.equal(response.status, 200, JSON.stringify(json));
  responses.assertValid('Response', json);
  return json;
}

async function stream(body) {
  const response = await post({ ...body, stream: true });
  assert.match(response.headers.get('content-type'), /^text\/event-stream/);
  const all = await namedEvents(response);
  all.forEach((event, at) => {
    responses.assertValid(eventType(event.type), event);
    assert.equal(event.sequence_number, at);
  });
  return all;
}

describe('plain', () => {
  test('the answer of the same chat, in its own form', async () => {
    const json = await respond(ask('Hello'));
    const chat = await (await postChat(standIn, user('Hello'))).json();
    const [message] = json.output;
    assert.ok(message.content[0].text.startsWith(LABEL));
    assert.deepEqual([json.status, json.usage.output_tokens > 0], ['completed', true]);
    assert.equal(json.usage.input_tokens, chat.usage.prompt_tokens);
  });

  test('instructions, parts, tool calls and their outputs are read', async () => {
    const input = [
      { role: 'user', content: [{ type: 'input_text', text: 'Weather?' }, { type: 'input_image', image_url: 'https://x.example/a.png', detail: 'auto' }] },
      { type: 'function_call', call_id: 'c1', name: 'get_weather', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c1', output: 'rain' },
      { role: 'user', content: 'echo: so it rains' },
    ];
    // The description lets a message with parts be two things at once, where one is demanded.
    const json = await respond(ask(input, { instructions: 'Be brief.', tools: [WEATHER], reasoning: { effort: 'low' } }), { isChecked: false });
    assert.ok(json.output[0].content[0].text.includes('so it rains'));
    assert.ok(json.output[0].content[0].text.includes('read 5 messages'));
  });

  test('tools are called when they must be', async () => {
    for (const choice of ['required', { type: 'function', name: 'get_weather' }]) {
      const json = await respond(ask('Weather?', { tools: [WEATHER], tool_choice: choice }));
      const [call] = json.output;
      assert.deepEqual([call.type, call.name, json.status], ['function_call', 'get_weather', 'completed']);
      assert.equal(typeof JSON.parse(call.arguments).city, 'string');
    }
  });

  test('structured text, and an answer cut at its limit', async () => {
    const format = { type: 'json_schema', name: 'n', schema: { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] } };
    const json = await respond(ask('Give', { text: { format } }));
    assert.equal(typeof JSON.parse(json.output[0].content[0].text).a, 'number');
    const cut = await respond(ask('Cut', { max_output_tokens: 16 }));
    assert.deepEqual([cut.status, cut.incomplete_details.reason, cut.usage.output_tokens], ['incomplete', 'max_output_tokens', 16]);
  });

  test('cached and written prompt tokens are inside of the input', async () => {
    const { usage } = await respond(ask('Count the tokens of this prompt [[fault:cached read=5 write=2]]'));
    assert.deepEqual(usage.input_tokens_details, { cached_tokens: 5, cache_write_tokens: 2 });
    assert.ok(usage.input_tokens > 7);
    const chat = await (await postChat(standIn, user('Count the tokens of this prompt [[fault:cached read=5 write=2]]'))).json();
    assertValid('CreateChatCompletionResponse', chat);
    assert.deepEqual([chat.usage.prompt_tokens_details.cached_tokens, chat.usage.prompt_tokens_details.cache_write_tokens], [5, 2]);
  });
});

describe('streams', () => {
  test('bring the plain answer, event by event, and the usage at the end', async () => {
    const plain = await respond(ask('Stream'));
    const all = await stream(ask('Stream'));
    assert.deepEqual(all.slice(0, 4).map(({ type }) => type), ['response.created', 'response.in_progress', 'response.output_item.added', 'response.content_part.added']);
    const text = all.filter(({ type }) => type === 'response.output_text.delta').map(({ delta }) => delta).join('');
    assert.equal(text, plain.output[0].content[0].text);
    const last = all.at(-1);
    assert.deepEqual([last.type, last.response.usage, last.response.output[0].content], ['response.completed', plain.usage, plain.output[0].content]);
    assert.ok(!('usage' in all[0].response));
  });

  test('carry a tool call in pieces, and end incomplete where they are cut', async () => {
    const all = await stream(ask('Weather?', { tools: [WEATHER], tool_choice: 'required' }));
    const pieces = all.filter(({ type }) => type === 'response.function_call_arguments.delta').map(({ delta }) => delta);
    assert.ok(pieces.length > 1);
    assert.equal(pieces.join(''), all.at(-1).response.output[0].arguments);
    assert.equal((await stream(ask('Cut', { max_output_tokens: 16 }))).at(-1).type, 'response.incomplete');
  });
});

describe('what fails', () => {
  const cases = [
    ['unknown parameter', ask('x', { messages: [] }), 'messages'],
    ['stop, which Responses has not', ask('x', { stop: ['a'] }), 'stop'],
    ['no input', { model: 'gpt-4' }, 'input'],
    ['too small a limit', ask('x', { max_output_tokens: 15 }), 'max_output_tokens'],
    ['too large a limit', ask('x', { max_output_tokens: 9_000 }), 'max_output_tokens'],
    ['unknown role', ask([{ role: 'robot', content: 'x' }]), 'input[0].role'],
    ['tool of the chat form', ask('x', { tools: [{ type: 'function', function: { name: 'f' } }] }), 'tools[0].name'],
    ['temperature for a reasoning model', ask('x', { model: 'gpt-5-mini', temperature: 0.5 }), 'temperature'],
    ['a stored conversation', ask('x', { previous_response_id: 'resp_1' }), 'previous_response_id'],
  ];
  for (const [name, body, param] of cases) {
    test(`${name}: 400 naming ${param}`, async () => {
      const response = await post(body);
      const json = await response.json();
      assert.equal(response.status, 400, JSON.stringify(json));
      assertValid('ErrorResponse', json);
      assert.equal(json.error.param, param);
    });
  }

  test('the parameter list is the one in the description', () => {
    const named = ['ModelResponseProperties', 'CreateModelResponseProperties', 'ResponseProperties', 'CreateResponse']
      .flatMap((name) => [responses.definitions[name], ...(responses.definitions[name].allOf ?? [])])
      .flatMap(({ properties }) => Object.keys(properties ?? {}));
    assert.deepEqual([...PARAMETERS].sort(), [...new Set(named)].sort());
  });

  test('statuses, an error event, a cut stream and missing usage', async () => {
    const limited = await post(ask('[[fault:429 retry-after=2]]'));
    assert.deepEqual([limited.status, limited.headers.get('retry-after')], [429, '2']);
    assert.equal((await post(ask('x'), { authorization: 'Bearer sk-invalid' })).status, 401);
    const events = await namedEvents(await post(ask('[[fault:error-mid-stream after=5]]', { stream: true })));
    responses.assertValid('ResponseErrorEvent', events.at(-1));
    assert.deepEqual([events.length, events.at(-1).type, events.at(-1).sequence_number], [6, 'error', 5]);
    await assert.rejects(post(ask('[[fault:cut after=5]]', { stream: true })).then((response) => response.text()));
    assert.ok(!('usage' in await respond(ask('[[fault:missing-usage]]'))));
  });

  test('times=N counts requests of this form, too', async () => {
    const status = async () => (await post(ask('a [[fault:503 times=1]]'))).status;
    assert.deepEqual([await status(), await status()], [503, 200]);
  });
});

test('the official client reads both ways', async () => {
  const client = new OpenAI({ apiKey: 'sk-test', baseURL: standIn.url, maxRetries: 0, timeout: 5_000 });
  const plain = await client.responses.create(ask('Hi'));
  assert.ok(plain.output_text.startsWith(LABEL));
  const helper = client.responses.stream(ask('Hi'));
  const final = await helper.finalResponse();
  assert.equal(final.output_text, plain.output_text);
  await assert.rejects(async () => {
    for await (const _ of await client.responses.create(ask('[[fault:error-mid-stream]]', { stream: true })));
  });
});
