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
    let same_namespaces = when(0, Op::MaskedEq(NEW_NAMESPACES), 0)?;
    rules.insert(
        libc::SYS_clone,
        vec![SeccompRule::new(vec![same_namespaces])?],
    );
    // Vsock, netlink and packet sockets are not all bound to the network namespace.
    let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];
    let family = |family: i32| {
        let condition = when(0, Op::Eq, u64::from(family.cast_unsigned()))?;
        SeccompRule::new(vec![condition])
    };
    let sockets: Result<Vec<_>, _> = families.into_iter().map(family).collect();
    rules.insert(libc::SYS_socket, sockets?);
    rules.insert(libc::SYS_socketpair, vec![family(libc::AF_UNIX)?]);
    // Typing into a terminal of somebody else.
    let typing = [
        when(1, Op::Ne, libc::TIOCSTI)?,
        when(1, Op::Ne, libc::TIOCLINUX)?,
    ];
    rules.insert(libc::SYS_ioctl, vec![SeccompRule::new(typing.to_vec())?]);
    Ok(rules)
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
            libc::SYS_shmget,
            libc::SYS_msgget,
            libc::SYS_mq_open,
            libc::SYS_personality,
        ] {
            assert!(!rules.contains_key(&call), "{call}");
        }
    }
}
