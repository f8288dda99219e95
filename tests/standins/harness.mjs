// Shared by the tests of the stand-in: a raw client and the schema checks.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const SCHEMAS = JSON.parse(readFileSync(new URL('./schemas/openai-chat.json', import.meta.url), 'utf8'));

function compiler(schemas) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats(ajv);
  ajv.addSchema(schemas);
  return (name) => ajv.getSchema(`${schemas.$id}#/$defs/${name}`);
}

/** The same schemas, refusing fields that the description does not name. */
function closed(schema) {
  if (Array.isArray(schema)) return schema.map(closed);
  if (schema === null || typeof schema !== 'object') return schema;
  const out = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  const isObjectSchema = [schema.type].flat().includes('object') && schema.properties && !('additionalProperties' in schema);
  return isObjectSchema ? { ...out, additionalProperties: false } : out;
}

const open = compiler(SCHEMAS);
const strict = compiler({ ...closed(SCHEMAS), $id: 'openai-chat-closed' });

export const definitions = SCHEMAS.$defs;

export function accepts(name, value) {
  return open(name)(value);
}

/** Fails unless the value fits the schema and has no field the schema does not name. */
export function assertValid(name, value) {
  for (const schema of [open(name), strict(name)]) {
    assert.ok(schema(value), `${name}: ${JSON.stringify(schema.errors)}\n${JSON.stringify(value)?.slice(0, 2_000)}`);
  }
}

export function user(content, rest = {}) {
  return { model: 'gpt-4', messages: [{ role: 'user', content }], ...rest };
}

export function post(standIn, body, headers = {}) {
  return fetch(`${standIn.url}/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-test', 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
  });
}

/** The `data:` payloads of an event stream that ran to its end. */
export async function events(response) {
  const text = await response.text();
  return text.split('\n\n').filter(Boolean).map((event) => {
    assert.match(event, /^data: /);
    return event.slice('data: '.length);
  });
}

export function streamedText(chunks, index = 0) {
  return chunks.flatMap((chunk) => chunk.choices).filter((choice) => choice.index === index).map((choice) => choice.delta.content ?? '').join('');
}

/** Waits for a condition on the server's side of a closed connection. */
export async function eventually(condition, what) {
  const deadline = Date.now() + 5_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
