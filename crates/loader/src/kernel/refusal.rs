//! Errors from what the kernel, by way of aya, says when it refuses maps and programs.

use crate::error::{Cause, Denial, Error, ErrorKind};
use crate::kernel::privileges::Privileges;

/// A refusal of the kernel's, with what usually explains it.
pub fn refused(what: &str, cause: Cause) -> Error {
    explained(what, cause, &Surroundings::of_this_process())
}

/// What a refusal is looked up in.
struct Surroundings {
    privileges: Privileges,
    lockdown: Option<String>,
    has_descriptors: bool,
}

impl Surroundings {
    fn of_this_process() -> Self {
        Self {
            privileges: Privileges::of_this_process(),
            lockdown: lockdown(),
            has_descriptors: !no_descriptor_is_left(),
        }
    }
}

fn explained(what: &str, cause: Cause, surroundings: &Surroundings) -> Error {
    let message = format!("{what}: {cause}");
    // Not EACCES: that is the verifier's.
    if cause.errno == Some(libc::EPERM) {
        let (denial, hint) = denial(surroundings);
        return Error::new(ErrorKind::NotPermitted, message)
            .hint(hint)
            .cause(cause.denied_by(denial));
    }
    if cause.errno == Some(libc::EMFILE) || !surroundings.has_descriptors {
        let error = std::io::Error::from_raw_os_error(libc::EMFILE);
        return Error::new(ErrorKind::Io, format!("{what}: {error}"))
            .hint("raise the limit of open files, for example with 'ulimit -n 1024'")
            .cause(Cause {
                probe: cause.probe,
                ..Cause::of(&error)
            });
    }
    Error::new(ErrorKind::KernelUnsupported, message)
        .hint("kdelay doctor says what this kernel lacks; -D shows the verifier's log")
        .cause(cause)
}

fn denial(surroundings: &Surroundings) -> (Denial, String) {
    match &surroundings.lockdown {
        Some(mode) => (
            Denial::Lockdown,
            format!("the kernel is locked down ({mode}): boot it without, or with 'integrity'"),
        ),
        None => (
            surroundings.privileges.denial(),
            surroundings.privileges.hint(),
        ),
    }
}

/// aya asks once more, for the verifier's log, after any failure; the kernel's answer to that hides what the first one was.
fn no_descriptor_is_left() -> bool {
    std::fs::File::open("/dev/null").is_err_and(|error| error.raw_os_error() == Some(libc::EMFILE))
}

/// The lockdown mode if it is one that refuses eBPF to root.
pub fn lockdown() -> Option<String> {
    let modes = std::fs::read_to_string("/sys/kernel/security/lockdown").ok()?;
    let active = modes
        .split_whitespace()
        .find_map(|mode| mode.strip_prefix('[')?.strip_suffix(']'))?;
    (active == "confidentiality").then(|| active.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Surroundings, explained};
    use crate::error::{Cause, Denial, Error, ErrorKind};
    use crate::kernel::capability::Capability;
    use crate::kernel::privileges::Privileges;

    fn surroundings(effective: u64) -> Surroundings {
        Surroundings {
            privileges: Privileges {
                effective,
                ..Privileges::with(&[])
            },
            lockdown: None,
            has_descriptors: true,
        }
    }

    fn refused(errno: i32, surroundings: &Surroundings) -> Error {
        let cause = Cause::of(&std::io::Error::from_raw_os_error(errno)).probe("sys_enter");
        let error = explained(
            "the probe sys_enter cannot be attached",
            cause,
            surroundings,
        );
        assert_eq!(
            error
                .cause
                .as_ref()
                .and_then(|cause| cause.probe.as_deref()),
            Some("sys_enter")
        );
        error
    }

    fn denied_by(error: &Error) -> Option<Denial> {
        error.cause.as_ref().and_then(|cause| cause.denied_by)
    }

    #[test]
    fn eperm_is_told_by_what_the_process_has() {
        let all = Capability::Bpf.bit() | Capability::Perfmon.bit();
        let mut locked = surroundings(all);
        locked.lockdown = Some("confidentiality".to_owned());
        let mut nested = surroundings(all);
        nested.privileges.has_own_user_namespace = true;
        let cases = [
            (surroundings(0), Denial::Capabilities, "run as root"),
            (nested, Denial::UserNamespace, "user namespace"),
            (surroundings(all), Denial::Policy, "seccomp"),
            (locked, Denial::Lockdown, "locked down (confidentiality)"),
        ];
        for (surroundings, denial, hint) in cases {
            let error = refused(libc::EPERM, &surroundings);
            assert_eq!(error.kind, ErrorKind::NotPermitted);
            assert_eq!(denied_by(&error), Some(denial));
            assert!(error.hint.unwrap_or_default().contains(hint), "{hint}");
        }
    }

    #[test]
    fn the_verifier_s_eacces_is_no_lack_of_privileges() {
        let error = refused(libc::EACCES, &surroundings(0));
        assert_eq!(error.kind, ErrorKind::KernelUnsupported);
        assert_eq!(denied_by(&error), None);
        assert_eq!(
            error.cause.and_then(|cause| cause.errno),
            Some(libc::EACCES)
        );
    }

    #[test]
    fn a_lack_of_descriptors_is_seen_through_what_hides_it() {
        let mut none_left = surroundings(0);
        none_left.has_descriptors = false;
        for (errno, surroundings) in [(libc::EMFILE, surroundings(0)), (libc::EINVAL, none_left)] {
            let error = refused(errno, &surroundings);
            assert_eq!(error.kind, ErrorKind::Io);
            assert!(error.message.contains("Too many open files"), "{error}");
            assert_eq!(
                error.cause.and_then(|cause| cause.errno),
                Some(libc::EMFILE)
            );
        }
    }
}
