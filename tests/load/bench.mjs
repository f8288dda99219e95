#!/usr/bin/env node
// The part of scripts/bench that needs Node: measures each part in turn and writes its tables.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../../scripts/lib/stack.mjs";
import { measureAnalytics } from "./analytics.mjs";
import { measureGateway } from "./gateway.mjs";
import { measureIdentity } from "./identity.mjs";
import { measureLog } from "./log.mjs";
import { describeMachine } from "./machine.mjs";
import { measureMcp } from "./mcp.mjs";
import { renderAnalytics } from "./report-analytics.mjs";
import { renderGateway } from "./report-gateway.mjs";
import { renderIdentity } from "./report-identity.mjs";
import { renderLog } from "./report-log.mjs";
import { record, render } from "./report.mjs";
import { say } from "./rounds.mjs";
import { Servers } from "./servers.mjs";

const PARTS = {
  mcp: { measure: measureMcp, render },
  identity: { measure: measureIdentity, render: renderIdentity },
  gateway: { measure: measureGateway, render: renderGateway, inMemory: true },
  analytics: { measure: measureAnalytics, render: renderAnalytics, inMemory: true },
  log: { measure: measureLog, render: renderLog, inMemory: true },
};

/** Files here are in memory. */
const MEMORY = "/dev/shm";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    rounds: { type: "string", default: "5" },
    duration: { type: "string", default: "5" },
    concurrency: { type: "string", default: "16" },
    "max-steal": { type: "string", default: "3" },
    "no-record": { type: "boolean", default: false },
  },
});

function whole(name, least, most) {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new Error(`--${name} takes a whole number from ${least} to ${most}`);
}

function wantedParts() {
  if (values.only === undefined) return Object.keys(PARTS);
  if (!Object.hasOwn(PARTS, values.only)) throw new Error(`--only takes ${Object.keys(PARTS).join(" or ")}`);
  return [values.only];
}

/** Each part starts its servers anew, so that it finds the same machine alone or after another. */
async function measurePart(name, options) {
  const { measure, render, inMemory } = PARTS[name];
  const folder = mkdtempSync(join(inMemory && existsSync(MEMORY) ? MEMORY : tmpdir(), "chitty-bench-"));
  const servers = new Servers(folder);
  try {
    const measured = await measure(servers, options, folder);
    const section = render({ machine: describeMachine(process.argv.slice(2)), options, ...measured });
    console.log(`${section}\n`);
    if (!values["no-record"]) record(join(ROOT, "docs/BENCHMARKS.md"), name, section);
  } finally {
    await servers.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main() {
  const options = {
    rounds: whole("rounds", 1, 100),
    seconds: whole("duration", 1, 600),
    concurrency: whole("concurrency", 2, 1000),
    maxSteal: whole("max-steal", 0, 100),
  };
  for (const name of wantedParts()) {
    say(`Part ${name} ...`);
    await measurePart(name, options);
  }
}

try {
  await main();
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
