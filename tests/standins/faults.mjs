// Faults on request: how a request names them, and what they do to a reply.

import { ApiError } from './errors.mjs';
import { contentText, FAULT_MARKER, lastUserText, sha256 } from './text.mjs';

export const FAULT_HELP = `Faults are asked for by header (x-stand-in-fault: NAME KEY=VALUE ...) or by a marker in
the last user message: [[fault:NAME KEY=VALUE ...]]. Several markers work together.
Any fault takes times=N: only the first N requests with exactly that text fail.

  429, 500, ... retry-after=S code=C   that status (400-599); code=insufficient_quota sets the type too
  delay ms=1000                        wait before the first byte
  hang after=0                         never answer (stream: stop after N events), until the client leaves
  cut after=3                          destroy the connection after N events (plain: half-way through the
                                       body); after=0 sends nothing at all
  malformed after=1                    broken JSON: the body, or the event after N good ones
  error-mid-stream after=3             an error event after N events, then the end (plain: status 500)
  missing-usage                        no usage, in the body or at the end of the stream
  drip ms=200 bytes=B                  a pause before each event after the first; with bytes, before each B
                                       bytes, also inside a character
  huge bytes=1048576                   an answer of that many bytes (at most 16 MiB)
  cached read=N write=N                prompt tokens counted as read from the prompt cache, and as written to it

An event is one \`data:\` line; the first carries the role.`;

const MAX_WAIT_MS = 600_000;
const MAX_HUGE_BYTES = 16 * 1024 * 1024;
const MAX_COUNTERS = 10_000;
const AFTER_MOST = 1_000_000;

const number = (standard, most, least = 0) => ({ standard, least, most });
const TIMES = number(undefined, 1_000_000, 1);
const KINDS = {
  status: { 'retry-after': number(undefined, 86_400), code: 'text' },
  delay: { ms: number(1_000, MAX_WAIT_MS) },
  hang: { after: number(0, AFTER_MOST) },
  cut: { after: number(3, AFTER_MOST) },
  malformed: { after: number(1, AFTER_MOST) },
  'error-mid-stream': { after: number(3, AFTER_MOST) },
  'missing-usage': {},
  drip: { ms: number(200, MAX_WAIT_MS), bytes: number(undefined, MAX_HUGE_BYTES, 1) },
  huge: { bytes: number(1_048_576, MAX_HUGE_BYTES, 1) },
  cached: { read: number(0, AFTER_MOST), write: number(0, AFTER_MOST) },
};

function badFault(spec, why) {
  return new ApiError(400, `Stand-in fault '${spec}': ${why} Run the stand-in with --help for the list.`, { code: 'unknown_stand_in_fault' });
}

/** Parses `NAME KEY=VALUE ...`; a misspelt fault is an error, not a silent success. */
export function parseFault(spec) {
  const [name = '', ...pairs] = spec.trim().split(/\s+/);
  const isStatus = /^[45]\d\d$/.test(name);
  const kind = isStatus ? 'status' : name;
  if (!Object.hasOwn(KINDS, kind) || (kind === 'status' && !isStatus)) throw badFault(spec, 'no such fault.');
  const known = { ...KINDS[kind], times: TIMES };
  const fault = { kind, spec: spec.trim(), ...(isStatus ? { status: Number(name) } : {}) };
  for (const [key, rule] of Object.entries(known)) {
    if (rule.standard !== undefined) fault[key] = rule.standard;
  }
  for (const pair of pairs) {
    const [key, value = ''] = pair.split('=', 2);
    if (!Object.hasOwn(known, key)) throw badFault(spec, `it takes no '${key}'.`);
    fault[key] = known[key] === 'text' ? value : parseNumber(spec, key, value, known[key]);
  }
  return fault;
}

function parseNumber(spec, key, value, { least, most }) {
  const parsed = /^\d+$/.test(value) ? Number(value) : NaN;
  if (!(parsed >= least && parsed <= most)) throw badFault(spec, `'${key}' must be a whole number from ${least} to ${most}.`);
  return parsed;
}

/** Keeps count for `times=N`. */
export class FaultBook {
  #served = new Map();

  reset() {
    this.#served.clear();
  }

  /** The faults this request meets, by kind. */
  faultsFor(header, body) {
    const messages = Array.isArray(body?.messages) ? body.messages.filter(Boolean) : [];
    const asked = lastUserText(messages);
    const specs = [...asked.matchAll(FAULT_MARKER)].map((match) => match[1]);
    if (header) specs.push(header);
    const text = sha256(messages.map(({ content }) => contentText(content)).join('\0'));
    const live = specs.map(parseFault).filter((fault) => this.#isLive(fault, text));
    return new Map(live.map((fault) => [fault.kind, fault]));
  }

  #isLive(fault, text) {
    if (fault.times === undefined) return true;
    const key = `${fault.spec}\0${text}`;
    const served = this.#served.get(key) ?? 0;
    if (served >= fault.times) return false;
    if (this.#served.size >= MAX_COUNTERS) this.#served.delete(this.#served.keys().next().value);
    this.#served.set(key, served + 1);
    return true;
  }
}

/** The error a status fault answers with. */
export function statusError({ status, code, 'retry-after': retryAfter }) {
  const headers = retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) };
  if (status === 429) {
    Object.assign(headers, { 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': `${retryAfter ?? 1}s` });
  }
  const { type, usual, message } = statusWords(status, code);
  return new ApiError(status, `${message} (stand-in fault)`, { type, code: code ?? usual, headers });
}

function statusWords(status, code) {
  if (code === 'insufficient_quota') return { type: code, usual: code, message: 'You exceeded your current quota, please check your plan and billing details.' };
  if (status === 429) return { type: 'requests', usual: 'rate_limit_exceeded', message: 'Rate limit reached for requests.' };
  if (status === 401) return { type: 'invalid_request_error', usual: 'invalid_api_key', message: 'Incorrect API key provided.' };
  if (status >= 500) return { type: 'server_error', usual: null, message: 'The server had an error while processing your request.' };
  return { type: 'invalid_request_error', usual: null, message: `The request was refused with status ${status}.` };
}
