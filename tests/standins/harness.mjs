// Shared by the tests of the stand-in: a raw client and the schema checks.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';


function compiler(schemas) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats(ajv);
  ajv.addSchema(schemas);
  return (name) => ajv.getSchema(`${schemas.$id}#/$defs/${name}`);
}

/**
 * The same schemas, refusing fields that the description does not name. What is put together
 * of several (`allOf`) is closed as a whole, and its parts stay open.
 */
function closed({ $defs, ...rest }) {
  const parts = new Set();
  const find = (value, inAll) => {
    if (Array.isArray(value)) return value.forEach((one) => find(one, inAll));
    if (value === null || typeof value !== 'object') return;
    if (inAll && value.$ref) parts.add(value.$ref.split('/').at(-1));
    for (const [key, inner] of Object.entries(value)) find(inner, key === 'allOf');
  };
  find($defs, false);
  return { ...rest, $defs: Object.fromEntries(Object.entries($defs).map(([name, schema]) => [name, close(schema, parts.has(name))])) };
}

function close(schema, isPart) {
  if (Array.isArray(schema)) return schema.map((one) => close(one, isPart));
  if (schema === null || typeof schema !== 'object') return schema;
  const out = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, close(value, key === 'allOf')]));
  if (isPart) return out;
  if (schema.allOf) return { ...out, unevaluatedProperties: false };
  const isObjectSchema = [schema.type].flat().includes('object') && schema.properties && !('additionalProperties' in schema);
  return isObjectSchema ? { ...out, additionalProperties: false } : out;
}

/** The checks against one file of schemas. */
function checks(file) {
  const schemas = JSON.parse(readFileSync(new URL(`./schemas/${file}`, import.meta.url), 'utf8'));
  const open = compiler(schemas);
  const strict = compiler({ ...closed(schemas), $id: `${schemas.$id}-closed` });
  return {
    definitions: schemas.$defs,
    accepts: (name, value) => open(name)(value),
    /** Fails unless the value fits the schema and has no field the schema does not name. */
    assertValid: (name, value) => {
      for (const schema of [open(name), strict(name)]) {
        assert.ok(schema(value), `${name}: ${JSON.stringify(schema.errors)}\n${JSON.stringify(value)?.slice(0, 2_000)}`);
      }
    },
  };
}

export const { definitions, accepts, assertValid } = checks('openai-chat.json');
export const responses = checks('openai-responses.json');
export const anthropic = checks('anthropic.json');

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

/** The events of a stream that ran to its end, which carry their names twice. */
export async function namedEvents(response) {
  const text = await response.text();
  return text.split('\n\n').filter(Boolean).map((event) => {
    const [, name, data] = /^event: (\S+)\ndata: (.*)$/.exec(event) ?? assert.fail(event);
    const json = JSON.parse(data);
    assert.equal(json.type, name);
    return json;
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
