// What an audit reads a second: the monthly forensic one of the product, over all that the bench has left behind.
import { request } from "./subjects.mjs";
import { say } from "./rounds.mjs";
import { once } from "./wrk.mjs";

/** Runs of the product whose signatures it checks, and how many are made at once. */
const RUNS = 3_000;
const RUNNERS = 32;
/** The standing audit, as the schema has it. */
const MONTHLY = "00000000-0000-7000-8000-000000000303";
/** Slices that it may take to come to the facts. */
const MOST_SLICES = 100;

const tool = ({ urls, keys }, worker, name, args, wanted) => {
  const call = request("tools/call", { name, arguments: args }, { authorization: `Bearer ${keys.token}` });
  return once({ name, url: `${urls[worker]}/mcp`, wanted, ...call });
};

async function makeRuns(product, count) {
  let left = count;
  const runner = async () => {
    while (left > 0) {
      left -= 1;
      await tool(product, "fortress", "fortress_secure_execute", { prompt: `echo: ${left}`, label: "audited" }, '"signature"');
    }
  };
  await Promise.all(Array.from({ length: RUNNERS }, runner));
}

/** Makes the standing audit due, as if the deployment were old, and returns the id of its run. */
async function begin(product) {
  await product.d1("UPDATE security_audits SET created_at = 0 WHERE id = ?", [MONTHLY]);
  await product.scheduled("coordinator");
  const [{ id }] = await product.d1("SELECT id FROM security_audits WHERE id LIKE ?", [`${MONTHLY}:%`]);
  return id;
}

async function reportOf(product, id) {
  const text = await tool(product, "coordinator", "chitty_security_audit", { audit_id: id }, '"audit_report"');
  const { audit_report: report } = JSON.parse(text).result.structuredContent;
  if (report.findings.length > 0) throw new Error(`the audit has findings: ${JSON.stringify(report.findings.slice(0, 3))}`);
  return report;
}

/**
 * `{rows, signatures, published, facts}`, each `{count, ms}`, with `files` and `bytes` of the published log; `slices` that
 * the cron made of it. The facts are those of the first slice that reads them.
 */
export async function measureAudit(product, runs = RUNS) {
  say(`Making ${runs} signed runs ...`);
  await makeRuns(product, runs);
  say("Auditing ...");
  const id = await begin(product);
  let report = await reportOf(product, id);
  let slices = 1;
  for (; report.facts_read === 0 && report.status === "running"; slices += 1) {
    if (slices >= MOST_SLICES) throw new Error(`the audit read no facts in ${slices} slices`);
    await product.scheduled("coordinator");
    report = await reportOf(product, id);
  }
  const { spent, published } = report;
  return {
    slices,
    rows: { count: report.rows_read, ms: spent.rows_ms },
    signatures: { count: report.signatures_checked, ms: spent.signatures_ms },
    published: { count: published.leaves, ms: spent.published_ms, files: published.files, bytes: published.bytes },
    facts: { count: report.facts_read, ms: spent.facts_ms },
  };
}
