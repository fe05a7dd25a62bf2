//! What the records of a window hold.

use std::collections::HashMap;

use abi::durations::{Durations, OffCpuTime};
use abi::off_cpu::OffCpuKey;
use abi::syscall::SyscallKey;
use abi::thread::record::{Activity, ThreadRecord};

use crate::names::text::name_of;
use crate::sample::Thread;

/// All of it.
#[derive(Default)]
pub struct Seen {
    pub threads: Vec<SeenThread>,
    /// Where each is among these, by its task's address and start time.
    places: HashMap<(u64, u64), usize>,
    pub off_cpu: Vec<BlockedTime>,
    pub negative_intervals: u64,
    pub switches_missed: u64,
}

impl Seen {
    pub fn add(&mut self, identity: (u64, u64), thread: SeenThread) {
        self.places.insert(identity, self.threads.len());
        self.threads.push(thread);
    }

    /// The thread, if it has been seen already.
    pub fn thread_of(&mut self, identity: (u64, u64)) -> Option<&mut SeenThread> {
        self.threads.get_mut(*self.places.get(&identity)?)
    }
}

/// Time that a thread was blocked with one stack.
pub struct BlockedTime {
    pub pid: u32,
    pub tid: u32,
    pub start_time_ns: u64,
    pub comm: String,
    pub key: OffCpuKey,
    pub durations: Durations,
}

/// A thread of the window, and what the records alone do not say.
pub struct SeenThread {
    pub thread: Thread,
    /// The kernel's own number, which the recorder knows it by.
    pub kernel_pid: u32,
    pub first: FirstEvent,
    pub begin_ns: u64,
    /// That it was blocked in as its time in the window began.
    pub first_call: Option<SyscallKey>,
    /// On a CPU all along without a system call: user code or one long call.
    pub needs_cpu_mode: bool,
    /// Blocked since before the window in a call that the records do not name.
    pub needs_syscall: bool,
    /// Its time off the CPU, which is that call's.
    pub unattributed: OffCpuTime,
    /// Its time on a CPU, of user code or of that call.
    pub open_ns: i64,
}

/// What a thread's first event in a window says of the time before it.
#[derive(Clone)]
pub struct FirstEvent {
    pub pid: u32,
    pub tid: u32,
    pub comm: String,
    pub start_time_ns: u64,
    pub is_kernel_only: bool,
    pub activity: Activity,
    /// The call that it was in; `NONE`: in none, or the kernel does not say.
    pub syscall: SyscallKey,
}

impl FirstEvent {
    pub fn of(record: &ThreadRecord) -> Self {
        Self {
            pid: record.tgid,
            tid: record.tid,
            comm: name_of(&record.comm),
            start_time_ns: record.start_time_ns,
            is_kernel_only: record.kernel_only != 0,
            activity: record.first_activity,
            syscall: record.first_syscall,
        }
    }
}
