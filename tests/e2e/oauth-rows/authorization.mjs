// The authorization endpoint: RFC 6749 §3.1 and §4.1, OAuth 2.1, RFC 7636, RFC 9207, OpenID Connect Core §3.1.2.
import assert from "node:assert/strict";
import { Browser, CALLBACK, ask, formsOf, issuer, obtainCode, publish, register, send, wayBack, wordsOf } from "../oauth.mjs";

/** A page for the person, and no way on: who asks is not known, or where to answer. */
async function page(the, url, status = 400) {
  const response = await the.browser.request(url);
  assert.equal(response.headers.get("location"), null);
  assert.equal(response.status, status);
  assert.match(response.headers.get("content-type"), /^text\/html/);
  const html = await response.text();
  assert.equal(formsOf(html).length, 0);
  return wordsOf(html);
}

/** The error goes back to the client, with `state` and `iss`, by a redirect or by the link of a page. */
async function back(the, params, error, client = the.open) {
  const asked = ask(the.world, client, params);
  const response = await the.browser.request(asked.url);
  const html = await response.text();
  const target = new URL(response.headers.get("location") ?? wayBack(html));
  assert.equal(target.href.split("?")[0], asked.redirect);
  assert.equal(target.searchParams.get("error"), error, target.search);
  assert.equal(target.searchParams.get("state") ?? undefined, asked.state);
  assert.equal(target.searchParams.get("iss"), issuer(the.world));
  assert.equal(target.searchParams.get("code"), null);
  assert.match(target.searchParams.get("error_description"), /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/);
  return target;
}

export default [
  {
    id: "authorize-code",
    rfc: "RFC 6749 §4.1.2",
    requirement: "Who signs in and allows is sent back with `code` and the very `state`",
    test: async (the) => {
      const { code } = await obtainCode(the.world, the.open, new Browser(the.world, the.key), { state: "Ünïcode &=+%20?#" });
      assert.match(code, /^[\x21-\x7e]{43,}$/);
    },
  },
  {
    id: "authorize-post",
    rfc: "RFC 6749 §3.1, OIDC Core §3.1.2.1",
    requirement: "The request may come by POST as a form",
    test: async (the) => {
      const { url } = ask(the.world, the.open);
      const sent = await send(the.world, "/authorize", new URL(url).searchParams);
      const asked = new URL(sent.headers.get("location"), url);
      assert.deepEqual([sent.status, asked.href], [303, new URL(url).href]);
      const response = await fetch(asked);
      assert.equal(response.status, 200);
      assert.equal(formsOf(await response.text())[0].action, "/sign-in");
    },
  },
  {
    id: "authorize-iss",
    rfc: "RFC 9207 §2",
    requirement: "`iss` stands in successes and errors alike",
    test: async (the) => {
      const denied = await the.browser.authorize(ask(the.world, the.open).url, { decision: "deny" });
      const allowed = await the.browser.authorize(ask(the.world, the.open).url);
      for (const target of [denied, allowed]) assert.deepEqual(target.searchParams.getAll("iss"), [issuer(the.world)]);
    },
  },
  {
    id: "authorize-denied",
    rfc: "RFC 6749 §4.1.2.1",
    requirement: "Who denies is sent back with `access_denied` and `state`, without a code",
    test: async (the) => {
      const asked = ask(the.world, the.open);
      const { searchParams } = await the.browser.authorize(asked.url, { decision: "deny" });
      assert.deepEqual([searchParams.get("error"), searchParams.get("state"), searchParams.get("code")], ["access_denied", asked.state, null]);
    },
  },
  {
    id: "authorize-no-state",
    rfc: "RFC 6749 §4.1.1",
    requirement: "Without `state` in the request there is none in the response",
    test: async (the) => {
      const target = await the.browser.authorize(ask(the.world, the.open, { state: undefined }).url);
      assert.equal(target.searchParams.has("state"), false);
    },
  },
  {
    id: "authorize-unknown-client",
    rfc: "RFC 6749 §4.1.2.1",
    requirement: "An unknown or missing `client_id` gives a page, never a redirect",
    test: async (the) => {
      for (const id of ["nobody", `chitty_client_${"0".repeat(32)}`, undefined]) await page(the, ask(the.world, the.open, { client_id: id }).url);
    },
  },
  {
    id: "authorize-redirect-exact",
    rfc: "OAuth 2.1 §2.3.1, RFC 9700 §4.1.3",
    requirement: "`redirect_uri` must be a registered one, character by character; else a page, never a redirect",
    test: async (the) => {
      for (const uri of [`${CALLBACK}/`, `${CALLBACK}?a=b`, `${CALLBACK}#f`, `${CALLBACK}/../x`, CALLBACK.toUpperCase(), CALLBACK.replace("https", "http"), "https://client.example:444/callback", "https://client.example.evil.example/callback", "https://client.example@evil.example/callback", "//client.example/callback", "https://evil.example/callback"]) {
        assert.match(await page(the, ask(the.world, the.open, { redirect_uri: uri }).url), /redirect_uri/, uri);
      }
    },
  },
  {
    id: "authorize-redirect-loopback",
    rfc: "RFC 8252 §7.3",
    requirement: "A registered loopback redirect may come with any port; its path and host may not change",
    test: async (the) => {
      const client = await register(the.world, { redirect_uris: ["http://127.0.0.1/callback", "http://localhost:3118/callback"] });
      for (const redirect_uri of ["http://127.0.0.1:51763/callback", "http://localhost:40000/callback", "http://127.0.0.1/callback"]) {
        const { code } = await obtainCode(the.world, client, the.browser, { redirect_uri });
        assert.ok(code);
      }
      for (const redirect_uri of ["http://127.0.0.1:51763/other", "http://[::1]:51763/callback", "https://127.0.0.1/callback", "http://127.0.0.2:51763/callback", "http://127.0.0.1:99999/callback", "http://localhost.evil.example/callback"]) {
        await page(the, ask(the.world, client, { redirect_uri }).url);
      }
    },
  },
  {
    id: "authorize-redirect-needed",
    rfc: "RFC 6749 §3.1.2.3",
    requirement: "`redirect_uri` must be sent where several are registered",
    test: async (the) => {
      const client = await register(the.world, { redirect_uris: [CALLBACK, "https://client.example/other"] });
      await page(the, ask(the.world, client, { redirect_uri: undefined }).url);
    },
  },
  {
    id: "authorize-redirect-query",
    rfc: "RFC 6749 §3.1.2",
    requirement: "A registered redirect's own query is kept",
    test: async (the) => {
      const redirect = "https://client.example/callback?tenant=a%20b";
      const client = await register(the.world, { redirect_uris: [redirect] });
      const target = await the.browser.authorize(ask(the.world, client).url);
      assert.ok(target.href.startsWith(`${redirect}&`));
      assert.ok(target.searchParams.get("code"));
    },
  },
  {
    id: "authorize-error-page",
    rfc: "RFC 9700 §4.11.2",
    requirement: "An error leads to the site of a client that nobody vouches for by a link, not by itself; to a program on the person's machine, and in a frame, it is a redirect",
    test: async (the) => {
      const wrong = { response_type: "token" };
      const shown = await the.browser.request(ask(the.world, the.open, wrong).url);
      assert.deepEqual([shown.status, shown.headers.get("location")], [400, null]);
      const link = wayBack(await shown.text());
      assert.ok(link.startsWith(`${CALLBACK}?error=unsupported_response_type&`), link);
      const local = await register(the.world, { redirect_uris: ["http://127.0.0.1:3118/callback"] });
      const told = await the.browser.request(ask(the.world, local, wrong).url);
      assert.match(told.headers.get("location"), /^http:\/\/127\.0\.0\.1:3118\/callback\?error=unsupported_response_type&/);
      const framed = await fetch(ask(the.world, the.open, { prompt: "none" }).url, { redirect: "manual", headers: { "sec-fetch-dest": "iframe" } });
      assert.equal(new URL(framed.headers.get("location")).searchParams.get("error"), "login_required");
    },
  },
  {
    id: "authorize-response-type",
    rfc: "RFC 6749 §3.1.1, OAuth 2.1 §10.1",
    requirement: "Only `response_type=code`: the implicit and hybrid flows are refused, and its lack is an error",
    test: async (the) => {
      for (const type of ["token", "id_token", "code token", "code id_token"]) await back(the, { response_type: type }, "unsupported_response_type");
      await back(the, { response_type: undefined }, "invalid_request");
    },
  },
  {
    id: "authorize-response-mode",
    rfc: "OAuth 2.0 Multiple Response Types §2.1",
    requirement: "The response comes in the query; another `response_mode` is refused",
    test: async (the) => {
      for (const mode of ["fragment", "form_post", "web_message"]) await back(the, { response_mode: mode }, "invalid_request");
    },
  },
  {
    id: "authorize-duplicate",
    rfc: "RFC 6749 §3.1",
    requirement: "A parameter that comes twice is refused, and leads to neither of two redirects",
    test: async (the) => {
      for (const extra of ["redirect_uri=https%3A%2F%2Fevil.example%2F", "client_id=other", "scope=admin%3A*", "state=x"]) {
        const response = await the.browser.request(`${ask(the.world, the.open).url}&${extra}`);
        assert.deepEqual([response.status, response.headers.get("location")], [400, null], extra);
        assert.ok(!(await response.text()).includes("evil.example"));
      }
    },
  },
  {
    id: "authorize-pkce-required",
    rfc: "RFC 7636 §4.4.1, OAuth 2.1 §4.1.1",
    requirement: "A request without `code_challenge` is refused, for public and confidential clients",
    test: async (the) => {
      for (const client of [the.open, the.basic]) await back(the, { code_challenge: undefined, code_challenge_method: undefined }, "invalid_request", client);
    },
  },
  {
    id: "authorize-pkce-s256",
    rfc: "RFC 7636 §4.2, §4.3",
    requirement: "`plain`, a missing method (which means `plain`) and unknown methods are refused",
    test: async (the) => {
      for (const method of ["plain", undefined, "s256", "S512"]) await back(the, { code_challenge_method: method }, "invalid_request");
    },
  },
  {
    id: "authorize-pkce-form",
    rfc: "RFC 7636 §4.2",
    requirement: "A `code_challenge` that is no SHA-256 in base64url is refused",
    test: async (the) => {
      for (const challenge of ["short", "a".repeat(44), `${"a".repeat(42)}=`, `${"a".repeat(42)}+`]) await back(the, { code_challenge: challenge }, "invalid_request");
    },
  },
  {
    id: "authorize-scope-narrowed",
    rfc: "RFC 6749 §3.3",
    requirement: "Unknown scopes are left out and the response tells what was granted; nothing but unknown ones is `invalid_scope`",
    test: async (the) => {
      await back(the, { scope: "no:such none" }, "invalid_scope");
      await back(the, { scope: "admin:*" }, "invalid_scope");
      const { scope } = await the.tokens(the.open, { scope: "execution:read no:such admin:*" });
      assert.equal(scope, "execution:read");
    },
  },
  {
    id: "authorize-scope-default",
    rfc: "RFC 6749 §3.3",
    requirement: "Who asks for no scope gets the default, which only reads",
    test: async (the) => {
      const { scope } = await the.tokens(the.open, { scope: undefined });
      assert.deepEqual(scope.split(" ").toSorted(), ["chain:verify", "chatgpt:read", "execution:read", "fortress:verify"]);
    },
  },
  {
    id: "authorize-scope-chosen",
    rfc: "RFC 6749 §3.3",
    requirement: "The person may allow less than was asked, and never more than is theirs",
    test: async (the) => {
      const asked = { scope: "execution:read execution:run chain:verify" };
      assert.equal((await the.tokens(the.open, asked, { scopes: ["execution:read"] })).scope, "execution:read");
      const reader = new Browser(the.world, await the.userKey({ scopes: '["execution:read"]' }));
      assert.equal((await the.tokens(the.open, asked, {}, reader)).scope, "execution:read");
    },
  },
  {
    id: "authorize-resource",
    rfc: "RFC 8707 §2",
    requirement: "A `resource` that is not ours, not absolute or has a fragment is `invalid_target`",
    test: async (the) => {
      const own = new URL(issuer(the.world));
      for (const resource of ["https://evil.example/mcp", "mcp", `${own.origin}/mcp#x`, `${own.origin}/other`, `${own.origin}.evil.example/mcp`]) await back(the, { resource }, "invalid_target");
    },
  },
  {
    id: "authorize-consent-always",
    rfc: "MCP security best practices, RFC 9700 §4.14",
    requirement: "Each client and each request asks for consent, also when the browser is signed in",
    test: async (the) => {
      const browser = new Browser(the.world, the.key);
      const other = await register(the.world);
      for (const client of [the.open, the.open, other]) await obtainCode(the.world, client, browser);
      assert.deepEqual(browser.shown, ["/sign-in", "/consent", "/consent", "/consent"]);
    },
  },
  {
    id: "authorize-consent-tells",
    rfc: "MCP authorization 2026-07-28 (localhost redirects)",
    requirement: "The consent page names the client, where the answer goes, and warns of a loopback redirect",
    test: async (the) => {
      const client = publish(the.site, "/told.json", { client_name: "Told <b>App</b>", redirect_uris: ["http://localhost/callback"] });
      const words = wordsOf(await (await the.browser.request(ask(the.world, client).url)).text());
      for (const told of ["Told <b>App</b>", "localhost", "program on this computer", "127.0.0.1"]) assert.ok(words.includes(told), `${told}: ${words}`);
    },
  },
  {
    id: "authorize-page-headers",
    rfc: "RFC 9700 §4.16, §4.2.4",
    requirement: "Pages cannot be framed, run no script, are not stored and send no referrer",
    test: async (the) => {
      const response = await the.browser.request(ask(the.world, the.open).url);
      const header = (name) => response.headers.get(name);
      assert.match(header("content-security-policy"), /default-src 'none'.*frame-ancestors 'none'/);
      assert.doesNotMatch(header("content-security-policy"), /script-src|unsafe/);
      assert.deepEqual([header("x-frame-options"), header("cache-control"), header("referrer-policy")], ["DENY", "no-store", "no-referrer"]);
      assert.doesNotMatch(await response.text(), /<script/);
    },
  },
  {
    id: "authorize-prompt-none",
    rfc: "OIDC Core §3.1.2.1, §3.1.2.6",
    requirement: "`prompt=none` never shows a page, and answers `login_required` whether somebody is signed in or not; beside another value it is an error",
    test: async (the) => {
      await back(the, { prompt: "none" }, "login_required");
      await back({ ...the, browser: new Browser(the.world, the.key) }, { prompt: "none" }, "login_required");
      await back(the, { prompt: "none login" }, "invalid_request");
    },
  },
  {
    id: "authorize-prompt-login",
    rfc: "OIDC Core §3.1.2.1",
    requirement: "`prompt=login` and `max_age=0` make a signed-in person sign in again",
    test: async (the) => {
      for (const params of [{ prompt: "login" }, { max_age: "0" }]) {
        const browser = new Browser(the.world, the.key);
        await obtainCode(the.world, the.open, browser);
        browser.shown = [];
        await obtainCode(the.world, the.open, browser, params);
        assert.deepEqual(browser.shown, ["/sign-in", "/consent"], JSON.stringify(params));
      }
    },
  },
  {
    id: "authorize-request-object",
    rfc: "OIDC Core §3.1.2.6, RFC 9101",
    requirement: "Request objects are refused by their own error codes",
    test: async (the) => {
      await back(the, { request: "eyJhbGciOiJub25lIn0.e30." }, "request_not_supported");
      await back(the, { request_uri: "https://client.example/request" }, "request_uri_not_supported");
    },
  },
];
