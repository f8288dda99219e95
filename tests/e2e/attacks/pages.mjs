// Pages and headers: what others wrote is shown as text, and leads nowhere.
import assert from "node:assert/strict";
import {
  assertNoCode, authorizePath, Browser, clientCall, consentPage, EVIL, form, granted, note, raw, redeem, REDIRECT, redirected, register, saying,
  signIn, userKey, asking, assertNoTokens,
} from "../oauth-attacks.mjs";

const SCRIPTS = [
  `<script>alert(1)</script>`,
  `"><img src=x onerror=alert(1)>`,
  `'><svg/onload=alert(1)>`,
  `</title><script>alert(1)</script>`,
  `javascript:alert(1)`,
  `{{constructor.constructor('alert(1)')()}}`,
  `<style>@import'https://evil.example'</style>`,
  `<base href=https://evil.example>`,
  `<meta http-equiv=refresh content="0;url=https://evil.example">`,
];

/** No element, attribute or script of another's making. */
function assertTextOnly(page) {
  assert.doesNotMatch(page.text, /<(script|img|svg\/|base|iframe|object)|<meta[^>]*refresh|<[^>]*\son\w+=|href="?javascript/i);
  assert.equal(page.text.match(/<style>/g).length, 1);
  assert.match(page.headers.get("content-security-policy"), /default-src 'none'/);
  assert.doesNotMatch(page.headers.get("content-security-policy"), /unsafe-inline|script-src/);
}

const BREAKS = ["\r\nSet-Cookie: evil=1", "\nLocation: https://evil.example", "%0d%0aSet-Cookie:%20evil=1", "\r\n\r\n<script>alert(1)</script>", "\u560d\u560aSet-Cookie: evil=1"];

function assertNoInjection(reply) {
  assert.equal(reply.headers.get("evil"), null);
  assert.ok(!reply.headers.getSetCookie().some((line) => line.startsWith("evil")));
  if (reply.location) assert.doesNotMatch(reply.location, /[\r\n]/);
}

const HOSTS = [
  ["Host", { host: "evil.example" }],
  ["Host with our own behind it", (host) => ({ host: `evil.example:80@${host}` })],
  ["X-Forwarded-Host", (host) => ({ host, "x-forwarded-host": "evil.example" })],
  ["Forwarded", (host) => ({ host, forwarded: "host=evil.example;proto=https" })],
  ["X-Original-URL", (host) => ({ host, "x-original-url": "https://evil.example/", "x-rewrite-url": "https://evil.example/" })],
];

/** Methods that a path does not take. */
const METHODS = [
  ["GET", "/token"], ["PUT", "/token"], ["DELETE", "/token"], ["GET", "/revoke"], ["GET", "/introspect"], ["GET", "/register"],
  ["PUT", "/authorize"], ["DELETE", "/consent"], ["GET", "/consent"], ["GET", "/sign-out"], ["PUT", "/account"], ["PATCH", "/sign-in"],
];

/** Parameters of a request in which a script or a line break might come through. */
const REFLECTED = [
  "client_id", "redirect_uri", "state", "scope", "response_type", "prompt", "nonce", "login_hint", "code_challenge_method", "resource",
  "ui_locales", "error", "error_description",
];

export const pages = [
  ...SCRIPTS.map((script) => ({
    name: `a client called ${script}`,
    source: "CWE-79",
    attack: async ({ world }) => {
      const client = await register(world, { client_name: script, client_uri: "https://app.example.com/", logo_uri: "https://app.example.com/x.svg" });
      assertTextOnly(await new Browser(world).get(authorizePath(client)));
      const { page, browser, consent } = await consentPage(world, client);
      assertTextOnly(page);
      const code = redirected(await browser.post("/consent", saying(consent)), client.redirect).code;
      assert.ok(code);
      assertTextOnly(await browser.get("/account"));
    },
  })),
  ...REFLECTED.map((name) => ({
    name: `a script in ${name}`,
    source: "CWE-79",
    attack: async ({ world, app }) => {
      for (const script of SCRIPTS.slice(0, 4)) {
        const reply = await new Browser(world).get(authorizePath(app, { [name]: script }));
        if (!reply.location) assertTextOnly(reply);
        else assert.ok(reply.location.startsWith(REDIRECT), reply.location);
      }
    },
  })),
  {
    name: "a script in a key, a code and a ticket",
    source: "CWE-79",
    attack: async ({ world, app }) => {
      for (const script of SCRIPTS.slice(0, 4)) {
        const browser = new Browser(world);
        const { fields } = (await browser.get(authorizePath(app))).form("/sign-in");
        assertTextOnly(await browser.post("/sign-in", { ...fields, key: script }));
        assertTextOnly(await browser.post("/sign-in", { ticket: script, key: script }));
        assertTextOnly(await browser.post("/sign-in", { ...fields, code: script }));
        assertTextOnly(await browser.get(`/account?done=${encodeURIComponent(script)}`));
        assertTextOnly(await browser.get(`/sign-in/callback?error=${encodeURIComponent(script)}&state=${encodeURIComponent(script)}`));
      }
    },
  },
  {
    name: "a name that hides or turns what follows",
    source: "CVE-2021-42574",
    attack: async ({ world }) => {
      const { page } = await consentPage(world, await register(world, { client_name: "\u202eegdualC\u200b\u2066 by Anthropic\u0000" }));
      assert.doesNotMatch(page.text, /[\u202e\u200b\u2066\u0000]/);
    },
  },
  {
    name: "a name that fills the page",
    source: "CWE-451",
    attack: async ({ world }) => {
      const { page } = await consentPage(world, await register(world, { client_name: "Allow ".repeat(15) }));
      assert.doesNotMatch(page.text, /(Allow ){12}/);
    },
  },
  ...["return", "return_to", "next", "redirect", "redirect_uri", "back", "path", "continue"].map((name) => ({
    name: `the sign-in page led elsewhere by ${name}`,
    source: "CWE-601",
    attack: async ({ world }) => {
      for (const place of [EVIL, "//evil.example", "/\\evil.example", "https:evil.example", "javascript:alert(1)"]) {
        const browser = new Browser(world);
        const page = await browser.get(`/sign-in?${form({ [name]: place })}`);
        assert.equal(page.location, null);
        const reply = await browser.post("/sign-in", { ...page.form("/sign-in").fields, key: (await userKey(world)).key, [name]: place });
        assert.equal(reply.location, "/account");
      }
    },
  })),
  ...["//evil.example/authorize", "/\\evil.example/authorize", "/authorize/../../evil", "/.well-known/../authorize//evil.example"].map((path) => ({
    name: `the path ${path}`,
    source: "CWE-601, CWE-22",
    attack: async ({ world }) => {
      const reply = await raw(world.stack.urls.coordinator, { path });
      assert.ok(reply.status >= 400, `${reply.status}`);
      assert.equal(reply.headers.location, undefined);
    },
  })),
  {
    name: "signing out led elsewhere",
    source: "CWE-601",
    attack: async ({ world, app }) => {
      const { browser, page } = await consentPage(world, app);
      const reply = await browser.post("/sign-out", { ...page.form("/sign-out").fields, post_logout_redirect_uri: EVIL, path: EVIL, next: EVIL });
      assert.ok(reply.location.startsWith("/authorize?"), reply.location);
    },
  },
  ...BREAKS.flatMap((broken) => ["state", "redirect_uri", "client_id", "scope", "nonce"].map((name) => ({
    name: `${JSON.stringify(broken)} in ${name}`,
    source: "CWE-113",
    attack: async ({ world, app }) => assertNoInjection(await new Browser(world).get(authorizePath(app, { [name]: (app[name] ?? "a") + broken, prompt: "none" }))),
  }))),
  {
    name: "a line break in the state of an answer",
    source: "CWE-113",
    attack: async ({ world, app }) => {
      const state = `a${BREAKS[0]}`;
      const { browser, consent } = await consentPage(world, app, { state });
      const reply = await browser.post("/consent", saying(consent));
      assertNoInjection(reply);
      assert.equal(redirected(reply, app.redirect).state, state);
    },
  },
  ...HOSTS.flatMap(([what, headers]) => [
    "/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource/mcp", "/authorize?client_id=x", "/sign-in",
  ].map((path) => ({
    name: `${what} of another site at ${path}`,
    source: "CWE-644",
    attack: async ({ world }) => {
      const { coordinator } = world.stack.urls;
      const reply = await raw(coordinator, { path, headers: typeof headers === "function" ? headers(new URL(coordinator).host) : headers });
      // A refusal may name it, but nothing may lead there.
      assert.ok(reply.status < 300 || reply.status >= 400, `${reply.status}`);
      assert.doesNotMatch(reply.text, /\/\/evil\.example/);
      assert.doesNotMatch(JSON.stringify(reply.headers), /evil\.example/);
    },
  }))),
  ...["client_id", "state", "scope", "response_type", "code_challenge", "code_challenge_method", "nonce", "prompt"].map((name) => ({
    name: `${name} twice in a request`,
    source: "RFC 6749 §3.1, CWE-235",
    attack: async ({ world, app }) => {
      const one = asking(app);
      const reply = await new Browser(world).get(`/authorize?${one}&${form({ [name]: one.get(name) ?? "x" })}&${form({ [name]: "x" })}`);
      assert.equal(reply.status, 400);
      assert.equal(reply.location, null);
    },
  })),
  ...["grant_type", "code", "redirect_uri", "code_verifier", "client_id"].map((name) => ({
    name: `${name} twice at the token endpoint`,
    source: "RFC 6749 §3.2, CWE-235",
    attack: async ({ world, app }) => {
      const grant = await granted(world, app);
      const fields = form({ grant_type: "authorization_code", code: grant.code, redirect_uri: grant.redirect, code_verifier: grant.verifier, client_id: app.id });
      for (const body of [`${fields}&${name}=x`, `${name}=x&${fields}`]) {
        assertNoTokens(await clientCall(world, "/token", null, {}, { body }), "invalid_request");
      }
      assert.equal((await redeem(world, grant)).status, 200);
    },
  })),
  ...[
    "application/json", "text/plain", "multipart/form-data; boundary=x", "", "text/html, application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded-evil",
  ].map((type) => ({
    name: `the token endpoint with the type '${type}'`,
    source: "workers-oauth-provider #240",
    attack: async ({ world, app }) => {
      const grant = await granted(world, app);
      const fields = { grant_type: "authorization_code", code: grant.code, redirect_uri: grant.redirect, code_verifier: grant.verifier, client_id: app.id };
      for (const body of [form(fields).toString(), JSON.stringify(fields)]) {
        assertNoTokens(await clientCall(world, "/token", null, {}, { body, headers: { "content-type": type } }), "invalid_request");
      }
    },
  })),
  ...METHODS.map(([method, path]) => ({
    name: `${method} ${path}, also as an override of a POST`,
    source: "CWE-436",
    attack: async ({ world, app }) => {
      const { browser } = await granted(world, app);
      const plain = await browser.send(method, path, method === "GET" ? {} : { body: "a=b" });
      assert.ok([404, 405].includes(plain.status), `${plain.status}`);
      assert.ok((await browser.get("/account")).form("/sign-out"), "signed out");
      const over = await browser.send("POST", path, { body: "a=b", headers: { "x-http-method-override": method, "x-method-override": method } });
      // A form at the authorization endpoint is asked for again as a page.
      if (over.status === 303) assert.match(over.location, /^\/authorize\?/);
      else assert.ok(over.status >= 400 && over.location === null, `${over.status} ${over.location}`);
    },
  })),
  ...[
    ["a header of 100 KB", { headers: { "x-pad": "a".repeat(100_000) } }],
    ["a cookie of 15 KB", { headers: { cookie: `chitty-session=${"a".repeat(15_000)}` } }],
    ["a thousand cookies", { headers: { cookie: Array.from({ length: 1000 }, (_, index) => `c${index}=1`).join("; ") } }],
    ["a path of 10 KB", { path: `/authorize/${"a".repeat(10_000)}` }],
    ["a query of 60 KB", { path: `/authorize?x=${"a".repeat(60_000)}` }],
    ["a thousand parameters", { path: `/authorize?${Array.from({ length: 1000 }, (_, index) => `p${index}=1`).join("&")}` }],
  ].map(([what, { path, headers }]) => ({
    name: `oversized: ${what}`,
    source: "CWE-770",
    attack: async ({ world, app }) => {
      const reply = await new Browser(world).get(path ?? authorizePath(app), { headers }).catch(() => undefined);
      if (reply) assertNoCode(reply);
      assert.equal((await new Browser(world).get(authorizePath(app))).status, 200);
    },
  })),
  ...[
    ["a state of 3 KB", { state: "a".repeat(3000) }],
    ["a nonce of 3 KB", { nonce: "a".repeat(3000) }],
    ["a scope of a thousand items", { scope: Array.from({ length: 1000 }, (_, index) => `scope:${index}`).join(" ") }],
    ["a login hint of 3 KB", { login_hint: "a".repeat(3000) }],
    ["a max_age beyond all", { max_age: "9".repeat(40) }],
    ["a max_age below zero", { max_age: "-1" }],
  ].map(([what, changed]) => ({
    name: `oversized: ${what}`,
    source: "CWE-770",
    attack: async ({ world, app }) => {
      const { error, code } = redirected(await new Browser(world).get(authorizePath(app, changed)), app.redirect);
      assert.match(error, /^invalid_(request|scope)$/);
      assert.equal(code, undefined);
    },
  })),
  ...["/token", "/revoke", "/introspect", "/authorize", "/sign-in", "/consent"].map((path) => ({
    name: `oversized: 1 MB at ${path}`,
    source: "CWE-770",
    attack: async ({ world, app }) => {
      const reply = await new Browser(world).post(path, { client_id: app.id, token: "x", pad: "a".repeat(1_000_000) });
      assert.ok(reply.status >= 400 && reply.status < 500, `${reply.status}`);
    },
  })),
  ...["request", "request_uri", "registration"].map((name) => ({
    name: `parameters brought in by ${name}`,
    source: "RFC 9101 §10.4, CWE-918",
    attack: async ({ world, app }) => {
      const { error, code } = redirected(await new Browser(world).get(authorizePath(app, { [name]: "https://evil.example/request.jwt" })), app.redirect);
      assert.deepEqual([error, code], [`${name}_not_supported`, undefined]);
    },
  })),
  ...["fragment", "form_post", "web_message"].map((response_mode) => ({
    name: `the response mode ${response_mode}`,
    source: "RFC 9700 §4.1.2, §4.17",
    attack: async ({ world, app }) => {
      const { code } = redirected(await new Browser(world).get(authorizePath(app, { response_mode })), app.redirect);
      assert.equal(code, undefined);
    },
  })),
  ...[
    ["an answer", "allow"],
    ["a refusal", "deny"],
  ].map(([what, decision]) => ({
    name: `${what} that could be another server's`,
    source: "RFC 9207, RFC 9700 §4.4: mix-up",
    attack: async ({ world, app }) => {
      const metadata = await (await fetch(`${world.stack.urls.coordinator}/.well-known/oauth-authorization-server`)).json();
      assert.equal(metadata.authorization_response_iss_parameter_supported, true);
      const { browser, consent } = await consentPage(world, app, { state: "mine" });
      const { iss, state } = redirected(await browser.post("/consent", saying(consent, decision)), app.redirect);
      assert.deepEqual([iss, state], [metadata.issuer, "mine"]);
    },
  })),
  {
    name: "an error that could be another server's",
    source: "RFC 9207, RFC 9700 §4.4: mix-up",
    attack: async ({ world, app }) => {
      const { iss, state, error } = redirected(await new Browser(world).get(authorizePath(app, { response_type: "token" })), app.redirect);
      assert.deepEqual([iss, state, error], [world.stack.urls.coordinator, "a-state", "unsupported_response_type"]);
    },
  },
  {
    name: "a sign-in page that another request's ticket opens",
    source: "CWE-352",
    attack: async ({ world, app }) => {
      const attacker = new Browser(world);
      const planted = (await attacker.get(authorizePath(app))).form("/sign-in").fields;
      const victim = new Browser(world);
      await victim.get("/sign-in");
      const reply = await victim.post("/sign-in", { ...planted, key: note((await userKey(world)).key) });
      assert.equal(reply.status, 400);
      assert.equal((await signIn(victim, authorizePath(app), (await userKey(world)).key)).status, 303);
    },
  },
];
