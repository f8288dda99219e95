// What requests need of JavaScript, each in one crossing from WebAssembly.
// `tell(ticket, bytes, fault)` calls back into it; who has gone meanwhile is not told.

// Futures are polled from microtasks. The platform's own way in costs ten times as much as a promise's.
const settled = Promise.resolve();
globalThis.queueMicrotask = (task) => {
  settled.then(task);
};

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
    (error) => tell(ticket, undefined, String(error?.message ?? error)),
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
 * Begins a request on whatever has a `fetch`, and returns the promise of its response. `head` is
 * `{url, method, headers, redirect}` as JSON.
 */
export function send(target, head, bytes, signal) {
  const { url, ...init } = JSON.parse(head);
  return target.fetch(url, { ...init, body: bytes?.slice(), signal });
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
      (error) => tell(ticket, undefined, String(error?.message ?? error)),
    );
}

/**
 * Asks whatever has a `fetch` for `url`, and tells the answer: the status in two bytes, the higher one first, then the
 * body if it is 200, of which one byte more than `limit` is read at most.
 */
export function get(target, url, limit, ticket, tell) {
  got(target, url, limit).then(
    (answer) => tell(ticket, answer),
    (error) => tell(ticket, undefined, String(error?.message ?? error)),
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

export function respondWithStream(head, stream) {
  return new Response(stream, JSON.parse(head));
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
      (error) => tell(ticket, undefined, String(error?.message ?? error)),
    );
}

/** Tells one byte if `signature` is that of `bytes`, else none. */
export function verify(kid, jwk, bytes, signature, ticket, tell) {
  const [message, shown] = [bytes.slice(), signature.slice()];
  imported("verify", kid, jwk)
    .then((key) => crypto.subtle.verify(ES256, key, shown, message))
    .then(
      (holds) => tell(ticket, new Uint8Array(holds ? 1 : 0)),
      (error) => tell(ticket, undefined, String(error?.message ?? error)),
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

const encoder = new TextEncoder();

/**
 * Runs statements on a D1 database and tells the result, JSON as well. `statements` is JSON, each
 * `[sql, parameters]`: one alone, or all of them as one batch.
 */
export function query(database, statements, batch, ticket, tell) {
  run(database, JSON.parse(statements), batch).then(
    (result) => tell(ticket, encoder.encode(JSON.stringify(result))),
    (error) => tell(ticket, undefined, String(error?.message ?? error)),
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
    (error) => tell(ticket, undefined, String(error?.message ?? error)),
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
    (error) => tell(ticket, undefined, String(error?.message ?? error)),
  );
}

/** Deletes what is under `keys`, a JSON array, from an R2 bucket, and tells when it is done. */
export function erase(bucket, keys, ticket, tell) {
  bucket.delete(JSON.parse(keys)).then(
    () => tell(ticket, new Uint8Array(0)),
    (error) => tell(ticket, undefined, String(error?.message ?? error)),
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
