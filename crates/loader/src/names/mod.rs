//! Names of what is a number in the kernel.

pub mod errors;
pub mod interrupts;
pub mod syscalls;
pub mod text;
