// What requests need of JavaScript, each in one crossing from WebAssembly.
// `tell(ticket, bytes, fault, object)` calls back into it; who has gone meanwhile is not told.

// Futures are polled from microtasks. The platform's own way in costs ten times as much as a promise's.
const settled = Promise.resolve();
globalThis.queueMicrotask = (task) => {
  settled.then(task);
};

const encoder = new TextEncoder();

const said = (error) => String(error?.message || error);

/** Method, URL, then the name and the value of each header, a line each: none can hold a line break. */
export function head(request) {
  let lines = `${request.method}\n${request.url}`;
  request.headers.forEach((value, name) => {
    lines += `\n${name}\n${value}`;
  });
  return lines;
}

/** Tells the whole body of `request`, or what kept it from arriving. */
export function read(request, ticket, tell) {
  request.arrayBuffer().then(
    (buffer) => tell(ticket, new Uint8Array(buffer)),
    (error) => tell(ticket, undefined, said(error)),
  );
}

/** Tells when the client of `request` has gone. Returns true, and tells nothing, if it has already. */
export function watch(request, ticket, tell) {
  const { signal } = request;
  if (signal.aborted) return true;
  signal.onabort = () => tell(ticket);
  return false;
}

/** Tells after `ms`. Returns what `stop` takes. */
export function start(ms, ticket, tell) {
  return setTimeout(tell, ms, ticket);
}

export function stop(timer) {
  clearTimeout(timer);
}

/**
 * Begins a request on whatever has a `fetch`, and returns what aborts it. `head` is `{url, method, headers, redirect,
 * wanted, limit}` as JSON. Tells the answer: the status in two bytes, the length of what the wanted headers say in four
 * more, that as a JSON array, and the body if there is a `limit`; with a fault if the body broke off, an empty one if
 * it has more bytes than that. Without a limit, and of a status that is not 2xx, it tells a reader for `pull`, if there
 * is a body.
 */
export function send(target, head, bytes, ticket, tell) {
  const { url, wanted, limit, ...init } = JSON.parse(head);
  const controller = new AbortController();
  target
    .fetch(url, { ...init, body: bytes?.slice(), signal: controller.signal })
    .then((response) => answered(response, wanted, limit))
    .then(
      ([answer, fault, reader]) => tell(ticket, answer, fault, reader),
      (error) => tell(ticket, undefined, said(error)),
    );
  return controller;
}

function answered(response, wanted, limit) {
  const { status, headers, body } = response;
  const values = encoder.encode(JSON.stringify(wanted.map((name) => headers.get(name))));
  const holding = (body) => {
    const answer = new Uint8Array(6 + values.length + body.length);
    const head = new DataView(answer.buffer);
    head.setUint16(0, status);
    head.setUint32(2, values.length);
    answer.set(values, 6);
    answer.set(body, 6 + values.length);
    return answer;
  };
  if (!body) return [holding([])];
  if (limit === null || !response.ok) return [holding([]), undefined, open(body)];
  return whole(response, limit).then(
    (body) => (body ? [holding(body)] : [holding([]), ""]),
    (error) => [holding([]), said(error)],
  );
}

/** The body, and nothing if it has more than `limit` bytes. What is stated of its length is a guess: what comes is counted. */
async function whole({ headers, body }, limit) {
  const stated = headers.get("content-length") ?? "";
  const guess = /^\d{1,15}$/.test(stated) && !headers.has("content-encoding") ? Number(stated) : PIECE;
  const reader = open(body);
  // One byte more than is stated, so that the end comes with the last.
  const first = Math.min(guess, limit) + 1;
  const { value } = await reader.readAtLeast(first, new Uint8Array(first));
  let text = value ?? new Uint8Array(0);
  if (text.length < first) return text;
  let length = text.length;
  for (;;) {
    if (length > limit) {
      cancel(reader);
      return undefined;
    }
    const { value, done } = await piece(reader);
    if (done) return text.subarray(0, length);
    if (length + value.length > text.length) {
      const longer = new Uint8Array(2 * (length + value.length));
      longer.set(text.subarray(0, length));
      text = longer;
    }
    text.set(value, length);
    length += value.length;
    release(value);
  }
}

/** A reader of a stream of bytes, for `pull`. */
export function open(stream) {
  return stream.getReader({ mode: "byob" });
}

/** Memory to read into, when nobody does: to make it takes longer than to read. */
const free = [];
const PIECE = 16_384;
const MAX_FREE = 64;

function piece(reader) {
  return reader.read(new Uint8Array(free.pop() ?? new ArrayBuffer(PIECE)));
}

function release({ buffer }) {
  if (buffer.byteLength === PIECE && free.length < MAX_FREE) free.push(buffer);
}

/** Tells the next piece of a stream, and nothing at its end. */
export function pull(reader, ticket, tell) {
  piece(reader).then(
    ({ value, done }) => {
      tell(ticket, done ? undefined : value);
      if (value) release(value);
    },
    (error) => tell(ticket, undefined, said(error)),
  );
}

/** Wants no more of a stream. */
export function cancel(reader) {
  reader.cancel().catch(() => {});
}

/** Posts to a Durable Object and tells its answer: the status in two bytes, the higher one first, then the body. */
export function command(object, url, bytes, ticket, tell) {
  object
    .fetch(url, { method: "POST", body: bytes.slice() })
    .then((response) => response.arrayBuffer().then((body) => [response.status, new Uint8Array(body)]))
    .then(
      ([status, body]) => {
        const answer = new Uint8Array(2 + body.length);
        answer.set([status >> 8, status & 255]);
        answer.set(body, 2);
        tell(ticket, answer);
      },
      (error) => tell(ticket, undefined, said(error)),
    );
}

/** Counts a request with two rate limiters, with the second only if the first passes it, and tells one byte if both do. */
export function count(first, firstKey, second, secondKey, ticket, tell) {
  passes(first, firstKey)
    .then((passed) => passed && passes(second, secondKey))
    .then((passed) => tell(ticket, new Uint8Array(passed ? 1 : 0)));
}

/** A shield that is not there lets through. */
async function passes(limiter, key) {
  try {
    return (await limiter.limit({ key })).success;
  } catch {
    return true;
  }
}

/** Writes a point, JSON, to a dataset of Analytics Engine. */
export function point(dataset, data) {
  dataset.writeDataPoint(JSON.parse(data));
}

/**
 * Asks whatever has a `fetch` for `url`, and tells the answer: the status in two bytes, the higher one first, then the
 * body if it is 200, of which one byte more than `limit` is read at most.
 */
export function get(target, url, limit, ticket, tell) {
  got(target, url, limit).then(
    (answer) => tell(ticket, answer),
    (error) => tell(ticket, undefined, said(error)),
  );
}

async function got(target, url, limit) {
  const { status, body } = await target.fetch(url, { redirect: "manual" });
  const answer = [status >> 8, status & 255];
  if (status !== 200 || !body) {
    await body?.cancel();
    return new Uint8Array(answer);
  }
  // A few large reads: each costs more than its bytes do.
  const reader = body.getReader({ mode: "byob" });
  const { value } = await reader.readAtLeast(limit + 1, new Uint8Array(limit + 1));
  const length = value?.length ?? 0;
  if (length > limit) await reader.cancel();
  const whole = new Uint8Array(2 + length);
  whole.set(answer);
  if (value) whole.set(value, 2);
  return whole;
}

/** `head` is `{status, headers}` as JSON; the bytes are WebAssembly's own, so they are copied. */
export function respond(head, bytes) {
  return new Response(bytes?.slice(), JSON.parse(head));
}

/** What may wait for whoever reads a response, in bytes. */
const AHEAD = new ByteLengthQueuingStrategy({ highWaterMark: 65_536 });

/** A response whose body is written piece by piece, and what `write` and `end` take. Tells when nobody reads on. */
export function stream(head, ticket, tell) {
  const out = { controller: undefined, room: undefined };
  const body = new ReadableStream(
    {
      start(controller) {
        out.controller = controller;
      },
      pull() {
        out.room?.();
        out.room = undefined;
      },
      cancel() {
        tell(ticket);
      },
    },
    AHEAD,
  );
  return [new Response(body, JSON.parse(head)), out];
}

/** Returns true if there is room for more, else tells when there is. */
export function write(out, bytes, ticket, tell) {
  out.controller.enqueue(bytes.slice());
  if (out.controller.desiredSize > 0) return true;
  out.room = () => tell(ticket);
  return false;
}

export function end(out) {
  out.controller.close();
}

/** Breaks the response off, unless it has ended. */
export function fail(out) {
  try {
    out.controller.error(new Error("the answer broke off"));
  } catch {
    // It has ended.
  }
}

const ES256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const MAX_KEYS = 32;
/** By use and id; an id means one key for good. */
const keys = new Map();

/** Tells the signature of `bytes`: `r || s`. */
export function sign(kid, jwk, bytes, ticket, tell) {
  // The bytes are WebAssembly's own, which moves them while the key is imported.
  const message = bytes.slice();
  imported("sign", kid, jwk)
    .then((key) => crypto.subtle.sign(ES256, key, message))
    .then(
      (signature) => tell(ticket, new Uint8Array(signature)),
      (error) => tell(ticket, undefined, said(error)),
    );
}

/** Tells one byte if `signature` is that of `bytes`, else none. */
export function verify(kid, jwk, bytes, signature, ticket, tell) {
  const [message, shown] = [bytes.slice(), signature.slice()];
  imported("verify", kid, jwk)
    .then((key) => crypto.subtle.verify(ES256, key, shown, message))
    .then(
      (holds) => tell(ticket, new Uint8Array(holds ? 1 : 0)),
      (error) => tell(ticket, undefined, said(error)),
    );
}

async function imported(use, kid, jwk) {
  const name = `${use} ${kid}`;
  const known = keys.get(name);
  if (known) return known;
  const key = await crypto.subtle.importKey("jwk", JSON.parse(jwk), ES256, false, [use]);
  if (keys.size >= MAX_KEYS) keys.clear();
  keys.set(name, key);
  return key;
}

/**
 * Runs statements on a D1 database and tells the result, JSON as well. `statements` is JSON, each
 * `[sql, parameters]`: one alone, or all of them as one batch.
 */
export function query(database, statements, batch, ticket, tell) {
  run(database, JSON.parse(statements), batch).then(
    (result) => tell(ticket, encoder.encode(JSON.stringify(result))),
    (error) => tell(ticket, undefined, said(error)),
  );
}

async function run(database, statements, batch) {
  const prepared = statements.map(([sql, parameters]) => database.prepare(sql).bind(...parameters));
  return batch ? database.batch(prepared) : prepared[0].all();
}

/**
 * Tells what an R2 bucket has under `key`: the length of a head in four bytes, the highest first, the head, which is
 * `{size, contentType, cacheControl}` as JSON, and the bytes, if not over `limit`. Nothing at all if there is no such key.
 */
export function download(bucket, key, limit, ticket, tell) {
  downloaded(bucket, key, limit).then(
    (bytes) => tell(ticket, bytes),
    (error) => tell(ticket, undefined, said(error)),
  );
}

async function downloaded(bucket, key, limit) {
  const object = await bucket.get(key);
  if (!object) return new Uint8Array(0);
  const { size, httpMetadata, etag } = object;
  const { contentType = "", cacheControl = "" } = httpMetadata ?? {};
  const head = encoder.encode(JSON.stringify({ size, contentType, cacheControl, etag }));
  const fits = size <= limit;
  if (!fits) await object.body.cancel();
  const whole = new Uint8Array(4 + head.length + (fits ? size : 0));
  new DataView(whole.buffer).setUint32(0, head.length);
  whole.set(head, 4);
  if (fits) whole.set(new Uint8Array(await object.arrayBuffer()), 4 + head.length);
  return whole;
}

/** Puts an object into an R2 bucket if `onlyIf`, JSON, holds; tells its etag, and nothing if it was not put. */
export function upload(bucket, key, contentType, cacheControl, bytes, onlyIf, ticket, tell) {
  const httpMetadata = { contentType, cacheControl: cacheControl || undefined };
  bucket.put(key, bytes.slice(), { httpMetadata, onlyIf: JSON.parse(onlyIf) ?? undefined }).then(
    (object) => tell(ticket, encoder.encode(object?.etag ?? "")),
    (error) => tell(ticket, undefined, said(error)),
  );
}

/** Deletes what is under `keys`, a JSON array, from an R2 bucket, and tells when it is done. */
export function erase(bucket, keys, ticket, tell) {
  bucket.delete(JSON.parse(keys)).then(
    () => tell(ticket, new Uint8Array(0)),
    (error) => tell(ticket, undefined, said(error)),
  );
}

/**
 * Runs statements, JSON as above, on the SQLite of a Durable Object in one transaction, and returns the rows
 * of each as JSON. Nothing is done if one of them throws. What only reads needs no transaction: nothing comes between.
 */
export function transact(storage, statements) {
  const all = JSON.parse(statements);
  const run = ([sql, parameters]) => storage.sql.exec(sql, ...parameters).toArray();
  const reads = all.every(([sql]) => sql.startsWith("SELECT "));
  return JSON.stringify(reads ? all.map(run) : storage.transactionSync(() => all.map(run)));
}

const MAX_ZONES = 64;
/** A formatter takes long to make. */
const clocks = new Map();

/** What a time zone is ahead of UTC at `at`, both in ms. Nothing if there is no such zone or time. */
export function offset(zone, at) {
  try {
    const parts = clockOf(zone).formatToParts(at);
    const { year, month, day, hour, minute, second } = Object.fromEntries(
      parts.map(({ type, value }) => [type, Number(value)]),
    );
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1000) * 1000;
  } catch {
    return undefined;
  }
}

function clockOf(timeZone) {
  const known = clocks.get(timeZone);
  if (known) return known;
  const numeric = "numeric";
  const fields = { year: numeric, month: numeric, day: numeric, hour: numeric, minute: numeric, second: numeric };
  const clock = new Intl.DateTimeFormat("en-US", { timeZone, hourCycle: "h23", ...fields });
  if (clocks.size >= MAX_ZONES) clocks.clear();
  clocks.set(timeZone, clock);
  return clock;
}
