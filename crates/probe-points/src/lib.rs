//! From a trigger's text and a process to the places where probes can be attached, and the list of such places.
//!
//! Nothing is attached here and nothing runs in the kernel: the result is what `perf_event_open` takes. Programs and
//! libraries belong to the traced process, which may be hostile: what is read from them is bounded in time and memory.

pub mod cache;
mod debug_files;
mod demangle;
mod detached;
mod dynamic;
pub mod elf;
mod error;
mod instructions;
mod kernel;
mod list;
mod locate;
pub mod maps;
mod named;
mod objects;
pub mod open;
mod pattern;
mod resolve;
mod resolve_kernel;
mod resolve_usdt;
mod resolve_user;
mod spelling;
mod suggest;
mod symbols;
mod tracefs;
mod trigger;
mod trigger_parse;
mod trigger_text;
mod usdt;
mod xz;

pub use debug_files::{
    by_build_id, debug_link, has_build_id, hexadecimal, separate_files, unpacked,
};
pub use demangle::demangled;
pub use detached::detached_mount;
pub use error::{Error, ErrorKind, Result, escaped, escaped_within};
pub use kernel::{Kernel, ProbePmu};
pub use list::{Entry, Listing, list, list_with};
pub use objects::{Object, Objects, open_mapped, read};
pub use pattern::Pattern;
pub use resolve::{MOST_POINTS, Point, resolve, resolve_with};
pub use suggest::near;
pub use symbols::{Function, Functions};
pub use trigger::{FunctionStart, LONGEST_TRIGGER, Location, Name, ObjectName, Trigger};
pub use trigger_parse::parse;
pub use usdt::{Note, notes};
