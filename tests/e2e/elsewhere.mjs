// A machine that has never seen this project: the system's own programs, a package, no network.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";

const run = promisify(execFile);
const LIMIT_MS = 60_000;

/** Folders that are part of the system's /usr on some, and of their own on others. */
const SYSTEM = ["/usr", "/bin", "/sbin", "/lib", "/lib64"].filter(existsSync);
/** Which awk and which settings of openssl are the system's. */
const SETTINGS = ["/etc/alternatives", "/etc/ssl/openssl.cnf"];

const MACHINE = [
  "--unshare-all", "--die-with-parent", "--new-session", "--clearenv",
  "--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin",
  ...SYSTEM.flatMap((folder) => ["--ro-bind", folder, folder]),
  ...SETTINGS.flatMap((path) => ["--ro-bind-try", path, path]),
  "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
];

/** Runs a program there in `folder`, which it cannot change. Answers `{code, stdout, stderr}`. */
export async function elsewhere(folder, ...program) {
  const args = [...MACHINE, "--ro-bind", folder, "/package", "--chdir", "/package", "--", ...program];
  const ended = run("bwrap", args, { timeout: LIMIT_MS });
  return ended.then((out) => ({ code: 0, ...out }), ({ code, stdout, stderr }) => ({ code, stdout, stderr }));
}
