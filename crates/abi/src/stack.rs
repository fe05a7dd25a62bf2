//! Kernel and user stacks, as programs copy them.

/// Innermost first.
pub const KERNEL_FRAMES: usize = 64;
pub const KERNEL_FRAME_BYTES: u32 = 8 * KERNEL_FRAMES as u32;

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

/// The sizes of user stacks that can be asked for are powers of two of pages, up to this.
pub const STACK_PAGE_BYTES: usize = 4096;
pub const MOST_STACK_BYTES: usize = 16 * STACK_PAGE_BYTES;
/// Of no copy, but of the program counter and the return addresses that frame pointers lead to. The kernel finds 127 of
/// them, unless `kernel.perf_event_max_stack` says otherwise.
pub const FRAME_POINTER_BYTES: usize = 8 * 128;

const _: () = assert!(size_of::<UserStack>() == 56, "implicit padding");
