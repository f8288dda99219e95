// What is checked of every refusal: its form, and that it left nothing behind.
import assert from "node:assert/strict";
import { assertExplains, tables } from "./support.mjs";

/** Tables that a refused request may still write to. */
const MAY_GROW = new Set(["audit_logs", "api_tokens", "throttles"]);

/** The request id that a reply names. */
export const requestIdOf = (response) => response.headers.get("x-request-id");

async function counts(world) {
  const counted = (await tables(world)).filter((name) => !MAY_GROW.has(name));
  const [found] = await world.stack.d1(`SELECT ${counted.map((name) => `(SELECT COUNT(*) FROM ${name}) AS ${name}`).join(", ")}`);
  return found;
}

/** Does `work` and makes sure that no table has another number of rows than before, and that no model was asked. */
export async function unchanged(world, work) {
  const before = await counts(world);
  const asked = world.model.requests.length;
  const result = await work();
  assert.deepEqual(await counts(world), before, "something was written");
  assert.equal(world.model.requests.length, asked, "the model was asked");
  return result;
}

/** An answer from before the protocol: `{error: {code, message, request_id}}`. */
export async function assertRefused(response, status, code) {
  assert.equal(response.status, status);
  const { error } = await response.json();
  assert.equal(error.code, code);
  assertExplains(error.message);
  assert.equal(error.request_id, requestIdOf(response));
  return error;
}

/** The challenge of a refusal, which leads to the metadata of the worker at `url`. */
export function assertChallenge(response, url, error) {
  const challenge = response.headers.get("www-authenticate");
  const named = /^Bearer error="([^"]+)", error_description="[^"]+", /.exec(challenge)?.[1];
  assert.equal(named, error, challenge);
  assert.match(challenge, /scope="[^"]+", resource_metadata="[^"]+"$/);
  assert.ok(challenge.endsWith(`"${url}/.well-known/oauth-protected-resource/mcp"`), challenge);
  return challenge;
}

/** A JSON-RPC error: `{code, message, data: {requestId}}`. */
export async function assertRpcError(response, status, code) {
  assert.equal(response.status, status);
  const { error, ...rest } = await response.json();
  assert.equal(error.code, code, error.message);
  assertExplains(error.message);
  assert.ok(error.data.requestId);
  assert.equal(rest.jsonrpc, "2.0");
  return error;
}
