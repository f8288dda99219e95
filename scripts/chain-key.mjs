#!/usr/bin/env node
// Makes the key pair that signs the log's checkpoints, or one of a witness (C2SP signed-note).
import { parseArgs } from "node:util";
import { LOG, ML_DSA_WITNESS, noteKeys, WITNESS } from "./lib/note-keys.mjs";

const USAGE = `Usage: node scripts/chain-key.mjs [--witness [--ml-dsa]] NAME

NAME is the log's origin for ever, such as log.example.com/chittychain, or the witness's name, such as
witness.example.org/w1: no spaces, no plus sign, at most 255 bytes. Prints the value of CHAIN_SIGNING_KEY, with
--witness of WITNESS_SIGNING_KEY, with --ml-dsa of WITNESS_SIGNING_KEY_ML_DSA (ML-DSA-44; Node 24 or later), which is
secret, and the verifier key (public: hand it out).
`;

function parsed() {
  try {
    return parseArgs({ allowPositionals: true, options: { witness: { type: "boolean" }, "ml-dsa": { type: "boolean" }, help: { type: "boolean", short: "h" } } });
  } catch {
    return { values: {}, positionals: [] };
  }
}

const { values, positionals } = parsed();
const [name] = positionals;
const wrong = positionals.length !== 1 || name === "" || /[\s+]/.test(name) || Buffer.byteLength(name) > 255;
if (values.help || wrong || (values["ml-dsa"] && !values.witness)) {
  (values.help ? process.stdout : process.stderr).write(USAGE);
  process.exit(values.help ? 0 : 2);
}
function wanted() {
  if (values["ml-dsa"]) return [ML_DSA_WITNESS, "WITNESS_SIGNING_KEY_ML_DSA"];
  return values.witness ? [WITNESS, "WITNESS_SIGNING_KEY"] : [LOG, "CHAIN_SIGNING_KEY"];
}

const [type, secret] = wanted();
if (type === ML_DSA_WITNESS && Number(process.versions.node.split(".")[0]) < 24) {
  process.stderr.write(`This Node (${process.version}) has no ML-DSA: run it with 24 or later.\n`);
  process.exit(2);
}
const { signer, verifier } = noteKeys(name, type);
process.stdout.write(`${secret.padEnd(28)}${signer}\n${"verifier key".padEnd(28)}${verifier}\n`);
