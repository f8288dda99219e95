// What src/edge/web.js does for WebAssembly, in workerd, with JavaScript in the place of WebAssembly: hosts that say
// something else than they send, and replies that end in the middle.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { ROOT } from "../../scripts/lib/stack.mjs";

const LIMIT = 100_000;

/** Asks as `ask` of the core's `Http` does, and answers what it was told; or begins a reply and breaks it off. */
const WORKER = `import { count, fail, send, stream, write } from "./web.js";
const asked = (url, limit) => new Promise((resolve) => {
  const head = { url, method: "GET", headers: {}, redirect: "manual", wanted: ["x-long"], limit };
  send(globalThis, JSON.stringify(head), undefined, 1, (_, answer, fault, reader) => resolve({ answer, fault, reader }));
});
const counted = (...limiters) => new Promise((resolve) => {
  count(limiters[0], "a", limiters[1], "b", 1, (_, passes) => resolve(passes.length === 1));
});
export default {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/break") {
      const [response, out] = stream('{"status":200,"headers":{}}', 1, () => {});
      write(out, new Uint8Array([111, 107]), 2, () => {});
      setTimeout(() => fail(out), 100);
      return response;
    }
    if (pathname === "/count") {
      const [yes, no] = [true, false].map((success) => ({ limit: async () => ({ success }) }));
      const broken = { limit() { throw new Error("out of reach"); } };
      return Response.json(await Promise.all([counted(yes, yes), counted(no, yes), counted(yes, no), counted(broken, no), counted(no, broken), counted(yes, broken)]));
    }
    const { answer, fault, reader } = await asked(searchParams.get("url"), ${LIMIT});
    const length = new DataView(answer.buffer).getUint32(2);
    const [long] = JSON.parse(new TextDecoder().decode(answer.subarray(6, 6 + length)));
    await reader?.cancel();
    return Response.json({ status: answer[0] << 8 | answer[1], long: long?.length ?? null, body: answer.length - 6 - length, fault, reader: Boolean(reader) });
  },
};`;

/** Raw answers by path. */
const chunk = (size) => `${size.toString(16)}\r\n${"x".repeat(size)}\r\n`;
const chunked = (head, ...sizes) => `HTTP/1.1 200 OK\r\n${head}transfer-encoding: chunked\r\n\r\n${sizes.map(chunk).join("")}`;
const ANSWERS = {
  "/short": [chunked("content-length: 5\r\n", 20_000, 0)],
  "/endless": [chunked("content-length: 5\r\n", 90_000), chunk(90_000), chunk(90_000), chunk(90_000)],
  "/blank": [chunked("content-length: \r\n", 90_000, 0)],
  "/exact": [chunked("", 16_384, 16_384, LIMIT - 32_768, 0)],
  "/over": [chunked("", 16_384, LIMIT - 16_383, 0)],
  "/cut": ["HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc", null],
  "/long": [`HTTP/1.1 200 OK\r\nx-long: ${'"'.repeat(33_000)}\r\ncontent-length: 2\r\n\r\nok`],
  "/refused": ["HTTP/1.1 429 Too Many Requests\r\ncontent-length: 9\r\n\r\nslow down"],
};

const sockets = new Set();
let server, mf, host;
before(async () => {
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (request) => {
      const path = String(request).split(" ")[1];
      for (const part of ANSWERS[path]) part === null ? socket.end() : socket.write(part);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  host = `http://127.0.0.1:${server.address().port}`;
  const web = readFileSync(join(ROOT, "src/edge/web.js"), "utf8");
  const modules = [{ type: "ESModule", path: "worker.js", contents: WORKER }, { type: "ESModule", path: "web.js", contents: web }];
  mf = new Miniflare(convertV4MiniflareOptions({ workers: [{ name: "web", modules, compatibilityDate: "2026-11-01" }], host: "127.0.0.1", port: 0 }));
  await mf.ready;
});
after(async () => {
  await mf?.dispose();
  sockets.forEach((socket) => socket.destroy());
  server?.close();
});

const at = async (path) => fetch(new URL(path, await mf.ready), { signal: AbortSignal.timeout(10_000) });
const told = async (path) => (await at(`/?url=${host}${path}`)).json();

test("what comes of an answer is counted, whatever its length is said to be", async () => {
  assert.deepEqual(await told("/short"), { status: 200, long: null, body: 20_000, reader: false });
  assert.deepEqual(await told("/blank"), { status: 200, long: null, body: 90_000, reader: false });
  assert.deepEqual(await told("/endless"), { status: 200, long: null, body: 0, fault: "", reader: false });
  assert.deepEqual(await told("/exact"), { status: 200, long: null, body: LIMIT, reader: false });
  assert.deepEqual(await told("/over"), { status: 200, long: null, body: 0, fault: "", reader: false });
});

test("a body that breaks off, a long header, and a refusal to be read as it comes", async () => {
  const { fault, ...cut } = await told("/cut");
  assert.deepEqual(cut, { status: 200, long: null, body: 0, reader: false });
  assert.ok(fault.length > 0);
  assert.deepEqual(await told("/long"), { status: 200, long: 33_000, body: 2, reader: false });
  assert.deepEqual(await told("/refused"), { status: 429, long: null, body: 0, reader: true });
});

test("a reply that fails is broken off, not ended", async () => {
  const response = await at("/break");
  await assert.rejects(response.text(), TypeError);
});

test("a rate limit that cannot be asked lets through, and only one that says no does not", async () => {
  const counted = await at("/count");
  assert.deepEqual(await counted.json(), [true, false, false, false, false, true]);
});
