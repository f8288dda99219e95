// Streams, one after the other on each lane: when their first words come.
import { Agent, request } from "node:http";
import { usedBy } from "./cpu.mjs";
import { quantile } from "./statistics.mjs";

/** The first piece of the answer's text. What comes before it, such as whose turn it is, says nothing. */
const FIRST_WORDS = /"content":"[^"]/;
const END = "data: [DONE]";

/** Reads one stream to its end and returns the milliseconds until its first words. */
function listen({ name, url, headers, body, wanted }, agent) {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const length = { "content-length": Buffer.byteLength(body) };
    const sent = request(url, { method: "POST", agent, headers: { ...headers, ...length } }, (response) => {
      let [text, first] = ["", undefined];
      response.setEncoding("utf8");
      response.on("error", reject);
      response.on("data", (piece) => {
        text += piece;
        if (first === undefined && FIRST_WORDS.test(text)) first = performance.now() - started;
      });
      response.on("end", () => {
        if (response.statusCode === 200 && spoken(text).includes(wanted) && text.includes(END)) return resolve(first);
        reject(new Error(`${name}: status ${response.statusCode}, and the stream is not the one wanted: ${text.slice(0, 400)}`));
      });
    });
    sent.on("error", reject).end(body);
  });
}

/** The text of all pieces together. */
function spoken(events) {
  const pieces = events.split("\n").filter((line) => line.startsWith("data: {"));
  return pieces.map((line) => JSON.parse(line.slice("data: ".length)).choices[0]?.delta?.content ?? "").join("");
}

/**
 * Listens to streams of `subject` for `seconds`, `concurrency` at once. Returns `p50` and `p99` of the milliseconds until
 * the first words, `rate` in streams a second, and `cpu` in microseconds of the server's process for each. Throws if any
 * stream was not the right one.
 *
 * @param {import("./wrk.mjs").Case} subject
 */
export async function loadStreams(subject, { seconds, concurrency }) {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  const [before, started] = [usedBy(subject.pid), performance.now()];
  const until = started + seconds * 1000;
  const times = [];
  const lane = async () => {
    do times.push(await listen(subject, agent));
    while (performance.now() < until);
  };
  try {
    await Promise.all(Array.from({ length: concurrency }, lane));
  } finally {
    agent.destroy();
  }
  return {
    rate: (1000 * times.length) / (performance.now() - started),
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    cpu: (usedBy(subject.pid) - before) / times.length,
  };
}
