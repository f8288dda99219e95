// The log part of the bench: facts through the fortress worker, from the append to the published receipt.
import { setTimeout as pause } from "node:timers/promises";
import { command, fact, FRONT } from "../e2e/appends.mjs";
import { readLog } from "../e2e/tiles.mjs";
import { measureAudit } from "./auditing.mjs";
import { watchMachine } from "./cpu.mjs";
import { say } from "./rounds.mjs";
import { quantile } from "./statistics.mjs";
import { measureVerifying } from "./verifying.mjs";

/** Facts a second that are offered, whatever comes back, and how many a request brings. */
const OFFERED = 2_000;
const BATCH = 100;
const SUSTAINED_SECONDS = 600;
const WARM_UP_SECONDS = 5;
/** As many requests at once as make the log the limit. */
const WRITERS = 48;
const SATURATED_SECONDS = 20;

const facts = (count) => Array.from({ length: count }, (_, n) => fact(`bench/${n}`));

/** Appends a batch; every receipt has to be one. Returns how long it took, in ms. */
async function append(base, since) {
  const { status, body } = await command(base, { append_all: facts(BATCH) });
  if (status !== 200) throw new Error(`the log answered ${status}: ${JSON.stringify(body)}`);
  for (const { receipt } of body) {
    if (!receipt?.checkpoint || receipt.replayed) throw new Error(`no receipt: ${JSON.stringify(body).slice(0, 300)}`);
  }
  return performance.now() - since;
}

/** Requests at fixed times, waited for from then on, so that a slow answer delays no other. */
async function offer(base, rate, seconds) {
  const start = performance.now();
  const every = (BATCH * 1000) / rate;
  const answers = [];
  for (let n = 0; n * every < seconds * 1000; n += 1) {
    const due = start + n * every;
    await pause(Math.max(0, due - performance.now()));
    answers.push(append(base, due));
  }
  const times = await Promise.all(answers);
  const took = (performance.now() - start) / 1000;
  return { rate: (times.length * BATCH) / took, p50: quantile(times, 0.5), p99: quantile(times, 0.99), most: Math.max(...times) };
}

/** Each writer asks again as soon as it is answered. */
async function saturate(base, seconds) {
  const start = performance.now();
  const times = [];
  const writer = async () => {
    while (performance.now() - start < seconds * 1000) times.push(await append(base, performance.now()));
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
  const took = (performance.now() - start) / 1000;
  return { rate: (times.length * BATCH) / took, p50: quantile(times, 0.5), p99: quantile(times, 0.99), most: Math.max(...times) };
}

/** Measures, and returns what the report says of it. */
export async function measureLog(servers) {
  say("Starting the workers ...");
  const product = await servers.product({ fronts: { fortress: FRONT } });
  const base = product.urls.fortress;
  await offer(base, OFFERED, WARM_UP_SECONDS);
  const noise = watchMachine(servers.pids);
  say(`Offering ${OFFERED} facts a second for ${SUSTAINED_SECONDS} s ...`);
  const sustained = await offer(base, OFFERED, SUSTAINED_SECONDS);
  say(`As many as go for ${SATURATED_SECONDS} s ...`);
  const saturated = await saturate(base, SATURATED_SECONDS);
  const machine = noise();
  say("Checking proofs and signatures ...");
  const verifying = await measureVerifying(servers, product);
  say("Reading the published log ...");
  const { size } = await readLog(base);
  const audit = await measureAudit(product);
  return { sustained, saturated, size, noise: machine, verifying, audit, offered: OFFERED, batch: BATCH, writers: WRITERS, seconds: SUSTAINED_SECONDS };
}
