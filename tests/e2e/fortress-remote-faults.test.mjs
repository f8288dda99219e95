// A Fortress server with another key, without the right one, that is gone, or dies under a run.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { makeKeys } from "../../scripts/lib/dev-keys.mjs";
import { startFortressServer } from "./fortress-server.mjs";
import { asked, bad, overFortressServer, run, sha256, startWorld, unique, until } from "./support.mjs";

overFortressServer();

let world;
before(async () => void (world = await startWorld()));
after(() => world?.close());

const secureExecute = (args) => bad(world, "fortress", "fortress_secure_execute", args);

async function jobOf(prompt) {
  const found = await world.stack.d1("SELECT * FROM fortress_jobs WHERE prompt_hash = ?", [sha256(prompt)]);
  assert.equal(found.length, 1);
  return found[0];
}

test("what another key signed fails the run, and nothing of it is handed out or logged", async () => {
  const { secrets } = await makeKeys();
  const other = await startFortressServer({ key: secrets.PGP_PRIVATE_KEY, modelUrl: world.model.url });
  try {
    await world.restart({ vars: other.vars });
    const prompt = `${unique("forged")} echo: hi`;
    const error = await secureExecute({ prompt, label: "forged" });
    assert.equal(error.code, "SIGNATURE_INVALID");
    const job = await jobOf(prompt);
    assert.deepEqual([job.status, job.sealed_output, job.signature, job.assertion_id], ["failed", null, null, null]);
    assert.equal(job.cost_status, "priced", "the model was asked");
    const execution = { prompt: unique("forged"), security_level: "fortress" };
    assert.equal((await bad(world, "coordinator", "chitty_secure_ai_execute", execution)).code, "SIGNATURE_INVALID");
  } finally {
    await other.close();
  }
});

test("a wrong key for the API is told, and costs nothing", async () => {
  await world.restart({ vars: { FORTRESS_API_KEY: "wrong" } });
  const prompt = unique("wrong key");
  assert.equal((await secureExecute({ prompt, label: "wrong" })).code, "FORTRESS_API_REFUSED");
  const job = await jobOf(prompt);
  assert.deepEqual([job.status, job.cost_status], ["failed", "none"]);
  assert.equal(asked(world, prompt).length, 0);
});

test("a server that is gone is told, named by /health, and never by its address", async () => {
  const health = async () => (await fetch(`${world.stack.urls.fortress}/health`)).json();
  await world.restart({ vars: { FORTRESS_API_URL: "http://127.0.0.1:9" } });
  const prompt = unique("nobody");
  const error = await secureExecute({ prompt, label: "nobody" });
  assert.equal(error.code, "FORTRESS_API_UNAVAILABLE");
  const gone = await health();
  assert.deepEqual([gone.status, gone.fortress_api], ["unhealthy", "down"]);
  const told = JSON.stringify([gone, error, (await jobOf(prompt)).error_message]);
  assert.equal(told.includes("127.0.0.1"), false, told);

  await world.restart();
  assert.equal((await health()).fortress_api, "up");
  const done = await run(world, { prompt: `${unique("again")} echo: fine`, label: "again" });
  assert.match(done.output, /Echo: fine/);
});

test("a server that dies under a run fails it, once, with a cost that nobody knows", async () => {
  const prompt = `${unique("killed")} [[fault:hang]]`;
  const args = { prompt, label: "killed", evidence_id: unique("killed") };
  const failed = secureExecute(args);
  await until("the agent to ask the model", () => asked(world, prompt).length === 1);
  await world.fortressServer.restart();
  const error = await failed;
  assert.deepEqual([error.code, /INTERRUPTED/.test(error.message)], ["RUN_FAILED", true], error.message);
  const job = await jobOf(prompt);
  assert.deepEqual([job.status, job.cost_status], ["failed", "estimated"]);
  assert.equal((await secureExecute(args)).code, "RUN_FAILED");
  assert.equal(asked(world, prompt).length, 1);
});

test("an agent that fails is told with the reason, and what it cost is booked", async () => {
  const prompt = `${unique("refused")} [[fault:500]]`;
  const error = await secureExecute({ prompt, label: "refused" });
  assert.equal(error.code, "RUN_FAILED");
  assert.match(error.message, /AGENT_FAILED.*HTTP 500/);
  assert.equal((await jobOf(prompt)).cost_status, "none");
});
