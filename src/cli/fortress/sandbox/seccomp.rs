//! The system calls an agent may make; any other is "not implemented" to it.
//!
//! A list of what is allowed, because a list of what is not has holes that grow with each
//! kernel, and one at once: x32 calls bear other numbers under the same architecture.

use std::collections::BTreeMap;

use seccompiler::{
    SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::syscalls::{ALLOWED, OLDER};

/// `CLONE_NEW*` (linux/sched.h): a namespace of its own would give an agent capabilities in it.
const NEW_NAMESPACES: u64 = 0x7E02_0000 | 0x80;

/// `linux/close_range.h`.
const CLOSE_RANGE_UNSHARE: u64 = 2;

/// All that is spoken of IP. What others (SCTP, DCCP, MPTCP) keep in memory of the kernel no bound
/// counts, and to ask for one has the host load its module.
const TCP_AND_UDP: [(i32, i32); 4] = [
    (libc::SOCK_STREAM, 0),
    (libc::SOCK_STREAM, libc::IPPROTO_TCP),
    (libc::SOCK_DGRAM, 0),
    (libc::SOCK_DGRAM, libc::IPPROTO_UDP),
];
/// `linux/net.h`, `SOCK_TYPE_MASK`: the bits above it are flags.
const SOCKET_KIND: u64 = 0xF;

#[derive(Debug, thiserror::Error)]
pub enum SeccompError {
    #[error("the filter of system calls cannot be made: {0}")]
    Filter(#[from] seccompiler::BackendError),
    #[error("the kernel does not take the filter of system calls: {0}")]
    Kernel(#[from] seccompiler::Error),
}

/// Holds for this thread and all that it starts from now on, for good.
pub fn apply() -> Result<(), SeccompError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let unlisted = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let filter = SeccompFilter::new(rules()?, unlisted, SeccompAction::Allow, arch)?;
    let program: seccompiler::BpfProgram = filter.try_into()?;
    Ok(seccompiler::apply_filter(&program)?)
}

fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    let listed = ALLOWED.iter().chain(OLDER);
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        listed.map(|&call| (call, Vec::new())).collect();
    let when = |arg, op, value| SeccompCondition::new(arg, Len::Dword, op, value);
    // clone3 keeps its flags where a filter cannot read them: unlisted, so libc uses clone.
    // Threads have the files of their process, where the watch counts them.
    let (thread, files) = (flags(libc::CLONE_THREAD), flags(libc::CLONE_FILES));
    let process = when(0, Op::MaskedEq(NEW_NAMESPACES | thread), 0)?;
    let thread = when(
        0,
        Op::MaskedEq(NEW_NAMESPACES | thread | files),
        thread | files,
    )?;
    rules.insert(libc::SYS_clone, either([process, thread])?);
    let same_files = when(2, Op::MaskedEq(CLOSE_RANGE_UNSHARE), 0)?;
    rules.insert(libc::SYS_close_range, either([same_files])?);
    // Vsock, netlink and packet sockets are not all bound to the network namespace.
    let family = |family: i32| when(0, Op::Eq, flags(family));
    let mut sockets = either([family(libc::AF_UNIX)?])?;
    for ip in [libc::AF_INET, libc::AF_INET6] {
        for (kind, protocol) in TCP_AND_UDP {
            let kind = when(1, Op::MaskedEq(SOCKET_KIND), flags(kind))?;
            let protocol = when(2, Op::Eq, flags(protocol))?;
            sockets.push(SeccompRule::new(vec![family(ip)?, kind, protocol])?);
        }
    }
    rules.insert(libc::SYS_socket, sockets);
    rules.insert(libc::SYS_socketpair, either([family(libc::AF_UNIX)?])?);
    // Its buffers stay as large as the machine makes them, by which open files are bounded.
    let not = |option| when(2, Op::Ne, flags(option));
    let of_protocol = vec![when(1, Op::Ne, flags(libc::SOL_SOCKET))?];
    let no_buffer = vec![not(libc::SO_RCVBUF)?, not(libc::SO_SNDBUF)?];
    let options = [of_protocol, no_buffer].map(SeccompRule::new);
    let options = options.into_iter().collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_setsockopt, options);
    // Memory that is shared and of no file: once it is unmapped, no process's status counts it.
    let is_private = when(
        3,
        Op::MaskedEq(flags(libc::MAP_TYPE)),
        flags(libc::MAP_PRIVATE),
    )?;
    let is_of_file = when(3, Op::MaskedEq(flags(libc::MAP_ANONYMOUS)), 0)?;
    rules.insert(libc::SYS_mmap, either([is_private, is_of_file])?);
    // With less than its limit on core dumps a process would hand them to a program of the host.
    let core = u64::from(libc::RLIMIT_CORE);
    let is_other = |arg| when(arg, Op::Ne, core);
    let only_asks = SeccompCondition::new(2, Len::Qword, Op::Eq, 0)?;
    rules.insert(libc::SYS_prlimit64, either([is_other(1)?, only_asks])?);
    rules.insert(libc::SYS_setrlimit, either([is_other(0)?])?);
    // Typing into a terminal of somebody else.
    let typing = [
        when(1, Op::Ne, libc::TIOCSTI)?,
        when(1, Op::Ne, libc::TIOCLINUX)?,
    ];
    rules.insert(libc::SYS_ioctl, vec![SeccompRule::new(typing.to_vec())?]);
    Ok(rules)
}

/// One of them is enough.
fn either<const N: usize>(
    conditions: [SeccompCondition; N],
) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let rules = conditions.map(|condition| SeccompRule::new(vec![condition]));
    rules.into_iter().collect()
}

fn flags(bits: i32) -> u64 {
    u64::from(bits.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_that_reaches_outside_is_listed() {
        let rules = rules().unwrap();
        for call in [
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_pidfd_getfd,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_clone3,
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_pivot_root,
            libc::SYS_chroot,
            libc::SYS_fsopen,
            libc::SYS_move_mount,
            libc::SYS_open_tree,
            libc::SYS_bpf,
            libc::SYS_perf_event_open,
            libc::SYS_userfaultfd,
            libc::SYS_io_uring_setup,
            libc::SYS_keyctl,
            libc::SYS_add_key,
            libc::SYS_request_key,
            libc::SYS_kexec_load,
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_open_by_handle_at,
            libc::SYS_memfd_create,
            libc::SYS_vmsplice,
            libc::SYS_shmget,
            libc::SYS_msgget,
            libc::SYS_mq_open,
            libc::SYS_personality,
        ] {
            assert!(!rules.contains_key(&call), "{call}");
        }
    }
}
