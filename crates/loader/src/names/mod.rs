//! Names of what is a number in the kernel.

pub mod syscalls;
