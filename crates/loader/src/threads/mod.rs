//! From the records of threads to the threads of a sample.

pub mod all_along;
pub mod cgroup;
pub mod chains;
pub mod convention;
pub mod cpu_mode;
pub mod critical_path;
pub mod from_record;
mod halted;
pub mod idle;
pub mod merge;
mod outside_calls;
pub mod recorded_names;
pub mod records;
pub mod seen;
pub mod shares;
pub mod start_time;
pub mod syscalls;
#[cfg(test)]
pub mod test_records;
pub mod waits;
