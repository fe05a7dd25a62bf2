//! The files that a process has mapped or will map: opened, read within bounds, and what is in them.

pub mod cache;
pub mod clones;
pub mod debug_files;
pub mod demangle;
pub mod dynamic;
pub mod dynamic_table;
pub mod elf;
mod headers;
pub mod load_bias;
pub mod maps;
pub mod object;
pub mod objects;
pub mod open;
pub mod relocations;
mod sectionless;
pub mod symbols;
pub mod unwind_tables;
pub mod usdt;
pub mod xz;
