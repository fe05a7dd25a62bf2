//! From addresses to names: where symbols come from, copies of them, and what blazesym makes of these.

pub mod cached;
pub mod extract;
pub mod extract_elf;
pub mod grant;
pub mod kernel;
pub mod known;
pub mod label_symbols;
pub mod line_headers;
pub mod marker_symbols;
pub mod named;
pub mod own_memory;
pub mod package;
pub mod pair;
pub mod problems;
pub mod range_lists;
pub mod section_part;
pub mod sources;
pub mod split;
pub mod symbol_frame;
pub mod symbol_table;
pub mod symbolizer;
pub mod vet;
