//! Errors from what the kernel, by way of aya, says when it refuses maps and programs.

use crate::error::{Error, ErrorKind};
use crate::kernel::privileges::Privileges;

pub fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// The error and what caused it, in one line, with the verifier's log after it if there is one.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    match text.strip_suffix(". Verifier output: ") {
        Some(without_log) => without_log.to_owned(),
        None => text,
    }
}

/// A refusal of the kernel's, with what usually explains it.
pub fn refused(what: &str, why: &str) -> Error {
    let short = first_line(why);
    // Not "Permission denied" (EACCES): that is the verifier's.
    if why.contains("(os error 1)") {
        let error = Error::new(ErrorKind::NotPermitted, format!("{what}: {short}"));
        return match lockdown() {
            Some(mode) => error.hint(format!(
                "the kernel is locked down ({mode}): boot it without, or with 'integrity'"
            )),
            None => error.hint(Privileges::of_this_process().hint()),
        };
    }
    if why.contains("(os error 24)") || no_descriptor_is_left() {
        return Error::new(
            ErrorKind::Io,
            format!("{what}: Too many open files (os error 24)"),
        )
        .hint("raise the limit of open files, for example with 'ulimit -n 1024'");
    }
    Error::new(ErrorKind::KernelUnsupported, format!("{what}: {short}"))
        .hint("kdelay doctor says what this kernel lacks; -D shows the verifier's log")
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
