// Writes replies to the socket, and the faults that happen while writing.

import { setTimeout as sleep } from 'node:timers/promises';
import { statusError } from './faults.mjs';

const DRIP_PARTS = 8; // a plain body drips in this many pieces
const HANG_LIMIT_MS = 600_000;

/** The client, or the stand-in itself, has closed the connection: nothing left to write. */
export class Gone extends Error {}

/**
 * One request and its reply. `signal` aborts when the connection closes before
 * the reply is complete.
 */
export class Exchange {
  #controller = new AbortController();

  constructor(res) {
    this.res = res;
    this.signal = this.#controller.signal;
    this.cutByFault = false;
    res.once('close', () => this.#controller.abort());
  }

  /** True when the connection closed on us before the reply was complete. */
  get leftEarly() {
    return !this.res.writableFinished && !this.cutByFault;
  }

  async wait(ms) {
    if (ms === 0) return;
    try {
      await sleep(ms, undefined, { signal: this.signal });
    } catch {
      throw new Gone();
    }
  }

  async write(data) {
    if (this.signal.aborted) throw new Gone();
    await new Promise((resolve, reject) => {
      const gone = () => reject(new Gone());
      this.signal.addEventListener('abort', gone, { once: true });
      // The callback means the system has the bytes: one event leaves at a time.
      this.res.write(data, (error) => {
        this.signal.removeEventListener('abort', gone);
        if (error) gone();
        else resolve();
      });
    });
  }

  /** The client gets what was written and then a broken connection. */
  destroy() {
    this.cutByFault = true;
    this.res.destroy();
    throw new Gone();
  }

  async hang() {
    await this.wait(HANG_LIMIT_MS);
    this.destroy();
  }

  json(status, body, headers = {}) {
    const text = JSON.stringify(body);
    this.res.writeHead(status, { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
    this.res.end(text);
  }
}

/** Faults before the first byte: a wait, silence, a closed connection, or an error status. */
export async function beforeReply(exchange, faults, streamed) {
  if (faults.has('delay')) await exchange.wait(faults.get('delay').ms);
  const hang = faults.get('hang');
  if (hang && (!streamed || hang.after === 0)) await exchange.hang();
  if (faults.get('cut')?.after === 0) exchange.destroy();
  if (faults.has('status')) throw statusError(faults.get('status'));
  if (faults.has('error-mid-stream') && !streamed) throw statusError({ status: 500 });
}

export async function sendPlain(exchange, body, faults, headers) {
  const whole = Buffer.from(JSON.stringify(body));
  const half = whole.subarray(0, whole.length >> 1);
  const text = faults.has('malformed') ? half : whole;
  exchange.res.writeHead(200, { ...headers, 'content-type': 'application/json', 'content-length': text.length });
  if (faults.has('cut')) {
    await exchange.write(half);
    exchange.destroy();
  }
  const drip = faults.get('drip');
  if (!drip) return exchange.res.end(text);
  await dripBytes(exchange, text, drip.bytes ?? Math.ceil(text.length / DRIP_PARTS), drip.ms);
  exchange.res.end();
}

/** Streams `items` as the door frames them, and its end. */
export async function sendStream(exchange, items, faults, headers, door) {
  exchange.res.writeHead(200, { ...headers, 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
  exchange.res.flushHeaders();
  const drip = faults.get('drip');
  let sent = 0;
  for (const item of items) {
    if (await interrupt(exchange, faults, sent, item, door)) return;
    if (drip && !drip.bytes && sent > 0) await exchange.wait(drip.ms);
    await sendEvent(exchange, door.frame(item), drip);
    sent += 1;
  }
  // A fault placed after the last event still happens, before the end is marked.
  if (await interrupt(exchange, faults, Infinity, {}, door)) return;
  if (door.end) await sendEvent(exchange, `data: ${door.end}\n\n`, drip);
  exchange.res.end();
}

/** Carries out the fault due after `sent` events; true when the stream is over. */
async function interrupt(exchange, faults, sent, item, door) {
  const due = (kind) => faults.has(kind) && sent >= faults.get(kind).after;
  if (due('hang')) await exchange.hang();
  if (due('cut')) exchange.destroy();
  if (due('malformed')) {
    await exchange.write(`data: ${JSON.stringify(item).slice(0, -1)}\n\n`);
    exchange.res.end();
    return true;
  }
  if (due('error-mid-stream')) {
    const error = door.midStreamError(statusError({ status: 500 }), sent);
    await sendEvent(exchange, door.frame(error));
    exchange.res.end();
    return true;
  }
  return false;
}

async function sendEvent(exchange, text, drip) {
  const event = Buffer.from(text);
  if (drip?.bytes) await dripBytes(exchange, event, drip.bytes, drip.ms);
  else await exchange.write(event);
}

async function dripBytes(exchange, buffer, size, ms) {
  for (let at = 0; at < buffer.length; at += size) {
    if (at > 0 || size < buffer.length) await exchange.wait(ms);
    await exchange.write(buffer.subarray(at, at + size));
  }
}
