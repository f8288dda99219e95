// Anthropic's Messages, on top of what a chat completion would answer.

import { ApiError, invalid } from './errors.mjs';
import { check as checkChat } from './request.mjs';
import { pieces } from './text.mjs';

const VERSION = '2023-06-01';
/** Every parameter of the published client; others are refused by name. */
export const PARAMETERS = new Set(['cache_control', 'container', 'context_management', 'inference_geo', 'max_tokens', 'messages',
  'metadata', 'model', 'output_config', 'service_tier', 'stop_sequences', 'stream', 'system', 'temperature', 'thinking',
  'tool_choice', 'tools', 'top_k', 'top_p']);
const ERROR_TYPES = new Map([[400, 'invalid_request_error'], [401, 'authentication_error'], [402, 'billing_error'],
  [403, 'permission_error'], [404, 'not_found_error'], [413, 'request_too_large'], [429, 'rate_limit_error'],
  [500, 'api_error'], [504, 'timeout_error'], [529, 'overloaded_error']]);
const CHOICES = new Map([['auto', 'auto'], ['any', 'required'], ['none', 'none']]);
const EFFORTS = ['low', 'medium', 'high', 'xhigh', 'max'];
const BLOCKS = ['text', 'image', 'document', 'tool_use', 'tool_result', 'thinking', 'redacted_thinking'];

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);
const isSet = (value) => value !== undefined && value !== null;

/** The chat request with the same meaning; what makes none is left for `check` to refuse. */
function toChat(body) {
  if (!isObject(body)) return body;
  const chat = { model: body.model, messages: messages(body), max_completion_tokens: body.max_tokens };
  for (const name of ['temperature', 'top_p', 'stream']) if (isSet(body[name])) chat[name] = body[name];
  if (Array.isArray(body.stop_sequences) && body.stop_sequences.length > 0) chat.stop = body.stop_sequences;
  if (Array.isArray(body.tools) && body.tools.length > 0) {
    chat.tools = body.tools.map((tool) => ({ type: 'function', function: { name: tool?.name, parameters: tool?.input_schema } }));
    const choice = body.tool_choice ?? { type: 'auto' };
    chat.tool_choice = choice.type === 'tool' ? { type: 'function', function: { name: choice.name } } : CHOICES.get(choice.type);
  }
  const schema = body.output_config?.format?.schema;
  if (schema) chat.response_format = { type: 'json_schema', json_schema: { name: 'output', schema } };
  return chat;
}

function messages({ system, messages: turns }) {
  const first = isSet(system) ? [{ role: 'system', content: system }] : [];
  if (!Array.isArray(turns)) return turns;
  return [...first, ...turns.flatMap(turn)];
}

function turn(given) {
  if (!isObject(given) || !Array.isArray(given.content)) return [given];
  const of = (type) => given.content.filter((block) => block?.type === type);
  const results = of('tool_result').map((block) => ({ role: 'tool', tool_call_id: block.tool_use_id, content: textOf(block.content) }));
  const calls = of('tool_use').map((block) => ({ id: block.id, type: 'function', function: { name: block.name, arguments: JSON.stringify(block.input) } }));
  const parts = [...of('text').map(({ text }) => ({ type: 'text', text })), ...of('image').map(({ source }) => ({ type: 'image_url', image_url: { url: source?.url ?? '' } }))];
  if (parts.length === 0 && calls.length === 0) return results;
  return [...results, { role: given.role, content: parts.length > 0 ? parts : null, ...(calls.length > 0 ? { tool_calls: calls } : {}) }];
}

function textOf(content) {
  return Array.isArray(content) ? content.map((block) => block?.text ?? '').join('\n') : content ?? '';
}

function check(body, chat, req) {
  if (req.headers['anthropic-version'] !== VERSION) throw refuse('anthropic-version', `header is required: send ${VERSION}`);
  if (!isObject(body)) throw refuse('body', 'Input should be an object');
  for (const name of Object.keys(body)) if (!PARAMETERS.has(name)) throw refuse(name, 'Extra inputs are not permitted');
  for (const name of ['model', 'messages', 'max_tokens']) if (!isSet(body[name])) throw refuse(name, 'Field required');
  if (!Number.isInteger(body.max_tokens) || body.max_tokens < 1) throw refuse('max_tokens', 'Input should be an integer greater than or equal to 1');
  if (isSet(body.temperature) && !(body.temperature >= 0 && body.temperature <= 1)) throw refuse('temperature', 'Input should be from 0 to 1');
  const effort = body.output_config?.effort;
  if (isSet(effort) && !EFFORTS.includes(effort)) throw refuse('output_config.effort', `Input should be one of ${EFFORTS.join(', ')}`);
  if (isSet(body.service_tier) && !['auto', 'standard_only'].includes(body.service_tier)) throw refuse('service_tier', "Input should be 'auto' or 'standard_only'");
  checkTurns(body.messages);
  if (isSet(body.tool_choice) && !CHOICES.has(body.tool_choice.type) && body.tool_choice.type !== 'tool') throw refuse('tool_choice.type', 'Input should be auto, any, tool or none');
  checkChat(chat);
}

function checkTurns(turns) {
  if (!Array.isArray(turns) || turns.length === 0) throw refuse('messages', 'at least one message is required');
  turns.forEach((given, at) => {
    if (!['user', 'assistant'].includes(given?.role)) throw refuse(`messages.${at}.role`, "Input should be 'user' or 'assistant'");
    if (typeof given.content === 'string') return;
    if (!Array.isArray(given.content)) throw refuse(`messages.${at}.content`, 'Input should be a string or a list of blocks');
    given.content.forEach((block, index) => {
      const where = `messages.${at}.content.${index}`;
      if (!BLOCKS.includes(block?.type)) throw refuse(`${where}.type`, `Input should be one of ${BLOCKS.join(', ')}`);
      if (block.type === 'text' && !block.text) throw refuse(where, 'text content blocks must be non-empty');
      if (block.type === 'tool_use' && !isObject(block.input)) throw refuse(`${where}.input`, 'Input should be an object');
    });
    checkResults(turns, at);
  });
}

/** Each call is answered in the turn that follows it. */
function checkResults(turns, at) {
  const blocks = (turn, type) => (Array.isArray(turn?.content) ? turn.content.filter((block) => block.type === type) : []);
  const asked = blocks(turns[at], 'tool_use').map(({ id }) => id);
  const given = blocks(turns[at + 1], 'tool_result').map((block) => block.tool_use_id);
  const missing = asked.filter((id) => !given.includes(id));
  if (missing.length > 0) throw refuse(`messages.${at}`, `tool_use ids were found without tool_result blocks immediately after: ${missing.join(', ')}`);
}

function refuse(name, why) {
  return invalid(name, null, `${name}: ${why}`);
}

function stopReason({ finish, stop }) {
  if (finish === 'length') return { stop_reason: 'max_tokens', stop_sequence: null };
  if (finish === 'tool_calls') return { stop_reason: 'tool_use', stop_sequence: null };
  return stop === undefined ? { stop_reason: 'end_turn', stop_sequence: null } : { stop_reason: 'stop_sequence', stop_sequence: stop };
}

/** Beside each other: what was read from the cache, written to it, and neither. */
function usage({ usage: counted, service_tier: tier }) {
  if (!counted) return {};
  const read = counted.prompt_tokens_details.cached_tokens;
  const written = counted.prompt_tokens_details.cache_write_tokens ?? 0;
  return {
    input_tokens: counted.prompt_tokens - read - written,
    cache_creation_input_tokens: written,
    cache_read_input_tokens: read,
    cache_creation: { ephemeral_5m_input_tokens: written, ephemeral_1h_input_tokens: 0 },
    output_tokens: counted.completion_tokens,
    service_tier: tier === 'priority' ? 'priority' : 'standard',
  };
}

function block({ call, text, finish }) {
  if (!call) return { type: 'text', text };
  // Arguments cut at the token limit are no JSON any more.
  return { type: 'tool_use', id: call.id.replace('call_', 'toolu_'), name: call.name, input: finish === 'length' ? {} : JSON.parse(text) };
}

function head(made) {
  return { id: made.id.replace('chatcmpl-', 'msg_'), type: 'message', role: 'assistant', model: made.model };
}

function plain(made) {
  const [choice] = made.choices;
  return { ...head(made), content: [block(choice)], ...stopReason(choice), usage: usage(made) };
}

/** Counts at the start are of the prompt; those of the answer are running totals. */
function* stream(made) {
  const [choice] = made.choices;
  const counted = usage(made);
  const early = { ...counted, ...(made.usage ? { output_tokens: 1 } : {}) };
  yield { type: 'message_start', message: { ...head(made), content: [], stop_reason: null, stop_sequence: null, usage: early } };
  const empty = choice.call ? { ...block({ ...choice, text: '{}' }), input: {} } : { type: 'text', text: '' };
  yield { type: 'content_block_start', index: 0, content_block: empty };
  yield { type: 'ping' };
  for (const piece of pieces(choice.text)) {
    const delta = choice.call ? { type: 'input_json_delta', partial_json: piece } : { type: 'text_delta', text: piece };
    yield { type: 'content_block_delta', index: 0, delta };
  }
  yield { type: 'content_block_stop', index: 0 };
  const totals = made.usage ? { output_tokens: counted.output_tokens } : {};
  yield { type: 'message_delta', delta: stopReason(choice), usage: totals };
  yield { type: 'message_stop' };
}

function errorOf({ status, body: { error: { message } } }) {
  return { type: ERROR_TYPES.get(status) ?? (status >= 500 ? 'api_error' : 'invalid_request_error'), message };
}

export const messagesDoor = {
  toChat,
  check,
  plain,
  stream,
  key: (req) => req.headers['x-api-key'],
  errorBody: (error, requestId) => ({ type: 'error', error: errorOf(error), request_id: requestId }),
  frame: (event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`,
  end: null,
  midStreamError: () => ({ type: 'error', error: errorOf(new ApiError(529, 'Overloaded (stand-in fault)')) }),
  idHeader: 'request-id',
};
