//! Time blocked, by thread and stack.

use crate::stack::{KERNEL_FRAME_BYTES, KERNEL_FRAMES, UserStack};

/// A stack: of which thread, through which kernel functions, from which user code. How deep the user stack is tells apart the
/// ways that lead to the same instruction.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OffCpuKey {
    /// Of the thread's record.
    pub slot: u32,
    /// Of that record: it may be another thread's in the next one.
    pub window: u32,
    /// A hash of the kernel frames, and of the thread's start: once it has ended, another one of this window may have its record.
    pub kernel: u64,
    /// User registers; 0: this kernel does not say.
    pub pc: u64,
    pub sp: u64,
}

/// A thread that is blocked: as what.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked {
    pub key: OffCpuKey,
    /// As in the thread's record, or it is about another time.
    pub since_ns: u64,
}

/// What a key stands for, handed over when it is new. It is followed by the user stack.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffCpuStack {
    pub key: OffCpuKey,
    pub tgid: u32,
    /// Of `frames`, in use.
    pub frame_bytes: u32,
    pub user: UserStack,
    pub frames: [u64; KERNEL_FRAMES],
}

const _: () = assert!(
    size_of::<OffCpuKey>() == 32
        && size_of::<Blocked>() == 40
        && size_of::<OffCpuStack>() == 32 + 8 + 56 + KERNEL_FRAME_BYTES as usize,
    "implicit padding"
);
