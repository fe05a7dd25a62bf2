//! The eBPF programs and their maps.

pub(crate) mod capacity;
pub(crate) mod control;
pub(crate) mod list;
pub(crate) mod mapped;
pub(crate) mod maps;
pub(crate) mod needs;
pub mod object;
mod placeholders;
pub(crate) mod recorder_rings;
mod refusal;
mod row_map;
pub(crate) mod slot_rows;
pub(crate) mod upcalls;
