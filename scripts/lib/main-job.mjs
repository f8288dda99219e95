// The main job: one verified execution through the coordinator's /mcp, by a real MCP client,
// then its facts checked against the chain and its evidence package fetched.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const PROMPT = "In two sentences: why should an AI's answer come with a receipt?";
const CALL_TIMEOUT_MS = 120_000;

/**
 * Runs the job and returns what came of it. `verdicts` name each thing that must hold; the job is
 * good if all are true.
 *
 * @param {{url: string, token: string, userId: string, model: string, prompt?: string}} options
 *   `url` is the coordinator's, without /mcp
 * @returns {Promise<{execution: object, chain: object, evidence: object, verdicts: Record<string, boolean>}>}
 */
export async function runMainJob({ url, token, userId, model, prompt = PROMPT }) {
  const client = new Client(
    { name: "chittymcp-main-job", version: "1.0.0" },
    { versionNegotiation: { mode: "auto" } },
  );
  await client.connect(
    new StreamableHTTPClientTransport(new URL("/mcp", url), {
      requestInit: { headers: { Authorization: `Bearer ${token}` } },
    }),
  );
  try {
    const case_id = `CASE-DEV-${new Date().toISOString().slice(0, 10)}`;
    const execution = await call(client, "chitty_secure_ai_execute", {
      prompt,
      user_id: userId,
      security_level: "verified",
      model,
      create_evidence: true,
      case_id,
      label: "main job",
    });
    const fact_ids = execution.results?.chain_facts ?? [];
    // Without facts, the tool would verify recent ones, which is not what is asked here.
    const chain = fact_ids.length > 0 ? await call(client, "chitty_chain_verify", { fact_ids }) : {};
    const evidence = await call(client, "chitty_evidence_package", {
      execution_id: execution.execution_id,
      case_id,
      package_format: "json",
    });
    return { execution, chain, evidence, verdicts: judge(execution, chain, evidence) };
  } finally {
    await client.close();
  }
}

async function call(client, name, args) {
  const result = await client.callTool({ name, arguments: args }, { timeout: CALL_TIMEOUT_MS });
  if (result.isError) throw new Error(`${name}: ${reason(result.content?.[0]?.text)}`);
  if (!result.structuredContent) throw new Error(`${name} answered without structured content`);
  return result.structuredContent;
}

/** What a failed tool says, with the id that its log lines have. */
function reason(text = "failed without a reason") {
  try {
    const { code, message, request_id } = JSON.parse(text).error;
    return `${message} (${code}, request ${request_id})`;
  } catch {
    return text;
  }
}

function judge(execution, { verification: chain }, { evidence_package: evidence }) {
  const { status, verification, evidence_id, execution_id, results } = execution;
  const facts = results?.chain_facts ?? [];
  return {
    "execution completed": status === "completed",
    "signed by fortress": verification?.fortress_signed === true,
    "signature valid": verification?.signature_valid === true,
    "two facts logged": verification?.chain_facts_logged === 2 && new Set(facts).size === 2,
    "facts proven in the chain": chain?.all_valid === true && chain.facts_verified === 2,
    "evidence recorded": typeof evidence_id === "string" && evidence_id !== "",
    "evidence package made": evidence?.execution_id === execution_id && typeof evidence.package_id === "string",
  };
}

/** The job's outcome for people. */
export function describe({ execution, chain, evidence, verdicts }) {
  const { results = {} } = execution;
  const lines = [
    "",
    "The answer (fortress, signed):",
    indent(results.fortress_output ?? "(none)"),
    "The same prompt, asked directly:",
    indent(results.chatgpt_response ?? "(none)"),
    "",
    row("execution", execution.execution_id),
    row("status", execution.status),
    row("model", answeredBy(results.fortress_manifest)),
    row("signature", signature(execution.verification)),
    ...positions(results.chain_facts ?? [], chain.verification),
    row("cost", execution.cost_usd ? `$${execution.cost_usd}` : "unpriced"),
    row("evidence", execution.evidence_id ?? "none"),
    row("package", evidence.evidence_package?.package_id ?? "none"),
    "",
    ...Object.entries(verdicts).map(([what, holds]) => `  ${holds ? "✓" : "✗"} ${what}`),
    "",
  ];
  return lines.join("\n");
}

const indent = (text) => text.trim().split("\n").map((line) => `    ${line}`).join("\n");
const row = (name, value) => `  ${name.padEnd(12)}${value}`;

/** The model that answered, by the provider's own account, as the signed manifest has it. */
function answeredBy(manifest) {
  return manifest ? JSON.parse(manifest).model_answered : "unknown";
}

function signature({ signature_valid, signature_explanation, key_fingerprint } = {}) {
  const verdict = signature_valid === true ? `valid, by key ${key_fingerprint ?? "unknown"}` : "NOT VALID";
  return signature_explanation ? `${verdict} (${signature_explanation})` : verdict;
}

/** Each fact with its place in the log: `chain  leaf 3 of 5  <fact id>`. */
function positions(facts, verification) {
  return facts.map((id) => {
    const fact = verification?.facts?.find(({ fact_id }) => fact_id === id);
    const place = Number.isInteger(fact?.leaf_index) ? `leaf ${fact.leaf_index} of ${fact.tree_size}` : "no place told";
    return row("chain", `${place}  ${id}`);
  });
}
