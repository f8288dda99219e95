// The official client against the stand-in.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import OpenAI from 'openai';
import { user } from './harness.mjs';
import { startStandIn } from './openai.mjs';
import { LABEL } from './text.mjs';

const WEATHER = { type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } } };

let standIn;
let client;
const clientWith = (options) => new OpenAI({ apiKey: 'sk-test', baseURL: standIn.url, maxRetries: 0, timeout: 5_000, ...options });
before(async () => {
  standIn = await startStandIn();
  client = clientWith({});
});
after(() => standIn.close());

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}
const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');

describe('what works', () => {
  test('create', async () => {
    const { data, request_id: requestId } = await client.chat.completions.create(user('Hi')).withResponse();
    assert.ok(data.choices[0].message.content.startsWith(LABEL));
    assert.match(requestId, /^req_/);
  });

  test('stream, and stream with usage', async () => {
    const plain = await client.chat.completions.create(user('Hi'));
    const bare = await collect(await client.chat.completions.create(user('Hi', { stream: true })));
    assert.equal(textOf(bare), plain.choices[0].message.content);
    const counted = await collect(await client.chat.completions.create(user('Hi', { stream: true, stream_options: { include_usage: true } })));
    assert.deepEqual(counted.at(-1).usage, plain.usage);
    assert.ok(counted.length >= 15);
  });

  test('the .stream() helper', async () => {
    const deltas = [];
    const helper = client.chat.completions.stream(user('Hi', { stream_options: { include_usage: true } }));
    helper.on('content', (delta) => deltas.push(delta));
    const final = await helper.finalChatCompletion();
    assert.equal(deltas.join(''), final.choices[0].message.content);
    assert.equal((await helper.totalUsage()).completion_tokens, final.usage.completion_tokens);
  });

  test('tool calls, plain and by the helper', async () => {
    const body = user('Weather?', { tools: [WEATHER], tool_choice: 'required' });
    const plain = await client.chat.completions.create(body);
    const streamed = await client.chat.completions.stream(body).finalChatCompletion();
    const [one] = plain.choices[0].message.tool_calls;
    const [two] = streamed.choices[0].message.tool_calls;
    assert.deepEqual(two.function.arguments, one.function.arguments);
    assert.equal(typeof JSON.parse(one.function.arguments).city, 'string');
    assert.equal(streamed.choices[0].finish_reason, 'tool_calls');
  });

  test('models', async () => {
    const ids = (await collect(client.models.list())).map(({ id }) => id);
    assert.ok(ids.includes('gpt-4o') && ids.includes('stand-in-unpriced'));
    assert.equal((await client.models.retrieve('gpt-4')).id, 'gpt-4');
  });

  test('a stream the client stops is noticed', async () => {
    const stream = await client.chat.completions.create(user('[[fault:drip ms=50]]', { stream: true }));
    for await (const _ of stream) break;
    const deadline = Date.now() + 3_000;
    while (!standIn.requests.at(-1).closed_early && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.ok(standIn.requests.at(-1).closed_early);
  });
});

describe('what fails', () => {
  test('401, 404, 400 as typed errors', async () => {
    await assert.rejects(clientWith({ apiKey: 'sk-invalid' }).models.list(), (error) => error instanceof OpenAI.AuthenticationError && error.code === 'invalid_api_key');
    await assert.rejects(client.models.retrieve('gpt-none'), (error) => error instanceof OpenAI.NotFoundError && error.code === 'model_not_found');
    await assert.rejects(client.chat.completions.create(user('x', { temperature: 9 })), (error) => error instanceof OpenAI.BadRequestError && error.param === 'temperature');
  });

  test('429 is retried after Retry-After, as often as maxRetries says', async () => {
    const before = standIn.requests.length;
    const started = performance.now();
    const answer = await clientWith({ maxRetries: 2 }).chat.completions.create(user('[[fault:429 retry-after=1 times=1]]'));
    assert.ok(answer.choices[0].message.content.startsWith(LABEL));
    assert.ok(performance.now() - started >= 990, 'it waited');
    assert.equal(standIn.requests.length - before, 2);
    await assert.rejects(client.chat.completions.create(user('[[fault:429 retry-after=1]]')), (error) => error instanceof OpenAI.RateLimitError && error.headers.get('retry-after') === '1');
  });

  test('500', async () => {
    await assert.rejects(client.chat.completions.create(user('[[fault:500]]')), OpenAI.InternalServerError);
    const recovered = await clientWith({ maxRetries: 1 }).chat.completions.create(user('[[fault:500 times=1]]'));
    assert.ok(recovered.choices[0].message.content.startsWith(LABEL));
  });

  test('a stream cut, malformed or failed in the middle is an error, never a short answer', async () => {
    for (const fault of ['cut after=5', 'malformed after=5', 'error-mid-stream after=5']) {
      const stream = await client.chat.completions.create(user(`[[fault:${fault}]]`, { stream: true }));
      const seen = [];
      await assert.rejects(async () => {
        for await (const chunk of stream) seen.push(chunk);
      }, fault);
      assert.equal(seen.length, 5, fault);
    }
  });

  test('a malformed or cut plain body', async () => {
    for (const fault of ['malformed', 'cut', 'cut after=0']) {
      await assert.rejects(client.chat.completions.create(user(`[[fault:${fault}]]`)), fault);
    }
  });

  test('silence runs into the timeout', async () => {
    await assert.rejects(clientWith({ timeout: 150 }).chat.completions.create(user('[[fault:hang]]')), OpenAI.APIConnectionTimeoutError);
  });
});
