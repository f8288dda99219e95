// The Messages of the stand-in: Anthropic's shapes, one answer in both ways, bad input, faults.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { anthropic, namedEvents } from './harness.mjs';
import { startStandIn } from './openai.mjs';
import { countTokens, LABEL } from './text.mjs';

const WEATHER = { name: 'get_weather', description: 'x', input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } };

let standIn;
before(async () => { standIn = await startStandIn(); });
after(() => standIn.close());
beforeEach(() => fetch(new URL('/stand-in/reset', standIn.url), { method: 'POST' }));

const ask = (content, rest = {}) => ({ model: 'claude-sonnet-5', max_tokens: 1_000, messages: [{ role: 'user', content }], ...rest });
const post = (body, headers = {}) => fetch(`${standIn.url}/messages`, {
  method: 'POST', headers: { 'x-api-key': 'sk-ant-test', 'anthropic-version': '2023-06-01', 'content-type': 'application/json', ...headers }, body: JSON.stringify(body),
});

async function message(body) {
  const response = await post(body);
  const json = await response.json();
  assert.equal(response.status, 200, JSON.stringify(json));
  anthropic.assertValid('Message', json);
  assert.match(response.headers.get('request-id'), /^req_/);
  return json;
}

async function stream(body) {
  const all = await namedEvents(await post({ ...body, stream: true }));
  for (const event of all) anthropic.assertValid(event.type, event);
  return all;
}

describe('plain', () => {
  test('the answer says what it is and counts its tokens', async () => {
    const json = await message(ask('Hello'));
    assert.ok(json.content[0].text.startsWith(LABEL));
    assert.deepEqual([json.stop_reason, json.stop_sequence, json.usage.output_tokens], ['end_turn', null, countTokens(json.content[0].text)]);
    assert.deepEqual((await message(ask('Hello'))).content, json.content);
  });

  test('cached tokens stand beside the input, not inside', async () => {
    const text = 'Count the tokens of this prompt, please';
    const all = (await message(ask(`${text} [[fault:cached read=0]]`))).usage.input_tokens;
    const { usage } = await message(ask(`${text} [[fault:cached read=5 write=2]]`));
    assert.deepEqual([usage.cache_read_input_tokens, usage.cache_creation_input_tokens], [5, 2]);
    assert.equal(usage.cache_creation.ephemeral_5m_input_tokens + usage.cache_creation.ephemeral_1h_input_tokens, 2);
    assert.ok(usage.input_tokens > 0 && Math.abs(usage.input_tokens + 7 - all) <= 3, 'the markers differ by some characters');
  });

  test('tools are called when they must be, and their results are read', async () => {
    for (const choice of [{ type: 'any' }, { type: 'tool', name: 'get_weather' }]) {
      const json = await message(ask('Weather?', { tools: [WEATHER], tool_choice: choice }));
      assert.deepEqual([json.stop_reason, json.content[0].name], ['tool_use', 'get_weather']);
      assert.equal(typeof json.content[0].input.city, 'string');
      const turns = [{ role: 'user', content: 'Weather?' }, { role: 'assistant', content: json.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: json.content[0].id, content: 'rain' }, { type: 'text', text: 'echo: so it rains' }] }];
      const next = await message(ask('', { tools: [WEATHER], messages: turns, system: [{ type: 'text', text: 'Be brief.' }] }));
      assert.ok(next.content[0].text.includes('so it rains'));
    }
    assert.equal((await message(ask('Free', { tools: [WEATHER] }))).stop_reason, 'end_turn');
  });

  test('limits, stop sequences and schemas hold', async () => {
    const cut = await message(ask('Cut', { max_tokens: 7 }));
    assert.deepEqual([cut.stop_reason, cut.usage.output_tokens], ['max_tokens', 7]);
    const stopped = await message(ask('Cut', { stop_sequences: ['never', 'digest'] }));
    assert.deepEqual([stopped.stop_reason, stopped.stop_sequence], ['stop_sequence', 'digest']);
    const called = await message(ask('Cut', { max_tokens: 1, tools: [WEATHER], tool_choice: { type: 'any' } }));
    assert.equal(called.stop_reason, 'max_tokens');
    const format = { type: 'json_schema', schema: { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] } };
    const json = await message(ask('Give', { output_config: { format, effort: 'low' } }));
    assert.equal(typeof JSON.parse(json.content[0].text).a, 'number');
  });
});

describe('streams', () => {
  test('bring the plain answer, with a placeholder first and totals at the end', async () => {
    const plain = await message(ask('Stream [[fault:cached read=3]]'));
    const all = await stream(ask('Stream [[fault:cached read=3]]'));
    assert.deepEqual(all.slice(0, 3).map(({ type }) => type), ['message_start', 'content_block_start', 'ping']);
    assert.deepEqual(all.slice(-3).map(({ type }) => type), ['content_block_stop', 'message_delta', 'message_stop']);
    assert.equal(all.map(({ delta }) => delta?.text ?? '').join(''), plain.content[0].text);
    assert.deepEqual(all[0].message.usage, { ...plain.usage, output_tokens: 1 });
    assert.deepEqual(all.at(-2).usage, { output_tokens: plain.usage.output_tokens });
    assert.equal(all.at(-2).delta.stop_reason, 'end_turn');
  });

  test('carry a tool call: name first, input in pieces', async () => {
    const body = ask('Weather?', { tools: [WEATHER], tool_choice: { type: 'any' } });
    const plain = await message(body);
    const all = await stream(body);
    assert.deepEqual([all[1].content_block.name, all[1].content_block.input], ['get_weather', {}]);
    const pieces = all.filter(({ delta }) => delta?.type === 'input_json_delta').map(({ delta }) => delta.partial_json);
    assert.ok(pieces.length > 1);
    assert.deepEqual(JSON.parse(pieces.join('')), plain.content[0].input);
  });
});

describe('what fails', () => {
  const turns = (...messages) => ask('', { messages });
  const cases = [
    ['unknown parameter', ask('x', { n: 2 }), 'n'],
    ['no limit', ask('x', { max_tokens: undefined }), 'max_tokens'],
    ['no messages', turns(), 'messages'],
    ['a system turn', turns({ role: 'system', content: 'x' }), 'messages.0.role'],
    ['an empty text', turns({ role: 'user', content: [{ type: 'text', text: '' }] }), 'messages.0.content.0'],
    ['a block of the chat form', turns({ role: 'user', content: [{ type: 'image_url' }] }), 'messages.0.content.0.type'],
    ['a call without its result', turns({ role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'f', input: {} }] }, { role: 'user', content: 'x' }), 'messages.0'],
    ['too hot', ask('x', { temperature: 1.5 }), 'temperature'],
    ['unknown tier', ask('x', { service_tier: 'flex' }), 'service_tier'],
    ['unknown effort', ask('x', { output_config: { effort: 'none' } }), 'output_config.effort'],
  ];
  for (const [name, body, where] of cases) {
    test(`${name}: 400 naming ${where}`, async () => {
      const response = await post(body);
      const json = await response.json();
      assert.equal(response.status, 400, JSON.stringify(json));
      anthropic.assertValid('ErrorResponse', json);
      assert.ok(json.error.message.startsWith(`${where}: `), json.error.message);
    });
  }

  test('keys, versions and models are asked for', async () => {
    const cases = [
      [await post(ask('x'), { 'x-api-key': '' }), 401, 'authentication_error'],
      [await post(ask('x'), { 'x-api-key': 'sk-invalid' }), 401, 'authentication_error'],
      [await post(ask('x'), { 'anthropic-version': '2020-01-01' }), 400, 'invalid_request_error'],
      [await post(ask('x', { model: 'claude-none' })), 404, 'not_found_error'],
    ];
    for (const [response, status, type] of cases) {
      assert.equal(response.status, status);
      const json = await response.json();
      anthropic.assertValid('ErrorResponse', json);
      assert.equal(json.error.type, type);
    }
    assert.ok(!JSON.stringify(standIn.requests).includes('sk-invalid'));
    assert.equal(new Set(standIn.requests.map((one) => one.key_sha256_start)).size, 3);
  });

  test('overload, limits and failures have Anthropic\'s types', async () => {
    for (const [fault, status, type] of [['529', 529, 'overloaded_error'], ['429 retry-after=1', 429, 'rate_limit_error'], ['500', 500, 'api_error'], ['402', 402, 'billing_error'], ['529 times=1', 529, 'overloaded_error']]) {
      const response = await post(ask(`[[fault:${fault}]]`));
      const json = await response.json();
      anthropic.assertValid('ErrorResponse', json);
      assert.deepEqual([response.status, json.error.type, json.request_id], [status, type, response.headers.get('request-id')]);
    }
    assert.equal((await post(ask('[[fault:529 times=1]]'))).status, 200);
  });

  test('an error event, a cut stream, broken JSON, missing usage', async () => {
    const events = await namedEvents(await post(ask('[[fault:error-mid-stream after=5]]', { stream: true })));
    anthropic.assertValid('error', events.at(-1));
    assert.deepEqual([events.length, events.at(-1).error.type], [6, 'overloaded_error']);
    await assert.rejects(post(ask('[[fault:cut after=5]]', { stream: true })).then((response) => response.text()));
    const broken = await (await post(ask('[[fault:malformed after=2]]', { stream: true }))).text();
    assert.throws(() => JSON.parse(broken.trim().split('data: ').at(-1)));
    const bare = await (await post(ask('[[fault:missing-usage]]'))).json();
    assert.deepEqual(bare.usage, {});
  });
});
