// The authorization scenarios of the MCP conformance suite, for every revision it knows, with nobody at the keyboard.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ROOT, freePort } from "../../scripts/lib/stack.mjs";
import { Browser, issuer, register, resource, userKey } from "./oauth.mjs";
import { startWorld } from "./support.mjs";

const SUITE = join(ROOT, "node_modules/@modelcontextprotocol/conformance/dist/index.js");
/** Scenarios and the revisions they belong to, as the suite lists them. */
const SCENARIOS = scenarios();
const REVISIONS = [...new Set(Object.values(SCENARIOS).flat())];
const URL_LINE = /^(http:\/\/\S+\/authorize\?\S+)$/m;

let world;
before(async () => void (world = await startWorld()));
after(() => world?.close());

function scenarios() {
  const text = execFileSync(process.execPath, [SUITE, "list", "--authorization"], { encoding: "utf8" });
  const found = Array.from(text.matchAll(/^ {2}- (\S+) \[([^\]]+)\]$/gm), ([, name, revisions]) => [name, revisions.split(",")]);
  return Object.fromEntries(found);
}

/** Runs the suite, follows the URL that it prints, and returns its checks by scenario and what it printed. */
async function run(revision, browser, more) {
  const folder = mkdtempSync(join(tmpdir(), "chitty-suite-"));
  const port = await freePort();
  const client = await register(world, { redirect_uris: [`http://127.0.0.1:${port}/callback`] });
  const args = ["authorization", "--url", issuer(world), "--spec-version", revision, "--client-id", client.id, "--port", port, "--output-dir", folder, ...more];
  const suite = spawn(process.execPath, [SUITE, ...args.map(String)], { stdio: ["ignore", "pipe", "pipe"] });
  try {
    const closed = once(suite, "close");
    let output = "";
    let followed;
    const read = (data) => {
      output += data;
      const [, url] = URL_LINE.exec(output) ?? [];
      followed ??= url && browser.authorize(url).then((back) => fetch(back));
    };
    suite.stdout.on("data", read);
    suite.stderr.on("data", read);
    const [code] = await closed;
    await followed;
    return { code, output, checks: checksIn(folder) };
  } finally {
    suite.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

function checksIn(folder) {
  const files = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith("checks.json"));
  return files.flatMap((name) => JSON.parse(readFileSync(join(folder, name), "utf8")));
}

test("the suite has authorization scenarios for each revision that it knows", () => {
  assert.deepEqual(Object.keys(SCENARIOS), ["authorization-server-metadata-endpoint", "authorization-code-grant"]);
  assert.ok(["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"].every((revision) => REVISIONS.includes(revision)), String(REVISIONS));
});

/** The first revision knows no resource. */
const RUNS = [...REVISIONS.map((revision) => [revision, "with a resource"]), ["2025-03-26", "without one"]];

for (const [revision, what] of RUNS) {
  test(`${revision}, ${what}: every check passes`, async () => {
    const browser = new Browser(world, await userKey(world));
    const { code, output, checks } = await run(revision, browser, what === "without one" ? [] : ["--resource", resource(world)]);
    assert.equal(code, 0, output);
    const expected = Object.keys(SCENARIOS).filter((name) => SCENARIOS[name].includes(revision));
    const passed = checks.filter(({ status }) => status === "SUCCESS");
    assert.deepEqual(checks.filter(({ status }) => status !== "SUCCESS"), [], output);
    assert.ok(passed.length >= expected.length, `${passed.length} checks of ${expected}`);
    assert.ok(passed.some(({ id }) => id === "authorization-code-grant"));
  });
}
