//! The record of one thread in one window.

use crate::COMM_BYTES;
use crate::durations::{Durations, OffCpuTime};
use crate::histogram::{BUCKETS, Histogram};
use crate::irq::SOFT_IRQ_VECTORS;
use crate::syscall::{ROW_HEADS, SyscallKey};

/// What a thread is doing: where the time between two of its events goes. The numbers index
/// [`ThreadRecord::accumulated_ns`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Activity {
    /// No event of the thread yet: what it was doing since the window began follows from its first one.
    Unseen = 0,
    /// On a CPU; whether in user code or in a system call follows from its next system call event.
    OnCpu = 1,
    User = 2,
    /// In a system call, on a CPU.
    Kernel = 3,
    /// On a CPU, of a thread that is never anywhere but in the kernel.
    KernelOnly = 4,
    /// Runnable since it was woken.
    ReadyWoken = 5,
    /// Runnable since it was switched out while it could go on.
    ReadyPreempted = 6,
    /// Runnable since before the window began.
    ReadyUnknown = 7,
    Blocked = 8,
    /// Stopped by job control or by a tracer.
    Stopped = 9,
    /// Of these two no record's `activity` is ever: an interrupt does not change what it interrupts.
    HardIrq = 10,
    SoftIrq = 11,
    /// Switched out for the last time.
    Ended = 12,
    /// Not what a thread does: time for which an event is missing, so that nobody knows. Of no record's `activity`.
    Lost = 13,
    /// By its control group's freezer, or with the machine.
    Frozen = 14,
}

pub const ACTIVITIES: usize = 16;

/// What is known about the thread's place between user code and system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SyscallPhase {
    /// No system call event yet.
    Unknown = 0,
    Outside = 1,
    /// Created in the window: the end of the call that created it is its first event on some processors.
    Born = 2,
    /// Of a thread that never leaves the kernel: it works there for its process, as io_uring's and vhost's workers do.
    KernelOnly = 3,
    /// In `exit`: there is no way back to user code.
    Exiting = 4,
    Inside = 5,
    /// Blocked, or on a CPU since, on the way into a call that has not begun: seccomp asks somebody.
    Held = 6,
}

const _: () = assert!(
    SyscallPhase::Born as u8 == SyscallPhase::Outside as u8 + 1
        && SyscallPhase::Born as u8 + 1 == SyscallPhase::KernelOnly as u8
        && SyscallPhase::Held as u8 == SyscallPhase::Inside as u8 + 1,
    "phases are told apart by one comparison"
);

impl SyscallPhase {
    /// In a call, or held on the way into one.
    #[inline(always)]
    pub fn is_in_call(self) -> bool {
        self as u8 >= Self::Inside as u8
    }
}

/// Page faults of a thread since its birth, as the kernel counts them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    pub minor: u64,
    pub major: u64,
}

/// Of a thread, as the kernel accounts it: by the timer's ticks, where it does not do so at each way into the kernel.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    pub user_ns: u64,
    pub system_ns: u64,
}

/// A name that a thread was given by another one, which may not write its record.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rename {
    /// Whose name it is: the thread's, not that of one before it or after it in the same memory.
    pub start_time_ns: u64,
    /// In which it was given.
    pub window: u32,
    pub reserved: u32,
    pub comm: [u8; COMM_BYTES],
}

/// A system call as far as it kept its thread on one CPU, at its end.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongCall {
    pub from_ns: u64,
    pub to_ns: u64,
    pub key: SyscallKey,
    pub reserved: u32,
}

/// Shorter ones are not kept: what the flight recorder tells of a thread on a CPU is in which call it was for so long.
pub const LONG_CALL_NS: u64 = 10_000;

/// Of a thread's time on a CPU, the longest are kept.
pub const LONG_CALLS: usize = 4;

/// One thread's record. All zeros is a free one.
///
/// It has three writers, and each field has one. The thread's own events write most of it: they come one at a time, from
/// the CPU that the thread is on. Whoever wakes it writes `woken_ns`. Interrupts may arrive in the middle of that, on the same CPU: they write the fields whose names hold
/// `irq`, `interrupted_ns`, and nothing else. Where a program can be preempted in the middle of an event (Linux 7), the
/// switches that it finds itself in write `nested` and what only switches write.
#[repr(C, align(64))]
pub struct ThreadRecord {
    // The first cache line is what a system call's events touch besides the call's row.
    /// The address of the kernel's `task_struct`: a thread keeps it through `execve`, where its tid may change.
    pub task: u64,
    /// The window this record belongs to.
    pub window: u32,
    pub activity: Activity,
    pub phase: SyscallPhase,
    /// 1: the beginning of the on-CPU slice was missed.
    pub slice_cut: u8,
    /// 1: a program is in the middle of an event of the thread's own. Linux 7 may preempt it there.
    pub busy: u8,
    /// When `activity` began.
    pub since_ns: u64,
    /// When the open system call began; 0: before the record begins.
    pub syscall_since_ns: u64,
    pub syscall: SyscallKey,
    /// This record's own index in the map.
    pub slot: u32,
    /// Time that is no part of what the thread was doing when it was interrupted: the sum of the three below that say so.
    pub interrupted_ns: u64,
    /// How much of that has been taken off the activities that were interrupted.
    pub taken_off_ns: u64,
    /// When it was preempted while `busy`.
    pub nested_since_ns: u64,

    pub tid: u32,
    pub tgid: u32,
    /// The chunk of syscall rows in use, and how many of its rows are left.
    pub chunk: u32,
    pub chunk_left: u32,
    /// `task_struct.start_time`, in ns.
    pub start_time_ns: u64,
    /// Window's start, or the thread's birth inside the window.
    pub begin_ns: u64,
    /// When it was switched out for the last time; 0 if it lives.
    pub end_ns: u64,
    /// Start of the on-CPU slice, 0: before the record begins.
    pub run_since_ns: u64,
    /// Start of the time ready or stopped, 0: before the record begins.
    pub off_cpu_since_ns: u64,
    /// When it was last switched out; 0: before the record begins.
    pub switched_out_ns: u64,
    pub negative_intervals: u64,

    /// 0: none is being handled.
    pub hard_irq_since_ns: u64,
    pub hard_irq_action: u64,
    pub soft_irq_since_ns: u64,
    /// `hard_irq_ns` as the soft interrupt began.
    pub hard_irq_ns_before_soft_irq: u64,
    pub soft_irq_vector: u32,
    pub irq_negative_intervals: u32,
    /// When an interrupt first found the thread on a CPU although its record says that it is off.
    pub irq_contradiction_ns: u64,
    pub switches_missed: u64,
    /// The call that the registers held as the record was made (or, where they are not handed over, as it ended), and what the
    /// first event says of the time before it: a thread without events in the window before this one did that all along.
    pub first_syscall: SyscallKey,
    pub first_activity: Activity,
    /// 1: an interrupt has found the thread on a CPU.
    pub irq_seen: u8,
    /// 1: it never leaves the kernel. (Its phase is another one once it exits.)
    pub kernel_only: u8,
    /// 1: the call that its registers held was over: it began another one, and the time before that was in none.
    pub first_syscall_over: u8,
    /// The thread's user and system time as the hard interrupt began, as the kernel accounts them.
    pub irq_cpu_times: CpuTimes,
    /// What timer ticks have added to either outside of calls, and how many did.
    pub irq_ticked: CpuTimes,
    pub irq_ticks: u64,
    /// Time in handlers of hard interrupts, and in soft interrupts net of the hard ones in them: interrupted.
    pub hard_irq_ns: u64,
    pub soft_irq_ns: u64,
    /// Time preempted while `busy`: interrupted.
    pub nested_ready_ns: u64,

    pub comm: [u8; COMM_BYTES],
    /// Time before the first event if that was a wakeup: whether blocked or stopped, only /proc knew.
    pub first_blocked_ns: u64,
    pub run_min_ns: u64,
    pub run: Durations,
    pub run_clipped_ns: u64,

    pub woken: Durations,
    pub preempted: Durations,
    pub ready_clipped_ns: u64,
    pub stopped_clipped_ns: u64,
    pub stopped: Durations,

    /// Of the time off the CPU, what has been attributed: to system calls, or to none, as there was none.
    pub attributed: OffCpuTime,
    /// How often, and how long each time, the thread did something else than a call of the poll family.
    pub long_poll: Durations,
    pub long_poll_min_ns: u64,
    /// When the last such call ended; 0: none has in the window.
    pub polled_ns: u64,
    /// By its first event in the window, and by its last switch.
    pub faults_before: Faults,
    pub faults: Faults,
    /// When it was woken last; 0: not since it was on a CPU. Its waker writes it, which holds the thread's `pi_lock` alone.
    pub woken_ns: u64,
    /// The kernel's number.
    pub pid: u32,
    /// How many are kept since it came to the CPU, in the order of time.
    pub long_calls_kept: u32,
    pub long_calls: [LongCall; LONG_CALLS],

    pub accumulated_ns: [u64; ACTIVITIES],
    pub soft_irqs: [Durations; SOFT_IRQ_VECTORS],
    pub run_histogram: Histogram,
    pub ready_histogram: Histogram,
    pub long_poll_histogram: Histogram,
    /// First row of each head: a row's index + 1, 0 for none.
    pub rows: [u32; ROW_HEADS],
}

/// A thread has ended: nobody will find its record again. The record is told by its thread, too: if it was read and freed before
/// this is, it may be another's by now.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// As in [`ThreadRecord`].
    pub task: u64,
    pub start_time_ns: u64,
    pub slot: u32,
    pub window: u32,
}

/// What an [`Ended`] takes in its ring buffer: its bytes and the kernel's header.
pub const ENDED_BYTES: u32 = size_of::<Ended>() as u32 + 8;

const _: () = assert!(size_of::<Rename>() == 32, "Rename has padding");
const _: () = assert!(size_of::<Ended>() == 24, "Ended has padding");
const _: () = assert!(size_of::<LongCall>() == 24, "LongCall has padding");
const _: () = assert!(
    core::mem::offset_of!(ThreadRecord, tid) == 64,
    "the hot part is one cache line"
);
const _: () = assert!(
    size_of::<ThreadRecord>()
        == (64
            + 64
            + 96
            + 64
            + 88
            + 40
            + 112
            + 24 * LONG_CALLS
            + 8 * ACTIVITIES
            + 24 * SOFT_IRQ_VECTORS
            + 12 * BUCKETS
            + 4 * ROW_HEADS)
            .next_multiple_of(64),
    "ThreadRecord has implicit padding before its end"
);
