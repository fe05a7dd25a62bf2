//! What goes wrong with triggers: they name nothing, or the kernel refuses them.

use std::fs::File;
use std::io;

use probe_points::{Trigger, unprobeable_instruction};

use crate::error::{Cause, Denial, Error, ErrorKind};
use crate::kernel::capability::Capability;
use crate::kernel::privileges::Privileges;
use crate::kernel::refusal::lockdown;

impl From<probe_points::Error> for Error {
    fn from(error: probe_points::Error) -> Self {
        let kind = match error.kind {
            probe_points::ErrorKind::Malformed => ErrorKind::InvalidArgument,
            probe_points::ErrorKind::NotFound
            | probe_points::ErrorKind::Ambiguous
            | probe_points::ErrorKind::Unprobeable => ErrorKind::NoSuchProbe,
            probe_points::ErrorKind::Unsupported => ErrorKind::KernelUnsupported,
            probe_points::ErrorKind::NotPermitted => ErrorKind::NotPermitted,
            probe_points::ErrorKind::Io => ErrorKind::Io,
        };
        let hint = error
            .hint
            .unwrap_or_else(|| "'kdelay probes' lists what can be a trigger".to_owned());
        let cause = error
            .errno
            .map(|errno| Cause::of(&io::Error::from_raw_os_error(errno)));
        let error = Self {
            cause,
            ..Self::new(kind, error.message).hint(hint)
        };
        // Files and folders take other capabilities than eBPF does, and the hint names them.
        denied(error, || match denial_of_this_process() {
            (Denial::UserNamespace, hint) => (Denial::UserNamespace, hint),
            _ => (Denial::Capabilities, None),
        })
    }
}

/// Of the entry and the return of one function, which jumps to its first instruction there.
pub fn begins_again_at(start: &Trigger, at: &str) -> Error {
    let message = format!(
        "{start} fires several times in one call: at {at} the function jumps to its first instruction, as a loop does, and no call of it can be told from a round"
    );
    Error::new(ErrorKind::NoSuchProbe, message)
        .hint("give the entry and the return of a function that calls it, or one of the two triggers alone")
}

/// What the kernel says to a trigger.
pub fn refused(trigger: &Trigger, is_in_user_code: bool, error: &io::Error) -> Error {
    denied(
        explained(trigger, is_in_user_code, error),
        denial_of_this_process,
    )
}

/// The same of a place in a file, whose instruction says more.
pub fn refused_in_file(trigger: &Trigger, file: &File, offset: u64, error: &io::Error) -> Error {
    let refusal = refused(trigger, true, error);
    if !is_unsupported(error.raw_os_error()) {
        return refusal;
    }
    match unprobeable_instruction(file, offset) {
        Ok(Some(what)) => Error {
            message: format!("the kernel refused {trigger}: what stands there is {what}"),
            ..refusal
        },
        // The file may have changed meanwhile: the kernel's own word is said.
        Ok(None) | Err(_) => refusal,
    }
}

/// ENOTSUP, or the ENOTSUPP that the kernel means to keep to itself.
fn is_unsupported(errno: Option<i32>) -> bool {
    const ENOTSUPP: i32 = 524;
    matches!(errno, Some(libc::ENOTSUP | ENOTSUPP))
}

/// What became of a process while triggers were attached to it: it has ended, and perhaps for that.
pub fn ended_while_attached(pid: u32, trigger: &Trigger) -> Error {
    let message = format!("process {pid} ended while {trigger} was attached to it");
    Error::new(ErrorKind::ProcessEnded, message)
        .hint("it may have ended by itself; if it does so again, the probe may be the cause: choose another place")
        .cause(Cause::of(&io::Error::from_raw_os_error(libc::ESRCH)).probe(trigger.to_string()))
}

/// What stands between this process and what not even CAP_BPF and CAP_PERFMON allow. With it: what to do, where rights of another
/// kind would not help.
fn denial_of_this_process() -> (Denial, Option<String>) {
    denial(Privileges::of_this_process(), lockdown().is_some())
}

fn denial(privileges: Privileges, is_locked_down: bool) -> (Denial, Option<String>) {
    if is_locked_down {
        (Denial::Lockdown, None)
    } else if privileges.has_own_user_namespace {
        (Denial::UserNamespace, Some(privileges.hint()))
    } else if privileges.has(Capability::SysAdmin) {
        (Denial::Policy, Some(privileges.hint()))
    } else {
        (Denial::Capabilities, None)
    }
}

/// The error, with what denies it if something does.
fn denied(error: Error, denial: impl FnOnce() -> (Denial, Option<String>)) -> Error {
    let Error { kind, cause, .. } = &error;
    let (ErrorKind::NotPermitted, Some(cause)) = (kind, cause) else {
        return error;
    };
    let (denial, hint) = denial();
    let cause = cause.clone().denied_by(denial);
    let error = error.cause(cause);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn explained(trigger: &Trigger, is_in_user_code: bool, error: &io::Error) -> Error {
    let cause = Cause::of(error).probe(trigger.to_string());
    let (kind, hint) = match cause.errno {
        // Linux ba677dbe77af, "perf: Revert to requiring CAP_SYS_ADMIN for uprobes".
        Some(libc::EPERM | libc::EACCES) if is_in_user_code => (
            ErrorKind::NotPermitted,
            "run as root: triggers in user code take CAP_SYS_ADMIN since Linux 6.16; before, CAP_PERFMON",
        ),
        Some(libc::EPERM | libc::EACCES) => (
            ErrorKind::NotPermitted,
            "run as root, or with CAP_PERFMON; docs/privileges.md says how",
        ),
        Some(libc::EMFILE | libc::ENFILE) => (
            ErrorKind::Io,
            "raise the limit of open files, for example with 'ulimit -n 1024'",
        ),
        Some(libc::ESRCH) => (ErrorKind::ProcessEnded, "the process ended meanwhile"),
        errno if is_unsupported(errno) => (
            ErrorKind::NoSuchProbe,
            "the kernel cannot put a breakpoint on this instruction: choose another place",
        ),
        _ => (
            ErrorKind::NoSuchProbe,
            "'kdelay probes' lists what can be a trigger",
        ),
    };
    Error::new(kind, format!("the kernel refused {trigger}: {error}"))
        .hint(hint)
        .cause(cause)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{begins_again_at, denial, denied, explained};
    use crate::error::{Denial, Error, ErrorKind};
    use crate::kernel::capability::Capability;
    use crate::kernel::privileges::Privileges;

    #[test]
    fn of_a_loop_at_the_start_the_place_is_told() {
        let trigger = "up:f".parse().unwrap();
        let error = begins_again_at(&trigger, "f+0x1d");
        assert_eq!(error.kind, ErrorKind::NoSuchProbe);
        assert!(error.message.contains("up:f fires") && error.message.contains("f+0x1d"));
    }

    #[test]
    fn what_the_kernel_refuses_is_told_by_its_number() {
        let trigger = "t:sched:sched_switch".parse().unwrap();
        for (errno, kind) in [
            (libc::EPERM, ErrorKind::NotPermitted),
            (libc::EACCES, ErrorKind::NotPermitted),
            (libc::EMFILE, ErrorKind::Io),
            (libc::ENOTSUP, ErrorKind::NoSuchProbe),
            (524, ErrorKind::NoSuchProbe),
            (libc::ESRCH, ErrorKind::ProcessEnded),
            (libc::EINVAL, ErrorKind::NoSuchProbe),
        ] {
            let said = io::Error::from_raw_os_error(errno);
            let error = explained(&trigger, false, &said);
            assert_eq!(error.kind, kind, "{said}");
            let cause = error.cause.unwrap();
            assert_eq!(cause.errno, Some(errno));
            assert_eq!(cause.probe.as_deref(), Some("t:sched:sched_switch"));
        }
    }

    #[test]
    fn what_denies_a_trigger_is_what_this_process_lacks_or_what_refuses_root() {
        let usual = [Capability::Bpf, Capability::Perfmon];
        let root = [Capability::SysAdmin];
        let elsewhere = Privileges {
            has_own_user_namespace: true,
            ..Privileges::with(&root)
        };
        for (privileges, is_locked_down, by, is_hint_replaced) in [
            (Privileges::with(&[]), false, Denial::Capabilities, false),
            (Privileges::with(&usual), false, Denial::Capabilities, false),
            (Privileges::with(&root), false, Denial::Policy, true),
            (elsewhere, false, Denial::UserNamespace, true),
            (Privileges::with(&root), true, Denial::Lockdown, false),
        ] {
            let trigger = "t:sched:sched_switch".parse().unwrap();
            let refused = |errno| {
                let said = io::Error::from_raw_os_error(errno);
                let error = explained(&trigger, true, &said);
                let hint = error.hint.clone();
                let error = denied(error, || denial(privileges, is_locked_down));
                (error.hint != hint, error.cause.unwrap().denied_by)
            };
            assert_eq!(refused(libc::EPERM), (is_hint_replaced, Some(by)));
            assert_eq!(refused(libc::ESRCH), (false, None));
        }
    }

    #[test]
    fn what_keeps_its_places_from_being_found_is_told_as_well() {
        let closed = io::Error::from_raw_os_error(libc::EACCES);
        let error = Error::from(probe_points::Error::io("/proc/1/exe", &closed));
        assert_eq!(error.kind, ErrorKind::NotPermitted);
        let cause = error.cause.unwrap();
        assert_eq!(cause.errno, Some(libc::EACCES));
        assert!(cause.denied_by.is_some());
        let unknown = probe_points::Error::new(probe_points::ErrorKind::NotFound, "no such probe");
        let error = Error::from(unknown);
        assert_eq!((error.kind, error.cause), (ErrorKind::NoSuchProbe, None));
        assert!(error.hint.is_some());
    }
}
