// A way to the log's object from outside, which the product does not have: for tests and the bench.
import { randomBytes } from "node:crypto";

/** Stands before the fortress worker: what is posted to /append goes to the log as it is. */
export const FRONT = `import Worker from "./index.js";
export * from "./index.js";
export default class extends Worker {
  fetch(request) {
    if (new URL(request.url).pathname !== "/append") return super.fetch(request);
    return this.env.CHAIN.getByName("chittychain").fetch(request);
  }
}`;

/** A fact to log, under a key of its own. */
export const fact = (subject) => ({
  idempotency_key: randomBytes(12).toString("hex"),
  fact: { subject, predicate: "measured", object: "appended", source: "test", timestamp_ms: 1_795_262_350_000 },
});

/** Sends a command to the log at `base`: its status and what it says. */
export async function command(base, value, options = {}) {
  const response = await fetch(`${base}/append`, { method: "POST", body: JSON.stringify(value), ...options });
  const text = await response.text();
  return { status: response.status, body: response.headers.get("content-type")?.includes("json") || /^[[{"]/.test(text) ? JSON.parse(text) : text };
}
