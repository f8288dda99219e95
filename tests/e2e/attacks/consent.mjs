// Nothing is granted but by the person, browser and session that were asked, for what was shown.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  assertNoCode, authorizePath, Browser, consentPage, decoded, EVIL, granted, grantsOf, makePkce, redeem, redirected, register, saying, sha256, signIn,
  userKey,
} from "../oauth-attacks.mjs";

const FASTMCP = "FastMCP GHSA-rww4-4w9c-7733, CVE-2026-27124";
const DEPUTY = "FastMCP GHSA-6x8h-498w-gv8c, #2056";

/** A client of the attack's own, so that what it was granted can be counted. */
const fresh = ({ world }) => register(world);

/** Sends a changed yes and makes sure that nothing was granted; then the honest yes works, so the refusal was no accident. */
async function refused(target, attack) {
  const client = await fresh(target);
  const shown = await consentPage(target.world, client);
  const reply = await attack({ ...shown, client, post: (fields, options) => shown.browser.post("/consent", fields, options) });
  assertNoCode(reply);
  assert.equal(await grantsOf(target.world, client), 0, "something was granted");
  const honest = await shown.browser.post("/consent", saying(shown.consent));
  assert.ok(redirected(honest, client.redirect).code);
}

const changed = (ticket, at) => {
  const letter = ticket.at(at) === "A" ? "B" : "A";
  const index = at < 0 ? ticket.length + at : at;
  return ticket.slice(0, index) + letter + ticket.slice(index + 1);
};

const FORMS = [
  ["without a ticket", "CWE-352", ({ post, consent }) => post({ ...saying(consent), ticket: "" })],
  ["with a ticket changed at the end", "CWE-352", ({ post, consent }) => post({ ...saying(consent), ticket: changed(consent.fields.ticket, -8) })],
  ["with a ticket changed at the start", "CWE-352", ({ post, consent }) => post({ ...saying(consent), ticket: changed(consent.fields.ticket, 30) })],
  ["with the ticket of its sign-out form", "CWE-352", ({ post, consent, page }) => post({ ...saying(consent), ...page.form("/sign-out").fields })],
  ["with the ticket of a sign-in page", "CWE-352", async ({ post, consent, world, client }) =>
    post({ ...saying(consent), ...(await new Browser(world).get(authorizePath(client))).form("/sign-in").fields })],
  ["by GET", "CWE-352", ({ browser, consent }) => browser.get(`/consent?${new URLSearchParams(saying(consent))}`)],
  ["as JSON", "CWE-352", ({ post, consent }) => post(JSON.stringify(saying(consent)), { type: "application/json" })],
  ["as plain text, which any site may send", "CWE-352", ({ post, consent }) => post(new URLSearchParams(saying(consent)).toString(), { type: "text/plain" })],
  ["without a type", "CWE-352", ({ post, consent }) => post(new URLSearchParams(saying(consent)).toString(), { type: "" })],
  ["with no decision", FASTMCP, ({ post, consent }) => post({ ...saying(consent), decision: "" })],
  ["with two decisions", FASTMCP, ({ post, consent }) => post(`${new URLSearchParams(saying(consent))}&decision=deny`)],
  ["with nothing ticked", FASTMCP, ({ post, consent }) => post({ ...consent.fields, decision: "allow" })],
];

/** Headers of a request that another site made the browser send. */
const SITES = [
  ["a foreign origin", { origin: "https://evil.example" }],
  ["a sandboxed frame", { origin: "null", "sec-fetch-site": "cross-site" }],
  ["an origin that begins like ours", (origin) => ({ origin: `${origin}.evil.example` })],
  ["our origin over another scheme", (origin) => ({ origin: origin.replace("http:", "https:") })],
  ["cross-site", { "sec-fetch-site": "cross-site" }],
  ["same-site, such as a subdomain", { "sec-fetch-site": "same-site" }],
  ["same-site with our own origin", (origin) => ({ "sec-fetch-site": "same-site", origin })],
];

export const consent = [
  ...FORMS.map(([what, source, attack]) => ({
    name: `a yes ${what}`,
    source,
    attack: (target) => refused(target, (shown) => attack({ ...shown, world: target.world })),
  })),
  ...SITES.map(([what, headers]) => ({
    name: `a yes sent by another site: ${what}`,
    source: "CWE-352, RFC 9700 §4.7",
    attack: (target) => refused(target, ({ post, consent: form, browser }) =>
      post(saying(form), { headers: typeof headers === "function" ? headers(browser.origin) : headers })),
  })),
  ...SITES.map(([what, headers]) => ({
    name: `a sign-in sent by another site: ${what}`,
    source: "login CSRF, CWE-352",
    attack: async ({ world, app }) => {
      const browser = new Browser(world);
      const { fields } = (await browser.get(authorizePath(app))).form("/sign-in");
      const { key } = await userKey(world);
      const reply = await browser.post("/sign-in", { ...fields, key }, { headers: typeof headers === "function" ? headers(browser.origin) : headers });
      assert.equal(reply.status, 403);
      assert.ok(![...browser.cookies.keys()].some((name) => name.endsWith("session")), "signed in");
    },
  })),
  {
    name: "a consent page handed to another browser",
    source: FASTMCP,
    attack: (target) => refused(target, async ({ consent: form }) => new Browser(target.world).post("/consent", saying(form))),
  },
  {
    name: "a consent page handed to another browser that is signed in as somebody else",
    source: FASTMCP,
    attack: (target) => refused(target, async ({ consent: form }) => {
      const victim = await consentPage(target.world, target.app);
      return victim.browser.post("/consent", saying(form));
    }),
  },
  {
    name: "a consent page handed to another browser of the same person",
    source: FASTMCP,
    attack: (target) => refused(target, async ({ consent: form, owner }) => {
      const other = await consentPage(target.world, target.app, { key: owner });
      return other.browser.post("/consent", saying(form));
    }),
  },
  {
    name: "the session of a browser without the browser",
    source: FASTMCP,
    attack: (target) => refused(target, ({ browser, consent: form }) => browser.stolen(["chitty-session"]).post("/consent", saying(form))),
  },
  {
    name: "a browser without its session",
    source: FASTMCP,
    attack: (target) => refused(target, ({ browser, consent: form }) => browser.stolen(["chitty-browser"]).post("/consent", saying(form))),
  },
  {
    name: "a session by its id in the database",
    source: "OWASP ASVS 3.2",
    attack: (target) => refused(target, ({ browser, consent: form }) => {
      const thief = browser.stolen();
      thief.cookies.set("chitty-session", sha256(browser.cookies.get("chitty-session")));
      return thief.post("/consent", saying(form));
    }),
  },
  {
    name: "a yes after signing out",
    source: "OWASP ASVS 3.3.1",
    attack: async (target) => {
      const client = await fresh(target);
      const { browser, page, consent: form } = await consentPage(target.world, client);
      const thief = browser.stolen();
      await browser.post("/sign-out", page.form("/sign-out").fields);
      assertNoCode(await thief.post("/consent", saying(form)));
      assert.equal(await grantsOf(target.world, client), 0);
    },
  },
  {
    name: "a yes again after somebody else has signed in at the same browser",
    source: FASTMCP,
    attack: async (target) => {
      const client = await fresh(target);
      const { browser, page, consent: form } = await consentPage(target.world, client);
      await browser.post("/consent", saying(form));
      await browser.post("/sign-out", page.form("/sign-out").fields);
      await consentPage(target.world, target.app, { browser });
      assertNoCode(await browser.post("/consent", saying(form)));
      assert.equal(await grantsOf(target.world, client), 1);
    },
  },
  {
    name: "a yes sent again gives a second code to nobody but the same client",
    source: FASTMCP,
    attack: async (target) => {
      const client = await fresh(target);
      const { browser, consent: form } = await consentPage(target.world, client);
      const first = redirected(await browser.post("/consent", saying(form)), client.redirect);
      const again = await browser.post("/consent", { ...saying(form), redirect_uri: EVIL, client_id: target.app.id });
      if (again.location) assert.notEqual(redirected(again, client.redirect).code, first.code);
      assert.ok((await grantsOf(target.world, client)) <= 2);
    },
  },
  ...[
    ["signed in", {}],
    ["that has allowed this client before", {}, true],
    ["asked with prompt=consent", { prompt: "consent" }],
  ].map(([what, asked, before]) => ({
    name: `a person ${what} is asked again, for each request`,
    source: DEPUTY,
    attack: async ({ world, app }) => {
      const { browser } = before ? await granted(world, app) : await consentPage(world, app);
      const reply = await browser.get(authorizePath(app, asked));
      assertNoCode(reply);
      assert.ok(reply.form("/consent"), reply.text);
    },
  })),
  ...["none", "none login", "none consent"].map((prompt) => ({
    name: `prompt=${prompt} from a person who has allowed this client before`,
    source: DEPUTY,
    attack: async ({ world, app }) => {
      const { browser } = await granted(world, app);
      const { code, error } = redirected(await browser.get(authorizePath(app, { prompt })), app.redirect);
      assert.equal(code, undefined);
      assert.match(error, /login_required|invalid_request/);
    },
  })),
  {
    name: "a client that calls itself like another is told apart",
    source: DEPUTY,
    attack: async ({ world }) => {
      const imitator = await register(world, { client_name: "Claude", redirect_uris: ["https://collector.example.net/cb"] });
      const { page } = await consentPage(world, imitator);
      assert.match(page.text, /collector\.example\.net/);
      assert.match(page.text, /Unverified/i);
    },
  },
  {
    name: "a program on this computer is warned about",
    source: "MCP security best practices, localhost redirects",
    attack: async ({ world }) => {
      const { page } = await consentPage(world, await register(world, { redirect_uris: ["http://127.0.0.1:8765/cb"] }));
      assert.match(page.text, /on this computer/);
    },
  },
  ...[
    ["scopes that were not asked for", { "allow:execution:run": "yes", "allow:chain:verify": "yes", "allow:openid": "yes" }],
    ["scopes that no client may have", { "allow:admin:*": "yes", "allow:token:manage": "yes", "allow:delegation:act": "yes", "allow:audit:read": "yes" }],
    ["wildcards", { "allow:execution:*": "yes", "allow:*": "yes" }],
    ["a list of scopes", { scope: "admin:* execution:run", scopes: "admin:*" }],
    ["that it stays", { "allow:offline_access": "yes" }],
    ["another client, address and person", { client_id: "vault", redirect_uri: EVIL, user_id: "dev", resource: "http://127.0.0.1:1/mcp" }],
  ].map(([what, added]) => ({
    name: `added to the consent form: ${what}`,
    source: "CWE-472",
    attack: async ({ world }) => {
      const client = await register(world);
      const { verifier, ...shown } = await withPkce(world, client);
      const code = redirected(await shown.browser.post("/consent", { ...saying(shown.consent), ...added }), client.redirect).code;
      const { json } = await redeem(world, { client, code, verifier, redirect: client.redirect });
      assert.equal(json.scope, "execution:read");
      const [, claims] = decoded(json.access_token);
      assert.deepEqual([claims.scope, claims.client_id, claims.sub], ["execution:read", client.id, shown.owner.user_id]);
    },
  })),
  ...["/sign-in", "/account", "/authorize?client_id=nobody"].map((path) => ({
    name: `${path} in a frame, a cache or a log of referrers`,
    source: "RFC 9700 §4.16, CWE-1021",
    attack: async ({ world }) => assertHidden(await new Browser(world).get(path)),
  })),
  {
    name: "the consent page in a frame, a cache or a log of referrers",
    source: "RFC 9700 §4.16, CWE-1021",
    attack: async ({ world, app }) => {
      const { browser, page, consent: form } = await consentPage(world, app);
      assertHidden(page);
      const reply = await browser.post("/consent", saying(form));
      assert.equal(reply.headers.get("referrer-policy"), "no-referrer");
      assert.match(reply.headers.get("cache-control"), /no-store/);
      assert.equal(reply.status, 303, "a form with a key in it must not be sent on (RFC 9700 §4.12)");
    },
  },
  {
    name: "pages are read by scripts of other origins",
    source: "CWE-942",
    attack: async ({ world, app }) => {
      const { browser, path } = await consentPage(world, app);
      for (const page of [path, "/account", "/sign-in"]) {
        const reply = await browser.get(page, { headers: { origin: "https://evil.example" } });
        assert.equal(reply.headers.get("access-control-allow-origin"), null);
        assert.equal(reply.headers.get("access-control-allow-credentials"), null);
      }
    },
  },
  {
    name: "a session cookie that an attacker set before",
    source: "session fixation, CWE-384",
    attack: async ({ world, app }) => {
      const browser = new Browser(world);
      const planted = randomBytes(32).toString("hex");
      browser.cookies.set("chitty-session", planted);
      await signIn(browser, authorizePath(app), (await userKey(world)).key);
      assert.notEqual(browser.cookies.get("chitty-session"), planted);
      const attacker = new Browser(world);
      attacker.cookies.set("chitty-session", planted);
      assert.ok((await attacker.get("/account")).form("/sign-in"));
    },
  },
  {
    name: "the session of before a new sign-in",
    source: "CWE-384",
    attack: async ({ world, app }) => {
      const { browser } = await consentPage(world, app);
      const before = browser.stolen();
      // The same browser signs in again.
      await signIn(browser, authorizePath(app, { prompt: "login" }), (await userKey(world)).key);
      assert.ok((await before.get("/account")).form("/sign-in"), "the old session lives");
    },
  },
  {
    name: "cookies that scripts read or other sites send",
    source: "CWE-1004, CWE-1275",
    attack: async ({ world, app }) => {
      const browser = new Browser(world);
      const { fields } = (await browser.get(authorizePath(app))).form("/sign-in");
      const reply = await browser.post("/sign-in", { ...fields, key: (await userKey(world)).key });
      for (const line of reply.headers.getSetCookie()) {
        assert.match(line, /; HttpOnly/);
        assert.match(line, /; SameSite=(Lax|Strict)/);
        assert.match(line, /; Path=\//);
        assert.doesNotMatch(line, /Domain=/i);
      }
    },
  },
];

async function withPkce(world, client) {
  const { challenge, verifier } = makePkce();
  return { verifier, ...(await consentPage(world, client, { challenge })) };
}

function assertHidden(page) {
  assert.match(page.headers.get("content-security-policy"), /frame-ancestors 'none'/);
  assert.match(page.headers.get("content-security-policy"), /default-src 'none'/);
  assert.equal(page.headers.get("x-frame-options"), "DENY");
  assert.match(page.headers.get("cache-control"), /no-store/);
  assert.equal(page.headers.get("referrer-policy"), "no-referrer");
  assert.equal(page.headers.get("x-content-type-options"), "nosniff");
}
