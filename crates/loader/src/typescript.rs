//! What TypeScript has to know, too: `src/constants.ts` is made from these tables, and from no others.

use std::fmt::Write as _;
use std::path::PathBuf;

use abi::histogram::{BUCKETS, lower_bound_ns};
use abi::stack::{MOST_STACK_BYTES, STACK_PAGE_BYTES};

use crate::error::{Denial, ErrorKind};
use crate::names::syscalls::{POLL_NAMES, POLL_NAMES_OF_32_BIT};
use crate::options::{MOST_BEFORE_MS, MOST_RECORDER_BYTES};
use crate::probes::capacity::{MOST_RING_BYTES, MOST_THREADS};

/// Exhaustive, so that none can be forgotten.
fn error_kinds() -> impl Iterator<Item = ErrorKind> {
    use ErrorKind::{
        Internal, InvalidArgument, Io, KernelThread, KernelUnsupported, NoSuchCommand, NoSuchProbe,
        NoSuchProcess, NotPermitted, ProcessEnded, WrongState,
    };
    std::iter::successors(Some(InvalidArgument), |kind| match kind {
        InvalidArgument => Some(NoSuchProcess),
        NoSuchProcess => Some(ProcessEnded),
        ProcessEnded => Some(KernelThread),
        KernelThread => Some(NoSuchCommand),
        NoSuchCommand => Some(NoSuchProbe),
        NoSuchProbe => Some(KernelUnsupported),
        KernelUnsupported => Some(NotPermitted),
        NotPermitted => Some(WrongState),
        WrongState => Some(Io),
        Io => Some(Internal),
        Internal => None,
    })
}

fn denials() -> impl Iterator<Item = Denial> {
    use Denial::{Capabilities, FileMode, Lockdown, Policy, UserNamespace};
    std::iter::successors(Some(Capabilities), |denial| match denial {
        Capabilities => Some(UserNamespace),
        UserNamespace => Some(Policy),
        Policy => Some(Lockdown),
        Lockdown => Some(FileMode),
        FileMode => None,
    })
}

fn constants() -> String {
    let mut text =
        "/* Made from the Rust sources by `npm run build:constants`. Do not edit. */\n".to_owned();
    let mut add = |doc: &str, name: &str, values: Vec<String>| {
        let list: String = values.iter().map(|value| format!("  {value},\n")).collect();
        let _ = write!(
            text,
            "\n/** {doc} */\nexport const {name} = [\n{list}] as const;\n"
        );
    };
    let quoted = |text: &str| format!("'{text}'");
    add(
        "Codes of the errors that the native module throws.",
        "nativeErrorCodes",
        error_kinds().map(|kind| quoted(kind.code())).collect(),
    );
    add(
        "What may forbid what a user asks for.",
        "denials",
        denials().map(|denial| quoted(denial.name())).collect(),
    );
    add(
        "Calls that wait for something to happen.",
        "pollNames",
        POLL_NAMES.map(quoted).into(),
    );
    add(
        "And those that only 32-bit tables have.",
        "pollNamesOf32Bit",
        POLL_NAMES_OF_32_BIT.map(quoted).into(),
    );
    add(
        "Where each bucket of a histogram begins; the first holds what is shorter, too, and the last what is longer.",
        "histogramBoundsNs",
        (0..BUCKETS)
            .map(|bucket| lower_bound_ns(bucket).to_string())
            .collect(),
    );
    let _ = write!(
        text,
        "
/** What a session may be asked for, at most, and the size of the pages that it is counted in. */
export const limits = {{
  threads: {MOST_THREADS},
  ringBytes: {MOST_RING_BYTES},
  recorderBytes: {MOST_RECORDER_BYTES},
  beforeMs: {MOST_BEFORE_MS},
  stackBytes: {MOST_STACK_BYTES},
  pageBytes: {STACK_PAGE_BYTES},
}} as const;
"
    );
    text
}

/// With KDELAY_BUILD_CONSTANTS it writes the file instead: `npm run build:constants`.
#[test]
fn typescript_has_these_constants() {
    let path = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../src/constants.ts"
    ));
    let made = constants();
    if std::env::var_os("KDELAY_BUILD_CONSTANTS").is_some() {
        std::fs::write(&path, made).unwrap();
        return;
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == made,
        "{} is out of date: run npm run build:constants",
        path.display()
    );
}
