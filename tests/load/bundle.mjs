// What the bench compares with is TypeScript, bundled as wrangler would.
import { join } from "node:path";
import { build } from "esbuild";
import { ROOT } from "../../scripts/lib/stack.mjs";

/** Bundles tests/load/<name>/server.ts into its build folder. `alias` puts files in the place of modules. */
export async function bundle(name, alias = {}) {
  const folder = join(ROOT, "tests/load", name);
  await build({
    entryPoints: [join(folder, "server.ts")],
    outfile: join(folder, "build/index.js"),
    alias,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*"],
    logLevel: "error",
  });
}
