// Outside development nothing on this machine is fetched, and no token is for it.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { assertStays, authorizePath, Browser, ecKey, publicJwk, REDIRECT, redirected, register, registering } from "../oauth-attacks.mjs";
import { startWorld } from "../support.mjs";

/** A world as it is deployed, beside something inside that must not be asked. */
export async function openOutside() {
  const asked = [];
  const inside = createServer((request, response) => {
    asked.push(request.url);
    response.setHeader("content-type", "application/json").end("{}");
  });
  await new Promise((resolve) => inside.listen(0, "127.0.0.1", resolve));
  const world = await startWorld({ vars: { CHITTY_ENV: "staging", ISSUER: "https://mcp.example.com" } });
  return { world, asked, inside, port: inside.address().port };
}

export async function closeOutside(outside) {
  outside?.inside.close();
  await outside?.world.close();
}

const ADDRESSES = [
  ["http", (port) => `http://127.0.0.1:${port}/client.json`],
  ["https", (port) => `https://127.0.0.1:${port}/client.json`],
  ["its name", (port) => `http://localhost:${port}/client.json`],
  ["its name over https", (port) => `https://localhost:${port}/client.json`],
  ["its name with a dot", (port) => `http://localhost.:${port}/client.json`],
  ["a name below it", (port) => `http://x.localhost:${port}/client.json`],
  ["the other family", (port) => `http://[::1]:${port}/client.json`],
  ["a mapped address", (port) => `http://[::ffff:127.0.0.1]:${port}/client.json`],
  ["a short address", (port) => `http://127.1:${port}/client.json`],
  ["a number", (port) => `http://2130706433:${port}/client.json`],
  ["any address", (port) => `http://0.0.0.0:${port}/client.json`],
  ["a user name before it", (port) => `https://example.com@127.0.0.1:${port}/client.json`],
];

const nothingAsked = async (outside, work) => {
  await work();
  assert.deepEqual(outside.asked, [], "something inside was asked");
};

export const outsiders = [
  ...ADDRESSES.map(([what, make]) => ({
    name: `a client id on this machine: ${what}`,
    source: "CWE-918, draft-ietf-oauth-client-id-metadata-document §6.5",
    attack: (outside) => nothingAsked(outside, async () =>
      assertStays(await new Browser(outside.world).get(authorizePath({ id: make(outside.port), redirect: REDIRECT })))),
  })),
  ...ADDRESSES.map(([what, make]) => ({
    name: `keys of a client on this machine: ${what}`,
    source: "CWE-918",
    attack: (outside) => nothingAsked(outside, async () => {
      const response = await registering(outside.world, { token_endpoint_auth_method: "private_key_jwt", jwks_uri: make(outside.port) });
      assert.equal(response.status, 400);
    }),
  })),
  ...["client_uri", "logo_uri", "tos_uri", "policy_uri", "sector_identifier_uri", "initiate_login_uri", "software_statement"].map((name) => ({
    name: `${name} of a registration leads inside`,
    source: "CWE-918, workers-oauth-provider #218",
    attack: (outside) => nothingAsked(outside, async () => {
      const response = await registering(outside.world, { [name]: `http://127.0.0.1:${outside.port}/x` });
      const { client_id } = await response.json();
      if (client_id) await new Browser(outside.world).get(authorizePath({ id: client_id, redirect: REDIRECT }));
    }),
  })),
  {
    name: "request_uri leads inside",
    source: "CWE-918, RFC 9101 §10.4",
    attack: (outside) => nothingAsked(outside, async () => {
      const client = await register(outside.world);
      const reply = await new Browser(outside.world).get(authorizePath(client, { request_uri: `http://127.0.0.1:${outside.port}/x` }));
      assert.equal(redirected(reply, client.redirect).error, "request_uri_not_supported");
    }),
  },
  {
    name: "the resource of a token is this machine",
    source: "RFC 8707 §2",
    attack: async ({ world, port }) => {
      const client = await register(world);
      for (const resource of [`http://127.0.0.1:${port}/mcp`, `${world.stack.urls.fortress}/mcp`, "http://localhost/mcp"]) {
        assert.equal(redirected(await new Browser(world).get(authorizePath(client, { resource })), client.redirect).error, "invalid_target");
      }
    },
  },
  {
    name: "a client with a good key at an address that is refused",
    source: "CWE-918",
    attack: async ({ world }) => {
      const keys = { keys: [publicJwk(ecKey())] };
      const both = await registering(world, { token_endpoint_auth_method: "private_key_jwt", jwks: keys, jwks_uri: "https://10.0.0.1/jwks" });
      assert.equal(both.status, 400);
    },
  },
];
