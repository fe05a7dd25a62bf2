//! The `#[repr(C)]` layout of every map value and of the injected configuration. No type here has implicit padding,
//! and each one's size is asserted, so that both sides see the same bytes.

pub mod config;
pub mod control;
pub mod event;
pub mod histogram;
pub mod irq;
pub mod off_cpu;
pub mod syscall;
pub mod thread;
pub mod upcall;
pub mod who;

/// Bytes of a task's name in the kernel, the terminating NUL included (`TASK_COMM_LEN`).
pub const COMM_BYTES: usize = 16;
