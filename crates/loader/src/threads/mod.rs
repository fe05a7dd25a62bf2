//! From the records of threads to the threads of a sample.

pub mod cpu_mode;
pub mod describe;
pub mod idle;
pub mod merge;
pub mod records;
pub mod seen;
pub mod who;
