//! Processes: which they are, whether they live, what /proc says of them.

pub mod command;
pub mod pidfd;
pub mod proc_stat;
pub mod process;
pub mod search;
pub mod stopped;
