//! The threads of a sample, and their system calls, as Node.js sees them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::vec;

use abi::syscall::SyscallKey;
use napi::bindgen_prelude::{Env, Float64Array, Int32Array, ObjectFinalize, Uint32Array};
use napi_derive::napi;

use crate::names::syscalls;
// By the names that they have in JavaScript, as in `sample.rs`.
use crate::sample::{
    Budget as BindingBudget, Chain as BindingChain, Faults as BindingFaults,
    HardIrq as BindingHardIrq, LocalIrq as BindingLocalIrq, LongPoll as BindingLongPoll,
    RanInstead as BindingRanInstead, Ready as BindingReady, Run as BindingRun,
    SoftIrq as BindingSoftIrq, Stopped as BindingStopped, SyscallStatistics, Thread,
    Waker as BindingWaker,
};

/// A thread's numbers, but for its system calls.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct BindingThread {
    pub pid: u32,
    pub tid: u32,
    /// May hold control characters; bytes that are no UTF-8 are spelled `\xNN`.
    pub comm: String,
    /// Began to exit inside the window.
    pub exited: bool,
    /// It never leaves the kernel, and works there for its process: io_uring's and vhost's workers.
    pub kernel_only: bool,
    pub run: BindingRun,
    pub ready: BindingReady,
    pub stopped: BindingStopped,
    pub long_poll: BindingLongPoll,
    pub hard_irqs: Vec<BindingHardIrq>,
    pub local_irqs: Vec<BindingLocalIrq>,
    pub soft_irqs: Vec<BindingSoftIrq>,
    pub ran_instead: BindingRanInstead,
    /// The longest, three at most.
    pub woken_by: Vec<BindingWaker>,
    /// What its sleeps and its waits for a CPU were for, the longest first; null: nothing was recorded.
    pub chains: Option<Vec<BindingChain>>,
    pub faults: BindingFaults,
    pub budget: BindingBudget,
}

fn without_calls(thread: Thread) -> (BindingThread, Box<[SyscallStatistics]>) {
    let binding = BindingThread {
        pid: thread.pid,
        tid: thread.tid,
        comm: thread.comm,
        exited: thread.exited,
        kernel_only: thread.kernel_only,
        run: thread.run,
        ready: thread.ready,
        stopped: thread.stopped,
        long_poll: thread.long_poll,
        hard_irqs: thread.hard_irqs,
        local_irqs: thread.local_irqs,
        soft_irqs: thread.soft_irqs,
        ran_instead: thread.ran_instead,
        woken_by: thread.woken_by,
        chains: thread.chains,
        faults: thread.faults,
        budget: thread.budget,
    };
    (binding, thread.syscalls.into_boxed_slice())
}

/// What a call is called.
#[napi(object, object_from_js = false)]
pub struct BindingCallName {
    pub name: String,
    pub number: u32,
    #[napi(ts_type = "'native' | 'ia32' | 'x32' | 'arm32'")]
    pub abi: String,
}

/// Calls that were refused before they began.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct BindingRefusal {
    /// Whose.
    pub row: u32,
    pub count: i64,
    /// The error that all of them returned; null: there is none, or not all have the same.
    pub errno: Option<String>,
}

/// The system calls of some threads, one thread's behind the other's: a row for each call of each thread, and a column for each of its
/// numbers. `SyscallStatistics` says what they are.
#[napi(object, object_from_js = false)]
pub struct BindingSyscalls {
    /// Rows of each of the threads.
    pub rows: Uint32Array,
    /// The different calls.
    pub names: Vec<BindingCallName>,
    /// The index in `names`.
    pub name: Uint32Array,
    pub count: Float64Array,
    pub total_ns: Float64Array,
    pub max_ns: Float64Array,
    pub in_flight_ns: Float64Array,
    pub ready_ns: Float64Array,
    pub blocked_ns: Float64Array,
    pub stopped_ns: Float64Array,
    /// Of the rows that have any.
    pub refusals: Vec<BindingRefusal>,
    /// Numbers in `histograms`; -1: counters wrapped.
    pub histogram_length: Int32Array,
    /// Of one row behind the other: pairs, in rising order, of the number of a bucket that is not empty, and its count.
    pub histograms: Uint32Array,
}

impl BindingSyscalls {
    fn of(threads: &[&[SyscallStatistics]]) -> Self {
        let column = |number: fn(&SyscallStatistics) -> i64| -> Float64Array {
            let rows = threads.iter().copied().flatten();
            // Below 2^53, as `sample` has it.
            rows.map(|call| number(call) as f64)
                .collect::<Vec<_>>()
                .into()
        };
        let rows = || threads.iter().copied().flatten();
        let mut names = Names::default();
        let name: Vec<u32> = rows().map(|call| names.index_of(call.key)).collect();
        let refusals = (0u32..).zip(rows()).filter(|(_, call)| call.refused > 0);
        let lengths = rows().map(|call| match &call.histogram {
            Some(histogram) => histogram.len() as i32,
            None => -1,
        });
        let histograms = rows().filter_map(|call| call.histogram.as_deref());
        Self {
            rows: threads
                .iter()
                .map(|calls| calls.len() as u32)
                .collect::<Vec<_>>()
                .into(),
            names: names.names,
            name: name.into(),
            count: column(|call| call.count),
            total_ns: column(|call| call.total_ns),
            max_ns: column(|call| call.max_ns),
            in_flight_ns: column(|call| call.in_flight_ns),
            ready_ns: column(|call| call.ready_ns),
            blocked_ns: column(|call| call.blocked_ns),
            stopped_ns: column(|call| call.stopped_ns),
            refusals: refusals
                .map(|(row, call)| BindingRefusal {
                    row,
                    count: call.refused,
                    errno: call.refused_errno.map(str::to_owned),
                })
                .collect(),
            histogram_length: lengths.collect::<Vec<_>>().into(),
            histograms: histograms.flatten().copied().collect::<Vec<_>>().into(),
        }
    }
}

/// Each once.
#[derive(Default)]
struct Names {
    names: Vec<BindingCallName>,
    indices: HashMap<SyscallKey, u32>,
}

impl Names {
    fn index_of(&mut self, key: SyscallKey) -> u32 {
        match self.indices.entry(key) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let index = self.names.len() as u32;
                self.names.push(BindingCallName {
                    name: syscalls::name(key),
                    number: key.number(),
                    abi: syscalls::abi_name(key.abi()).to_owned(),
                });
                *entry.insert(index)
            }
        }
    }
}

/// The threads of a sample, in no particular order. Of what there may be millions, their system calls, JavaScript gets a part at a time.
#[napi(custom_finalize)]
pub struct BindingThreads {
    /// Not taken yet.
    threads: vec::IntoIter<BindingThread>,
    syscalls: Vec<Box<[SyscallStatistics]>>,
    /// What Node.js was told that this takes.
    told_bytes: i64,
}

impl From<Vec<Thread>> for BindingThreads {
    fn from(threads: Vec<Thread>) -> Self {
        let (threads, syscalls): (Vec<_>, Vec<_>) = threads.into_iter().map(without_calls).unzip();
        Self {
            threads: threads.into_iter(),
            syscalls,
            told_bytes: 0,
        }
    }
}

impl BindingThreads {
    /// Its garbage collector sees a small object, and might let many of them wait for it.
    pub fn tell_size(&mut self, env: Env) -> napi::Result<()> {
        let rows: usize = self.syscalls.iter().map(|calls| calls.len()).sum();
        let bytes = rows * (size_of::<SyscallStatistics>() + HISTOGRAM_BYTES);
        env.adjust_external_memory(bytes as i64)?;
        self.told_bytes = bytes as i64;
        Ok(())
    }
}

/// Of a call that takes about the same time each time.
const HISTOGRAM_BYTES: usize = 32;

impl ObjectFinalize for BindingThreads {
    fn finalize(self, env: Env) -> napi::Result<()> {
        env.adjust_external_memory(-self.told_bytes)?;
        Ok(())
    }
}

#[napi]
impl BindingThreads {
    /// Of all of them.
    #[napi(getter)]
    pub fn length(&self) -> u32 {
        self.syscalls.len() as u32
    }

    /// The next ones, at most so many; they are numbered from 0 in the order in which they are taken.
    #[napi]
    pub fn take(&mut self, most: u32) -> Vec<BindingThread> {
        let taken = self.threads.by_ref().take(most as usize).collect();
        if self.threads.len() == 0 {
            self.threads = Vec::new().into_iter();
        }
        taken
    }

    /// The system calls of the threads of these numbers; one that there is not has none.
    #[napi]
    pub fn syscalls(&self, threads: Vec<u32>) -> BindingSyscalls {
        let of = |&thread: &u32| {
            self.syscalls
                .get(thread as usize)
                .map_or(&[][..], |calls| calls)
        };
        BindingSyscalls::of(&threads.iter().map(of).collect::<Vec<_>>())
    }
}
