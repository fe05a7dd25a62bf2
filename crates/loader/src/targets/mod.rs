//! Processes: which they are, whether they live, what /proc says of them.

pub mod command;
mod held_child;
pub(crate) mod hold;
pub mod identity;
pub(crate) mod pidfd;
pub(crate) mod proc_stat;
pub mod process;
pub mod search;
pub(crate) mod stopped;
