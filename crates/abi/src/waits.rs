//! Where a thread waited: for the longest time in its call, and latest.

use crate::off_cpu::Blocked;
use crate::stack::{KERNEL_FRAME_BYTES, KERNEL_FRAMES};

/// Where a call was off the CPU for the longest time.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The beginning of the call that it is about. 0: none.
    pub call_since_ns: u64,
    pub off_cpu_ns: u64,
    /// 1: it was preempted; 0: it slept.
    pub preempted: u32,
    /// Of `frames`, in use; 0: they could not be had.
    pub frame_bytes: u32,
    /// In the kernel. The scheduler's own are left out where the kernel leaves them out (`__sched`).
    pub frames: [u64; KERNEL_FRAMES],
}

/// A thread's longest wait, and, where stacks are taken before it is known how long a wait will be, the latest one's.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    pub longest: Wait,
    pub blocked: Blocked,
    pub latest_bytes: u64,
    pub latest: [u64; KERNEL_FRAMES],
}

const _: () = assert!(
    size_of::<Wait>() == 24 + KERNEL_FRAME_BYTES as usize
        && size_of::<Waits>() == size_of::<Wait>() + 40 + 8 + KERNEL_FRAME_BYTES as usize,
    "implicit padding"
);
