// The gateways that are compared, and what they are asked: the same question, answered by the same stand-in.
import { bundle } from "./bundle.mjs";

const MODEL = { model: "gpt-4", messages: [{ role: "user", content: "echo: measured" }], max_tokens: 64 };
const BODY = JSON.stringify(MODEL);
const STREAMED = JSON.stringify({ ...MODEL, stream: true });
const JSON_TYPE = { "content-type": "application/json" };
const PATH = "/chat/completions";

/**
 * Cloudflare's rate limit bindings count where the worker runs, within the request's own process; Miniflare's simulation
 * asks a Durable Object with a database. Neither is ours, and this costs about what the former does.
 */
const LIMITS_IN_PROCESS = `import Worker from "./index.js";
export * from "./index.js";
const counts = new Map();
class Ratelimit {
  async limit({ key }) {
    counts.set(key, (counts.get(key) ?? 0) + 1);
    return { success: true };
  }
}
export default class extends Worker {
  constructor(context, env) {
    const value = new Ratelimit();
    super(context, Object.create(env, { SHIELD: { value }, PLATFORM: { value } }));
  }
}`;

/** The same request plain and streamed; the answer repeats what is in the question. */
const asks = (name, url, pid, headers) => {
  const subject = { name, url, pid, headers: { ...JSON_TYPE, ...headers }, wanted: "Echo: measured" };
  return { plain: { ...subject, body: BODY }, streamed: { ...subject, body: STREAMED } };
};

/** @param {import("./servers.mjs").Servers} servers */
export async function startGateways(servers) {
  await Promise.all(["ledger", "forward"].map((name) => bundle(name)));
  const model = await servers.model();
  const { urls, pid, keys } = await servers.product({ model, beside: ["ledger"], fronts: { chatgpt: LIMITS_IN_PROCESS } });
  const portkey = await servers.portkey();
  const forward = await servers.worker("forward", { OPENAI_BASE_URL: model.url });
  const floor = (name, path) => asks(name, `${forward.urls.forward}${path}`, forward.pid, {});
  const key = { authorization: "Bearer sk-stand-in" };
  const route = { "x-portkey-provider": "openai", "x-portkey-custom-host": model.url };
  const check = (name, path, wanted) => ({ name, url: `${urls.ledger}${path}`, pid, headers: {}, body: "{}", wanted });
  return {
    gateways: {
      model: asks("stand-in model, direct", `${model.url}${PATH}`, model.pid, key),
      ours: asks("chatgpt", `${urls.chatgpt}/v1${PATH}`, pid, { authorization: `Bearer ${keys.token}` }),
      floor: floor("JavaScript worker: the model alone", "/"),
      admitted: floor("JavaScript worker: an object, then the model", "/admitted"),
      theirs: asks("Portkey gateway", `${portkey.url}/v1${PATH}`, portkey.pid, { ...key, ...route }),
    },
    checks: {
      setUp: check("a budget", "/set-up", "set up"),
      nothing: check("a worker that asks nothing", "/", "nothing"),
      object: check("one request to an object that does nothing", "/object", "admit"),
      whole: check("budget and limits checked and reserved, then settled", "/check", '"decision":"admitted"'),
    },
  };
}
