// Text, tokens and hashes: everything here is a function of its arguments alone.

import { createHash } from 'node:crypto';

export const LABEL = '[stand-in model, not a real AI]';
export const FAULT_MARKER = /\[\[fault:([^\]]*)\]\]/g;

// One token is up to four code points without white space, with the white space
// before them; white space at the end of the text is one token.
const TOKEN = /\s*\S{1,4}|\s+$/gu;
const MAX_CHUNKS = 256; // content chunks of one choice, however long the text

const SENTENCES = [
  'This answer is made from a hash of the request, so the same request always gets the same words.',
  'Nobody thought about the question, and nothing in this text should be relied upon.',
  'It exists so that a client can be tested without a network, an account or a bill.',
  'Each sentence is picked from a short fixed list by the digest of the conversation.',
  'Ask the same thing again and you will read exactly these sentences again.',
  'Ask something else and the digest changes, and with it the order of what is said.',
  'The length is chosen so that a streamed answer arrives in more than a dozen pieces.',
  'Umlauts, accents and signs such as é, ü, 漢字 and 🙂 are here to exercise decoders.',
];

export function sha256(text) {
  return createHash('sha256').update(text).digest('hex');
}

export function hashNumber(text) {
  return createHash('sha256').update(text).digest().readUInt32BE(0);
}

/** JSON with sorted keys, so that the order a client writes its fields in changes nothing. */
export function canonical(value) {
  return JSON.stringify(value, (_, inner) => (inner && typeof inner === 'object' && !Array.isArray(inner)
    ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
    : inner));
}

/** Pieces that join back to exactly `text`. */
export function tokens(text) {
  return text.match(TOKEN) ?? [];
}

export function countTokens(text) {
  let count = 0;
  for (const _ of text.matchAll(TOKEN)) count += 1;
  return count;
}

/** What a stream sends one by one: tokens, or equal slices when the text is long. */
export function pieces(text) {
  if (text.length <= 4 * MAX_CHUNKS) {
    const all = tokens(text);
    if (all.length <= MAX_CHUNKS) return all;
  }
  const size = Math.ceil(text.length / MAX_CHUNKS);
  const out = [];
  for (let at = 0; at < text.length;) {
    let end = at + size;
    if (isHighSurrogate(text.charCodeAt(end - 1))) end += 1; // never half a character
    out.push(text.slice(at, end));
    at = end;
  }
  return out;
}

function isHighSurrogate(unit) {
  return unit >= 0xd800 && unit <= 0xdbff;
}

/** The text of a message's content, be it a string or a list of parts. */
export function contentText(content) {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part) => part?.text ?? '').join('\n');
}

export function lastUserText(messages) {
  return contentText(messages.findLast((message) => message.role === 'user')?.content);
}

/** The text after `echo: ` in the last user message, to its end, without fault markers. */
export function echoed(messages) {
  const text = lastUserText(messages);
  const at = text.indexOf('echo: ');
  if (at < 0) return undefined;
  return text.slice(at + 'echo: '.length).replace(FAULT_MARKER, '').trim() || undefined;
}

export function prose({ seed, model, messageCount, echo }) {
  const start = hashNumber(seed) % SENTENCES.length;
  const said = [0, 1, 2].map((step) => SENTENCES[(start + step * 3) % SENTENCES.length]);
  const opening = `${LABEL} ${model} read ${messageCount} message${messageCount === 1 ? '' : 's'}, digest ${seed.slice(0, 12)}.`;
  return [opening, ...(echo === undefined ? [] : [`Echo: ${echo}`]), ...said].join(' ');
}

/** Filler of exactly `bytes` bytes, label first where it fits. */
export function filler(bytes) {
  const unit = 'huge ';
  return `${LABEL} `.slice(0, bytes) + unit.repeat(Math.ceil(bytes / unit.length)).slice(0, Math.max(0, bytes - LABEL.length - 1));
}
