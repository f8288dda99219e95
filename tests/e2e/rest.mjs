// What the tests of the REST face share: its document, and calls whose answers are held against it.
import assert from "node:assert/strict";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const METHODS = ["get", "post", "patch", "delete"];

/** A caller of a worker's REST face. Every answer must be one that the document describes. */
export async function restOf(world, worker = "chatgpt") {
  const base = world.stack.urls[worker];
  const document = await (await fetch(`${base}/api/v1/openapi.json`)).json();
  const ajv = addFormats(new Ajv2020({ strict: false }));
  ajv.addSchema({ $id: "api", ...document });
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ path, method, ...item[method] })));

  const described = (method, path) => {
    const fits = (template) => new RegExp(`^${template.replace(/\{\w+\}/g, "[^/]+")}$`).test(path);
    return operations.find((one) => one.method === method && fits(one.path));
  };

  /** `body` may be a value or text. */
  async function call(method, target, body, { token = world.token, headers = {} } = {}) {
    const sent = body === undefined ? {} : { "content-type": "application/json" };
    const response = await fetch(base + target, {
      method: method.toUpperCase(),
      headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...sent, ...headers },
      body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
    });
    const operation = described(method, target.split("?")[0]);
    const text = await response.text();
    if (operation) {
      assert.match(response.headers.get("content-type"), /^application\/json/);
      const schema = (operation.responses[response.status] ?? operation.responses.default).content["application/json"].schema;
      const check = ajv.compile({ $ref: `api${schema.$ref}` });
      assert.ok(check(JSON.parse(text)), `${method} ${target}: ${JSON.stringify(check.errors)} in ${text}`);
    }
    return { status: response.status, headers: response.headers, body: text && JSON.parse(text) };
  }

  /** The result of a call that must succeed with `status`. */
  async function good(status, method, target, body, options) {
    const answer = await call(method, target, body, options);
    assert.equal(answer.status, status, `${method} ${target}: ${JSON.stringify(answer.body)}`);
    assert.ok(answer.headers.get("x-request-id"));
    return answer.body;
  }

  /** The error of a call that must fail with `status`. */
  async function bad(status, method, target, body, options) {
    const answer = await call(method, target, body, options);
    assert.equal(answer.status, status, `${method} ${target}: ${JSON.stringify(answer.body)}`);
    return { ...answer.body.error, headers: answer.headers };
  }

  return { base, document, operations, call, good, bad };
}
