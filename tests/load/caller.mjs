// Requests one by one or several at once, each timed, over connections that stay open.
import { Agent, request } from "node:http";

/** Asks servers for `close`, having sent up to `lanes` requests at once. */
export class Caller {
  #agent;

  constructor(lanes) {
    this.lanes = lanes;
    this.#agent = new Agent({ keepAlive: true, maxSockets: lanes });
  }

  /**
   * @param {{body?: string, headers?: Record<string, string>}} options a POST with a body, else a GET
   * @returns {Promise<{status: number, headers: object, text: string, ms: number}>} `ms` until its last byte
   */
  send(url, { body, headers } = {}) {
    const started = performance.now();
    return new Promise((resolve, reject) => {
      const method = body === undefined ? "GET" : "POST";
      const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
      const sent = request(url, { method, agent: this.#agent, headers: { ...length, ...headers } }, (response) => {
        const chunks = [];
        response.on("data", (chunk) => chunks.push(chunk)).on("error", reject);
        response.on("end", () => {
          const ms = performance.now() - started;
          resolve({ status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString(), ms });
        });
      });
      sent.on("error", reject).end(body);
    });
  }

  /** Runs `job` for every item, `lanes` at once, and returns the results in the order of the items. */
  async each(items, job) {
    const results = new Array(items.length);
    let next = 0;
    const lane = async () => {
      while (next < items.length) {
        const at = next++;
        results[at] = await job(items[at]);
      }
    };
    await Promise.all(Array.from({ length: Math.min(this.lanes, items.length) }, lane));
    return results;
  }

  close() {
    this.#agent.destroy();
  }
}
