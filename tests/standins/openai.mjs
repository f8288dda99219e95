#!/usr/bin/env node
// A stand-in for the APIs of OpenAI and Anthropic: deterministic, offline, plainly
// labelled, with faults on request. Node's own modules only.

import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { beforeReply, Exchange, Gone, sendPlain, sendStream } from './deliver.mjs';
import { doorAt, isDoor } from './doors.mjs';
import { ApiError, modelNotFound } from './errors.mjs';
import { FAULT_HELP, FaultBook } from './faults.mjs';
import { modelBody, modelList } from './models.mjs';
import { recordable, Recorder } from './record.mjs';
import { answer } from './replies.mjs';
import { promptTokens } from './request.mjs';
import { LABEL, sha256 } from './text.mjs';

const MAX_BODY_BYTES = 16 * 1024 * 1024;
const REQUEST_LIMIT = 10_000;
const TOKEN_LIMIT = 2_000_000;
const INVALID_KEY = 'sk-invalid';
const PLATFORM = 'Keys are any non-empty text here, because this is a stand-in.';

/**
 * Starts the stand-in. `url` ends in `/v1`; `requests` is the live list of recorded
 * requests, oldest first; `close()` breaks open connections and resolves when the
 * port is free.
 */
export async function startStandIn({ port = 0, host = '127.0.0.1' } = {}) {
  const state = { recorder: new Recorder(), book: new FaultBook(), serial: 0 };
  const server = createServer((req, res) => void serve(state, req, res));
  // Longer than any client keeps an idle connection: the client closes first, so no
  // request meets a connection that is just being closed.
  server.keepAliveTimeout = 120_000;
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  const bound = server.address().port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}/v1`,
    port: bound,
    requests: state.recorder.requests,
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}

async function serve(state, req, res) {
  const started = performance.now();
  const exchange = new Exchange(res);
  const path = req.url.split('?', 1)[0];
  if (path.startsWith('/stand-in/')) return control(state, exchange, req.method, path);
  state.serial += 1;
  const serial = state.serial;
  const requestId = `req_${sha256(`${serial}:${req.method} ${req.url}`).slice(0, 32)}`;
  const record = state.recorder.add(req, requestId);
  res.once('close', () => {
    record.status = res.headersSent ? res.statusCode : null;
    record.closed_early = exchange.leftEarly;
  });
  const door = doorAt(path);
  const headers = (tokens = 0) => replyHeaders(door.idHeader, requestId, started, tokens);
  try {
    await route(state, { req, path, exchange, record, serial, headers, door });
  } catch (error) {
    if (!(error instanceof Gone)) fail(exchange, error, headers(), (known) => door.errorBody(known, requestId));
  }
}

function fail(exchange, error, headers, bodyOf) {
  const { res } = exchange;
  if (res.headersSent || res.destroyed) return res.destroy();
  const known = error instanceof ApiError ? error : new ApiError(500, `The stand-in itself failed: ${error.message}`, { type: 'server_error' });
  exchange.json(known.status, bodyOf(known), { ...headers, ...known.headers });
}

async function route(state, call) {
  const { req, path, door } = call;
  const bytes = await readBody(req);
  const parsed = parseJson(bytes);
  call.record.body = recordable(bytes, parsed);
  requireKey(door.key(req));
  const chat = door.toChat(parsed);
  const faults = state.book.faultsFor(req.headers['x-stand-in-fault'], chat);
  call.record.faults = [...faults.values()].map(({ spec }) => spec);
  if (isDoor(path)) return complete({ ...call, faults, parsed, chat });
  const model = /^\/v1\/models(?:\/([^/]+))?$/.exec(path);
  if (model) return models({ ...call, faults, id: model[1] });
  throw new ApiError(404, `Invalid URL (${req.method} ${path})`);
}

function requireMethod(req, path, method) {
  if (req.method === method) return;
  throw new ApiError(405, `Not allowed to ${req.method} on ${path}. (HINT: use ${method}.)`, { code: 'method_not_supported', headers: { allow: method } });
}

async function complete({ req, path, exchange, serial, headers, faults, parsed, chat, door }) {
  requireMethod(req, path, 'POST');
  const type = req.headers['content-type'] ?? '';
  if (!/^application\/json\b/i.test(type)) {
    throw new ApiError(400, `Invalid Content-Type header (${type || 'none'}), expected application/json.`, { code: 'unsupported_content_type' });
  }
  if (parsed === undefined) throw new ApiError(400, 'We could not parse the JSON body of your request. Send one JSON object in UTF-8.');
  door.check(parsed, chat, req);
  const streamed = parsed.stream === true;
  await beforeReply(exchange, faults, streamed);
  const made = answer(chat, { serial, faults });
  const replied = headers(promptTokens(chat));
  if (!streamed) return sendPlain(exchange, door.plain(made, parsed), faults, replied);
  return sendStream(exchange, door.stream(made, parsed), faults, replied, door);
}

async function models({ req, path, exchange, headers, faults, id }) {
  requireMethod(req, path, 'GET');
  await beforeReply(exchange, faults, false);
  const name = id === undefined ? undefined : decoded(id);
  const body = id === undefined ? modelList() : modelBody(name);
  if (!body) throw modelNotFound(name, 'model');
  return sendPlain(exchange, body, faults, headers());
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function control(state, exchange, method, path) {
  if (method === 'GET' && path === '/stand-in/health') return exchange.json(200, { status: 'ok', what: LABEL });
  if (method === 'GET' && path === '/stand-in/requests') return exchange.json(200, { requests: state.recorder.requests });
  if (method === 'POST' && path === '/stand-in/reset') {
    state.recorder.reset();
    state.book.reset();
    return exchange.json(200, { status: 'reset' });
  }
  return exchange.json(404, new ApiError(404, `No such control: ${method} ${path}. There are GET /stand-in/requests, GET /stand-in/health and POST /stand-in/reset.`).body);
}

async function readBody(req) {
  const parts = [];
  let size = 0;
  try {
    for await (const part of req) {
      size += part.length;
      // Read to the end, so that the client is there to hear the answer.
      if (size <= MAX_BODY_BYTES) parts.push(part);
    }
  } catch {
    throw new Gone();
  }
  if (size > MAX_BODY_BYTES) throw new ApiError(413, `The request body has ${size} bytes; send at most ${MAX_BODY_BYTES}.`);
  return Buffer.concat(parts);
}

function parseJson(bytes) {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

function requireKey(key) {
  if (!key) throw new ApiError(401, `You didn't provide an API key. Send it as Authorization: Bearer YOUR_KEY, or to Anthropic's path as x-api-key. ${PLATFORM}`);
  if (key === INVALID_KEY) throw new ApiError(401, `Incorrect API key provided. ${PLATFORM}`, { code: 'invalid_api_key' });
}

function replyHeaders(idHeader, requestId, started, tokens) {
  return {
    [idHeader]: requestId,
    'openai-version': '2020-10-01',
    'openai-organization': 'stand-in',
    'openai-processing-ms': String(Math.max(1, Math.round(performance.now() - started))),
    'x-ratelimit-limit-requests': String(REQUEST_LIMIT),
    'x-ratelimit-remaining-requests': String(REQUEST_LIMIT - 1),
    'x-ratelimit-reset-requests': '6ms',
    'x-ratelimit-limit-tokens': String(TOKEN_LIMIT),
    'x-ratelimit-remaining-tokens': String(Math.max(0, TOKEN_LIMIT - tokens)),
    'x-ratelimit-reset-tokens': '0s',
    'x-stand-in': LABEL,
  };
}

const HELP = `Usage: node tests/standins/openai.mjs [--port 9099] [--host 127.0.0.1]

A stand-in for the APIs of OpenAI and Anthropic, for tests and first runs without an
account. Every answer is made from a hash of the request and begins with "${LABEL}".

Served, plain and streamed: POST /v1/chat/completions, POST /v1/responses (one answer, nothing
        stored), POST /v1/messages (Anthropic's); and GET /v1/models, GET /v1/models/{id}
Control: GET /stand-in/requests, POST /stand-in/reset, GET /stand-in/health
Keys: any bearer key, or x-api-key for /v1/messages, but ${INVALID_KEY}, which is refused.
Words: "echo: TEXT" in the last user message puts TEXT, to the message's end, into the answer;
       with a JSON response_format and TEXT that is JSON, the answer is exactly TEXT.
Tokens: up to four code points without white space, with the white space before them.
Tools: called when tool_choice is "required" (the first tool) or names one.

${FAULT_HELP}
`;

async function main() {
  const { values } = parseArgs({
    options: { port: { type: 'string', default: '9099' }, host: { type: 'string', default: '127.0.0.1' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) return void process.stdout.write(HELP);
  const port = Number(values.port);
  if (!/^\d+$/.test(values.port) || port > 65_535) throw new Error(`--port must be a number from 0 to 65535, not ${values.port}`);
  const standIn = await startStandIn({ port, host: values.host });
  console.log(`stand-in model (not a real AI) at ${standIn.url}`);
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => void standIn.close().then(() => process.exit(0)));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main().catch((error) => {
    const hint = error.code === 'EADDRINUSE' ? ' Choose another with --port.' : '';
    console.error(`stand-in: ${error.message}.${hint}`);
    process.exitCode = 2;
  });
}
