//! From a thread's registers and a copy of its stack to the functions that called each other.
//!
//! Two steps. [`Unwinder`] walks the copy at once, with the unwind tables of the files that the process has mapped;
//! [`Symbolizer`] names the frames later, also when the process has ended: [`ProcessMaps`] and frames hold the mapped
//! files open. All that is read belongs to the traced process, which may be hostile: reads are bounded in time and memory,
//! and files are never mapped while somebody else can cut them.

mod arch;
mod cfi;
#[cfg(test)]
mod cfi_tests;
mod copied_stack;
mod eh_frame_header;
mod expression;
mod extract;
mod extract_elf;
mod frame_pointers;
mod kernel;
mod known;
mod marker_symbols;
mod memory_file;
mod module;
mod named;
mod package;
mod packed;
mod pair;
mod perf_map;
mod problems;
mod process_maps;
mod rules;
mod signal_frame;
mod sources;
mod split;
mod step;
mod symbol_frame;
mod symbolizer;
mod tables;
mod unwinder;
mod vet;
mod way_out;

pub use arch::{Arch, Registers};
pub use copied_stack::CopiedStack;
pub use kernel::KernelSymbols;
pub use module::{Module, Modules};
pub use perf_map::PerfMap;
pub use problems::Problems;
pub use process_maps::{Place, ProcessMaps};
pub use symbol_frame::{ModuleName, Source, SymbolFrame};
pub use symbolizer::Symbolizer;
pub use unwinder::{End, FoundBy, Frame, MOST_FRAMES, Unwinder, Walk};
