// What the check before a call costs: requests that ask nothing, an object that does nothing, and a user's account.
import { DurableObject } from "cloudflare:workers";

interface Stub {
  fetch(url: string, init: { method: string; body: string }): Promise<Response>;
}

interface Objects {
  getByName(name: string): Stub;
}

interface Env {
  USER_LEDGER: Objects;
  NOTHING: Objects;
  OPENAI_BASE_URL: string;
}

const USER = "bench-ledger";
/** Whoever calls the gateways. */
const CALLER = "dev";

/** The floor of any check that one object decides. */
export class Nothing extends DurableObject {
  async fetch(request: Request) {
    return new Response(await request.text());
  }
}

async function ask(object: Stub, command: object) {
  const response = await object.fetch("https://object.internal/", { method: "POST", body: JSON.stringify(command) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  return text;
}

/** A budget of the month and of the day, and every limit, so that each call is checked against all of them. */
async function setUp(account: Stub) {
  const caps = { soft: null, hard: 4_000_000_000_000_000 };
  await ask(account, { set_budget: { key_id: null, period: "month", caps } });
  await ask(account, { set_budget: { key_id: null, period: "day", caps } });
  return "set up";
}

const admission = (request_id: string) => ({
  admit: {
    request: {
      request_id,
      key_id: "TOKEN-0123456789abcdef",
      family: "gpt-4",
      input_tokens: 12,
      max_output_tokens: 64,
      bound_nanos: 1_000_000,
      clamp: null,
      ttl_ms: 660_000,
      sent: true,
      nonce: request_id,
      booking: null,
    },
  },
});
const settlement = (request_id: string) => ({ settle: { request_id, actual: { charge: { exact: 900_000 }, tokens: 75 } } });

async function check(account: Stub) {
  const id = crypto.randomUUID();
  const admitted = await ask(account, admission(id));
  const settled = await ask(account, settlement(id));
  return `${admitted} ${settled}`;
}

/** The least that a gateway does whose calls are admitted by an object: one request to it, then one to the model. */
async function forward(request: Request, env: Env) {
  const body = await request.text();
  await ask(env.NOTHING.getByName(USER), admission("nothing"));
  const headers = { "content-type": "application/json", authorization: "Bearer sk-stand-in" };
  return fetch(`${env.OPENAI_BASE_URL}/chat/completions`, { method: "POST", headers, body });
}

async function answer(path: string, env: Env) {
  const account = env.USER_LEDGER.getByName(USER);
  switch (path) {
    case "/set-up":
      await setUp(env.USER_LEDGER.getByName(CALLER));
      return setUp(account);
    case "/check":
      return check(account);
    case "/object":
      return ask(env.NOTHING.getByName(USER), admission("nothing"));
    default:
      return "nothing";
  }
}

export default {
  async fetch(request: Request, env: Env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/forward") return forward(request, env);
    await request.text();
    return new Response(await answer(pathname, env));
  },
};
