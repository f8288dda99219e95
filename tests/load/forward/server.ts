// The least that a gateway on Workers does: asks the model, or an object that admits the call and then the model.
import { admission, ask, type Objects } from "../nothing";

export { Nothing } from "../nothing";

interface Env {
  NOTHING: Objects;
  OPENAI_BASE_URL: string;
}

export default {
  async fetch(request: Request, env: Env) {
    const body = await request.text();
    if (new URL(request.url).pathname === "/admitted") await ask(env.NOTHING.getByName("caller"), admission("nothing"));
    const headers = { "content-type": "application/json", authorization: "Bearer sk-stand-in" };
    return fetch(`${env.OPENAI_BASE_URL}/chat/completions`, { method: "POST", headers, body });
  },
};
