// Checks a chat completion request the way OpenAI does: 400 with the parameter to change.

import { invalid, modelNotFound } from './errors.mjs';
import { modelLimits } from './models.mjs';
import { canonical, contentText, countTokens } from './text.mjs';

/** Every parameter OpenAI's description knows; others are refused by name. */
export const PARAMETERS = new Set(['audio', 'frequency_penalty', 'function_call', 'functions', 'logit_bias', 'logprobs',
  'max_completion_tokens', 'max_tokens', 'messages', 'metadata', 'modalities', 'model', 'moderation', 'n',
  'parallel_tool_calls', 'prediction', 'presence_penalty', 'prompt_cache_key', 'prompt_cache_options',
  'prompt_cache_retention', 'reasoning_effort', 'response_format', 'safety_identifier', 'seed', 'service_tier', 'stop',
  'store', 'stream', 'stream_options', 'temperature', 'tool_choice', 'tools', 'top_logprobs', 'top_p', 'user',
  'verbosity', 'web_search_options']);

const ROLES = ['developer', 'system', 'user', 'assistant', 'tool', 'function'];
const TOOL_NAME = /^[a-zA-Z0-9_-]{1,64}$/;
const MAX_TOOLS = 128;
const MAX_MESSAGES = 2_048;
// [parameter, kind, least, most]
const NUMBERS = [
  ['temperature', 'decimal', 0, 2],
  ['top_p', 'decimal', 0, 1],
  ['frequency_penalty', 'decimal', -2, 2],
  ['presence_penalty', 'decimal', -2, 2],
  ['n', 'integer', 1, 128],
  ['seed', 'integer', -(2 ** 63), 2 ** 63],
  ['top_logprobs', 'integer', 0, 20],
  ['max_tokens', 'integer', 1, Infinity],
  ['max_completion_tokens', 'integer', 1, Infinity],
];
const BOOLEANS = ['stream', 'logprobs', 'store', 'parallel_tool_calls'];
const STRINGS = ['user', 'safety_identifier', 'prompt_cache_key'];
const ENUMS = [
  ['service_tier', ['auto', 'default', 'flex', 'scale', 'priority', 'fast']],
  ['reasoning_effort', ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']],
  ['verbosity', ['low', 'medium', 'high']],
];

/** Throws the ApiError OpenAI would answer with; returns nothing when the body is good. */
export function check(body) {
  if (!isObject(body)) throw wrongType(null, 'an object', body);
  for (const name of Object.keys(body)) {
    if (!PARAMETERS.has(name)) throw invalid(name, 'unknown_parameter', `Unknown parameter: '${name}'.`);
  }
  for (const name of ['model', 'messages']) {
    if (body[name] === undefined) throw invalid(name, 'missing_required_parameter', `Missing required parameter: '${name}'.`);
  }
  if (typeof body.model !== 'string') throw wrongType('model', 'a string', body.model);
  checkScalars(body);
  checkMessages(body.messages);
  checkStop(body.stop);
  checkStream(body);
  checkTools(body);
  checkFormat(body);
  const limits = modelLimits(body.model);
  if (!limits) throw modelNotFound(body.model);
  checkLimits(body, limits);
}

function checkScalars(body) {
  for (const [name, kind, least, most] of NUMBERS) checkNumber(name, body[name], kind, least, most);
  for (const name of BOOLEANS) checkType(name, body[name], 'boolean', 'a boolean');
  for (const name of STRINGS) checkType(name, body[name], 'string', 'a string');
  for (const [name, values] of ENUMS) {
    if (isSet(body[name])) checkOneOf(name, body[name], values);
  }
}

function checkNumber(name, value, kind, least, most) {
  if (!isSet(value)) return;
  const right = kind === 'integer' ? Number.isInteger(value) : typeof value === 'number';
  if (!right) throw wrongType(name, kind === 'integer' ? 'an integer' : 'a decimal', value);
  if (value < least) throw invalid(name, `${kind}_below_min_value`, `Invalid '${name}': ${kind} below minimum value. Expected a value >= ${least}, but got ${value} instead.`);
  if (value > most) throw invalid(name, `${kind}_above_max_value`, `Invalid '${name}': ${kind} above maximum value. Expected a value <= ${most}, but got ${value} instead.`);
}

function checkMessages(messages) {
  if (!Array.isArray(messages)) throw wrongType('messages', 'an array of objects', messages);
  checkLength('messages', messages, 1, MAX_MESSAGES);
  const calls = new Set();
  messages.forEach((message, index) => checkMessage(message, `messages[${index}]`, calls));
}

function checkMessage(message, at, calls) {
  if (!isObject(message)) throw wrongType(at, 'an object', message);
  if (message.role === undefined) throw invalid(`${at}.role`, 'missing_required_parameter', `Missing required parameter: '${at}.role'.`);
  checkOneOf(`${at}.role`, message.role, ROLES);
  checkContent(message, at);
  if (message.role === 'assistant') {
    for (const call of Array.isArray(message.tool_calls) ? message.tool_calls : []) calls.add(call?.id);
  }
  if (message.role === 'tool' && !calls.has(message.tool_call_id)) {
    throw invalid(`${at}.tool_call_id`, null, `Invalid parameter: messages with role 'tool' must answer a 'tool_calls' entry of an earlier message, and '${message.tool_call_id}' is none.`);
  }
}

function checkContent({ role, content, tool_calls: calls, function_call: call, refusal }, at) {
  const mayBeEmpty = role === 'function' || (role === 'assistant' && Boolean(calls ?? call ?? refusal));
  if (!isSet(content)) {
    if (mayBeEmpty) return;
    throw invalid(`${at}.content`, 'invalid_type', `Invalid value for 'content': expected a string, got ${nameOf(content)}.`);
  }
  if (typeof content === 'string') return;
  if (!Array.isArray(content)) throw wrongType(`${at}.content`, 'a string or an array of content parts', content);
  checkLength(`${at}.content`, content, 1, MAX_MESSAGES);
  content.forEach((part, index) => checkPart(part, `${at}.content[${index}]`));
}

function checkPart(part, at) {
  if (!isObject(part)) throw wrongType(at, 'an object', part);
  checkOneOf(`${at}.type`, part.type, ['text', 'image_url', 'input_audio', 'file', 'refusal']);
  if (!isSet(part[part.type])) throw invalid(`${at}.${part.type}`, 'missing_required_parameter', `Missing required parameter: '${at}.${part.type}'.`);
  if (part.type === 'text') checkType(`${at}.text`, part.text, 'string', 'a string');
}

function checkStop(stop) {
  if (!isSet(stop) || typeof stop === 'string') return;
  if (!Array.isArray(stop)) throw wrongType('stop', 'a string or an array of strings', stop);
  checkLength('stop', stop, 1, 4);
  stop.forEach((one, index) => {
    if (typeof one !== 'string') throw wrongType(`stop[${index}]`, 'a string', one);
  });
}

function checkStream({ stream, stream_options: options }) {
  if (!isSet(options)) return;
  if (!isObject(options)) throw wrongType('stream_options', 'an object', options);
  if (!stream) throw invalid('stream_options', null, "The 'stream_options' parameter is only allowed when 'stream' is enabled.");
  for (const name of ['include_usage', 'include_obfuscation']) checkType(`stream_options.${name}`, options[name], 'boolean', 'a boolean');
}

function checkTools({ tools, tool_choice: choice }) {
  if (tools === undefined) {
    if (isSet(choice)) throw invalid('tool_choice', null, "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.");
    return;
  }
  if (!Array.isArray(tools)) throw wrongType('tools', 'an array of objects', tools);
  checkLength('tools', tools, 1, MAX_TOOLS);
  tools.forEach((tool, index) => checkTool(tool, `tools[${index}]`));
  if (typeof choice === 'string') checkOneOf('tool_choice', choice, ['none', 'auto', 'required']);
  else if (isSet(choice)) checkNamedChoice(choice, tools);
}

function checkTool(tool, at) {
  if (!isObject(tool)) throw wrongType(at, 'an object', tool);
  // OpenAI also takes custom tools; the stand-in calls functions only and says so.
  checkOneOf(`${at}.type`, tool.type, ['function']);
  if (!isObject(tool.function)) throw wrongType(`${at}.function`, 'an object', tool.function);
  const { name, parameters } = tool.function;
  if (typeof name !== 'string') throw wrongType(`${at}.function.name`, 'a string', name);
  if (!TOOL_NAME.test(name)) throw invalid(`${at}.function.name`, 'invalid_value', `Invalid '${at}.function.name': string does not match pattern. Expected a string that matches the pattern '${TOOL_NAME.source}'.`);
  if (parameters !== undefined && !isObject(parameters)) throw wrongType(`${at}.function.parameters`, 'an object', parameters);
}

function checkNamedChoice(choice, tools) {
  if (!isObject(choice)) throw wrongType('tool_choice', 'a string or an object', choice);
  checkOneOf('tool_choice.type', choice.type, ['function']);
  const name = choice.function?.name;
  if (!tools.some((tool) => tool.function.name === name)) {
    throw invalid('tool_choice', null, `Invalid value for 'tool_choice': no tool is named '${name}' in 'tools'.`);
  }
}

function checkFormat({ response_format: format, messages }) {
  if (format === undefined) return;
  if (!isObject(format)) throw wrongType('response_format', 'an object', format);
  checkOneOf('response_format.type', format.type, ['text', 'json_object', 'json_schema']);
  if (format.type === 'json_object' && !messages.some((message) => /json/i.test(contentText(message.content)))) {
    throw invalid('messages', null, "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.");
  }
  if (format.type !== 'json_schema') return;
  const at = 'response_format.json_schema';
  if (!isObject(format.json_schema)) throw invalid(at, 'missing_required_parameter', `Missing required parameter: '${at}'.`);
  if (typeof format.json_schema.name !== 'string') throw invalid(`${at}.name`, 'missing_required_parameter', `Missing required parameter: '${at}.name'.`);
  if (!TOOL_NAME.test(format.json_schema.name)) throw invalid(`${at}.name`, 'invalid_value', `Invalid '${at}.name': string does not match pattern. Expected a string that matches the pattern '${TOOL_NAME.source}'.`);
  if (!isObject(format.json_schema.schema)) throw wrongType(`${at}.schema`, 'an object', format.json_schema.schema);
}

function checkLimits(body, limits) {
  if (isSet(body.max_tokens) && isSet(body.max_completion_tokens)) {
    throw invalid('max_tokens', 'invalid_parameter_combination', "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.");
  }
  if (limits.reasoning) checkReasoning(body);
  const name = isSet(body.max_tokens) ? 'max_tokens' : 'max_completion_tokens';
  const wanted = body[name] ?? 0;
  if (wanted > limits.output) {
    throw invalid(name, 'invalid_value', `${name} is too large: ${wanted}. This model supports at most ${limits.output} completion tokens, whereas you provided ${wanted}.`);
  }
  const total = promptTokens(body) + wanted;
  if (total > limits.context) {
    throw invalid('messages', 'context_length_exceeded', `This model's maximum context length is ${limits.context} tokens. However, you requested ${total} tokens (${total - wanted} in the messages, ${wanted} in the completion). Please reduce the length of the messages or completion.`);
  }
}

function checkReasoning(body) {
  if (isSet(body.max_tokens)) throw invalid('max_tokens', 'unsupported_parameter', "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.");
  for (const [name, standard] of [['temperature', 1], ['top_p', 1], ['presence_penalty', 0], ['frequency_penalty', 0]]) {
    if (isSet(body[name]) && body[name] !== standard) {
      throw invalid(name, 'unsupported_value', `Unsupported value: '${name}' does not support ${body[name]} with this model. Only the default (${standard}) value is supported.`);
    }
  }
}

/** 3 for the request, and for each message 4 and the tokens of its text and tool calls; tools count as their JSON. */
export function promptTokens({ messages, tools }) {
  let total = 3 + (tools ? countTokens(canonical(tools)) : 0);
  for (const { content, tool_calls: calls } of messages) {
    total += 4 + countTokens(contentText(content)) + (calls ? countTokens(canonical(calls)) : 0);
  }
  return total;
}

function checkType(name, value, type, expected) {
  if (isSet(value) && typeof value !== type) throw wrongType(name, expected, value);
}

function checkOneOf(name, value, values) {
  if (values.includes(value)) return;
  throw invalid(name, 'invalid_value', `Invalid value: ${JSON.stringify(value) ?? 'nothing'}. Supported values are: ${values.map((one) => `'${one}'`).join(', ')}.`);
}

function checkLength(name, array, least, most) {
  if (array.length < least) throw invalid(name, 'empty_array', `Invalid '${name}': empty array. Expected an array with minimum length ${least}, but got an empty array instead.`);
  if (array.length > most) throw invalid(name, 'array_above_max_length', `Invalid '${name}': array too long. Expected an array with maximum length ${most}, but got an array with length ${array.length} instead.`);
}

function wrongType(name, expected, value) {
  const subject = name === null ? 'the request body' : `'${name}'`;
  return invalid(name, 'invalid_type', `Invalid type for ${subject}: expected ${expected}, but got ${nameOf(value)} instead.`);
}

function nameOf(value) {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return { object: 'an object', string: 'a string', boolean: 'a boolean' }[typeof value] ?? 'a number';
}

function isSet(value) {
  return value !== undefined && value !== null;
}

function isObject(value) {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
