//! From a thread's registers and a copy of its stack to the functions that called each other.
//!
//! Two steps. [`Unwinder`] walks the copy at once, with the unwind tables of the files that the process has mapped;
//! [`Symbolizer`] names the frames later, also when the process has ended: [`ProcessMaps`] and frames hold the mapped
//! files open. All that is read belongs to the traced process, which may be hostile: reads are bounded in time and memory,
//! and files are never mapped while somebody else can cut them.

mod mapped;
mod symbols;
mod unwind;

pub use mapped::arch::{Arch, Registers};
pub use mapped::effort::Effort;
pub use mapped::generated_names::GeneratedNames;
pub use mapped::is_there::IsThere;
pub use mapped::module::{Module, Modules};
pub use mapped::process_maps::{Place, ProcessMaps};
pub use symbols::grant::Allotment;
pub use symbols::kernel::KernelSymbols;
pub use symbols::problems::Problems;
pub use symbols::symbol_frame::{ModuleName, Source, SymbolFrame};
pub use symbols::symbolizer::Symbolizer;
pub use unwind::copied_stack::CopiedStack;
pub use unwind::unwinder::Unwinder;
pub use unwind::walk::{End, FoundBy, Frame, MOST_FRAMES, Walk};
