// Codes and errors must reach the registered address and no other.
import assert from "node:assert/strict";
import {
  EVIL, REDIRECT, asking, assertNoTokens, assertStays, authorizePath, Browser, challengeOf, form, granted, redeem, redirected, register,
} from "../oauth-attacks.mjs";

const CVE = "CVE-2025-4143";
const LOOPBACK = "http://127.0.0.1:3000/cb";

/** Asked instead of `https://app.example.com/cb`. */
const TRICKS = [
  ["another host", EVIL, CVE],
  ["no match at all, of another scheme", "ftp://app.example.com/cb", CVE],
  ["the registered address as a prefix", `${REDIRECT}/evil`, "workers-oauth-provider #80"],
  ["the registered address as a prefix of a name", `${REDIRECT}evil`, "workers-oauth-provider #80"],
  ["a parent folder", "https://app.example.com/cb/../evil", "RFC 9700 §4.1.1"],
  ["an escaped parent folder", "https://app.example.com/cb%2f..%2fevil", "RFC 9700 §4.1.1"],
  ["an added query", `${REDIRECT}?next=${EVIL}`, "RFC 9700 §4.1.3"],
  ["an empty query", `${REDIRECT}?`, "RFC 9700 §4.1.3"],
  ["a fragment", `${REDIRECT}#evil`, "RFC 6749 §3.1.2"],
  ["a slash at the end", `${REDIRECT}/`, "RFC 9700 §4.1.3"],
  ["the host in capitals", "https://APP.example.com/cb", "RFC 9700 §4.1.3"],
  ["the path in capitals", "https://app.example.com/CB", "RFC 9700 §4.1.3"],
  ["the default port", "https://app.example.com:443/cb", "RFC 9700 §4.1.3"],
  ["another port", "https://app.example.com:8443/cb", "workers-oauth-provider #92"],
  ["plain http", "http://app.example.com/cb", "RFC 9700 §4.1.3"],
  ["the registered host as user name", "https://app.example.com@evil.example/cb", "RFC 9700 §4.1.1"],
  ["a user name", "https://evil@app.example.com/cb", "RFC 9700 §4.1.1"],
  ["the registered address as a path", `https://evil.example/${REDIRECT}`, "RFC 9700 §4.1.1"],
  ["the registered host as a subdomain", "https://app.example.com.evil.example/cb", "RFC 9700 §4.1.1"],
  ["a subdomain of the registered host", "https://evil.app.example.com/cb", "RFC 9700 §4.1.1"],
  ["a backslash for a slash", "https://evil.example\\@app.example.com/cb", "RFC 9700 §4.1.1"],
  ["a backslash after the host", "https://app.example.com\\.evil.example/cb", "RFC 9700 §4.1.1"],
  ["a null byte", "https://app.example.com/cb\0.evil.example", "RFC 9700 §4.1.1"],
  ["an escaped null byte", `${REDIRECT}%00`, "RFC 9700 §4.1.1"],
  ["no scheme", "//app.example.com/cb", "RFC 9700 §4.1.1"],
  ["a path alone", "/cb", "RFC 9700 §4.1.1"],
  ["a script", "javascript:alert(document.domain)//https://app.example.com/cb", "workers-oauth-provider #97"],
  ["a document in the address", "data:text/html,<script>alert(1)</script>", "workers-oauth-provider #97"],
  ["a line break with a header", `${REDIRECT}\r\nset-cookie: a=b`, "CWE-113"],
  ["a blank at the end", `${REDIRECT} `, "RFC 9700 §4.1.3"],
  ["a tab in the middle", "https://app.example\t.com/cb", "RFC 9700 §4.1.3"],
  ["a dot after the host", "https://app.example.com./cb", "RFC 9700 §4.1.3"],
  ["letters of another alphabet", "https://аpp.example.com/cb", "RFC 9700 §4.1.1"],
  ["a wide full stop", "https://app。example.com/cb", "RFC 9700 §4.1.1"],
  ["an escaped letter", "https://app.example.com/%63b", "RFC 9700 §4.1.3"],
];

/** Asked instead of `http://127.0.0.1:3000/cb`. */
const LOOPBACK_TRICKS = [
  ["another path", "http://127.0.0.1:3000/other"],
  ["a host that begins like it", "http://127.0.0.1.evil.example/cb"],
  ["it as a user name", "http://127.0.0.1:3000@evil.example/cb"],
  ["it as a user name with an empty password", "http://127.0.0.1:@evil.example/cb"],
  ["its other name", "http://localhost:3000/cb"],
  ["its other family", "http://[::1]:3000/cb"],
  ["its number", "http://2130706433:3000/cb"],
  ["its number in hex", "http://0x7f000001:3000/cb"],
  ["any address", "http://0.0.0.0:3000/cb"],
  ["https", "https://127.0.0.1:3000/cb"],
  ["a port beyond all", "http://127.0.0.1:99999/cb"],
  ["a port that is none", "http://127.0.0.1:80evil.example/cb"],
  ["a query", "http://127.0.0.1:3000/cb?x=1"],
];

const asked = async (world, client, redirect_uri, changed = {}) =>
  assertStays(await new Browser(world).get(authorizePath(client, { redirect_uri, ...changed })));

export const redirects = [
  ...TRICKS.map(([what, uri, source]) => ({
    name: `redirect_uri: ${what}`,
    source,
    attack: ({ world, app }) => asked(world, app, uri),
  })),
  ...LOOPBACK_TRICKS.map(([what, uri]) => ({
    name: `redirect_uri of a program on this computer: ${what}`,
    source: "RFC 8252 §7.3, workers-oauth-provider #145",
    attack: async ({ world }) => asked(world, await register(world, { redirect_uris: [LOOPBACK] }), uri),
  })),
  {
    name: "redirect_uri of another client",
    source: CVE,
    attack: async ({ world, app }) => {
      const other = await register(world, { redirect_uris: ["https://other.example.com/cb"] });
      await asked(world, app, other.redirect);
    },
  },
  {
    name: "redirect_uri twice, the good one first",
    source: "RFC 6749 §3.1",
    attack: async ({ world, app }) => assertStays(await new Browser(world).get(`${authorizePath(app)}&redirect_uri=${encodeURIComponent(EVIL)}`)),
  },
  {
    name: "redirect_uri twice, the good one last",
    source: "RFC 6749 §3.1",
    attack: async ({ world, app }) =>
      assertStays(await new Browser(world).get(`/authorize?redirect_uri=${encodeURIComponent(EVIL)}&${asking(app)}`)),
  },
  {
    name: "redirect_uri in the query of a form that has a good one",
    source: "RFC 6749 §3.1",
    attack: async ({ world, app }) => {
      const { browser, consent } = await posting(world, app, `/authorize?redirect_uri=${encodeURIComponent(EVIL)}&client_id=${app.id}`);
      redirected(await browser.post("/consent", { ...consent.fields, decision: "deny" }), REDIRECT);
    },
  },
  {
    name: "no redirect_uri where several are registered",
    source: "RFC 6749 §3.1.2.3",
    attack: async ({ world }) => {
      const client = await register(world, { redirect_uris: [REDIRECT, "https://app.example.com/other"] });
      await asked(world, client, undefined);
    },
  },
  {
    name: "a scheme of an app with an authority added",
    source: "RFC 8252 §7.1",
    attack: async ({ world }) => asked(world, await register(world, { redirect_uris: ["com.example.app:/cb"] }), "com.example.app://evil.example/cb"),
  },
  {
    name: "an unknown client is not redirected to the address it brings",
    source: "RFC 9700 §4.11",
    attack: ({ world, app }) => asked(world, { ...app, id: "chitty_client_unknown" }, EVIL),
  },
  ...[
    ["an unsupported response_type", { response_type: "token" }],
    ["a bad scope", { scope: "nothing:known" }],
    ["prompt=none", { prompt: "none" }],
    ["no PKCE", { code_challenge: undefined, code_challenge_method: undefined }],
  ].map(([what, changed]) => ({
    name: `an error is no reason to redirect to a strange address: ${what}`,
    source: "RFC 9700 §4.11.1",
    attack: ({ world, app }) => asked(world, app, EVIL, changed),
  })),
  ...[
    ["another of the client's", "https://app.example.com/other"],
    ["a stranger's", EVIL],
    ["the same with a slash", `${REDIRECT}/`],
  ].map(([what, redirect_uri]) => ({
    name: `the redirect_uri at the token endpoint is ${what}`,
    source: "RFC 6749 §4.1.3, RFC 9700 §4.1",
    attack: async ({ world }) => {
      const client = await register(world, { redirect_uris: [REDIRECT, "https://app.example.com/other"] });
      assertNoTokens(await redeem(world, await granted(world, client), { redirect_uri }), "invalid_grant", "invalid_request");
    },
  })),
  {
    name: "a loopback port at the token endpoint that is not the one of the request",
    source: "RFC 8252 §7.3",
    attack: async ({ world }) => {
      const client = await register(world, { redirect_uris: [LOOPBACK] });
      const grant = await granted(world, client, { redirect_uri: "http://127.0.0.1:4001/cb" });
      assertNoTokens(await redeem(world, grant, { redirect_uri: "http://127.0.0.1:4002/cb" }), "invalid_grant");
      assert.equal((await redeem(world, grant)).status, 200);
    },
  },
];

/** The consent page of a request that is a form. */
async function posting(world, client, path) {
  const browser = new Browser(world);
  const { key } = await client.someone();
  const body = asking(client, { challenge: challengeOf("y".repeat(43)) }).toString();
  const asked = await browser.post(path, body);
  assert.equal(asked.status, 303);
  const page = await browser.get(asked.location);
  const signedIn = await browser.post("/sign-in", form({ ...page.form("/sign-in").fields, key }).toString());
  const shown = await browser.get(signedIn.location);
  return { browser, consent: shown.form("/consent") };
}
