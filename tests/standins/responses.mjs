// OpenAI's Responses, on top of what a chat completion would answer.

import { ApiError, invalid } from './errors.mjs';
import { bearer } from './record.mjs';
import { check as checkChat } from './request.mjs';
import { pieces } from './text.mjs';

/** Every parameter OpenAI's description knows; others are refused by name. */
export const PARAMETERS = new Set(['background', 'context_management', 'conversation', 'include', 'input', 'instructions',
  'max_output_tokens', 'max_tool_calls', 'metadata', 'model', 'moderation', 'parallel_tool_calls', 'previous_response_id',
  'prompt', 'prompt_cache_key', 'prompt_cache_options', 'prompt_cache_retention', 'reasoning', 'safety_identifier',
  'service_tier', 'store', 'stream', 'stream_options', 'temperature', 'text', 'tool_choice', 'tools', 'top_logprobs',
  'top_p', 'truncation', 'user']);
// What needs a memory the stand-in does not have.
const NOT_SERVED = ['background', 'context_management', 'conversation', 'previous_response_id', 'prompt'];
const LEAST_OUTPUT_TOKENS = 16;
const PART_TYPES = new Map([['input_text', 'text'], ['output_text', 'text'], ['input_image', 'image_url'], ['input_file', 'file']]);
// Names of the chat form that an error may carry, and what they are called here.
const PARAM_NAMES = [[/^messages/, 'input'], [/^max_completion_tokens/, 'max_output_tokens'], [/^response_format(\.json_schema)?/, 'text.format'], [/\.function\./, '.']];

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

/** The chat request with the same meaning; what makes none is left for `check` to refuse. */
function toChat(body) {
  if (!isObject(body)) return body;
  const chat = { model: body.model, messages: messages(body) };
  const copy = (from, to, value = body[from]) => {
    if (value !== undefined && value !== null) chat[to] = value;
  };
  for (const name of ['temperature', 'top_p', 'service_tier', 'user', 'metadata', 'parallel_tool_calls', 'stream', 'store']) copy(name, name);
  copy('max_output_tokens', 'max_completion_tokens');
  copy('reasoning', 'reasoning_effort', body.reasoning?.effort);
  copy('text', 'response_format', format(body.text?.format));
  if (Array.isArray(body.tools)) copy('tools', 'tools', body.tools.map(tool));
  copy('tool_choice', 'tool_choice', isObject(body.tool_choice) ? { type: 'function', function: { name: body.tool_choice.name } } : body.tool_choice);
  return chat;
}

function messages({ input, instructions }) {
  const first = typeof instructions === 'string' ? [{ role: 'developer', content: instructions }] : [];
  if (typeof input === 'string') return [...first, { role: 'user', content: input }];
  if (!Array.isArray(input)) return input;
  return [...first, ...input.map(message)];
}

function message(item) {
  if (!isObject(item)) return item;
  if (item.type === 'function_call') {
    return { role: 'assistant', content: null, tool_calls: [{ id: item.call_id, type: 'function', function: { name: item.name, arguments: item.arguments } }] };
  }
  if (item.type === 'function_call_output') return { role: 'tool', tool_call_id: item.call_id, content: content(item.output) };
  return { role: item.role, content: content(item.content) };
}

function content(value) {
  if (!Array.isArray(value)) return value;
  return value.map((part) => {
    const type = PART_TYPES.get(part?.type) ?? part?.type;
    return type === 'text' ? { type, text: part.text } : { type, [type]: part };
  });
}

function tool(given) {
  if (!isObject(given)) return given;
  const { type, ...rest } = given;
  if (rest.parameters === null) delete rest.parameters;
  return { type, function: rest };
}

function format(given) {
  if (!isObject(given) || given.type === 'text') return undefined;
  if (given.type !== 'json_schema') return { type: given.type };
  const { type, ...schema } = given;
  return { type, json_schema: schema };
}

function check(body, chat) {
  if (!isObject(body)) throw invalid(null, 'invalid_type', 'Invalid type for the request body: expected an object.');
  for (const name of Object.keys(body)) {
    if (!PARAMETERS.has(name)) throw invalid(name, 'unknown_parameter', `Unknown parameter: '${name}'.`);
    if (NOT_SERVED.includes(name) && body[name] !== null && body[name] !== false) throw invalid(name, 'unsupported_parameter', `The stand-in keeps nothing, so it takes no '${name}'.`);
  }
  if (body.input === undefined) throw invalid('input', 'missing_required_parameter', "Missing required parameter: 'input'.");
  const limit = body.max_output_tokens;
  if (Number.isInteger(limit) && limit < LEAST_OUTPUT_TOKENS) {
    throw invalid('max_output_tokens', 'integer_below_min_value', `Invalid 'max_output_tokens': integer below minimum value. Expected a value >= ${LEAST_OUTPUT_TOKENS}, but got ${limit} instead.`);
  }
  try {
    checkChat(chat);
  } catch (error) {
    throw renamed(error);
  }
}

/** The same error, naming the parameter as it is called here. */
function renamed(error) {
  const { message: said, type, param, code } = error.body?.error ?? {};
  if (typeof param !== 'string') return error;
  const name = PARAM_NAMES.reduce((text, [from, to]) => text.replace(from, to), param);
  return new ApiError(error.status, said.replaceAll(`'${param}'`, `'${name}'`), { type, param: name, code });
}

function usage({ prompt_tokens: input, completion_tokens: output, total_tokens: total, prompt_tokens_details: parts, completion_tokens_details: details }) {
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: parts.cached_tokens, cache_write_tokens: parts.cache_write_tokens ?? 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: details.reasoning_tokens },
    total_tokens: total,
  };
}

function response(made, body, { status, output, error = null }) {
  const [choice] = made.choices;
  const cut = status === 'incomplete';
  return {
    id: made.id.replace('chatcmpl-', 'resp_'),
    object: 'response',
    created_at: made.created,
    status,
    error,
    incomplete_details: cut ? { reason: 'max_output_tokens' } : null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    model: made.model,
    output,
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: null,
    reasoning: { effort: body.reasoning?.effort ?? null, summary: null },
    service_tier: made.service_tier,
    temperature: body.temperature ?? 1,
    text: { format: body.text?.format ?? { type: 'text' } },
    tool_choice: body.tool_choice ?? 'auto',
    tools: body.tools ?? [],
    top_p: body.top_p ?? 1,
    truncation: 'disabled',
    metadata: body.metadata ?? {},
    ...(choice && made.usage && (status === 'completed' || cut) ? { usage: usage(made.usage) } : {}),
  };
}

function part(text) {
  return { type: 'output_text', text, annotations: [], logprobs: [] };
}

/** The one output item: a message or a function call. */
function item({ id, choices: [choice] }, { status, text }) {
  const own = id.replace('chatcmpl-', '');
  if (!choice.call) {
    return { id: `msg_${own}`, type: 'message', role: 'assistant', status, content: text === undefined ? [] : [part(text)] };
  }
  return { id: `fc_${own}`, type: 'function_call', call_id: choice.call.id, name: choice.call.name, arguments: text ?? '', status };
}

const ending = ({ choices: [choice] }) => (choice.finish === 'length' ? 'incomplete' : 'completed');

function plain(made, body) {
  const status = ending(made);
  return response(made, body, { status, output: [item(made, { status, text: made.choices[0].text })] });
}

/** The events of a stream, each with its number. */
function* stream(made, body) {
  let number = 0;
  const numbered = (type, fields) => {
    const event = { type, ...fields, sequence_number: number };
    number += 1;
    return event;
  };
  const [choice] = made.choices;
  const status = ending(made);
  const begun = response(made, body, { status: 'in_progress', output: [] });
  const at = { item_id: item(made, {}).id, output_index: 0 };
  yield numbered('response.created', { response: begun });
  yield numbered('response.in_progress', { response: begun });
  yield numbered('response.output_item.added', { output_index: 0, item: item(made, { status: 'in_progress' }) });
  if (choice.call) {
    for (const delta of pieces(choice.text)) yield numbered('response.function_call_arguments.delta', { ...at, delta });
    yield numbered('response.function_call_arguments.done', { ...at, name: choice.call.name, arguments: choice.text });
  } else {
    const within = { ...at, content_index: 0 };
    yield numbered('response.content_part.added', { ...within, part: part('') });
    for (const delta of pieces(choice.text)) yield numbered('response.output_text.delta', { ...within, delta, logprobs: [] });
    yield numbered('response.output_text.done', { ...within, text: choice.text, logprobs: [] });
    yield numbered('response.content_part.done', { ...within, part: part(choice.text) });
  }
  const whole = item(made, { status, text: choice.text });
  yield numbered('response.output_item.done', { output_index: 0, item: whole });
  yield numbered(`response.${status}`, { response: response(made, body, { status, output: [whole] }) });
}

export const responsesDoor = {
  toChat,
  check,
  plain,
  stream,
  key: bearer,
  errorBody: (error) => error.body,
  frame: (event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`,
  end: null,
  midStreamError: ({ body: { error: { message: said, code } } }, sent) => ({ type: 'error', code: code ?? 'server_error', message: said, param: null, sequence_number: sent }),
  idHeader: 'x-request-id',
};
