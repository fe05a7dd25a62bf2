//! A recorded system call, as it goes through the ring buffer: alone, or with what its stacks were.

use crate::COMM_BYTES;
use crate::stack::UserStack;
use crate::syscall::SyscallKey;
use crate::waits::Wait;

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

/// It is followed by the caller's stack.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackedEvent {
    pub call: SyscallEvent,
    /// Of another call if `call_since_ns` is not this one's beginning.
    pub wait: Wait,
    pub user: UserStack,
}

const _: () = assert!(
    size_of::<SyscallEvent>() == 104 && size_of::<StackedEvent>() == 104 + size_of::<Wait>() + 56,
    "implicit padding"
);
