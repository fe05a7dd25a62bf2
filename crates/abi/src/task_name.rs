//! Names of tasks.

/// Bytes of a task's name in the kernel, the terminating NUL included (`TASK_COMM_LEN`).
pub const COMM_BYTES: usize = 16;
