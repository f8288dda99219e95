// What the check before a call costs: requests that ask nothing, an object that does nothing, and a user's account.
import { admission, ask, type Objects, type Stub } from "../nothing";

export { Nothing } from "../nothing";

interface Env {
  USER_LEDGER: Objects;
  NOTHING: Objects;
}

const USER = "bench-ledger";
/** Whoever calls the gateways. */
const CALLER = "dev";

/** A budget of the month and of the day, and every limit, so that each call is checked against all of them. */
async function setUp(account: Stub) {
  const caps = { soft: null, hard: 4_000_000_000_000_000 };
  await ask(account, { set_budget: { key_id: null, period: "month", caps } });
  await ask(account, { set_budget: { key_id: null, period: "day", caps } });
  return "set up";
}

const settlement = (request_id: string) => ({ settle: { request_id, actual: { charge: { exact: 900_000 }, tokens: 75 } } });

async function check(account: Stub) {
  const id = crypto.randomUUID();
  const admitted = await ask(account, admission(id));
  const settled = await ask(account, settlement(id));
  return `${admitted} ${settled}`;
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
    await request.text();
    return new Response(await answer(pathname, env));
  },
};
