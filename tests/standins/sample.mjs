// Makes a deterministic value for a JSON Schema: what a model answers when asked
// for structured output or tool arguments. Covers the keywords OpenAI accepts in
// structured outputs; anything it cannot satisfy is a SampleError, never a wrong value.

import { hashNumber } from './text.mjs';

const MAX_DEPTH = 24;
const OPTIONAL_DEPTH = 3; // deeper than this, only what is required: ends recursive schemas
const MAX_ITEMS = 1_000;

const FORMATS = {
  'date-time': '2026-01-15T10:30:00Z',
  date: '2026-01-15',
  time: '10:30:00Z',
  duration: 'PT1H',
  email: 'stand-in@example.com',
  hostname: 'stand-in.example.com',
  uri: 'https://stand-in.example.com/',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uuid: '00000000-0000-4000-8000-000000000000',
};
const PATTERN_GUESSES = ['A', 'a', '1', 'AB', 'ab', 'ABC', 'abc', 'Abc', '12', '123', '1234', '12345', '123456',
  'A1', 'a1', 'A-1', 'AB-12', 'ABC-123', 'ab_cd', 'ab-cd', 'Stand in', '1.0', '1.0.0', '10.50', '$10.50',
  '+15550100', 'USD', '00000000', '0'.repeat(32), '0'.repeat(64), 'https://stand-in.example.com/', ...Object.values(FORMATS)];

export class SampleError extends Error {}

/** @param text what free strings say; @param seed makes numbers and choices vary by request. */
export function sample(schema, { seed, text }) {
  return valueFor({ root: schema, seed, text, counter: 0 }, schema, 0);
}

function valueFor(ctx, schema, depth) {
  if (depth > MAX_DEPTH) throw new SampleError(`the schema nests deeper than ${MAX_DEPTH} levels`);
  if (schema === true || schema === undefined) return ctx.text;
  if (schema === null || typeof schema !== 'object') throw new SampleError('the schema allows no value');
  if (schema.$ref !== undefined) return valueFor(ctx, { ...resolve(ctx.root, schema.$ref), ...without(schema, '$ref') }, depth + 1);
  if ('const' in schema) return schema.const;
  if (Array.isArray(schema.enum)) return choose(ctx, schema.enum);
  if (Array.isArray(schema.allOf)) return valueFor(ctx, schema.allOf.reduce((all, part) => merge(ctx, all, part), without(schema, 'allOf')), depth + 1);
  for (const key of ['anyOf', 'oneOf']) {
    if (Array.isArray(schema[key])) return firstPossible(ctx, without(schema, key), schema[key], depth);
  }
  return typedValue(ctx, schema, depth);
}

function typedValue(ctx, schema, depth) {
  switch (typeOf(schema, depth)) {
    case 'object': return objectFor(ctx, schema, depth);
    case 'array': return arrayFor(ctx, schema, depth);
    case 'integer': return numberFor(ctx, schema, 1);
    case 'number': return numberFor(ctx, schema, 0.5);
    case 'boolean': return next(ctx) % 2 === 0;
    case 'null': return null;
    default: return stringFor(ctx, schema);
  }
}

function typeOf(schema, depth) {
  const types = [schema.type ?? (schema.properties ? 'object' : schema.items ? 'array' : 'string')].flat();
  if (depth > OPTIONAL_DEPTH && types.includes('null')) return 'null';
  return types.find((type) => type !== 'null') ?? 'null';
}

function firstPossible(ctx, base, options, depth) {
  const isNull = (option) => (option?.type === 'null' ? 1 : 0);
  const nullLast = depth > OPTIONAL_DEPTH ? -1 : 1;
  const ordered = [...options].sort((a, b) => nullLast * (isNull(a) - isNull(b)));
  let reason;
  for (const option of ordered) {
    try {
      return valueFor(ctx, merge(ctx, base, option), depth + 1);
    } catch (error) {
      if (!(error instanceof SampleError)) throw error;
      reason = error;
    }
  }
  throw reason ?? new SampleError('anyOf and oneOf need at least one option');
}

function objectFor(ctx, schema, depth) {
  const required = new Set(schema.required ?? []);
  const out = {};
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    if (required.has(name)) out[name] = valueFor(ctx, property, depth + 1);
    else if (depth < OPTIONAL_DEPTH) out[name] = valueFor(ctx, property, depth + 1);
    required.delete(name);
  }
  for (const name of required) out[name] = valueFor(ctx, schema.additionalProperties ?? true, depth + 1);
  return out;
}

function arrayFor(ctx, schema, depth) {
  const least = schema.minItems ?? 0;
  if (least > MAX_ITEMS) throw new SampleError(`minItems is over ${MAX_ITEMS}`);
  const wanted = depth > OPTIONAL_DEPTH ? least : Math.max(least, Math.min(1, schema.maxItems ?? 1));
  return Array.from({ length: wanted }, () => valueFor(ctx, schema.items, depth + 1));
}

function numberFor(ctx, schema, step) {
  const span = (schema.maximum ?? schema.exclusiveMaximum ?? Infinity) - (schema.minimum ?? schema.exclusiveMinimum ?? -Infinity);
  const unit = schema.multipleOf ?? (schema.type === 'number' && span > 0 ? Math.min(step, span / 4) : step);
  const low = Math.max(schema.minimum ?? -Infinity, (schema.exclusiveMinimum ?? -Infinity) + unit);
  const high = Math.min(schema.maximum ?? Infinity, (schema.exclusiveMaximum ?? Infinity) - unit);
  const from = Number.isFinite(low) ? low : Math.min(0, high);
  const first = Math.ceil(from / unit);
  const last = Math.min(Math.floor(high / unit), first + 100);
  if (last < first) throw new SampleError('no number fits the bounds');
  return (first + (next(ctx) % (last - first + 1))) * unit;
}

function stringFor(ctx, schema) {
  if (schema.pattern !== undefined) return patternGuess(schema);
  if (Object.hasOwn(FORMATS, schema.format ?? '')) return FORMATS[schema.format];
  const points = [...ctx.text].slice(0, schema.maxLength ?? Infinity);
  if ((schema.minLength ?? 0) > 1_000_000) throw new SampleError('minLength is over 1000000');
  return points.join('') + '.'.repeat(Math.max(0, (schema.minLength ?? 0) - points.length));
}

function patternGuess(schema) {
  let pattern;
  try {
    pattern = new RegExp(schema.pattern, 'u');
  } catch {
    throw new SampleError(`the pattern ${schema.pattern} is not a valid regular expression`);
  }
  const fits = (guess) => pattern.test(guess) && guess.length >= (schema.minLength ?? 0) && guess.length <= (schema.maxLength ?? Infinity);
  const guess = PATTERN_GUESSES.find(fits);
  if (guess === undefined) throw new SampleError(`the stand-in knows no string for the pattern ${schema.pattern}`);
  return guess;
}

function resolve(root, ref) {
  if (typeof ref !== 'string' || !ref.startsWith('#')) throw new SampleError(`only references within the schema work, not ${ref}`);
  let found = root;
  for (const part of ref.slice(1).split('/').filter(Boolean)) {
    found = found?.[decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')];
  }
  if (found === undefined) throw new SampleError(`the reference ${ref} leads nowhere`);
  return found;
}

function merge(ctx, base, part) {
  const option = part?.$ref === undefined ? part : { ...resolve(ctx.root, part.$ref), ...without(part, '$ref') };
  if (option === null || typeof option !== 'object') throw new SampleError('the schema allows no value');
  const merged = { ...base, ...option };
  if (base.properties && option.properties) merged.properties = { ...base.properties, ...option.properties };
  if (base.required && option.required) merged.required = [...base.required, ...option.required];
  return merged;
}

function without(schema, key) {
  const { [key]: _, ...rest } = schema;
  return rest;
}

function choose(ctx, values) {
  if (values.length === 0) throw new SampleError('an enum needs at least one value');
  return values[next(ctx) % values.length];
}

function next(ctx) {
  ctx.counter += 1;
  return hashNumber(`${ctx.seed}:${ctx.counter}`);
}
