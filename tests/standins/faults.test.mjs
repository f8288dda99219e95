// Every fault, seen from a raw client.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { assertValid, eventually, events, post, streamedText, user } from './harness.mjs';
import { parseFault } from './faults.mjs';
import { startStandIn } from './openai.mjs';

let standIn;
before(async () => { standIn = await startStandIn(); });
after(() => standIn.close());
beforeEach(() => fetch(new URL('/stand-in/reset', standIn.url), { method: 'POST' }));

/** Reads a stream as far as it goes. */
async function readTillBroken(response) {
  let text = '';
  const decoder = new TextDecoder();
  try {
    for await (const part of response.body) text += decoder.decode(part, { stream: true });
    return { text, broken: false };
  } catch {
    return { text, broken: true };
  }
}

const count = (text) => text.split('\n\n').filter(Boolean).length;

describe('status', () => {
  test('429 with Retry-After and exhausted limits', async () => {
    for (const stream of [false, true]) {
      const response = await post(standIn, user('[[fault:429 retry-after=2]]', { stream }));
      assert.equal(response.status, 429);
      assert.equal(response.headers.get('retry-after'), '2');
      assert.equal(response.headers.get('x-ratelimit-remaining-requests'), '0');
      assert.equal(response.headers.get('x-ratelimit-reset-requests'), '2s');
      const body = await response.json();
      assertValid('ErrorResponse', body);
      assert.equal(body.error.code, 'rate_limit_exceeded');
    }
    const bare = await post(standIn, user('[[fault:429]]'));
    assert.equal(bare.headers.get('retry-after'), null);
  });

  test('an exhausted quota is told apart from a rate limit', async () => {
    const { error } = await (await post(standIn, user('[[fault:429 code=insufficient_quota]]'))).json();
    assert.deepEqual([error.type, error.code], ['insufficient_quota', 'insufficient_quota']);
  });

  test('any 4xx or 5xx, by marker or header, also in a list of parts', async () => {
    for (const status of [400, 401, 403, 500, 503, 529]) {
      const byMarker = await post(standIn, user([{ type: 'text', text: `x [[fault:${status}]]` }]));
      const byHeader = await post(standIn, user('x'), { 'x-stand-in-fault': String(status) });
      for (const response of [byMarker, byHeader]) {
        assert.equal(response.status, status);
        assertValid('ErrorResponse', await response.json());
      }
    }
  });

  test('models fail by header', async () => {
    const response = await fetch(`${standIn.url}/models`, { headers: { authorization: 'Bearer k', 'x-stand-in-fault': '503' } });
    assert.equal(response.status, 503);
  });

  test('only the last user message counts', async () => {
    const messages = [{ role: 'user', content: '[[fault:500]]' }, { role: 'assistant', content: '[[fault:500]]' }, { role: 'user', content: 'fine' }];
    assert.equal((await post(standIn, { model: 'gpt-4', messages })).status, 200);
  });
});

describe('times=N', () => {
  test('fails the first N requests with that text and no more', async () => {
    const ask = async (content) => (await post(standIn, user(content))).status;
    const text = 'a [[fault:500 times=2]]';
    assert.deepEqual([await ask(text), await ask(text), await ask(text)], [500, 500, 200]);
    assert.equal(await ask('b [[fault:500 times=2]]'), 500);
  });

  test('counts exactly under concurrency, and again after a reset', async () => {
    for (let round = 0; round < 2; round += 1) {
      const replies = await Promise.all(Array.from({ length: 20 }, () => post(standIn, user('c [[fault:503 times=5]]'))));
      assert.equal(replies.filter(({ status }) => status === 503).length, 5);
      await fetch(new URL('/stand-in/reset', standIn.url), { method: 'POST' });
    }
  });
});

describe('time', () => {
  test('delay holds the first byte back', async () => {
    const started = performance.now();
    const response = await post(standIn, user('[[fault:delay ms=150]]'));
    assert.equal(response.status, 200);
    assert.ok(performance.now() - started >= 145);
  });

  test('delay and another fault work together', async () => {
    const started = performance.now();
    assert.equal((await post(standIn, user('[[fault:delay ms=100]] [[fault:500]]'))).status, 500);
    assert.ok(performance.now() - started >= 95);
    assert.deepEqual(standIn.requests[0].faults, ['delay ms=100', '500']);
  });

  test('drip pauses between events and loses nothing', async () => {
    const started = performance.now();
    const all = await events(await post(standIn, user('[[fault:drip ms=20]]', { stream: true, max_tokens: 8 })));
    assert.equal(all.length, 11); // role, 8 tokens, finish, [DONE]
    assert.ok(performance.now() - started >= 9 * 19);
  });

  test('drip by bytes splits lines and characters', async () => {
    const body = user('echo: 漢字🙂 [[fault:drip ms=0 bytes=7]]', { max_tokens: 40 });
    const plain = await (await post(standIn, body)).json();
    const all = await events(await post(standIn, { ...body, stream: true }));
    assert.equal(all.pop(), '[DONE]');
    const text = streamedText(all.map((event) => JSON.parse(event)));
    assert.ok(text.includes('漢字🙂'));
    assert.equal(text, plain.choices[0].message.content);
  });

  test('hang answers nothing until the client leaves', async () => {
    for (const body of [user('[[fault:hang]]'), user('[[fault:hang]]', { stream: true })]) {
      const left = fetch(`${standIn.url}/chat/completions`, { method: 'POST', signal: AbortSignal.timeout(100), headers: { authorization: 'Bearer k', 'content-type': 'application/json' }, body: JSON.stringify(body) });
      await assert.rejects(left, { name: 'TimeoutError' });
      await eventually(() => standIn.requests.at(-1).closed_early, 'closed_early');
      assert.equal(standIn.requests.at(-1).status, null);
    }
  });

  test('close() ends hanging requests', async () => {
    const other = await startStandIn();
    const hanging = post(other, user('[[fault:hang]]'));
    const broken = assert.rejects(hanging);
    await eventually(() => other.requests.length === 1, 'the request arrives');
    await other.close();
    await broken;
  });
});

describe('broken replies', () => {
  test('cut destroys the connection after N events', async () => {
    const { text, broken } = await readTillBroken(await post(standIn, user('[[fault:cut after=4]]', { stream: true })));
    assert.ok(broken);
    assert.equal(count(text), 4);
    await eventually(() => standIn.requests[0].status === 200, 'status');
    assert.equal(standIn.requests[0].closed_early, false); // the stand-in left, not the client
  });

  test('cut after the last event still loses the end', async () => {
    const { text, broken } = await readTillBroken(await post(standIn, user('[[fault:cut after=999]]', { stream: true })));
    assert.ok(broken);
    assert.ok(!text.includes('[DONE]'));
    assert.ok(text.includes('"finish_reason":"stop"'));
  });

  test('cut half-way through a plain body, or before anything', async () => {
    const { text, broken } = await readTillBroken(await post(standIn, user('[[fault:cut]]')));
    assert.ok(broken);
    assert.ok(text.startsWith('{"id":"chatcmpl-'));
    for (const stream of [false, true]) await assert.rejects(post(standIn, user('[[fault:cut after=0]]', { stream })), TypeError);
  });

  test('malformed is no JSON, in a body and in an event', async () => {
    const plain = await post(standIn, user('[[fault:malformed]]'));
    assert.match(plain.headers.get('content-type'), /json/);
    await assert.rejects(plain.json(), SyntaxError);
    const all = await events(await post(standIn, user('[[fault:malformed after=2]]', { stream: true })));
    assert.equal(all.length, 3);
    for (const event of all.slice(0, 2)) assertValid('CreateChatCompletionStreamResponse', JSON.parse(event));
    assert.throws(() => JSON.parse(all[2]), SyntaxError);
  });

  test('error-mid-stream is an error event and the end', async () => {
    const all = await events(await post(standIn, user('[[fault:error-mid-stream after=2]]', { stream: true })));
    assert.equal(all.length, 3);
    assertValid('ErrorResponse', JSON.parse(all[2]));
    assert.equal((await post(standIn, user('[[fault:error-mid-stream]]'))).status, 500);
  });

  test('missing-usage leaves usage out', async () => {
    const plain = await (await post(standIn, user('[[fault:missing-usage]]'))).json();
    assertValid('CreateChatCompletionResponse', plain);
    assert.ok(!('usage' in plain));
    const all = await events(await post(standIn, user('[[fault:missing-usage]]', { stream: true, stream_options: { include_usage: true } })));
    assert.equal(all.pop(), '[DONE]');
    assert.ok(all.every((event) => JSON.parse(event).usage === null));
  });

  test('huge answers have exactly the bytes asked for', async () => {
    for (const bytes of [1, 40, 3_000_000]) {
      const body = user(`[[fault:huge bytes=${bytes}]]`);
      const plain = await (await post(standIn, body)).json();
      assertValid('CreateChatCompletionResponse', plain);
      assert.equal(Buffer.byteLength(plain.choices[0].message.content), bytes);
      const all = await events(await post(standIn, { ...body, stream: true }));
      assert.equal(all.pop(), '[DONE]');
      assert.equal(streamedText(all.map((event) => JSON.parse(event))), plain.choices[0].message.content);
    }
  });
});

describe('misspelt faults', () => {
  for (const spec of ['', '200', '600', 'status', 'nope', 'delay ms=-1', 'delay ms=x', 'delay s=1', 'cut after=', 'huge bytes=99999999', '500 times=0', 'constructor']) {
    test(`"${spec}" is an error that says so`, async () => {
      const response = await post(standIn, user(`[[fault:${spec}]]`));
      assert.equal(response.status, 400);
      const body = await response.json();
      assertValid('ErrorResponse', body);
      assert.equal(body.error.code, 'unknown_stand_in_fault');
      assert.throws(() => parseFault(spec));
    });
  }
});
