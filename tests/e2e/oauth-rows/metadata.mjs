// What clients find out by themselves: RFC 8414, OpenID Connect Discovery, RFC 7517, RFC 9728.
import assert from "node:assert/strict";
import { document, issuer, metadata, resource } from "../oauth.mjs";
import { PRODUCT } from "../../../scripts/lib/stack.mjs";

const FORMS = ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"];
const OPEN = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/.well-known/jwks.json", "/token", "/register", "/revoke", "/introspect", "/userinfo"];

export default [
  {
    id: "metadata-issuer",
    rfc: "RFC 8414 §3.3",
    requirement: "`issuer` is the URL that the metadata was found under, byte for byte",
    test: async ({ world }) => assert.equal((await metadata(world)).issuer, issuer(world)),
  },
  {
    id: "metadata-endpoints",
    rfc: "RFC 8414 §2",
    requirement: "Endpoints and capabilities are stated, each endpoint at the issuer, and none that is not served",
    test: async ({ world }) => {
      const stated = await metadata(world);
      for (const name of ["authorization", "token", "revocation", "introspection", "registration", "userinfo"]) {
        const url = new URL(stated[`${name}_endpoint`]);
        assert.equal(url.origin, issuer(world), name);
        const response = await fetch(url, { method: name === "authorization" ? "GET" : "POST" });
        assert.ok(response.status >= 400 && response.status < 500 && ![404, 405].includes(response.status), `${name}: ${response.status}`);
        await response.arrayBuffer();
      }
      assert.deepEqual(stated.response_types_supported, ["code"]);
      assert.deepEqual(stated.grant_types_supported.toSorted(), ["authorization_code", "client_credentials", "refresh_token"]);
    },
  },
  {
    id: "metadata-pkce",
    rfc: "MCP authorization 2026-07-28, OAuth 2.1 §4.1.1",
    requirement: "`code_challenge_methods_supported` is S256 and no other: clients refuse to go on without it",
    test: async ({ world }) => assert.deepEqual((await metadata(world)).code_challenge_methods_supported, ["S256"]),
  },
  {
    id: "metadata-client-methods",
    rfc: "RFC 8414 §2, RFC 7523 §3",
    requirement: "Methods by which clients prove themselves are stated, with algorithms where a client signs",
    test: async ({ world }) => {
      const stated = await metadata(world);
      const methods = ["client_secret_basic", "client_secret_post", "none", "private_key_jwt"];
      assert.deepEqual(stated.token_endpoint_auth_methods_supported.toSorted(), methods);
      for (const name of ["token", "revocation", "introspection"]) {
        const algorithms = stated[`${name}_endpoint_auth_signing_alg_values_supported`];
        assert.ok(algorithms.includes("ES256") && algorithms.includes("RS256") && !algorithms.includes("none"), name);
      }
    },
  },
  {
    id: "metadata-flags",
    rfc: "RFC 9207 §3, CIMD §5",
    requirement: "`authorization_response_iss_parameter_supported` and `client_id_metadata_document_supported` are stated",
    test: async ({ world }) => {
      const stated = await metadata(world);
      assert.equal(stated.authorization_response_iss_parameter_supported, true);
      assert.equal(stated.client_id_metadata_document_supported, true);
    },
  },
  {
    id: "metadata-not-claimed",
    rfc: "RFC 8414 §2, RFC 7591",
    requirement: "Nothing is advertised that the server does not do: no implicit flow, no password grant, no request objects",
    test: async ({ world }) => {
      const text = JSON.stringify(await metadata(world));
      for (const word of ["implicit", "password", "device_code", "\"token\"", "\"plain\""]) assert.ok(!text.includes(word), word);
      const stated = JSON.parse(text);
      assert.equal(stated.request_parameter_supported, false);
      assert.equal(stated.request_uri_parameter_supported, false);
    },
  },
  {
    id: "discovery-openid",
    rfc: "OIDC Discovery §3, §4",
    requirement: "`/.well-known/openid-configuration` holds what is required, and says the same as the RFC 8414 document",
    test: async ({ world }) => {
      const stated = await document(world, "/.well-known/openid-configuration");
      assert.deepEqual(stated, await metadata(world));
      assert.deepEqual(stated.subject_types_supported, ["public"]);
      assert.deepEqual(stated.id_token_signing_alg_values_supported, ["ES256"]);
      assert.ok(stated.scopes_supported.includes("openid"));
      for (const claim of ["sub", "iss", "auth_time", "email_verified", "chitty_id"]) assert.ok(stated.claims_supported.includes(claim), claim);
    },
  },
  {
    id: "jwks",
    rfc: "RFC 7517 §4, §5",
    requirement: "Keys are published with `kid`, `alg` and `use`, and never a private part",
    test: async ({ world }) => {
      const { keys } = await document(world, new URL((await metadata(world)).jwks_uri).pathname);
      assert.ok(keys.length > 0);
      assert.equal(new Set(keys.map(({ kid }) => kid)).size, keys.length);
      for (const key of keys) {
        assert.deepEqual([key.kty, key.crv, key.alg, key.use], ["EC", "P-256", "ES256", "sig"]);
        assert.ok(key.kid && key.x && key.y);
        assert.equal(key.d, undefined);
      }
    },
  },
  {
    id: "cache",
    rfc: "RFC 9111 §5.2, RFC 9728 §3",
    requirement: "Metadata and keys may be cached for minutes, so that a new key is seen in time",
    test: async ({ world }) => {
      for (const path of [...OPEN.slice(0, 3), ...FORMS]) {
        const response = await fetch(issuer(world) + path);
        const [, seconds] = /public, max-age=(\d+)/.exec(response.headers.get("cache-control"));
        assert.ok(seconds >= 60 && seconds <= 3600, path);
        await response.arrayBuffer();
      }
    },
  },
  {
    id: "cors",
    rfc: "Fetch standard, RFC 6749 §5.1",
    requirement: "Pages of any origin may read metadata and call the endpoints that take no cookie, and only those",
    test: async ({ world }) => {
      const ask = (path) => fetch(issuer(world) + path, { method: "OPTIONS", headers: { origin: "https://app.example", "access-control-request-method": "POST", "access-control-request-headers": "authorization, content-type, dpop" } });
      for (const path of OPEN) {
        const response = await ask(path);
        assert.equal(response.headers.get("access-control-allow-origin"), "*", path);
        assert.equal(response.headers.get("access-control-allow-credentials"), null);
        assert.match(response.headers.get("access-control-allow-headers"), /authorization.*content-type.*dpop/i);
        assert.ok(response.ok);
      }
      for (const path of ["/authorize", "/sign-in", "/consent", "/account"]) {
        const response = await ask(path);
        assert.equal(response.headers.get("access-control-allow-origin"), null, path);
        await response.arrayBuffer();
      }
    },
  },
  {
    id: "prm-both-forms",
    rfc: "RFC 9728 §3.1, MCP authorization 2026-07-28",
    requirement: "Each worker serves its metadata with the endpoint's path inserted and at the root, the same",
    test: async ({ world }) => {
      for (const worker of PRODUCT) {
        const [inserted, root] = await Promise.all(FORMS.map((path) => document(world, path, worker)));
        assert.deepEqual(inserted, root);
      }
    },
  },
  {
    id: "prm-resource",
    rfc: "RFC 9728 §3.3",
    requirement: "`resource` is the endpoint's URL as a person types it; `authorization_servers` names the one issuer",
    test: async ({ world }) => {
      for (const worker of PRODUCT) {
        const stated = await document(world, FORMS[0], worker);
        assert.equal(stated.resource, resource(world, worker));
        assert.deepEqual(stated.authorization_servers, [issuer(world)]);
        assert.deepEqual(stated.bearer_methods_supported, ["header"]);
      }
    },
  },
  {
    id: "prm-scopes",
    rfc: "MCP authorization 2026-07-28, SEP-2207",
    requirement: "`scopes_supported` names scopes of this worker, all grantable; `offline_access` stands in the server's metadata alone",
    test: async ({ world }) => {
      const { scopes_supported: all } = await metadata(world);
      assert.ok(all.includes("offline_access"));
      for (const worker of PRODUCT) {
        const { scopes_supported: own } = await document(world, FORMS[0], worker);
        assert.ok(own.length > 0);
        for (const scope of own) {
          assert.ok(all.includes(scope), scope);
          assert.match(scope, /^\w+:\w+$/);
        }
      }
    },
  },
];
