//! The eBPF programs and their maps.

pub mod control;
pub mod list;
pub mod mapped;
pub mod maps;
pub mod object;
pub mod row_map;
pub mod slot_rows;
pub mod upcalls;
