// What clients fetch before they ask for anything: metadata and keys.
import { once } from "./wrk.mjs";

/** Tables that an answer from memory does not need. */
const TABLES = ["signing_keys", "oauth_clients", "oauth_grants"];
const HIDDEN = "_hidden_by_bench";

/** @returns {Record<string, import("./wrk.mjs").Case>} */
export function documents(ours, theirs) {
  const get = (provider, what, path, wanted) => ({
    name: `${provider.name}, ${what}`,
    url: provider.origin + path,
    pid: provider.pid,
    headers: { accept: "application/json" },
    wanted,
  });
  const metadata = (provider) => get(provider, "server metadata", "/.well-known/oauth-authorization-server", '"token_endpoint":"');
  const resource = (provider) => get(provider, "resource metadata", "/.well-known/oauth-protected-resource/mcp", '"authorization_servers":[');
  return {
    metadata: metadata(ours),
    theirMetadata: metadata(theirs),
    resource: resource(ours),
    theirResource: resource(theirs),
    keys: get(ours, "keys", "/.well-known/jwks.json", '"keys":[{'),
  };
}

/** Throws unless our documents are the same, and nothing is complained of, while the tables they are made from are away. */
export async function checkFromMemory(product, { metadata, resource, keys }) {
  const wanted = [metadata, resource, keys];
  const before = await Promise.all(wanted.map(once));
  const logged = product.logs.length;
  for (const table of TABLES) await product.d1(`ALTER TABLE ${table} RENAME TO ${table}${HIDDEN}`);
  try {
    const without = await Promise.all(wanted.map(once));
    if (without.some((text, at) => text !== before[at])) throw new Error("a document of discovery has changed");
  } finally {
    for (const table of TABLES) await product.d1(`ALTER TABLE ${table}${HIDDEN} RENAME TO ${table}`);
  }
  const complaints = product.logs.slice(logged).map(({ message }) => message);
  if (complaints.length > 0) throw new Error(`discovery asks the database: ${complaints.join("; ")}`);
}
