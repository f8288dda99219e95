// CPU time from /proc: of a process, of this program with what it started, of the whole machine.
import { readFileSync } from "node:fs";

/** Linux reports CPU time in hundredths of a second, whatever the kernel's own clock. */
const TICK_US = 10_000;

/** The numbers after the name in /proc/<pid>/stat; the name may hold anything. */
function fields(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  return text.slice(text.lastIndexOf(")") + 2).split(" ").map(Number);
}

/** CPU time a process has used, in microseconds. */
export function usedBy(pid) {
  const stat = fields(pid);
  return (stat[11] + stat[12]) * TICK_US;
}

/** The same of this process and of its children that have ended. */
function usedHere() {
  return fields("self").slice(11, 15).reduce((sum, ticks) => sum + ticks, 0) * TICK_US;
}

function machine() {
  const line = readFileSync("/proc/stat", "utf8").split("\n", 1)[0];
  const [user, nice, system, idle, iowait, irq, softirq, steal] = line.trim().split(/\s+/).slice(1).map((n) => Number(n) * TICK_US);
  const busy = user + nice + system + irq + softirq;
  return { busy, steal, all: busy + idle + iowait + steal };
}

/**
 * Watches the machine from now on. The function returned gives percent of all CPU time since:
 * `steal` taken by the hypervisor, `others` used by programs that are not ours.
 *
 * @param {number[]} pids our processes besides this one
 */
export function watchMachine(pids) {
  const ours = () => usedHere() + pids.reduce((sum, pid) => sum + usedBy(pid), 0);
  const before = machine();
  const oursBefore = ours();
  return () => {
    const now = machine();
    const all = now.all - before.all;
    const others = now.busy - before.busy - (ours() - oursBefore);
    return { steal: (100 * (now.steal - before.steal)) / all, others: Math.max(0, (100 * others) / all) };
  };
}
