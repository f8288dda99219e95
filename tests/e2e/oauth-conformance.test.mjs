// What standards ask of an authorization server and of protected resources, from outside: a row for each
// requirement, its source, and its test. docs/OAUTH.md shows the rows; UPDATE=1 writes them there.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ROOT } from "../../scripts/lib/stack.mjs";
import { Browser, CALLBACK, connect, keyPair, register, startSite, userKey } from "./oauth.mjs";
import authorization from "./oauth-rows/authorization.mjs";
import clients from "./oauth-rows/clients.mjs";
import lifecycle from "./oauth-rows/lifecycle.mjs";
import mcp from "./oauth-rows/mcp.mjs";
import metadata from "./oauth-rows/metadata.mjs";
import openid from "./oauth-rows/openid.mjs";
import tokens from "./oauth-rows/tokens.mjs";
import { startWorld } from "./support.mjs";

const PARTS = { metadata, authorization, tokens, lifecycle, clients, openid, mcp };
const DOCUMENT = join(ROOT, "docs/OAUTH.md");
const [FROM, TO] = ["<!-- rows -->", "<!-- /rows -->"];
const secret = () => randomBytes(32).toString("hex");

/** What rows work with: the workers, people with browsers, and clients of each kind. */
const the = {};

before(async () => {
  const robot = { id: "robot", auth: "private_key_jwt", ...(await keyPair()) };
  the.service = { id: "service", auth: "client_secret_basic", secret: secret() };
  the.action = { id: "action", auth: "client_secret_post", secret: secret(), redirect: CALLBACK };
  the.robot = robot;
  const entry = ({ id, auth, secret: client_secret }, more) => ({ client_id: id, client_name: id, token_endpoint_auth_method: auth, client_secret, ...more });
  const own = { grant_types: ["client_credentials"], scope: "execution:read chain:verify" };
  const entries = [
    entry(the.service, own),
    entry(robot, { ...own, jwks: { keys: [{ ...robot.jwk, kid: robot.kid }] } }),
    entry(the.action, { redirect_uris: [CALLBACK], pkce_exempt: true }),
  ];
  the.world = await startWorld({ vars: { OAUTH_CLIENTS: JSON.stringify(entries) } });
  the.user = the.world.user;
  the.userKey = (row) => userKey(the.world, row);
  the.key = await the.userKey();
  the.browser = new Browser(the.world, the.key);
  the.tokens = (client, params, answer, browser = the.browser) => connect(the.world, client, browser, params, answer);
  the.site = await startSite();
  the.open = await register(the.world);
  the.basic = await register(the.world, { token_endpoint_auth_method: "client_secret_basic" });
  the.post = await register(the.world, { token_endpoint_auth_method: "client_secret_post" });
  the.person = the.open;
  await admitAda();
  // Signed in before rows share it: tabs of a new browser that sign in at once are in each other's way.
  await the.tokens(the.open);
});

after(() => Promise.all([the.site?.close(), the.world?.close()]));

/** A person of whom more is known than her key. */
async function admitAda() {
  the.identity = { id: "ada", chitty_id: "VE-T-P-0000-P-2601-1-X", name: "Ada", email: "ada@people.example" };
  const { id, chitty_id, name, email } = the.identity;
  const now = Date.now();
  await the.world.stack.d1(
    "INSERT INTO identities (id, chitty_id, email, email_verified, name, created_at, updated_at) VALUES (?, ?, ?, 1, ?, ?, ?)",
    [id, chitty_id, email, name, now, now],
  );
  the.ada = new Browser(the.world, await the.userKey({ user_id: id }));
}

// Side by side: one row waits ten seconds for what a worker remembers to be forgotten.
describe("requirement", { concurrency: Object.keys(PARTS).length }, () => {
  for (const [part, rows] of Object.entries(PARTS)) {
    describe(part, { concurrency: 2 }, () => {
      for (const row of rows) test(`${row.id} (${row.rfc}): ${row.requirement}`, () => row.test(the));
    });
  }
});

test("docs/OAUTH.md shows these rows", () => {
  const text = readFileSync(DOCUMENT, "utf8");
  const [start, end] = [text.indexOf(FROM), text.indexOf(TO)];
  assert.ok(start > 0 && end > start, `${DOCUMENT} has no place for the rows`);
  const written = `${text.slice(0, start)}${FROM}\n${table()}${text.slice(end)}`;
  if (process.env.UPDATE) writeFileSync(DOCUMENT, written);
  else assert.equal(text, written, "docs/OAUTH.md is behind the tests: UPDATE=1 writes it");
});

function table() {
  const all = Object.entries(PARTS).flatMap(([part, rows]) => rows.map((row) => ({ part, ...row })));
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length, "two rows have one id");
  const lines = all.map(({ part, id, rfc, requirement }) => `| ${requirement.replaceAll("|", "\\|")} | ${rfc} | [${id}](../tests/e2e/oauth-rows/${part}.mjs) |`);
  return `| requirement | source | test |\n| --- | --- | --- |\n${lines.join("\n")}\n`;
}
