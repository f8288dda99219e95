#!/usr/bin/env node
// Cuts the schemas the tests need out of OpenAI's OpenAPI description and turns
// them into JSON Schema 2020-12. One definition a line, so that a new version of
// the description gives a readable diff.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import YAML from 'yaml';

const HELP = `Usage: node tests/standins/extract-schemas.mjs <openapi.yaml> [--out FILE]

Cuts the schemas of Chat Completions, of models and errors, and of Responses, with all
they reference, out of openai/openai-openapi and writes them as JSON Schema 2020-12:
openai-chat.json and openai-responses.json.

  --out DIR    where to write (default: schemas beside this script)
  --help       this text

After a run with a newer description, put its commit into schemas/NOTICE.`;

const ROOTS = {
  'openai-chat': [
    'CreateChatCompletionRequest',
    'CreateChatCompletionResponse',
    'CreateChatCompletionStreamResponse',
    'ListModelsResponse',
    'Model',
    'ErrorResponse',
  ],
  'openai-responses': [
    'CreateResponse',
    'Response',
    'ResponseUsage',
    'ResponseCreatedEvent',
    'ResponseInProgressEvent',
    'ResponseOutputItemAddedEvent',
    'ResponseOutputItemDoneEvent',
    'ResponseContentPartAddedEvent',
    'ResponseContentPartDoneEvent',
    'ResponseTextDeltaEvent',
    'ResponseTextDoneEvent',
    'ResponseFunctionCallArgumentsDeltaEvent',
    'ResponseFunctionCallArgumentsDoneEvent',
    'ResponseCompletedEvent',
    'ResponseIncompleteEvent',
    'ResponseErrorEvent',
  ],
};
const OPENAPI_PREFIX = '#/components/schemas/';
// Documentation and OpenAPI's own keywords: no meaning for validation.
const DROPPED = new Set(['$recursiveAnchor', 'description', 'title', 'example', 'examples', 'deprecated', 'discriminator', 'nullable']);
// Keywords whose value maps names to schemas: the names are data, not keywords.
const NAME_MAPS = new Set(['properties', 'patternProperties', '$defs', 'dependentSchemas']);
const LITERALS = new Set(['enum', 'const', 'default', 'required']);

function allowNull(schema) {
  if ('$ref' in schema) return { anyOf: [schema, { type: 'null' }] };
  const widened = { ...schema };
  if (typeof widened.type === 'string') widened.type = [widened.type, 'null'];
  if (widened.enum && !widened.enum.includes(null)) widened.enum = [...widened.enum, null];
  if (typeof schema.type === 'string') return widened;
  return { anyOf: [schema, { type: 'null' }] };
}

function convertKeyword(key, value, context) {
  if (key === '$ref') {
    if (!value.startsWith(OPENAPI_PREFIX)) throw new Error(`reference outside ${OPENAPI_PREFIX}: ${value}`);
    const name = value.slice(OPENAPI_PREFIX.length);
    context.found.add(name);
    return `#/$defs/${name}`;
  }
  if (key === '$recursiveRef') return `#/$defs/${context.name}`;
  if (LITERALS.has(key)) return value;
  if (NAME_MAPS.has(key)) {
    return Object.fromEntries(Object.entries(value).map(([name, schema]) => [name, convert(schema, context)]));
  }
  if (Array.isArray(value)) return value.map((schema) => convert(schema, context));
  return convert(value, context);
}

/** Converts one OpenAPI 3.1 schema; names it references are added to `context.found`. */
export function convert(schema, context) {
  if (schema === null || typeof schema !== 'object') return schema;
  const out = {};
  for (const [key, value] of Object.entries(schema)) {
    if (DROPPED.has(key) || key.startsWith('x-')) continue;
    if (key === 'format' && value === 'unixtime') continue; // OpenAI's own name for a plain integer
    // An older draft's word for a reference to the schema that it stands in.
    out[key === '$recursiveRef' ? '$ref' : key] = convertKeyword(key, value, context);
  }
  return schema.nullable === true ? allowNull(out) : out;
}

export function extract(openapi, roots) {
  const source = openapi?.components?.schemas;
  if (!source) throw new Error('not an OpenAPI description: components.schemas is missing');
  const definitions = new Map();
  const queue = [...roots];
  while (queue.length > 0) {
    const name = queue.pop();
    if (definitions.has(name)) continue;
    if (!source[name]) throw new Error(`the description has no schema ${name}`);
    const found = new Set();
    definitions.set(name, convert(source[name], { name, found }));
    queue.push(...found);
  }
  return new Map([...definitions].sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function render(id, definitions) {
  const lines = [...definitions].map(([name, schema]) => `    ${JSON.stringify(name)}: ${JSON.stringify(schema)}`);
  return [
    '{',
    '  "$schema": "https://json-schema.org/draft/2020-12/schema",',
    `  "$id": "${id}",`,
    '  "$comment": "Extracted by tests/standins/extract-schemas.mjs; source and licence in NOTICE.",',
    '  "$defs": {',
    lines.join(',\n'),
    '  }',
    '}',
    '',
  ].join('\n');
}

function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { out: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) return console.log(HELP);
  if (positionals.length !== 1) throw new Error('give the path of the OpenAPI description, see --help');
  const out = values.out ?? fileURLToPath(new URL('./schemas', import.meta.url));
  const openapi = YAML.parse(readFileSync(positionals[0], 'utf8'), { maxAliasCount: -1 });
  for (const [id, roots] of Object.entries(ROOTS)) {
    const definitions = extract(openapi, roots);
    const file = join(out, `${id}.json`);
    writeFileSync(file, render(id, definitions));
    console.log(`${definitions.size} schemas written to ${file}`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    main();
  } catch (error) {
    console.error(`extract-schemas: ${error.message}`);
    process.exitCode = 2;
  }
}
