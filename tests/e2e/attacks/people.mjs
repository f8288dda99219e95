// Signing in by trying, keys that are not for people, and what one person may do to another.
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import {
  address, assertWorks, authorizePath, Browser, connected, consentPage, granted, note, refresh, saying, sha256, signIn, userKey, useToken,
} from "../oauth-attacks.mjs";
import { admit } from "../support.mjs";
import { suspend } from "./refresh.mjs";

const wrongKey = () => note(`chitty_key_${randomBytes(32).toString("hex")}`);

async function refusedSignIn(world, key, status = 403) {
  const browser = new Browser(world);
  const reply = await signIn(browser, "/sign-in", key);
  assert.equal(reply.status, status, reply.text);
  assert.ok(!browser.cookies.has("chitty-session"));
  return reply;
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
async function timed(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Medians of two kinds of attempts, made in turns so that load tells on both. */
async function race(one, other, rounds) {
  const [ones, others] = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    ones.push(await timed(one));
    others.push(await timed(other));
  }
  return [median(ones), median(others)];
}

function assertSameTime([one, other]) {
  assert.ok(Math.abs(one - other) < Math.max(2, 0.35 * Math.max(one, other)), `${one.toFixed(2)} ms and ${other.toFixed(2)} ms`);
}

/** RFC 6238: the code that an app shows now. */
function totp(secret, offset = 0) {
  const bits = [...secret.replace(/[^A-Z2-7]/g, "")].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + offset));
  const mac = createHmac("sha1", key).update(step).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** A person with a second factor: key and the secret of the app. */
async function withSecondFactor(world) {
  const owner = await userKey(world);
  const browser = new Browser(world);
  await signIn(browser, "/sign-in", owner.key);
  await browser.post("/account", { ...(await browser.get("/account")).form("/account").fields, action: "start_totp" });
  const page = await browser.get("/account");
  const secret = note(page.text.match(/<code>([A-Z2-7 ]{32,})<\/code>/)[1].replaceAll(" ", ""));
  const used = totp(secret);
  const done = await browser.post("/account", { ...page.form("/account").fields, action: "confirm_totp", code: used });
  assert.equal(done.status, 303, done.text);
  return { ...owner, secret, used };
}

const isSignedIn = (browser) => browser.cookies.has("chitty-session");

/** What a person may do on the account page, tried on what is another's. */
const ACTIONS = [
  ["a grant", "revoke_grant", async (world, { owner }) =>
    (await world.stack.d1("SELECT id FROM oauth_grants WHERE user_id = ?", [owner.user_id]))[0].id],
  ["a key", "revoke_key", async (_, { owner }) => owner.id],
  ["a session", "end_session", async (world, { owner }) =>
    (await world.stack.d1("SELECT id FROM login_sessions WHERE user_id = ?", [owner.user_id]))[0].id],
];

export const people = [
  {
    name: "a key by trying",
    source: "OWASP ASVS 2.2.1",
    attack: async ({ world, app }) => {
      const ip = address();
      const tried = await Promise.all(Array.from({ length: 40 }, async () => (await signIn(new Browser(world, { ip }), authorizePath(app), wrongKey())).status));
      assert.ok(tried.filter((status) => status === 403).length <= 10, `${tried}`);
      assert.ok(tried.every((status) => status === 403 || status === 429), `${tried}`);
      const { key } = await userKey(world);
      assert.equal((await signIn(new Browser(world, { ip }), authorizePath(app), key)).status, 303, "a good key of the same address is held up");
      assert.equal((await signIn(new Browser(world), authorizePath(app), key)).status, 303, "others are held up");
      await assertWorks(world, key, { ip });
    },
  },
  {
    name: "many people of one address sign in",
    source: "CWE-645: lockout of others",
    attack: async ({ world, app }) => {
      const ip = address();
      const tried = await Promise.all(Array.from({ length: 30 }, async () => (await signIn(new Browser(world, { ip }), authorizePath(app), (await userKey(world)).key)).status));
      assert.deepEqual([...new Set(tried)], [303]);
    },
  },
  {
    name: "a token at a worker by trying",
    source: "OWASP ASVS 2.2.1",
    attack: async ({ world, app }) => {
      const ip = address();
      const tried = await Promise.all(Array.from({ length: 60 }, async () => (await useToken(world, wrongKey(), { ip })).status));
      assert.ok(tried.filter((status) => status === 401).length <= 30);
      assert.ok(tried.includes(429));
      await assertWorks(world, (await userKey(world)).key, { ip });
      await assertWorks(world, (await connected(world, app)).access_token, { ip });
    },
  },
  ...[
    ["a service's", async (world) => note(await admit(world))],
    ["a revoked one", async (world) => (await userKey(world, { status: "revoked", revoked_at: Date.now() })).key],
    ["an expired one", async (world) => (await userKey(world, { expires_at: Date.now() - 1 })).key],
    ["its hash", async (world) => sha256((await userKey(world)).key)],
    ["cut by one", async (world) => (await userKey(world)).key.slice(0, -1)],
    ["in capitals", async (world) => (await userKey(world)).key.toUpperCase()],
    ["a pattern", async () => "chitty_key_%"],
    ["SQL", async () => "' OR '1'='1"],
    ["nothing", async () => ""],
    ["a bearer header", async (world) => `Bearer ${(await userKey(world)).key}`],
    ["100 KB", async () => `chitty_key_${"a".repeat(10_000)}`],
    ["one of a suspended person", async (world) => {
      const owner = await userKey(world);
      await suspend(world, { owner });
      return owner.key;
    }],
  ].map(([what, make]) => ({
    name: `signing in with a key that is ${what}`,
    source: "OWASP ASVS 2.1",
    attack: async ({ world }) => {
      const reply = await refusedSignIn(world, await make(world));
      assert.match(reply.text, /That key was not accepted/, "why is told");
    },
  })),
  {
    name: "a sign-in that tells what is wrong with a key",
    source: "CWE-204",
    attack: async ({ world }) => {
      const plain = ({ text }) => text.replace(/name="ticket" value="[^"]*"/g, "");
      const keys = [wrongKey(), (await userKey(world, { status: "revoked", revoked_at: Date.now() })).key, await admit(world), "nonsense"];
      const told = await Promise.all(keys.map(async (key) => plain(await refusedSignIn(world, key))));
      assert.equal(new Set(told).size, 1);
    },
  },
  {
    name: "the second factor left out",
    source: "OWASP ASVS 2.8",
    attack: async ({ world, app }) => {
      const { key } = await withSecondFactor(world);
      const browser = new Browser(world);
      const asked = await signIn(browser, authorizePath(app), key);
      assert.ok(!isSignedIn(browser));
      const { fields } = asked.form("/sign-in");
      for (const tried of [{ ...fields, key }, { ...fields, code: "" }, { ...fields, second_factor: "true" }]) {
        await browser.post("/sign-in", tried);
        assert.ok(!isSignedIn(browser));
      }
      assert.ok((await browser.get(authorizePath(app))).form("/sign-in"));
    },
  },
  {
    name: "a code of the second factor a second time",
    source: "RFC 6238 §5.2",
    attack: async ({ world }) => {
      const { key, secret, used } = await withSecondFactor(world);
      const enter = async (code) => {
        const browser = new Browser(world);
        const { fields } = (await signIn(browser, "/sign-in", key)).form("/sign-in");
        await browser.post("/sign-in", { ...fields, code });
        return isSignedIn(browser);
      };
      assert.equal(await enter(used), false);
      const next = totp(secret, 1);
      assert.equal(await enter(next), true);
      assert.equal(await enter(next), false);
    },
  },
  {
    name: "a code of the second factor by trying, from everywhere",
    source: "OWASP ASVS 2.8.6",
    attack: async ({ world }) => {
      const { key, secret } = await withSecondFactor(world);
      const browsers = await Promise.all(Array.from({ length: 20 }, async () => {
        const browser = new Browser(world);
        return { browser, fields: (await signIn(browser, "/sign-in", key)).form("/sign-in").fields };
      }));
      const wrong = String((Number(totp(secret, 1)) + 1) % 1_000_000).padStart(6, "0");
      await Promise.all(browsers.map(({ browser, fields }) => browser.post("/sign-in", { ...fields, code: wrong })));
      const { browser, fields } = browsers[0];
      await browser.post("/sign-in", { ...fields, code: totp(secret, 1) });
      assert.ok(!isSignedIn(browser), "a guess after twenty wrong ones is still judged");
    },
  },
  ...ACTIONS.map(([what, action, find]) => ({
    name: `ending ${what} of somebody else from the account page`,
    source: "CWE-639",
    attack: async ({ world, app }) => {
      const victim = await connected(world, app);
      const attacker = await granted(world, app);
      const page = await attacker.browser.get("/account");
      const { fields } = page.form("/account");
      const reply = await attacker.browser.post("/account", { ...fields, action, id: await find(world, victim) });
      assert.ok(reply.status >= 400, `${reply.status} ${reply.location}`);
      await assertWorks(world, victim.access_token);
      assert.equal((await refresh(world, app, victim.refresh_token)).status, 200);
      assert.ok((await victim.browser.get("/account")).form("/sign-out"), "signed out");
    },
  })),
  ...[
    ["without a ticket", () => ({ ticket: "" })],
    ["with the ticket of a consent page", (_, consent) => consent.fields],
    ["with the ticket of another person", async (world, _, app) => (await (await granted(world, app)).browser.get("/account")).form("/account").fields],
  ].map(([what, change]) => ({
    name: `an action on the account page ${what}`,
    source: "CWE-352",
    attack: async ({ world, app }) => {
      const { browser, consent, owner } = await consentPage(world, app);
      await browser.post("/consent", saying(consent));
      const reply = await browser.post("/account", { ...(await change(world, consent, app)), action: "revoke_key", id: owner.id });
      assert.equal(reply.status, 400);
      await assertWorks(world, owner.key);
    },
  })),
  {
    name: "an action on the account page sent by another site",
    source: "CWE-352",
    attack: async ({ world, app }) => {
      const { browser, owner } = await granted(world, app);
      const { fields } = (await browser.get("/account")).form("/account");
      for (const headers of [{ origin: "https://evil.example" }, { "sec-fetch-site": "cross-site" }, { "sec-fetch-site": "same-site" }]) {
        assert.equal((await browser.post("/account", { ...fields, action: "revoke_key", id: owner.id }, { headers })).status, 403);
      }
      await assertWorks(world, owner.key);
    },
  },
  {
    name: "the account page shows keys, tokens or cookies",
    source: "CWE-522",
    attack: async ({ world, app }) => {
      const { browser, owner, access_token, refresh_token } = await connected(world, app);
      const { text } = await browser.get("/account");
      for (const secret of [owner.key, access_token, refresh_token, browser.cookies.get("chitty-session"), browser.cookies.get("chitty-browser")]) {
        assert.ok(!text.includes(secret));
      }
    },
  },
];

/** Told by the clock: to be tried while nothing else goes on. */
export const timings = [
  {
    name: "the time to refuse a key tells how much of it is right",
    source: "CWE-208",
    attack: async ({ world }) => {
      const { key } = await userKey(world);
      const near = `${key.slice(0, -1)}${key.endsWith("0") ? "1" : "0"}`;
      assertSameTime(await race(() => useToken(world, wrongKey()), () => useToken(world, near), 60));
    },
  },
  {
    name: "the time to refuse a refresh token tells how much of it is right",
    source: "CWE-208",
    attack: async ({ world, app }) => {
      const { refresh_token } = await connected(world, app);
      const near = `${refresh_token.slice(0, -1)}${refresh_token.endsWith("0") ? "1" : "0"}`;
      const unknown = () => `chitty_refresh_${randomBytes(32).toString("hex")}`;
      assertSameTime(await race(() => refresh(world, app, unknown()), () => refresh(world, app, near), 60));
    },
  },
];
