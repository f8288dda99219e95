// The floor of any check that one object decides: an object that does nothing, and a request to an object.
import { DurableObject } from "cloudflare:workers";

export interface Stub {
  fetch(url: string, init: { method: string; body: string }): Promise<Response>;
}

export interface Objects {
  getByName(name: string): Stub;
}

export class Nothing extends DurableObject {
  async fetch(request: Request) {
    return new Response(await request.text());
  }
}

export async function ask(object: Stub, command: object) {
  const response = await object.fetch("https://object.internal/", { method: "POST", body: JSON.stringify(command) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  return text;
}

export const admission = (request_id: string) => ({
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
