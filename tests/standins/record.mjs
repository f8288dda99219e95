// What callers sent, for tests to look at. Keys are never kept: only the start of
// their SHA-256, enough to see which of several keys a caller used.

import { sha256 } from './text.mjs';

const MAX_RECORDS = 1_000;
const MAX_BODY_BYTES = 256 * 1024;
const SECRET_HEADERS = new Set(['authorization', 'proxy-authorization', 'cookie', 'x-api-key', 'api-key']);

export class Recorder {
  /** Oldest first; the same array for the life of the server. */
  requests = [];

  add(req, requestId) {
    const key = bearer(req) ?? req.headers['x-api-key'];
    const record = {
      request_id: requestId,
      at: new Date().toISOString(),
      method: req.method,
      path: req.url,
      headers: Object.fromEntries(Object.entries(req.headers).filter(([name]) => !SECRET_HEADERS.has(name))),
      key_sha256_start: key ? sha256(key).slice(0, 12) : null,
      body: null,
      faults: [],
      status: null,
      closed_early: false,
    };
    this.requests.push(record);
    if (this.requests.length > MAX_RECORDS) this.requests.shift();
    return record;
  }

  reset() {
    this.requests.length = 0;
  }
}

/** The body as JSON where it is JSON, else as text; a very long one only by its size. */
export function recordable(bytes, parsed) {
  if (bytes.length > MAX_BODY_BYTES) return { not_kept: `${bytes.length} bytes` };
  return parsed === undefined ? bytes.toString('utf8') || null : parsed;
}

/** The bearer key of a request, or undefined. */
export function bearer(req) {
  return /^Bearer +(\S+)$/i.exec(req.headers.authorization ?? '')?.[1];
}
