//! Which system calls are recorded one by one.

use abi::config::{CALL_WORDS, Events};
use abi::syscall::{LAST_NUMBER, SyscallKey};

use crate::error::{Error, ErrorKind, Result};
use crate::names::syscalls;
use crate::names::syscalls::{is_of_probe, is_poll};
use crate::options::EventOptions;

/// A wait that makes up less of the least duration is not what a call was slow by.
const LEAST_WAIT_SHARE: u64 = 8;

/// The programs' configuration.
pub fn selection(options: &EventOptions) -> Result<Events> {
    let mut events = Events {
        least_ns: options.least_ns,
        recorded: 1,
        stacks: options.has_stacks.into(),
        least_wait_ns: options.least_ns / LEAST_WAIT_SHARE,
        ..Events::NONE
    };
    let mut unknown: Vec<&String> = options.only.iter().flatten().collect();
    for key in all_calls() {
        let name = syscalls::name(key);
        unknown.retain(|&wanted| *wanted != name);
        let is_wanted = match &options.only {
            Some(only) => only.contains(&name),
            None => true,
        };
        let is_of_probe = is_of_probe(key);
        if is_of_probe && options.only.is_some() && is_wanted {
            return Err(never_recorded(&name));
        }
        if is_wanted && !is_of_probe && !options.except.contains(&name) {
            events.select(key);
        } else {
            events.selected = 1;
        }
    }
    match unknown[..] {
        [] => Ok(events),
        [name, ..] => Err(no_such_call(name)),
    }
}

/// The bits of these calls.
pub fn polls() -> [u64; CALL_WORDS] {
    let mut polls = Events::NONE;
    for key in all_calls() {
        if is_poll(key) {
            polls.select(key);
        }
    }
    polls.calls
}

fn all_calls() -> impl Iterator<Item = SyscallKey> {
    [false, true].into_iter().flat_map(|compat| {
        (0..=LAST_NUMBER).map(move |number| SyscallKey::new(number.into(), compat))
    })
}

fn never_recorded(name: &str) -> Error {
    let message = format!("{name} is never recorded: it is no call of the program's");
    Error::new(ErrorKind::InvalidArgument, message)
        .hint("the kernel makes it where a user probe of some tracer stands")
}

fn no_such_call(name: &str) -> Error {
    let all: Vec<String> = (0..=LAST_NUMBER)
        .map(|number| syscalls::name(SyscallKey::new(number.into(), false)))
        .collect();
    let near = probe_points::near(name.as_bytes(), all.iter().map(String::as_bytes));
    let near: Vec<_> = near
        .iter()
        .map(|name| String::from_utf8_lossy(name))
        .collect();
    let shown: String = name.chars().flat_map(char::escape_default).collect();
    let error = Error::new(
        ErrorKind::InvalidArgument,
        format!("there is no system call '{shown}'"),
    );
    error.hint(if near.is_empty() {
        "names are as strace shows them, such as futex or epoll_wait".to_owned()
    } else {
        format!("did you mean {}?", near.join(" or "))
    })
}

#[cfg(test)]
mod tests {
    use abi::config::Events;
    use abi::syscall::{LAST_NUMBER, SyscallKey};

    use super::selection;
    use crate::options::EventOptions;

    fn options(only: Option<&[&str]>, except: &[&str]) -> EventOptions {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        EventOptions {
            least_ns: 1,
            only: only.map(owned),
            except: owned(except),
            has_stacks: false,
            buffer_bytes: 4096,
            limit: 1,
        }
    }

    fn selected(events: &Events, compat: bool) -> Vec<String> {
        (0..=LAST_NUMBER)
            .map(|number| SyscallKey::new(number.into(), compat))
            .filter(|&key| {
                let (word, bit) = Events::place(key);
                events.calls[word] >> bit & 1 == 1
            })
            .map(crate::names::syscalls::name)
            .collect()
    }

    #[test]
    fn names_stand_for_the_numbers_of_either_convention() {
        let events = selection(&options(Some(&["getppid", "futex"]), &[])).unwrap();
        assert_eq!(events.selected, 1);
        for compat in [false, true] {
            let mut names = selected(&events, compat);
            names.sort();
            assert_eq!(names, ["futex", "getppid"]);
        }
        let events = selection(&options(None, &["poll"])).unwrap();
        let names = selected(&events, false);
        assert!(!names.contains(&"poll".to_owned()) && names.contains(&"read".to_owned()));
    }

    #[test]
    fn what_a_tracer_s_probes_call_is_never_recorded() {
        let all = selection(&options(None, &[])).unwrap();
        let has_some = cfg!(target_arch = "x86_64");
        assert_eq!(all.selected, u32::from(has_some));
        let names = selected(&all, false);
        assert!(names.contains(&"read".to_owned()) && names.contains(&"syscall_1023".to_owned()));
        for name in ["uprobe", "uretprobe"] {
            assert!(!names.contains(&name.to_owned()), "{name}");
        }
        if has_some {
            let error = selection(&options(Some(&["read", "uprobe"]), &[])).unwrap_err();
            assert!(error.message.contains("uprobe"));
        }
    }

    #[test]
    fn a_name_that_is_none_is_refused_with_what_is_near() {
        let error = selection(&options(Some(&["futx"]), &[])).unwrap_err();
        assert!(error.hint.unwrap().contains("futex"));
        let error = selection(&options(Some(&["\n"]), &[])).unwrap_err();
        assert!(!error.message.contains('\n'));
    }
}
