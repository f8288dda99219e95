// What the stand-in answers: a function of the request, in OpenAI's two shapes.

import { invalid } from './errors.mjs';
import { promptTokens } from './request.mjs';
import { sample, SampleError } from './sample.mjs';
import { canonical, countTokens, echoed, filler, LABEL, pieces, prose, sha256, tokens } from './text.mjs';

const FINGERPRINT = 'fp_stand_in';
// How an answer is delivered and cut does not change its words.
const NOT_CONTENT = ['stream', 'stream_options', 'n', 'max_tokens', 'max_completion_tokens', 'stop', 'user',
  'safety_identifier', 'prompt_cache_key', 'metadata', 'store'];
// Tiers that are billed as asked; the others are answered as `default`.
const HONOURED_TIERS = new Set(['flex', 'priority']);

/**
 * Builds the whole answer. `serial` tells apart equal requests: it goes into the
 * ids and nowhere else. Throws ApiError where a schema cannot be satisfied.
 */
export function answer(body, { serial, faults }) {
  const digest = sha256(canonical(Object.fromEntries(Object.entries(body).filter(([key]) => !NOT_CONTENT.includes(key)))));
  const choices = Array.from({ length: body.n ?? 1 }, (_, index) => choose(body, { digest, serial, index, faults }));
  const prompt = promptTokens(body);
  const completion = choices.reduce((sum, choice) => sum + choice.tokens, 0);
  return {
    id: `chatcmpl-${digest.slice(0, 20)}${serial.toString(36).padStart(9, '0')}`,
    created: Math.floor(Date.now() / 1000),
    model: body.model,
    service_tier: HONOURED_TIERS.has(body.service_tier) ? body.service_tier : 'default',
    choices,
    usage: faults.has('missing-usage') ? undefined : usage(prompt, completion, faults.get('cached')),
  };
}

function usage(prompt, completion, { read = 0, write = 0 } = {}) {
  const cached = Math.min(read, prompt);
  const written = Math.min(write, prompt - cached);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached, audio_tokens: 0, ...(written > 0 ? { cache_write_tokens: written } : {}) },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
  };
}

function choose(body, { digest, serial, index, faults }) {
  const seed = sha256(`${digest}:${index}`);
  const huge = faults.get('huge');
  if (huge) {
    const text = filler(huge.bytes);
    return { index, text, finish: 'stop', tokens: countTokens(text) };
  }
  const tool = chosenTool(body);
  const call = tool && { id: `call_${seed.slice(0, 18)}${serial.toString(36).padStart(6, '0')}`, name: tool.function.name };
  const full = tool ? toolArguments(body, tool, seed) : words(body, seed);
  const { text, finish, count, stop } = cut(full, body, tool ? 'tool_calls' : 'stop');
  return { index, text, finish, tokens: count, call, stop };
}

function chosenTool({ tools, tool_choice: choice }) {
  if (!tools || choice === undefined || choice === null || choice === 'none' || choice === 'auto') return undefined;
  return choice === 'required' ? tools[0] : tools.find((tool) => tool.function.name === choice.function.name);
}

function toolArguments(body, tool, seed) {
  const at = `tools[${body.tools.indexOf(tool)}].function.parameters`;
  return made(tool.function.parameters ?? { type: 'object' }, { at, seed, echo: echoed(body.messages) });
}

function words(body, seed) {
  const echo = echoed(body.messages);
  const format = body.response_format?.type ?? 'text';
  const said = () => prose({ seed, model: body.model, messageCount: body.messages.length, echo });
  if (format === 'text') return said();
  if (echo !== undefined && isJson(echo)) return echo; // the caller wants exactly this document
  if (format === 'json_object') return JSON.stringify({ stand_in: LABEL, answer: said() });
  return made(body.response_format.json_schema.schema, { at: 'response_format.json_schema.schema', seed, echo });
}

function made(schema, { at, seed, echo }) {
  const text = echo === undefined ? `${LABEL} sample text ${seed.slice(0, 8)}` : `${LABEL} ${echo}`;
  try {
    return JSON.stringify(sample(schema, { seed, text }));
  } catch (error) {
    if (error instanceof SampleError) throw invalid(at, 'invalid_json_schema', `Invalid schema for '${at}': ${error.message}.`);
    throw error;
  }
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function cut(full, body, finish) {
  const limit = body.max_completion_tokens ?? body.max_tokens ?? Infinity;
  const stop = finish === 'stop' ? firstStop(full, body.stop) : undefined;
  const spoken = stop ? full.slice(0, stop.at) : full;
  const all = tokens(spoken);
  if (all.length <= limit) return { text: spoken, finish, count: all.length, stop: stop?.one };
  return { text: all.slice(0, limit).join(''), finish: 'length', count: limit };
}

function firstStop(text, stop) {
  const found = [stop ?? []].flat().filter(Boolean).map((one) => ({ one, at: text.indexOf(one) })).filter(({ at }) => at >= 0);
  return found.sort((a, b) => a.at - b.at)[0];
}

function toolCall({ call, text }) {
  return { id: call.id, type: 'function', function: { name: call.name, arguments: text } };
}

export function completion(made) {
  const { choices, usage: counted, ...rest } = made;
  return {
    ...rest,
    object: 'chat.completion',
    choices: choices.map((choice) => ({
      index: choice.index,
      message: {
        role: 'assistant',
        content: choice.call ? null : choice.text,
        refusal: null,
        annotations: [],
        ...(choice.call ? { tool_calls: [toolCall(choice)] } : {}),
      },
      logprobs: null,
      finish_reason: choice.finish,
    })),
    usage: counted,
    system_fingerprint: FINGERPRINT,
  };
}

/** The chunks of a stream, in order; choices take turns as they do in the real service. */
export function* chunks(made, { includeUsage }) {
  const { choices, usage: counted, ...rest } = made;
  const head = { ...rest, object: 'chat.completion.chunk', system_fingerprint: FINGERPRINT };
  const tail = includeUsage ? { usage: null } : {};
  const chunk = (choice, delta, finish = null) => ({
    ...head,
    choices: [{ index: choice.index, delta, logprobs: null, finish_reason: finish }],
    ...tail,
  });
  for (const choice of choices) yield chunk(choice, opening(choice));
  const queues = choices.map((choice) => ({ choice, left: pieces(choice.text) }));
  const longest = Math.max(...queues.map(({ left }) => left.length));
  for (let at = 0; at < longest; at += 1) {
    for (const { choice, left } of queues) {
      if (at < left.length) yield chunk(choice, piece(choice, left[at]));
    }
  }
  for (const choice of choices) yield chunk(choice, {}, choice.finish);
  if (includeUsage && counted) yield { ...head, choices: [], usage: counted };
}

function opening({ call }) {
  if (!call) return { role: 'assistant', content: '', refusal: null };
  const first = { index: 0, id: call.id, type: 'function', function: { name: call.name, arguments: '' } };
  return { role: 'assistant', content: null, refusal: null, tool_calls: [first] };
}

function piece({ call }, text) {
  return call ? { tool_calls: [{ index: 0, function: { arguments: text } }] } : { content: text };
}
