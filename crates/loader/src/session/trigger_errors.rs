//! What goes wrong with triggers: they name nothing, or the kernel refuses them.

use std::io;

use probe_points::Trigger;

use crate::error::{Cause, Denial, Error, ErrorKind};

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
        let cause = error.errno.map(|errno| Cause {
            denied_by: (kind == ErrorKind::NotPermitted).then_some(Denial::Capabilities),
            ..Cause::of(&io::Error::from_raw_os_error(errno))
        });
        Self {
            cause,
            ..Self::new(kind, error.message).hint(hint)
        }
    }
}

/// What the kernel says to a trigger.
pub fn refused(trigger: &Trigger, is_in_user_code: bool, error: &io::Error) -> Error {
    let mut cause = Cause::of(error).probe(trigger.to_string());
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
        Some(libc::ENOTSUP) => (
            ErrorKind::NoSuchProbe,
            "the kernel cannot put a breakpoint on this instruction: choose another place",
        ),
        Some(libc::ESRCH) => (ErrorKind::ProcessEnded, "the process ended meanwhile"),
        _ => (
            ErrorKind::NoSuchProbe,
            "'kdelay probes' lists what can be a trigger",
        ),
    };
    if kind == ErrorKind::NotPermitted {
        cause = cause.denied_by(Denial::Capabilities);
    }
    Error::new(kind, format!("the kernel refused {trigger}: {error}"))
        .hint(hint)
        .cause(cause)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::refused;
    use crate::error::{Denial, Error, ErrorKind};

    #[test]
    fn what_the_kernel_refuses_is_told_by_its_number() {
        let trigger = "t:sched:sched_switch".parse().unwrap();
        for (errno, kind) in [
            (libc::EPERM, ErrorKind::NotPermitted),
            (libc::EACCES, ErrorKind::NotPermitted),
            (libc::EMFILE, ErrorKind::Io),
            (libc::ENOTSUP, ErrorKind::NoSuchProbe),
            (libc::ESRCH, ErrorKind::ProcessEnded),
            (libc::EINVAL, ErrorKind::NoSuchProbe),
        ] {
            let said = io::Error::from_raw_os_error(errno);
            let error = refused(&trigger, false, &said);
            assert_eq!(error.kind, kind, "{said}");
            let cause = error.cause.unwrap();
            assert_eq!(cause.errno, Some(errno));
            assert_eq!(cause.probe.as_deref(), Some("t:sched:sched_switch"));
            let is_denied = kind == ErrorKind::NotPermitted;
            assert_eq!(cause.denied_by, is_denied.then_some(Denial::Capabilities));
        }
    }

    #[test]
    fn what_keeps_its_places_from_being_found_is_told_as_well() {
        let closed = io::Error::from_raw_os_error(libc::EACCES);
        let error = Error::from(probe_points::Error::io("/proc/1/exe", &closed));
        assert_eq!(error.kind, ErrorKind::NotPermitted);
        let cause = error.cause.unwrap();
        assert_eq!(cause.errno, Some(libc::EACCES));
        assert_eq!(cause.denied_by, Some(Denial::Capabilities));
        let unknown = probe_points::Error::new(probe_points::ErrorKind::NotFound, "no such probe");
        let error = Error::from(unknown);
        assert_eq!((error.kind, error.cause), (ErrorKind::NoSuchProbe, None));
        assert!(error.hint.is_some());
    }
}
