//! What a process has mapped: files with their unwind tables, and code that was generated.

mod allowance;
pub mod arch;
pub mod cpu_time;
pub mod effort;
pub mod eh_frame_header;
pub mod generated;
pub mod generated_names;
pub mod is_there;
mod jit_dump;
pub mod memory_file;
pub mod module;
mod module_finder;
mod named_ranges;
pub mod packed;
pub mod perf_map;
mod perf_map_file;
pub mod process_beginnings;
pub mod process_maps;
pub mod table_entries;
pub mod tables;
