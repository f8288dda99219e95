// The code flow, from a signed-in person's browser to a client that has used and refreshed its token.
import { createHash, randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { Caller } from "./caller.mjs";
import { usedBy } from "./cpu.mjs";
import { CALLBACK, SCOPES } from "./providers.mjs";
import { quantile } from "./statistics.mjs";

/** In the order they are taken. */
export const STEPS = ["authorize", "consent", "token", "call", "refresh"];
/** What is done after the last answer, such as rows of an audit log, counts too. */
const SETTLE_MS = 200;

const FORM = { "content-type": "application/x-www-form-urlencoded" };
/** The MCP request that asks least of a server, in the last revision that has it. */
const PING = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" });
const PING_HEADERS = { "content-type": "application/json", accept: "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25" };

/** What is called with a token: `ping` at an MCP endpoint. */
export async function ping(caller, url, token) {
  const headers = token === undefined ? PING_HEADERS : { ...PING_HEADERS, authorization: `Bearer ${token}` };
  const answer = await caller.send(url, { body: PING, headers });
  if (answer.status !== 200 || !answer.text.includes('"result":{}')) throw wrong(url, answer);
  return answer.ms;
}

/** One person, one client: the same steps at any provider. */
class Flow {
  /** Milliseconds of each step. */
  times = {};
  #provider;
  #caller;
  #cookie;

  constructor(provider, caller, cookie) {
    this.#provider = provider;
    this.#caller = caller;
    this.#cookie = cookie;
  }

  /** Up to the tokens: `{access_token, refresh_token}`. */
  async connect() {
    const { origin, clientId } = this.#provider;
    const [verifier, state] = [secret(), secret()];
    const page = await this.#authorize(verifier, state);
    const back = await this.#consent(page);
    if (back.origin + back.pathname !== CALLBACK || back.searchParams.get("state") !== state || back.searchParams.get("iss") !== origin) {
      throw new Error(`${this.#provider.name} sends back to ${back}`);
    }
    return this.#tokens("token", {
      grant_type: "authorization_code",
      code: back.searchParams.get("code"),
      redirect_uri: CALLBACK,
      code_verifier: verifier,
      client_id: clientId,
      resource: `${origin}/mcp`,
    });
  }

  async whole() {
    const { origin, clientId } = this.#provider;
    const tokens = await this.connect();
    this.times.call = await ping(this.#caller, `${origin}/mcp`, tokens.access_token);
    const next = await this.#tokens("refresh", { grant_type: "refresh_token", refresh_token: tokens.refresh_token, client_id: clientId });
    if (next.refresh_token === tokens.refresh_token) throw new Error(`${this.#provider.name} gives the same refresh token again`);
    return this.times;
  }

  async #authorize(verifier, state) {
    const { origin, clientId } = this.#provider;
    const query = new URLSearchParams({
      response_type: "code",
      client_id: clientId,
      redirect_uri: CALLBACK,
      scope: SCOPES.join(" "),
      state,
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
      resource: `${origin}/mcp`,
    });
    const answer = await this.#step("authorize", `/authorize?${query}`, { headers: { accept: "text/html", cookie: this.#cookie } }, [200]);
    for (const line of answer.headers["set-cookie"] ?? []) this.#cookie += `; ${line.split(";", 1)[0]}`;
    return answer.text;
  }

  async #consent(page) {
    const { path, body, headers } = this.#provider.allow(page);
    const answer = await this.#step("consent", path, { body, headers: { ...FORM, ...headers, cookie: this.#cookie } }, [302, 303]);
    return new URL(answer.headers.location);
  }

  async #tokens(step, form) {
    const answer = await this.#step(step, "/token", { body: new URLSearchParams(form).toString(), headers: FORM }, [200]);
    const tokens = JSON.parse(answer.text);
    if (!tokens.access_token || !tokens.refresh_token) throw wrong(step, answer);
    return tokens;
  }

  async #step(name, path, request, wanted) {
    const answer = await this.#caller.send(this.#provider.origin + path, request);
    if (!wanted.includes(answer.status)) throw wrong(`${this.#provider.name}, ${name}`, answer);
    this.times[name] = answer.ms;
    return answer;
  }
}

const secret = () => randomBytes(32).toString("base64url");
const wrong = (what, { status, text }) => new Error(`${what}: status ${status}, and the answer is not the one wanted: ${text.slice(0, 400)}`);

/**
 * Takes `count` new people through the whole flow, `lanes` at once. Returns `rate` in flows a second, `cpu` in
 * microseconds of the server's process for each flow, and `<step> p50` and `<step> p95` in milliseconds.
 *
 * @param {import("./providers.mjs").Provider} provider
 */
export async function runFlows(provider, { count, lanes }) {
  const cookies = await provider.signIn(count);
  const caller = new Caller(lanes);
  try {
    await pause(SETTLE_MS);
    const [before, started] = [usedBy(provider.pid), performance.now()];
    const all = await caller.each(cookies, (cookie) => new Flow(provider, caller, cookie).whole());
    const seconds = (performance.now() - started) / 1000;
    await pause(SETTLE_MS);
    const cpu = (usedBy(provider.pid) - before) / count;
    const times = Object.fromEntries(STEPS.map((step) => [step, all.map((one) => one[step])]));
    const steps = STEPS.flatMap((step) => [[`${step} p50`, quantile(times[step], 0.5)], [`${step} p95`, quantile(times[step], 0.95)]]);
    return { rate: count / seconds, cpu, ...Object.fromEntries(steps) };
  } finally {
    caller.close();
  }
}

/** Access tokens that were not used yet, of as many people and grants. */
export async function mint(provider, { count, lanes }) {
  const caller = new Caller(lanes);
  try {
    return await caller.each(await provider.signIn(count), async (cookie) => (await new Flow(provider, caller, cookie).connect()).access_token);
  } finally {
    caller.close();
  }
}
