// The stand-in's replies: OpenAI's shapes, determinism, bad input, the recorded requests.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { after, before, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { accepts, assertValid, definitions, eventually, events, post, streamedText, user } from './harness.mjs';
import { startStandIn } from './openai.mjs';
import { PARAMETERS } from './request.mjs';
import { countTokens, LABEL, pieces, tokens } from './text.mjs';

const PROGRAM = fileURLToPath(new URL('./openai.mjs', import.meta.url));
const WEATHER = { type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 1, maximum: 7 } }, required: ['city', 'days'], additionalProperties: false } } };

let standIn;
before(async () => { standIn = await startStandIn(); });
after(() => standIn.close());
beforeEach(() => fetch(new URL('/stand-in/reset', standIn.url), { method: 'POST' }));

async function complete(body) {
  assert.ok(accepts('CreateChatCompletionRequest', body), 'the test itself sends a good request');
  const response = await post(standIn, body);
  const json = await response.json();
  assert.equal(response.status, 200, JSON.stringify(json));
  assertValid('CreateChatCompletionResponse', json);
  return json;
}

async function stream(body) {
  const response = await post(standIn, { ...body, stream: true });
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type'), /^text\/event-stream/);
  const all = await events(response);
  assert.equal(all.pop(), '[DONE]');
  const chunks = all.map((event) => JSON.parse(event));
  for (const chunk of chunks) assertValid('CreateChatCompletionStreamResponse', chunk);
  return chunks;
}

describe('plain completions', () => {
  test('fit the schema, say what they are and count tokens', async () => {
    const json = await complete(user('Hello'));
    const { message, finish_reason: finish } = json.choices[0];
    assert.ok(message.content.startsWith(LABEL));
    assert.equal(finish, 'stop');
    assert.match(json.id, /^chatcmpl-[0-9a-z]{29}$/);
    assert.equal(json.system_fingerprint, 'fp_stand_in');
    assert.equal(json.usage.prompt_tokens, 3 + 4 + 2); // "Hell", "o"
    assert.equal(json.usage.completion_tokens, countTokens(message.content));
    assert.equal(json.usage.total_tokens, json.usage.prompt_tokens + json.usage.completion_tokens);
  });

  test('carry the headers a client reads', async () => {
    const { headers } = await post(standIn, user('Hello'));
    assert.match(headers.get('x-request-id'), /^req_[0-9a-f]{32}$/);
    assert.match(headers.get('openai-processing-ms'), /^[1-9]\d*$/);
    for (const unit of ['requests', 'tokens']) {
      for (const kind of ['limit', 'remaining']) assert.match(headers.get(`x-ratelimit-${kind}-${unit}`), /^\d+$/);
      assert.match(headers.get(`x-ratelimit-reset-${unit}`), /^\d+m?s$/);
    }
  });

  test('are the same for the same request, under a new id', async () => {
    const body = user('Same?', { temperature: 0.7 });
    const reordered = { temperature: 0.7, messages: body.messages, model: body.model };
    const [one, two, other] = [await complete(body), await complete(reordered), await complete(user('Different?'))];
    assert.deepEqual(one.choices, two.choices);
    assert.deepEqual(one.usage, two.usage);
    assert.notEqual(one.id, two.id);
    assert.notEqual(one.choices[0].message.content, other.choices[0].message.content);
  });

  test('echo text verbatim, without fault markers', async () => {
    const text = 'Zeile eins: „ü“ 漢字 🙂\n  line two';
    const json = await complete(user(`Please echo: ${text} [[fault:missing-usage]]`));
    assert.ok(json.choices[0].message.content.includes(text));
    assert.ok(!json.choices[0].message.content.includes('[[fault'));
  });

  test('are cut at the token limit and at stop sequences', async () => {
    const whole = (await complete(user('Cut'))).choices[0].message.content;
    for (const name of ['max_tokens', 'max_completion_tokens']) {
      const { choices, usage } = await complete(user('Cut', { [name]: 7 }));
      assert.equal(choices[0].message.content, tokens(whole).slice(0, 7).join(''));
      assert.equal(choices[0].finish_reason, 'length');
      assert.equal(usage.completion_tokens, 7);
    }
    const stopped = (await complete(user('Cut', { stop: ['never there', 'digest'] }))).choices[0];
    assert.equal(stopped.message.content, whole.slice(0, whole.indexOf('digest')));
    assert.equal(stopped.finish_reason, 'stop');
  });

  test('give n choices and count all of them', async () => {
    const { choices, usage } = await complete(user('Three', { n: 3 }));
    assert.deepEqual(choices.map(({ index }) => index), [0, 1, 2]);
    assert.equal(new Set(choices.map(({ message }) => message.content)).size, 3);
    assert.equal(usage.completion_tokens, choices.reduce((sum, { message }) => sum + countTokens(message.content), 0));
  });

  test('call a tool when they must, and only then', async () => {
    const called = (await complete(user('Weather?', { tools: [WEATHER], tool_choice: 'required' }))).choices[0];
    assert.equal(called.finish_reason, 'tool_calls');
    assert.equal(called.message.content, null);
    const [call] = called.message.tool_calls;
    assert.match(call.id, /^call_[0-9a-z]{24}$/);
    assert.equal(call.function.name, 'get_weather');
    assert.ok(new Ajv2020().validate(WEATHER.function.parameters, JSON.parse(call.function.arguments)));
    const named = { ...WEATHER, function: { name: 'other' } };
    const choice = { type: 'function', function: { name: 'other' } };
    const picked = (await complete(user('Other?', { tools: [WEATHER, named], tool_choice: choice }))).choices[0];
    assert.equal(picked.message.tool_calls[0].function.name, 'other');
    const free = (await complete(user('Free', { tools: [WEATHER], tool_choice: 'auto' }))).choices[0];
    assert.equal(free.message.tool_calls, undefined);
    const answered = await complete({ model: 'gpt-4', messages: [{ role: 'user', content: 'Weather?' }, called.message, { role: 'tool', tool_call_id: call.id, content: 'rain' }] });
    assert.equal(answered.choices[0].finish_reason, 'stop');
  });

  test('answer in JSON when asked', async () => {
    const object = JSON.parse((await complete(user('json please', { response_format: { type: 'json_object' } }))).choices[0].message.content);
    assert.equal(object.stand_in, LABEL);
    const document = '{"score":"not a number"}';
    const exact = await complete(user(`echo: ${document} [[fault:drip ms=0]]`, { response_format: { type: 'json_schema', json_schema: { name: 'exact', schema: { type: 'object' } } } }));
    assert.equal(exact.choices[0].message.content, document);
  });

  test('fit every kind of schema they are given', async () => {
    const schema = {
      type: 'object', additionalProperties: false,
      $defs: { node: { type: 'object', properties: { name: { type: 'string' }, next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] }, children: { type: 'array', items: { $ref: '#/$defs/node' } } }, required: ['name', 'next', 'children'], additionalProperties: false } },
      properties: {
        tree: { $ref: '#/$defs/node' }, level: { enum: ['low', 'high'] }, fixed: { const: 7 }, share: { type: 'number', exclusiveMinimum: 0, maximum: 0.3 },
        even: { type: 'integer', minimum: 3, maximum: 9, multipleOf: 2 }, below: { type: 'integer', maximum: -5 }, when: { type: 'string', format: 'date-time' }, mail: { type: 'string', format: 'email' },
        code: { type: 'string', pattern: '^[A-Z]{3}-\\d{3}$' }, short: { type: 'string', maxLength: 4 }, long: { type: 'string', minLength: 80 }, maybe: { type: ['string', 'null'] },
        list: { type: 'array', items: { type: 'boolean' }, minItems: 3 }, none: { type: 'array', items: {}, maxItems: 0 },
        both: { allOf: [{ type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] }, { properties: { b: { type: 'null' } }, required: ['b'] }] },
      },
    };
    schema.required = Object.keys(schema.properties);
    const ajv = new Ajv2020({ strict: false });
    addFormats(ajv);
    for (const question of ['one', 'two', 'three', 'four', 'five']) {
      const { choices } = await complete(user(question, { response_format: { type: 'json_schema', json_schema: { name: 'all', strict: true, schema } } }));
      const value = JSON.parse(choices[0].message.content);
      assert.ok(ajv.validate(schema, value), `${ajv.errorsText()} ${JSON.stringify(value)}`);
      assert.ok(value.tree.name.startsWith(LABEL));
    }
  });
});

describe('streams', () => {
  test('bring the plain answer in at least a dozen chunks of one id', async () => {
    const plain = await complete(user('Stream'));
    const chunks = await stream(user('Stream'));
    assert.ok(chunks.length >= 14, `${chunks.length} chunks`);
    assert.equal(streamedText(chunks), plain.choices[0].message.content);
    assert.equal(new Set(chunks.map(({ id, created }) => `${id} ${created}`)).size, 1);
    assert.equal(chunks[0].choices[0].delta.role, 'assistant');
    assert.ok(chunks.slice(1).every(({ choices }) => !('role' in choices[0].delta)));
    assert.deepEqual(chunks.map(({ choices }) => choices[0].finish_reason).filter(Boolean), ['stop']);
    assert.ok(chunks.every((chunk) => !('usage' in chunk)));
  });

  test('end with a usage chunk when asked', async () => {
    const plain = await complete(user('Count'));
    const chunks = await stream(user('Count', { stream_options: { include_usage: true } }));
    const last = chunks.pop();
    assert.deepEqual(last.choices, []);
    assert.deepEqual(last.usage, plain.usage);
    assert.ok(chunks.every(({ usage }) => usage === null));
  });

  test('interleave choices and finish each', async () => {
    const plain = await complete(user('Two', { n: 2, max_tokens: 20 }));
    const chunks = await stream(user('Two', { n: 2, max_tokens: 20 }));
    for (const { index, message } of plain.choices) assert.equal(streamedText(chunks, index), message.content);
    assert.deepEqual(chunks.slice(-2).map(({ choices }) => choices[0].finish_reason), ['length', 'length']);
  });

  test('carry a tool call: name first, arguments in pieces', async () => {
    const body = user('Weather?', { tools: [WEATHER], tool_choice: 'required' });
    const plain = await complete(body);
    const calls = (await stream(body)).flatMap(({ choices }) => choices[0].delta.tool_calls ?? []);
    assert.equal(calls[0].function.name, 'get_weather');
    assert.ok(calls.slice(1).every((call) => !('id' in call) && !('name' in call.function)));
    assert.equal(calls.map((call) => call.function.arguments).join(''), plain.choices[0].message.tool_calls[0].function.arguments);
  });

  test('pieces join to the text, whole characters only', () => {
    for (const text of ['', ' ', 'a  b \n', '漢字 🙂🙂🙂🙂🙂', '🙂'.repeat(5_001), `x${'🙂'.repeat(5_000)}`, 'word '.repeat(40_000)]) {
      assert.equal(pieces(text).join(''), text);
      assert.ok(pieces(text).length <= 257);
      assert.ok(pieces(text).every((piece) => piece.isWellFormed()));
      assert.equal(countTokens(text), tokens(text).length);
    }
  });
});

describe('models', () => {
  const get = (path, key = 'sk-test') => fetch(`${standIn.url}${path}`, { headers: key ? { authorization: `Bearer ${key}` } : {} });

  test('are listed and described', async () => {
    const list = await (await get('/models')).json();
    assertValid('ListModelsResponse', list);
    const ids = ['gpt-4', 'gpt-4o', 'gpt-4o-mini', 'gpt-4.1', 'gpt-4.1-mini', 'gpt-3.5-turbo', 'gpt-5-mini', 'claude-sonnet-5', 'stand-in-unpriced'];
    assert.deepEqual(list.data.map(({ id }) => id), ids);
    for (const id of ids) assertValid('Model', await (await get(`/models/${id}`)).json());
  });

  test('wrong keys, models, paths and methods get OpenAI error bodies', async () => {
    const cases = [
      [await get('/models', null), 401, null],
      [await get('/models', 'sk-invalid'), 401, 'invalid_api_key'],
      [await get('/models/gpt-none'), 404, 'model_not_found'],
      [await get('/nothing'), 404, null],
      [await get('/chat/completions'), 405, 'method_not_supported'],
    ];
    for (const [response, status, code] of cases) {
      assert.equal(response.status, status);
      const body = await response.json();
      assertValid('ErrorResponse', body);
      assert.equal(body.error.code, code);
      assert.match(response.headers.get('x-request-id'), /^req_/);
    }
  });
});

describe('bad requests', () => {
  const SCHEMA_BLIND = 'the schema itself allows it';
  const message = (rest) => ({ model: 'gpt-4', messages: [{ role: 'user', content: 'x' }, rest] });
  const cases = [
    ['no model', { messages: [{ role: 'user', content: 'x' }] }, 'model'],
    ['model of wrong type', user('x', { model: 4 }), 'model'],
    ['no messages', { model: 'gpt-4' }, 'messages'],
    ['messages of wrong type', { model: 'gpt-4', messages: 'x' }, 'messages'],
    ['empty messages', { model: 'gpt-4', messages: [] }, 'messages'],
    ['a message that is none', message('x'), 'messages[1]'],
    ['unknown role', message({ role: 'robot', content: 'x' }), 'messages[1].role'],
    ['no content', message({ role: 'user' }), 'messages[1].content'],
    ['content of wrong type', message({ role: 'user', content: 5 }), 'messages[1].content'],
    ['empty parts', message({ role: 'user', content: [] }), 'messages[1].content'],
    ['unknown part', message({ role: 'user', content: [{ type: 'smell' }] }), 'messages[1].content[0].type'],
    ['tool answer to no call', message({ role: 'tool', content: 'x', tool_call_id: 'c' }), 'messages[1].tool_call_id', SCHEMA_BLIND],
    ['too hot', user('x', { temperature: 2.1 }), 'temperature'],
    ['temperature of wrong type', user('x', { temperature: 'hot' }), 'temperature'],
    ['top_p too high', user('x', { top_p: 1.5 }), 'top_p'],
    ['penalty too low', user('x', { frequency_penalty: -3 }), 'frequency_penalty'],
    ['no choices', user('x', { n: 0 }), 'n'],
    ['fractional seed', user('x', { seed: 1.5 }), 'seed'],
    ['zero tokens', user('x', { max_tokens: 0 }), 'max_tokens', SCHEMA_BLIND],
    ['more tokens than the model has', user('x', { max_tokens: 9_000 }), 'max_tokens', SCHEMA_BLIND],
    ['both token limits', user('x', { max_tokens: 1, max_completion_tokens: 1 }), 'max_tokens', SCHEMA_BLIND],
    ['max_tokens for a reasoning model', user('x', { model: 'gpt-5-mini', max_tokens: 1 }), 'max_tokens', SCHEMA_BLIND],
    ['temperature for a reasoning model', user('x', { model: 'gpt-5-mini', temperature: 0.7 }), 'temperature', SCHEMA_BLIND],
    ['more text than the context', user('long '.repeat(9_000)), 'messages', SCHEMA_BLIND],
    ['stream of wrong type', user('x', { stream: 'yes' }), 'stream'],
    ['stream options without stream', user('x', { stream_options: { include_usage: true } }), 'stream_options', SCHEMA_BLIND],
    ['five stops', user('x', { stop: ['a', 'b', 'c', 'd', 'e'] }), 'stop'],
    ['tool choice without tools', user('x', { tool_choice: 'required' }), 'tool_choice', SCHEMA_BLIND],
    ['tool without a name', user('x', { tools: [{ type: 'function', function: {} }] }), 'tools[0].function.name'],
    ['choice of a missing tool', user('x', { tools: [WEATHER], tool_choice: { type: 'function', function: { name: 'no' } } }), 'tool_choice', SCHEMA_BLIND],
    ['json_schema without a schema', user('x', { response_format: { type: 'json_schema' } }), 'response_format.json_schema'],
    ['unknown format', user('x', { response_format: { type: 'xml' } }), 'response_format.type'],
    ['json mode without the word', user('x', { response_format: { type: 'json_object' } }), 'messages', SCHEMA_BLIND],
    ['impossible schema', user('x', { response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'integer', minimum: 2, maximum: 1 } } } }), 'response_format.json_schema.schema', SCHEMA_BLIND],
    ['unknown parameter', user('x', { temprature: 1 }), 'temprature', SCHEMA_BLIND],
  ];
  for (const [name, body, param, blind] of cases) {
    test(`${name}: 400 naming ${param}`, async () => {
      const response = await post(standIn, body);
      const json = await response.json();
      assert.equal(response.status, 400, JSON.stringify(json));
      assertValid('ErrorResponse', json);
      assert.equal(json.error.param, param);
      assert.equal(json.error.type, 'invalid_request_error');
      assert.equal(accepts('CreateChatCompletionRequest', body), blind === SCHEMA_BLIND);
    });
  }

  test('bodies that are no JSON in UTF-8, and other content types', async () => {
    for (const [body, headers] of [['{"model":', {}], ['', {}], [Buffer.from([0x22, 0xff, 0x22]), {}], [JSON.stringify(user('x')), { 'content-type': 'text/plain' }], ['[]', {}], ['null', {}]]) {
      const response = await post(standIn, body, headers);
      assert.equal(response.status, 400);
      assertValid('ErrorResponse', await response.json());
    }
    assert.equal((await post(standIn, `"${'x'.repeat(16 * 1024 * 1024)}"`)).status, 413);
  });

  test('unknown models are not found', async () => {
    const response = await post(standIn, user('x', { model: 'gpt-none' }));
    assert.equal(response.status, 404);
    assert.equal((await response.json()).error.code, 'model_not_found');
  });

  test('the parameter list is the one in the description', () => {
    const named = ['ModelResponseProperties', 'CreateModelResponseProperties', 'CreateChatCompletionRequest']
      .flatMap((name) => [definitions[name], ...(definitions[name].allOf ?? [])])
      .flatMap(({ properties }) => Object.keys(properties ?? {}));
    assert.deepEqual([...PARAMETERS].sort(), [...new Set(named)].sort());
  });
});

describe('control and command line', () => {
  test('requests are recorded without keys, and forgotten on reset', async () => {
    await post(standIn, user('secret-free'), { authorization: 'Bearer sk-very-secret', 'idempotency-key': 'k1' });
    await post(standIn, '{broken');
    const text = await (await fetch(new URL('/stand-in/requests', standIn.url))).text();
    assert.ok(!text.includes('very-secret'));
    const [one, two] = JSON.parse(text).requests;
    assert.deepEqual([one.method, one.path, one.status, one.closed_early], ['POST', '/v1/chat/completions', 200, false]);
    assert.deepEqual(one.body, user('secret-free'));
    assert.equal(one.headers['idempotency-key'], 'k1');
    assert.notEqual(one.key_sha256_start, two.key_sha256_start);
    assert.deepEqual([two.body, two.status], ['{broken', 400]);
    assert.equal(standIn.requests.length, 2);
    await fetch(new URL('/stand-in/reset', standIn.url), { method: 'POST' });
    assert.equal(standIn.requests.length, 0);
  });

  test('a client that leaves is noticed', async () => {
    const abort = new AbortController();
    const response = await fetch(`${standIn.url}/chat/completions`, { method: 'POST', signal: abort.signal, headers: { authorization: 'Bearer k', 'content-type': 'application/json' }, body: JSON.stringify(user('[[fault:hang after=2]]', { stream: true })) });
    await response.body.getReader().read();
    abort.abort();
    await eventually(() => standIn.requests[0]?.closed_early, 'closed_early');
  });

  test('the program helps, refuses bad options, serves and stops', async () => {
    const run = (...args) => spawnSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8' });
    assert.match(run('--help').stdout, /Usage:[\s\S]*error-mid-stream/);
    assert.equal(run('--port', 'many').status, 2);
    const taken = run('--port', String(standIn.port));
    assert.equal(taken.status, 2);
    assert.match(taken.stderr, /--port/);
    const child = spawn(process.execPath, [PROGRAM, '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await once(child.stdout, 'data');
    const url = /http:\S+\/v1/.exec(String(line))[0];
    assert.equal((await fetch(new URL('/stand-in/health', url))).status, 200);
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });
});
