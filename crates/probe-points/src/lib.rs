//! From a trigger's text and a process to the places where probes can be attached, and the list of such places.
//!
//! Nothing is attached here and nothing runs in the kernel: the result is what `perf_event_open` takes. Programs and
//! libraries belong to the traced process, which may be hostile: what is read from them is bounded in time and memory.

mod code;
mod error;
mod files;
mod kernel;
mod resolve;
mod trigger;

pub use code::unprobeable::instruction as unprobeable_instruction;
pub use error::{Error, ErrorKind, Result, escaped, escaped_within};
pub use files::cache::read;
pub use files::debug_files::{
    MOST_CHECKED, by_build_id, debug_link, has_build_id, hexadecimal, separate_files, unpacked,
    unpacked_bytes,
};
pub use files::demangle::demangled;
pub use files::load_bias::load_bias;
pub use files::object::{Object, open_mapped};
pub use files::objects::Objects;
pub use files::symbols::{Function, Functions};
pub use files::usdt::{Note, notes};
pub use files::{cache, elf, maps, open};
pub use kernel::detached::detached_mount;
pub use kernel::probing::{Kernel, ProbePmu};
pub use resolve::dispatch::{resolve, resolve_with};
pub use resolve::list::{Entry, Listing, list, list_with};
pub use resolve::pattern::Pattern;
pub use resolve::point::{MOST_POINTS, Point, Resolved, ReturnProbes};
pub use resolve::suggest::near;
pub use trigger::parse::parse;
pub use trigger::syntax::{FunctionStart, LONGEST_TRIGGER, Location, Name, ObjectName, Trigger};
