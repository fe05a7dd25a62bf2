//! What a program knows of itself: when it did what, and how the scheduler accounts for that.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use loader::kernel::clock::monotonic_ns;

/// Long beside what nobody asked for takes; tests assert no length all the same, but what their programs' logs prove.
pub const LONG: Duration = Duration::from_millis(60);

pub fn long_ns() -> u64 {
    LONG.as_nanos() as u64
}

/// A thread's own account.
#[derive(Clone, Copy, Debug, Default)]
pub struct Account {
    pub at_ns: u64,
    run_ns: u64,
    ready_ns: u64,
}

/// The CPU time of the thread that asks.
pub fn own_run_ns() -> u64 {
    cpu_time_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn cpu_time_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call fills the time in.
    assert_eq!(unsafe { libc::clock_gettime(clock, &raw mut time) }, 0);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The CPU time of another thread of this process.
pub fn run_ns_of(tid: u32) -> u64 {
    // As the kernel makes a clock's number out of a thread's: `CPUCLOCK_SCHED` of one thread.
    cpu_time_ns(!(tid as libc::clockid_t) << 3 | 0x6)
}

/// How long another thread of this process has waited for a CPU.
pub fn ready_ns_of(tid: u32) -> u64 {
    let file = format!("/proc/self/task/{tid}/schedstat");
    let text = std::fs::read_to_string(file).unwrap();
    let mut words = text.split_whitespace();
    words.nth(1).unwrap().parse().unwrap()
}

/// How long this thread has waited for a CPU. By system calls alone: it is also used where nothing may be allocated.
fn own_ready_ns() -> u64 {
    let mut text = [0_u8; 64];
    // SAFETY: a path that ends in a zero, and as many bytes as there is room for.
    let length = unsafe {
        let path = c"/proc/thread-self/schedstat";
        let file = libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        let length = libc::read(file, text.as_mut_ptr().cast(), text.len());
        libc::close(file);
        length
    };
    assert!(length > 0);
    let mut words = text[..length as usize].split(|&byte| byte == b' ');
    let digits = words.nth(1).unwrap_or_default();
    let digit = |number: u64, &byte: &u8| number * 10 + u64::from(byte - b'0');
    digits.iter().fold(0, digit)
}

impl Account {
    pub fn now() -> Self {
        let (run_ns, ready_ns) = (own_run_ns(), own_ready_ns());
        Self {
            at_ns: monotonic_ns(),
            run_ns,
            ready_ns,
        }
    }
}

/// What a thread did from then to then.
#[derive(Clone, Copy, Debug, Default)]
pub struct Did {
    pub from: Account,
    pub to: Account,
}

impl Did {
    pub fn of(work: impl FnOnce()) -> Self {
        let from = Account::now();
        work();
        let at_ns = monotonic_ns();
        let to = Account::now();
        Self {
            from,
            to: Account { at_ns, ..to },
        }
    }

    pub fn wall_ns(&self) -> u64 {
        self.to.at_ns - self.from.at_ns
    }

    pub fn ran_ns(&self) -> u64 {
        self.to.run_ns - self.from.run_ns
    }

    pub fn ready_ns(&self) -> u64 {
        self.to.ready_ns - self.from.ready_ns
    }

    /// What is left. The account leaves out interrupts and what a hypervisor took: these are in here as well.
    pub fn blocked_ns(&self) -> u64 {
        let accounted_ns = self.ran_ns() + self.ready_ns();
        self.wall_ns().saturating_sub(accounted_ns)
    }
}

/// An [`Account`] at a place that processes share.
#[derive(Default)]
pub struct Noted([AtomicU64; 3]);

impl Noted {
    pub fn note(&self, account: Account) {
        let words = [account.run_ns, account.ready_ns, account.at_ns];
        for (place, word) in self.0.iter().zip(words) {
            place.store(word, Ordering::Release);
        }
    }

    pub fn now(&self) {
        self.note(Account::now());
    }

    pub fn get(&self) -> Account {
        let [run_ns, ready_ns, at_ns] =
            [0, 1, 2].map(|word: usize| self.0[word].load(Ordering::Acquire));
        assert!(at_ns > 0, "it has come to that");
        Account {
            at_ns,
            run_ns,
            ready_ns,
        }
    }
}

/// Until that is so. What has not come by then does not come: a test ends by failing.
pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::yield_now();
    }
}

/// Until the thread sleeps in this call.
pub fn until_in_call(tid: u32, call: libc::c_long) {
    let file = format!("/proc/{tid}/syscall");
    let begins = format!("{call} ");
    until(&format!("{tid} comes to call {call}"), || {
        std::fs::read_to_string(&file).is_ok_and(|text| text.starts_with(&begins))
    });
}

/// Whether a program does what a test is about is the machine's as well, where others use its CPUs: its own account tells. Whatever is
/// said of it is looked at each time.
pub fn attempt(what: &str, mut is_about_it: impl FnMut() -> bool) {
    const ATTEMPTS: usize = 20;
    let mut is_seen = || is_about_it() & !UNKNOWN.replace(false);
    assert!((0..ATTEMPTS).any(|_| is_seen()), "{what}: not once");
}

thread_local! {
    static UNKNOWN: Cell<bool> = const { Cell::new(false) };
}

/// What this attempt was to see is told to be unknown, as where the kernel has hidden a switch (docs/limitations.md): not this time.
pub fn note_unknown() {
    UNKNOWN.set(true);
}

pub fn is_unknown() -> bool {
    UNKNOWN.get()
}
