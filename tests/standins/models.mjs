// The models on offer. Limits are those of the real models of that name, so that
// a caller's mistakes show up here as they would there.

const CREATED = 1_700_000_000;
// Reasoning models refuse `max_tokens` and sampling parameters, as OpenAI's do.
const MODELS = new Map([
  ['gpt-4', { context: 8_192, output: 8_192, reasoning: false }],
  ['gpt-4o', { context: 128_000, output: 16_384, reasoning: false }],
  ['gpt-4o-mini', { context: 128_000, output: 16_384, reasoning: false }],
  ['gpt-4.1', { context: 1_047_576, output: 32_768, reasoning: false }],
  ['gpt-4.1-mini', { context: 1_047_576, output: 32_768, reasoning: false }],
  ['gpt-3.5-turbo', { context: 16_385, output: 4_096, reasoning: false }],
  ['gpt-5-mini', { context: 400_000, output: 128_000, reasoning: true }],
  ['claude-sonnet-5', { context: 200_000, output: 64_000, reasoning: false }],
  // In no price table: for callers that must refuse or mark what they cannot price.
  ['stand-in-unpriced', { context: 128_000, output: 16_384, reasoning: false }],
]);

function describe(id) {
  return { id, object: 'model', created: CREATED, owned_by: 'stand-in' };
}

export function modelLimits(id) {
  return MODELS.get(id);
}

export function modelBody(id) {
  return MODELS.has(id) ? describe(id) : undefined;
}

export function modelList() {
  return { object: 'list', data: [...MODELS.keys()].map(describe) };
}
