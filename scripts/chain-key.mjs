#!/usr/bin/env node
// Makes the key pair that signs the log's checkpoints, or that of a witness (C2SP signed-note, Ed25519).
import { parseArgs } from "node:util";
import { LOG, noteKeys, WITNESS } from "./lib/note-keys.mjs";

const USAGE = `Usage: node scripts/chain-key.mjs [--witness] NAME

NAME is the log's origin for ever, such as log.example.com/chittychain, or the witness's name, such as
witness.example.org/w1: no spaces, no plus sign. Prints the value of CHAIN_SIGNING_KEY, with --witness of
WITNESS_SIGNING_KEY (secret), and the verifier key (public: hand it out).
`;

function parsed() {
  try {
    return parseArgs({ allowPositionals: true, options: { witness: { type: "boolean" }, help: { type: "boolean", short: "h" } } });
  } catch {
    return { values: {}, positionals: [] };
  }
}

const { values, positionals } = parsed();
const [name] = positionals;
if (values.help || positionals.length !== 1 || name === "" || /[\s+]/.test(name)) {
  (values.help ? process.stdout : process.stderr).write(USAGE);
  process.exit(values.help ? 0 : 2);
}
const { signer, verifier } = noteKeys(name, values.witness ? WITNESS : LOG);
const secret = values.witness ? "WITNESS_SIGNING_KEY" : "CHAIN_SIGNING_KEY";
process.stdout.write(`${secret.padEnd(21)}${signer}\n${"verifier key".padEnd(21)}${verifier}\n`);
