//! A recorded system call, as it goes through the ring buffer: alone, or with what its stacks were.

use crate::abi::COMM_BYTES;
use crate::abi::off_cpu::Blocked;
use crate::abi::syscall::SyscallKey;

/// A call that began and ended inside a window.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyscallEvent {
    /// `CLOCK_MONOTONIC`.
    pub exit_ns: u64,
    pub duration_ns: u64,
    /// What the kernel returns: below 0 and above -4096 an errno.
    pub result: i64,
    /// As the registers hold them at the call's end, which is as at its beginning but for calls that replace registers.
    pub arguments: [u64; ARGUMENTS],
    pub key: SyscallKey,
    pub tid: u32,
    pub tgid: u32,
    pub window: u32,
    pub comm: [u8; COMM_BYTES],
}

/// Registers that carry a system call's arguments.
pub const ARGUMENTS: usize = 6;

/// Innermost first.
pub const KERNEL_FRAMES: usize = 64;
pub const KERNEL_FRAME_BYTES: u32 = 8 * KERNEL_FRAMES as u32;

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

/// User registers as a call returns.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserRegisters {
    pub pc: u64,
    pub sp: u64,
    /// The frame pointer.
    pub fp: u64,
    /// The link register; 0 where there is none.
    pub lr: u64,
}

/// Of a record that is followed by bytes of a user stack, as many as were asked for.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserStack {
    pub registers: UserRegisters,
    /// Address of the kernel's `mm_struct`: another one, another program. 0: not known.
    pub memory: u64,
    /// Address of the first byte that was copied.
    pub base: u64,
    /// Of the bytes that follow, valid.
    pub bytes: u64,
}

/// It is followed by the caller's stack.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackedEvent {
    pub call: SyscallEvent,
    /// Of another call if `call_since_ns` is not this one's beginning.
    pub wait: Wait,
    pub user: UserStack,
}

/// The sizes of user stacks that can be asked for are powers of two of pages, up to this.
pub const STACK_PAGE_BYTES: usize = 4096;
pub const MOST_STACK_BYTES: usize = 16 * STACK_PAGE_BYTES;
/// Of no copy, but of the program counter and the return addresses that frame pointers lead to. The kernel finds 127 of
/// them, unless `kernel.perf_event_max_stack` says otherwise.
pub const FRAME_POINTER_BYTES: usize = 8 * 128;

const _: () = assert!(
    size_of::<SyscallEvent>() == 104
        && size_of::<Wait>() == 24 + KERNEL_FRAME_BYTES as usize
        && size_of::<Waits>() == size_of::<Wait>() + 40 + 8 + KERNEL_FRAME_BYTES as usize
        && size_of::<UserStack>() == 56
        && size_of::<StackedEvent>() == 104 + size_of::<Wait>() + 56,
    "implicit padding"
);
