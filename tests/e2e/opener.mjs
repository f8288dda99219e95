// The browser that programs open: it leaves the address in a file, and a person of ours goes on from there.
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { until } from "./support.mjs";

const OPENED_WITHIN_MS = 25_000;

/**
 * A home of its own for a program that opens pages. `env` is what the program is started with; `opened` waits for the
 * address that it opens and takes it; `close` removes all.
 */
export function makeOpener() {
  const home = mkdtempSync(join(tmpdir(), "chitty-home-"));
  const file = join(home, "opened");
  // Debian's name for the browser and that of desktops; elsewhere BROWSER is asked.
  const shims = ["x-www-browser", "xdg-open"].map((name) => join(home, name));
  for (const shim of shims) {
    writeFileSync(shim, `#!/bin/sh\nprintf %s "$1" > "${file}.part" && mv "${file}.part" "${file}"\n`);
    chmodSync(shim, 0o755);
  }
  return {
    home,
    env: { PATH: [home, process.env.PATH].join(delimiter), BROWSER: shims[0], HOME: home },
    async opened() {
      await until("a browser to be opened", () => existsSync(file), OPENED_WITHIN_MS);
      const url = readFileSync(file, "utf8");
      rmSync(file);
      return url;
    },
    close: () => rmSync(home, { recursive: true, force: true, maxRetries: 3 }),
  };
}
