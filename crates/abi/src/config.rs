//! What user space injects into the programs before it loads them: most of it into their instructions ([`crate::placeholder`]), and
//! what is looked up into a frozen map. The verifier knows either as a constant, and drops the code that a field switches off.

use crate::calls::{NEVER_REPLACED, NO_PAIR};
use crate::event::ARGUMENTS;
use crate::syscall::{LAST_NUMBER, SyscallKey};
use crate::thread::record::ENDED_BYTES;

/// Marks an offset that this kernel does not have.
pub const NO_OFFSET: u32 = u32::MAX;

/// The name of the global that the loader overrides with a [`Config`].
pub const CONFIG_SYMBOL: &str = "CONFIG";

#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The one monitored process; 0: the set in the map `TARGETS`.
    pub target_tgid: u32,
    /// 1: `sched_switch` hands over the previous task's state (5.18 and later); 0: it is read from the task.
    pub has_prev_state: u32,
    /// The bits of the word at `task_compat` that mark a 32-bit system call; 0: unknown.
    pub compat_bits: u32,
    /// 1: the kernel hands over any task's user registers (5.15 and later).
    pub has_task_registers: u32,
    /// 1: a start trigger counts whatever task is current; 0: in the monitored processes only.
    pub start_in_any_task: u32,
    /// The same for stop triggers.
    pub stop_in_any_task: u32,
    /// 1: time blocked is summed up by stack.
    pub off_cpu: u32,
    /// How deep the pid namespace is nested whose numbers are reported; 0: the initial one's.
    pub pid_level: u32,
    /// Its address, if it is nested.
    pub pid_namespace: u64,
    /// Whether the flight recorder records: [`Config::NEVER`], [`Config::IN_WINDOWS`] or [`Config::ALWAYS`].
    pub recorder: u32,
    /// Of its ring of each CPU: the power of two that it has records,
    pub recorder_shift: u32,
    /// and one less than these are.
    pub recorder_mask: u32,
    /// User space is woken each time that so many bytes of threads that have ended wait for it: a power of two, and no fewer
    /// than two threads'.
    pub crowd_bytes: u32,
    /// Which calls own windows, as in [`crate::calls`]; 0: any start trigger opens a window, and any stop trigger closes it.
    pub pair: u32,
    /// The power of two that the size of a stack of the kernel's is.
    pub stack_shift: u32,
    /// What return probes put in the place of return addresses, as in [`crate::calls`].
    pub replaced: u64,
    /// Of the pair's function; 0: unknown.
    pub function_bytes: u64,
    /// The flags of a task that mark a thread which never leaves the kernel.
    pub kernel_only_flags: u32,
    /// The bit of the byte at `task_frozen`.
    pub frozen_mask: u32,
    /// The calls of the poll family, as in [`Events::calls`].
    pub polls: [u64; CALL_WORDS],
    pub events: Events,
    pub offsets: Offsets,
}

/// Which system calls are recorded one by one.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Events {
    /// Those that last at least this long.
    pub least_ns: u64,
    /// 1: they are recorded; 0: none is.
    pub recorded: u32,
    /// 1: only those in `calls`.
    pub selected: u32,
    /// 1: with the stacks of where they waited and of who called.
    pub stacks: u32,
    /// Copied from user stacks: 0, or a power of two of pages; [`FRAME_POINTER_BYTES`]: they are walked by frame pointers.
    ///
    /// [`FRAME_POINTER_BYTES`]: crate::stack::FRAME_POINTER_BYTES
    pub stack_bytes: u32,
    /// Where a call was off the CPU is noted if it was for at least this long.
    pub least_wait_ns: u64,
    /// A bit for each number of the native calls (x32's among them), then for each of the 32-bit ones.
    pub calls: [u64; CALL_WORDS],
}

/// Words of a bit for each number that a system call can have, in two conventions.
pub const CALL_WORDS: usize = 2 * (LAST_NUMBER as usize + 1) / 64;

impl Events {
    pub const NONE: Self = Self {
        least_ns: 0,
        recorded: 0,
        selected: 0,
        stacks: 0,
        stack_bytes: 0,
        least_wait_ns: 0,
        calls: [0; CALL_WORDS],
    };

    /// Where a call's bit is: the word, the bit.
    #[inline(always)]
    pub fn place(key: SyscallKey) -> (usize, u32) {
        let convention = key.is_compat() as u32;
        let index = convention * (LAST_NUMBER + 1) + (key.number() & LAST_NUMBER);
        (index as usize / 64, index % 64)
    }

    pub fn select(&mut self, key: SyscallKey) {
        let (word, bit) = Self::place(key);
        self.calls[word] |= 1 << bit;
    }
}

/// Byte offsets of the kernel's struct members, from the running kernel's BTF. [`NO_OFFSET`]: not there.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offsets {
    pub task_pid: u32,
    pub task_tgid: u32,
    /// `__state`, or `state` before 5.14.
    pub task_state: u32,
    pub task_on_cpu: u32,
    pub task_on_rq: u32,
    /// `se.sched_delayed`, since 6.12 (152e11f6df29).
    pub task_delayed: u32,
    pub task_start_time: u32,
    pub task_comm: u32,
    /// `thread_info.status` (x86) or `thread_info.flags` (arm64), from the start of `task_struct`.
    pub task_compat: u32,
    /// `orig_ax` (x86) or `syscallno` (arm64) in `pt_regs`: a `long` and an `int`, whose low word serves for both.
    pub regs_syscall: u32,
    pub irqaction_name: u32,
    /// In `pt_regs`, of a native call.
    pub arguments: [u32; ARGUMENTS],
    /// The same of a 32-bit one.
    pub compat_arguments: [u32; ARGUMENTS],
    /// In `pt_regs`.
    pub regs_pc: u32,
    pub regs_sp: u32,
    pub regs_fp: u32,
    pub regs_lr: u32,
    /// x86's alone.
    pub regs_flags: u32,
    /// Where Go has its goroutine.
    pub regs_g: u32,
    pub task_mm: u32,
    /// `thread_info.cpu`, or `cpu` before 5.16.
    pub task_cpu: u32,
    /// Both, or neither.
    pub task_min_flt: u32,
    pub task_maj_flt: u32,
    /// Both, or neither.
    pub task_utime: u32,
    pub task_stime: u32,
    pub task_flags: u32,
    /// Whether its control group's freezer has it.
    pub task_frozen: u32,
    /// Not 0 where calls may be refused, by a tracer,
    pub task_ptrace: u32,
    /// and by a filter: `seccomp.mode`.
    pub task_seccomp: u32,
    /// What a call returns, while it is on the way in `-ENOSYS` (x86), or still the first argument (arm64).
    pub regs_result: u32,
    /// For whether a process ends: in `task_struct` this,
    pub task_signal: u32,
    /// and in `signal_struct` these.
    pub signal_flags: u32,
    pub signal_live: u32,
    /// Of the members that lead to a task's numbers in pid namespaces: in `task_struct` these two,
    pub task_thread_pid: u32,
    pub task_group_leader: u32,
    /// and in `struct pid` these.
    pub pid_level: u32,
    pub pid_numbers: u32,
    pub reserved: u32,
}

impl Config {
    pub const NEVER: u32 = 0;
    pub const IN_WINDOWS: u32 = 1;
    pub const ALWAYS: u32 = 2;

    /// `PF_EXITING`.
    pub const EXITING: u32 = 0x4;
    /// `PF_IO_WORKER`.
    pub const IO_WORKER: u32 = 0x10;
    /// `PF_USER_WORKER`, since Linux 6.4 (54e6842d0775). Before, the bit means something else, or nothing.
    pub const USER_WORKER: u32 = 0x4000;
    /// `PF_FROZEN`, until Linux 6.1 has a state for it. Later the bit means something else.
    pub const FROZEN: u32 = 0x1_0000;

    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: `repr(C)` and without padding (asserted below), so that all its bytes are values.
        unsafe { core::slice::from_raw_parts((&raw const *self).cast(), size_of::<Self>()) }
    }

    /// In `thread_info.status`.
    pub const X86_TS_COMPAT: u32 = 0x2;
    /// In `thread_info.flags`.
    pub const ARM64_TIF_32BIT: u32 = 1 << 22;

    /// What the object file holds until the loader overrides it: nothing is monitored.
    pub const UNSET: Self = Self {
        target_tgid: u32::MAX,
        has_prev_state: 0,
        compat_bits: 0,
        has_task_registers: 0,
        start_in_any_task: 0,
        stop_in_any_task: 0,
        off_cpu: 0,
        pid_level: 0,
        pid_namespace: 0,
        recorder: Self::NEVER,
        recorder_shift: 0,
        recorder_mask: 0,
        crowd_bytes: 2 * ENDED_BYTES,
        pair: NO_PAIR,
        stack_shift: 0,
        replaced: NEVER_REPLACED,
        function_bytes: 0,
        kernel_only_flags: 0,
        frozen_mask: 0,
        polls: [0; CALL_WORDS],
        events: Events::NONE,
        offsets: Offsets {
            task_pid: NO_OFFSET,
            task_tgid: NO_OFFSET,
            task_state: NO_OFFSET,
            task_on_cpu: NO_OFFSET,
            task_on_rq: NO_OFFSET,
            task_delayed: NO_OFFSET,
            task_start_time: NO_OFFSET,
            task_comm: NO_OFFSET,
            task_compat: NO_OFFSET,
            regs_syscall: NO_OFFSET,
            irqaction_name: NO_OFFSET,
            arguments: [NO_OFFSET; ARGUMENTS],
            compat_arguments: [NO_OFFSET; ARGUMENTS],
            regs_pc: NO_OFFSET,
            regs_sp: NO_OFFSET,
            regs_fp: NO_OFFSET,
            regs_lr: NO_OFFSET,
            regs_flags: NO_OFFSET,
            regs_g: NO_OFFSET,
            task_mm: NO_OFFSET,
            task_cpu: NO_OFFSET,
            task_min_flt: NO_OFFSET,
            task_maj_flt: NO_OFFSET,
            task_utime: NO_OFFSET,
            task_stime: NO_OFFSET,
            task_flags: NO_OFFSET,
            task_frozen: NO_OFFSET,
            task_ptrace: NO_OFFSET,
            task_seccomp: NO_OFFSET,
            regs_result: NO_OFFSET,
            task_signal: NO_OFFSET,
            signal_flags: NO_OFFSET,
            signal_live: NO_OFFSET,
            task_thread_pid: NO_OFFSET,
            task_group_leader: NO_OFFSET,
            pid_level: NO_OFFSET,
            pid_numbers: NO_OFFSET,
            reserved: NO_OFFSET,
        },
    };
}

const _: () = assert!(
    size_of::<Events>() == 32 + 8 * CALL_WORDS
        && size_of::<Config>() == 88 + 8 * CALL_WORDS + size_of::<Events>() + size_of::<Offsets>(),
    "Config has padding"
);
