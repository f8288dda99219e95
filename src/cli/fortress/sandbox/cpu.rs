//! Processor time of a run.

use std::collections::BTreeMap;

use super::watch::Process;

/// The time so far, which never goes down: of processes that were seen, also after they ended,
/// or of those that live with all that they waited for, whichever is more. The kernel adds the
/// time of a process to its parent's only if that waits for it.
#[derive(Debug, Default)]
pub struct Cpu {
    /// Own time of each process at the last look, by pid and start.
    living: BTreeMap<(u64, u64), u64>,
    /// Own time of those that ended since.
    ended: u64,
    /// Highest sum of own and waited time.
    waited: u64,
}

impl Cpu {
    /// Takes in all processes that live, and gives the sum in ticks.
    pub fn after(&mut self, processes: &[Process]) -> u64 {
        let own = |process: &Process| ((process.pid, process.started), process.own_ticks);
        let living: BTreeMap<_, _> = processes.iter().map(own).collect();
        let ended = self
            .living
            .iter()
            .filter(|(id, _)| !living.contains_key(*id));
        self.ended += ended.map(|(_, ticks)| ticks).sum::<u64>();
        self.living = living;
        let seen = self.ended + self.living.values().sum::<u64>();
        let waited = processes
            .iter()
            .map(|process| process.own_ticks + process.waited_ticks);
        self.waited = self.waited.max(waited.sum());
        seen.max(self.waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u64, own_ticks: u64, waited_ticks: u64) -> Process {
        Process {
            pid,
            started: pid,
            own_ticks,
            waited_ticks,
            ..Process::default()
        }
    }

    #[test]
    fn time_counts_whether_a_parent_waits_or_not() {
        let mut cpu = Cpu::default();
        assert_eq!(cpu.after(&[process(1, 2, 0), process(5, 30, 0)]), 32);
        assert_eq!(cpu.after(&[process(1, 2, 0)]), 32, "nobody waited");
        assert_eq!(cpu.after(&[process(1, 2, 40)]), 42, "it was waited for");
        assert_eq!(cpu.after(&[process(1, 2, 0), process(6, 20, 0)]), 52);
        assert_eq!(cpu.after(&[]), 52, "it never goes down");
    }

    #[test]
    fn a_pid_that_is_used_again_is_another_process() {
        let mut cpu = Cpu::default();
        cpu.after(&[process(5, 30, 0)]);
        let next = Process {
            started: 9,
            ..process(5, 1, 0)
        };
        assert_eq!(cpu.after(&[next]), 31);
    }
}
