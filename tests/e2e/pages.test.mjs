// The pages in a real browser: signing in with a key and through an OpenID provider, consent, the account.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import Provider from "oidc-provider";
import { chromium } from "playwright-core";
import { admit, startWorld } from "./support.mjs";

const PHONE = { width: 390, height: 844 };
const SECRET = "of-the-client-at-the-provider-0123456789";
const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"];
// S256 of a verifier that nobody needs here.
const CHALLENGE = randomBytes(32).toString("base64url");

let world, browser, key, app, elsewhere, idp;

async function listen(handler) {
  const server = createServer(handler).listen(0, "127.0.0.1");
  await once(server, "listening");
  server.url = `http://127.0.0.1:${server.address().port}`;
  return server;
}

/** An OpenID provider with pages of its own, where anybody may be anybody. */
function providerAt(issuer, coordinator) {
  return new Provider(issuer, {
    clients: [{ client_id: "chitty", client_secret: SECRET, redirect_uris: [`${coordinator}/sign-in/callback`] }],
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    cookies: { keys: ["only-for-this-test"] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@example.org`, email_verified: true, name: `${id} of the provider` }),
    }),
  }).callback();
}

before(async () => {
  elsewhere = await listen((_, response) => response.end("welcome back"));
  // Like many clients, it sends the browser on to another origin.
  app = await listen((_, response) => response.writeHead(302, { location: `${elsewhere.url}/done` }).end());
  let answer;
  idp = await listen((...args) => answer(...args));
  const client = {
    client_id: "app",
    client_name: "The <i>App</i>",
    token_endpoint_auth_method: "none",
    redirect_uris: [`${app.url}/cb`],
  };
  world = await startWorld({
    vars: {
      OAUTH_CLIENTS: JSON.stringify([client]),
      OPENID_ISSUER: idp.url,
      OPENID_CLIENT_ID: "chitty",
      OPENID_CLIENT_SECRET: SECRET,
      OPENID_LABEL: "Acme",
    },
  });
  answer = providerAt(idp.url, world.stack.urls.coordinator);
  key = `chitty_key_${randomBytes(24).toString("hex")}`;
  await admit(world, { user_id: "ada", name: "Ada's key", scopes: '["execution:*","token:manage"]' }, key);
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGS });
});

after(async () => {
  await browser?.close();
  for (const server of [app, elsewhere, idp]) server?.close();
  await world?.close();
});

/** A new browser without JavaScript, with a log of what it asked for and what it complained of. */
async function visit(path, options = {}) {
  const context = await browser.newContext({ viewport: PHONE, javaScriptEnabled: false, ...options });
  const page = await context.newPage();
  page.asked = [];
  page.on("request", (request) => page.asked.push(request.url()));
  page.complaints = [];
  page.on("console", (message) => page.complaints.push(message.text()));
  page.first = await page.goto(`${world.stack.urls.coordinator}${path}`);
  return page;
}

const authorizePath = (more = {}) =>
  `/authorize?${new URLSearchParams({
    response_type: "code",
    client_id: "app",
    redirect_uri: `${app.url}/cb`,
    scope: "execution:read execution:run openid",
    state: "the-state",
    code_challenge: CHALLENGE,
    code_challenge_method: "S256",
    ...more,
  })}`;

async function signIn(page) {
  await page.fill("input[name=key]", key);
  await page.click("button:text('Sign in')");
}

/** Query of the answer that the client got. */
const answerOf = (page) => new URL(page.asked.findLast((url) => url.startsWith(`${app.url}/cb`))).searchParams;

/** What the browser refused to load or to send. */
const blocked = (page) => page.complaints.filter((line) => /Security Policy|blocked|refused/i.test(line));

test("sign in with a key, allow a part, and come back to the client and beyond", async () => {
  const page = await visit(authorizePath());
  const headers = page.first.headers();
  assert.match(headers["content-security-policy"], /^default-src 'none'; style-src 'sha256-/);
  assert.equal(headers["x-frame-options"], "DENY");
  assert.equal(headers["cache-control"], "no-store");
  assert.equal(headers["referrer-policy"], "no-referrer");
  assert.match(await page.textContent("main"), /The <i>App<\/i> would like to use your account/);
  await signIn(page);
  assert.equal(await page.textContent("h1"), "Allow The <i>App</i> to use your account?");
  assert.match(await page.textContent("main"), /a program on this computer/);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
  await page.uncheck("input[name='allow:execution:run']");
  await page.click("button:text('Allow')");
  await page.waitForURL(`${elsewhere.url}/done`);
  assert.equal(answerOf(page).get("state"), "the-state");
  assert.match(answerOf(page).get("code"), /^chitty_code_/);
  const [grant] = await world.stack.d1("SELECT * FROM oauth_grants WHERE user_id = 'ada'");
  assert.deepEqual(JSON.parse(grant.scopes), ["execution:read", "openid"]);
  assert.deepEqual(blocked(page), []);
  const ours = [world.stack.urls.coordinator, app.url, elsewhere.url];
  assert.ok(page.asked.every((url) => ours.some((host) => url.startsWith(host)) || url === "data:,"), `${page.asked}`);
  await page.context().close();
});

test("deny, and be asked again the next time", async () => {
  const page = await visit(authorizePath());
  await signIn(page);
  await page.click("button:text('Deny')");
  await page.waitForURL(`${elsewhere.url}/done`);
  assert.equal(answerOf(page).get("error"), "access_denied");
  await page.goto(`${world.stack.urls.coordinator}${authorizePath()}`);
  assert.match(await page.textContent("h1"), /^Allow/);
  await page.click("button:text('Use another account')");
  assert.equal(await page.textContent("h1"), "Sign in");
  await page.context().close();
});

test("prompt=login asks once", async () => {
  const page = await visit(authorizePath({ prompt: "login" }));
  await signIn(page);
  assert.match(await page.textContent("h1"), /^Allow/);
  await page.goto(`${world.stack.urls.coordinator}${authorizePath({ prompt: "login" })}`);
  assert.equal(await page.textContent("h1"), "Sign in");
  await page.context().close();
});

test("through an OpenID provider, and back to the consent page", async () => {
  const page = await visit(authorizePath(), { javaScriptEnabled: true });
  await page.click("a:text('Sign in with Acme')");
  await page.fill("input[name=login]", "grace");
  await page.fill("input[name=password]", "any");
  await page.click("button[type=submit]");
  await page.click("button[type=submit]");
  await page.waitForURL(`${world.stack.urls.coordinator}/authorize?*`);
  assert.match(await page.textContent("main"), /grace of the provider/);
  const [person] = await world.stack.d1("SELECT * FROM identities WHERE subject = 'grace'");
  assert.deepEqual([person.email, person.email_verified, person.issuer], ["grace@example.org", 1, idp.url]);
  // A reader may let it read, and not run.
  assert.equal(await page.locator("input[name='allow:execution:run']").count(), 0);
  await page.click("button:text('Allow')");
  await page.waitForURL(`${elsewhere.url}/done`);
  const [grant] = await world.stack.d1("SELECT * FROM oauth_grants WHERE user_id = ?", [person.id]);
  assert.deepEqual(JSON.parse(grant.scopes), ["execution:read", "openid"]);
  await page.context().close();
});

test("a wrong key is said so, and a page of another site cannot post", async () => {
  const page = await visit("/sign-in");
  await page.fill("input[name=key]", "chitty_key_nothing");
  await page.click("button:text('Sign in')");
  assert.match(await page.textContent("[role=alert]"), /not accepted/);
  const ticket = await page.getAttribute("input[name=ticket]", "value");
  const form = `<form method="post" action="${world.stack.urls.coordinator}/sign-in">
    <input name="ticket" value="${ticket}"><input name="key" value="${key}"><button>Go</button></form>`;
  const evil = await listen((_, response) => response.setHeader("content-type", "text/html").end(form));
  await page.goto(evil.url.replace("127.0.0.1", "localhost"));
  await page.click("button");
  assert.match(await page.textContent("main"), /sent by another site/);
  evil.close();
  await page.context().close();
});

test("the account: keys, browsers, a second factor that can be scanned, and the way out", async () => {
  const page = await visit("/account");
  await signIn(page);
  assert.equal(new URL(page.url()).pathname, "/account");
  assert.match(await page.textContent("main"), /Ada's key/);
  await page.click("button:text('Set up')");
  assert.ok((await page.locator("svg.qr").boundingBox()).width > 150);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
  await page.fill("input[name=code]", "000000");
  await page.click("button:text('Turn on')");
  assert.match(await page.textContent("main"), /not accepted/);
  await page.goto(`${world.stack.urls.coordinator}/account`);
  await page.click("main .bar button:text('Sign out')");
  assert.equal(await page.textContent("h1"), "Sign in");
  assert.deepEqual(blocked(page), []);
  await page.context().close();
});
