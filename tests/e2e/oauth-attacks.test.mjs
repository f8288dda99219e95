// What attackers try at the authorization server and with its tokens, against the real workers. Each row names
// where the attack is described; none may get through, and nothing secret may stay behind.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { clients } from "./attacks/clients.mjs";
import { codes } from "./attacks/codes.mjs";
import { consent } from "./attacks/consent.mjs";
import { endpoints } from "./attacks/endpoints.mjs";
import { closeOutside, openOutside, outsiders } from "./attacks/outside.mjs";
import { pages } from "./attacks/pages.mjs";
import { people, timings } from "./attacks/people.mjs";
import { redirects } from "./attacks/redirects.mjs";
import { refreshes } from "./attacks/refresh.mjs";
import { closeTarget, openTarget } from "./attacks/target.mjs";
import { tokens } from "./attacks/tokens.mjs";
import { usedSecrets } from "./oauth-attacks.mjs";
import { dump } from "./support.mjs";

/** Most attacks wait: for the workers, or for a token to be forgotten. */
const AT_ONCE = 16;
const MAX_LOGS = 10_000;

let target;
before(async () => void (target = await openTarget()));
after(() => closeTarget(target));

const TABLES = { "redirect addresses": redirects, "codes and PKCE": codes, consent, refreshes, tokens, clients, endpoints, people, pages };

describe("against the server", { concurrency: Object.keys(TABLES).length }, () => {
  for (const [subject, attacks] of Object.entries(TABLES)) {
    describe(subject, { concurrency: AT_ONCE }, () => {
      for (const { name, source, attack } of attacks) test(`${name} [${source}]`, () => attack(target));
    });
  }
});

describe("outside development", { concurrency: AT_ONCE }, () => {
  let outside;
  before(async () => void (outside = await openOutside()));
  after(() => closeOutside(outside));
  for (const { name, source, attack } of outsiders) test(`${name} [${source}]`, () => attack(outside));
});

describe("in peace", () => {
  for (const { name, source, attack } of timings) test(`${name} [${source}]`, () => attack(target));
});

describe("afterwards", () => {
  const words = (text) => new Set(text.match(/[A-Za-z0-9_-]{16,}/g));
  /** The part of a secret that cannot be there by chance. */
  const core = (secret) => secret.split(".").toSorted((a, b) => b.length - a.length)[0];
  const assertNone = (text) => {
    const found = words(text);
    const secrets = usedSecrets();
    assert.ok(secrets.length > 1000, `${secrets.length} secrets were used`);
    assert.deepEqual(secrets.filter((secret) => found.has(core(secret))), []);
  };

  test("a secret would be found", () => {
    for (const secret of usedSecrets().slice(0, 20)) assert.throws(() => assertNone(`{"url":"/x?y=${secret}&z"}`));
  });

  test("no code, token, key, secret, cookie or ticket is in the log [CWE-532]", () => {
    const { logs } = target.world.stack;
    assert.ok(logs.length > 0 && logs.length < MAX_LOGS, `${logs.length} lines`);
    assertNone(logs.map(({ message }) => message).join("\n"));
  });

  test("no code, token, key, secret, cookie or ticket is in any table [CWE-312]", async () => {
    const all = await dump(target.world);
    assert.ok(all.audit_logs.length > 100);
    assertNone(JSON.stringify(all));
  });

  test("no worker broke down [CWE-248]", () => {
    const { logs } = target.world.stack;
    assert.deepEqual(logs.filter(({ message }) => /panic|unreachable|RuntimeError|Uncaught/i.test(message)), []);
  });
});
