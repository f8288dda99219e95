// The protocols the stand-in speaks. Each reads its request into a chat completion request,
// which decides the answer, and dresses the answer in its own form.

import { messagesDoor } from './anthropic.mjs';
import { chunks, completion } from './replies.mjs';
import { bearer } from './record.mjs';
import { check } from './request.mjs';
import { responsesDoor } from './responses.mjs';

/**
 * A door has: `toChat(body)`, which takes anything and throws nothing; `check(body, chat)`,
 * which throws the ApiError the provider would answer with; `plain(made, body)` and
 * `stream(made, body)`; `key(req)`; `errorBody(error, requestId)`; for streams `frame(item)`
 * and `end`, the last event's data or null; `midStreamError(error)`.
 */
const chatDoor = {
  toChat: (body) => body,
  check: (body) => check(body),
  plain: completion,
  stream: (made, body) => chunks(made, { includeUsage: body.stream_options?.include_usage === true }),
  key: bearer,
  errorBody: (error) => error.body,
  frame: (item) => `data: ${JSON.stringify(item)}\n\n`,
  end: '[DONE]',
  midStreamError: (error) => error.body,
  idHeader: 'x-request-id',
};

const DOORS = new Map([
  ['/v1/chat/completions', chatDoor],
  ['/v1/responses', responsesDoor],
  ['/v1/messages', messagesDoor],
]);

/** The door at a path; other paths fail as Chat Completions do. */
export function doorAt(path) {
  return DOORS.get(path) ?? chatDoor;
}

export function isDoor(path) {
  return DOORS.has(path);
}
