#!/usr/bin/env node
// Makes the key pair that signs the log's checkpoints (C2SP signed-note, Ed25519).
import { noteKeys } from "./lib/note-keys.mjs";

const [name] = process.argv.slice(2);
if (!name || name.startsWith("-") || /[\s+]/.test(name)) {
  const usage = "Usage: node scripts/chain-key.mjs NAME\n\nNAME is the log's origin for ever, such as log.example.com/chittychain: no spaces, no plus sign.\nPrints the value of CHAIN_SIGNING_KEY (secret) and the verifier key (public: hand it out).\n";
  const helped = name === "--help" || name === "-h";
  (helped ? process.stdout : process.stderr).write(usage);
  process.exit(helped ? 0 : 2);
}
const { signer, verifier } = noteKeys(name);
process.stdout.write(`CHAIN_SIGNING_KEY  ${signer}\nverifier key       ${verifier}\n`);
