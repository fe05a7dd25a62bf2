//! System calls that count themselves.
//!
//! Each method of a tally (they stand in `calls`) makes exactly one system call and adds one to its counter first, so what
//! the truth states is what the code did, not what its author believes it does. A call that is not part of the truth
//! (set-up, the waits between the lines of the protocol) goes through a tally nobody prints.

use std::ffi::{c_int, c_long};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value};

macro_rules! calls {
    ($($call:ident => $name:literal, $number:ident;)*) => {
        /// A system call the workloads make, under the name that strace and kdelay print.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Call { $($call),* }

        impl Call {
            pub const ALL: &[Call] = &[$(Call::$call),*];

            pub fn name(self) -> &'static str {
                match self { $(Call::$call => $name),* }
            }

            fn number(self) -> c_long {
                match self { $(Call::$call => libc::$number),* }
            }
        }

        const CALL_COUNT: usize = [$($name),*].len();
    };
}

calls! {
    ClockGettime => "clock_gettime", SYS_clock_gettime;
    ClockNanosleep => "clock_nanosleep", SYS_clock_nanosleep;
    Clone => "clone", SYS_clone;
    Execve => "execve", SYS_execve;
    Fstat => "fstat", SYS_fstat;
    Futex => "futex", SYS_futex;
    Getppid => "getppid", SYS_getppid;
    Getrandom => "getrandom", SYS_getrandom;
    Gettid => "gettid", SYS_gettid;
    Getuid => "getuid", SYS_getuid;
    Kill => "kill", SYS_kill;
    Lseek => "lseek", SYS_lseek;
    Prctl => "prctl", SYS_prctl;
    Pread64 => "pread64", SYS_pread64;
    Pwrite64 => "pwrite64", SYS_pwrite64;
    Read => "read", SYS_read;
    Readv => "readv", SYS_readv;
    SchedYield => "sched_yield", SYS_sched_yield;
    Tgkill => "tgkill", SYS_tgkill;
    Wait4 => "wait4", SYS_wait4;
    Write => "write", SYS_write;
}

/// How often one thread made each call. One thread writes; another may read once the writer has come to rest.
pub struct Tally {
    counts: [AtomicU64; CALL_COUNT],
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

impl Tally {
    pub const fn new() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; CALL_COUNT],
        }
    }

    pub fn count(&self, call: Call) -> u64 {
        self.counts[call as usize].load(Ordering::Relaxed)
    }

    /// For calls that something else made on this thread's behalf, such as `clone` inside the C library's wrapper.
    pub fn add(&self, call: Call, times: u64) {
        // Load and store instead of one atomic addition: there is one writer, and this is on the path being measured.
        let counter = &self.counts[call as usize];
        counter.store(counter.load(Ordering::Relaxed) + times, Ordering::Relaxed);
    }

    /// Adds what another thread, now at rest or gone, has counted.
    pub fn absorb(&self, other: &Tally) {
        for call in Call::ALL {
            self.add(*call, other.count(*call));
        }
    }

    /// The non-zero counters, by name.
    pub fn to_json(&self) -> Map<String, Value> {
        Call::ALL
            .iter()
            .filter(|call| self.count(**call) > 0)
            .map(|call| (call.name().to_owned(), self.count(*call).into()))
            .collect()
    }

    /// # Safety
    /// `arguments` must be what the kernel expects of `call`: every pointer among them live, of the right type and size,
    /// and writable where the kernel writes.
    pub(crate) unsafe fn make(&self, call: Call, arguments: [usize; 6]) -> io::Result<usize> {
        self.add(call, 1);
        let [a, b, c, d, e, f] = arguments;
        // SAFETY: the caller vouches for the arguments; the kernel ignores the ones a call does not have.
        match unsafe { libc::syscall(call.number(), a, b, c, d, e, f) } {
            -1 => Err(io::Error::last_os_error()),
            result => Ok(result as usize),
        }
    }
}

/// Ends the whole process at once: no destructors, no thread is joined, so nothing else appears in the trace.
pub fn exit_process(code: c_int) -> ! {
    // SAFETY: `_exit` takes no pointers and does not return.
    unsafe { libc::_exit(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_counts_once_under_its_own_name() {
        let tally = Tally::new();
        tally.getppid();
        tally.getppid();
        tally.sched_yield();
        let json = Value::Object(tally.to_json());
        assert_eq!(json, serde_json::json!({ "getppid": 2, "sched_yield": 1 }));
    }

    #[test]
    fn a_failing_call_counts_too_and_returns_its_reason() {
        let tally = Tally::new();
        let error = tally.read(-1, &mut [0; 1]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBADF));
        assert_eq!(tally.count(Call::Read), 1);
    }

    #[test]
    fn the_list_of_calls_is_in_the_order_of_their_counters() {
        for (index, call) in Call::ALL.iter().enumerate() {
            assert_eq!(*call as usize, index);
        }
    }
}
