//! Who waits for somebody's end, and whose end lets go what others wait for.

use std::sync::atomic::{AtomicU32, Ordering};

use loader::sample::Chain;
use loader::session::sample::Sample;

use super::processes::{Means, Process, exit, open, rest, shared, sleep};
use super::told::{INTERRUPT, assert_chains_add_up, assert_waited, blocked, by, closed, seen};
use crate::truth::{Did, LONG, Noted, attempt, is_unknown, long_ns, until, until_in_call};
use crate::{MODES, thread};

#[derive(Default)]
struct Log {
    /// What the one that is waited for did.
    from: Noted,
    to: Noted,
    /// The other one's wait was over.
    over: Noted,
    /// Who is waited for, if the test has not made it itself.
    pid: AtomicU32,
    child: AtomicU32,
}

impl Log {
    fn did(&self) -> Did {
        Did {
            from: self.from.get(),
            to: self.to.get(),
        }
    }

    /// What is waited for, all the way.
    fn sleep(&self) {
        self.from.now();
        sleep(LONG);
        self.to.now();
    }
}

/// True: who was waited for had slept, by its own account. That one's end is told where it is what ended the wait.
fn is_told(sample: &Sample, waits: u32, call: &str, pid: u32, log: &Log, is_end: bool) -> bool {
    let seen = seen(sample, waits);
    let did = log.did();
    let whole_ns = log.over.get().at_ns - sample.start.at_ns;
    let whole = [blocked(waits, call), by(pid)];
    assert_waited(seen, &whole, did.wall_ns()..=whole_ns);
    let is_by_end = |chain: &Chain| chain.by.as_deref() == Some("exit");
    let waits = seen.chains.iter().flatten();
    let waits = waits.filter(|chain| chain.call.as_deref() == Some(call));
    let below = waits.flat_map(|chain| &chain.below);
    let mut its = below.filter(|below| below.tid == pid);
    assert!(
        is_unknown() || its.all(|below| is_by_end(below) == is_end),
        "{seen:#?}"
    );
    let asleep = [whole[0], blocked(pid, "clock_nanosleep"), INTERRUPT];
    assert_waited(seen, &asleep, did.blocked_ns() / 2..=did.wall_ns());
    did.blocked_ns() >= long_ns() / 2
}

#[test]
fn who_waits_for_a_child_is_told_what_that_did_until_its_end() {
    for mode in MODES {
        attempt("a child sleeps and ends", || {
            let log = shared::<Log>();
            let (go, done) = (Means::Pipe.link(), Means::Pipe.link());
            let parent = Process::new(move || {
                let child = Process::new(move || {
                    assert!(go.take());
                    log.sleep();
                });
                log.pid.store(child.pid, Ordering::Release);
                child.join();
                log.over.now();
                done.give();
                rest();
            });
            until_in_call(parent.pid, libc::SYS_wait4);
            let child = log.pid.load(Ordering::Acquire);
            until_in_call(child, libc::SYS_read);
            let session = open(mode, &[parent.pid, child]);
            session.start(None).unwrap();
            go.give();
            done.await_given();
            let sample = closed(&session);
            is_told(&sample, parent.pid, "wait4", child, log, true)
        });
    }
}

/// A process that holds something, sleeps once it is told to, and ends without giving it back; and one that waits for it.
fn assert_end_lets_go(call: &str, number: libc::c_long, hold: impl Fn(), ask: impl Fn()) {
    for mode in MODES {
        attempt("a holder sleeps and ends", || {
            let log = shared::<Log>();
            let [holds, go, done] = [(); 3].map(|()| Means::Pipe.link());
            let holder = Process::new(|| {
                hold();
                holds.give();
                assert!(go.take());
                log.sleep();
            });
            holds.await_given();
            let waits = Process::new(|| {
                ask();
                log.over.now();
                done.give();
                rest();
            });
            until_in_call(waits.pid, number);
            until_in_call(holder.pid, libc::SYS_read);
            let session = open(mode, &[waits.pid, holder.pid]);
            session.start(None).unwrap();
            go.give();
            done.await_given();
            let sample = closed(&session);
            is_told(&sample, waits.pid, call, holder.pid, log, true)
        });
    }
}

/// A mutex that processes share, and that is not lost with its owner.
struct Robust(std::cell::UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: what is shared is a mutex.
unsafe impl Sync for Robust {}

impl Default for Robust {
    fn default() -> Self {
        Self(libc::PTHREAD_MUTEX_INITIALIZER.into())
    }
}

impl Robust {
    fn shared() -> &'static Self {
        let robust = shared::<Self>();
        // SAFETY: attributes of the thread's own, and a mutex that nobody uses yet.
        unsafe {
            let mut attributes: libc::pthread_mutexattr_t = std::mem::zeroed();
            libc::pthread_mutexattr_init(&raw mut attributes);
            libc::pthread_mutexattr_setpshared(&raw mut attributes, libc::PTHREAD_PROCESS_SHARED);
            libc::pthread_mutexattr_setrobust(&raw mut attributes, libc::PTHREAD_MUTEX_ROBUST);
            assert_eq!(
                libc::pthread_mutex_init(robust.0.get(), &raw const attributes),
                0
            );
        }
        robust
    }

    fn lock(&self) -> i32 {
        // SAFETY: a mutex that was made.
        unsafe { libc::pthread_mutex_lock(self.0.get()) }
    }

    fn unlock(&self) {
        // SAFETY: a mutex that was made, and this thread's.
        unsafe {
            libc::pthread_mutex_consistent(self.0.get());
            libc::pthread_mutex_unlock(self.0.get());
        }
    }
}

#[test]
fn a_mutex_whose_owner_dies_is_waited_for_until_that_death() {
    let mutex = Robust::shared();
    assert_end_lets_go(
        "futex",
        libc::SYS_futex,
        || assert_eq!(mutex.lock(), 0),
        || {
            assert_eq!(mutex.lock(), libc::EOWNERDEAD);
            // For the next attempt.
            mutex.unlock();
        },
    );
}

/// The same of one thread, while its process goes on.
#[test]
fn a_mutex_whose_thread_dies_is_waited_for_until_that_death() {
    for mode in MODES {
        attempt("a thread sleeps and ends", || {
            let mutex = Robust::shared();
            let log = shared::<Log>();
            let [holds, go, done] = [(); 3].map(|()| Means::Pipe.link());
            let process = Process::new(move || {
                let dies = std::thread::spawn(move || {
                    log.pid
                        .store(loader::kernel::own_thread::own_tid(), Ordering::Release);
                    assert_eq!(mutex.lock(), 0);
                    holds.give();
                    assert!(go.take());
                    log.sleep();
                });
                assert!(holds.take());
                assert_eq!(mutex.lock(), libc::EOWNERDEAD);
                log.over.now();
                // Not joined: that would be another wait for it.
                drop(dies);
                done.give();
                rest();
            });
            until_in_call(process.pid, libc::SYS_futex);
            let dies = log.pid.load(Ordering::Acquire);
            until_in_call(dies, libc::SYS_read);
            let session = open(mode, &[process.pid]);
            session.start(None).unwrap();
            go.give();
            done.await_given();
            let sample = closed(&session);
            is_told(&sample, process.pid, "futex", dies, log, true)
        });
    }
}

#[test]
fn a_files_lock_whose_owner_ends_is_waited_for_until_that_end() {
    let path = std::env::temp_dir().join(format!("kdelay-lock-{}", std::process::id()));
    let name = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
    let lock = || {
        // SAFETY: a path that ends in a zero. Each process opens it by itself, and so has a lock of its own.
        let result = unsafe {
            let file = libc::open(
                name.as_ptr(),
                libc::O_RDWR | libc::O_CREAT | libc::O_CLOEXEC,
                0o600,
            );
            libc::flock(file, libc::LOCK_EX)
        };
        assert_eq!(result, 0);
    };
    assert_end_lets_go("flock", libc::SYS_flock, lock, lock);
    std::fs::remove_file(path).unwrap();
}

/// A thread of the other process, which is not its first one, executes another program, and that sleeps, too. All along it is the same
/// task, with the first one's number at the end; its end is waited for.
#[test]
fn a_thread_that_executes_another_program_is_waited_for_before_and_after() {
    for mode in MODES {
        attempt("a thread sleeps and executes", || {
            let log = shared::<Log>();
            let [go, done] = [(); 2].map(|()| Means::Pipe.link());
            let executes = move || {
                let other = std::thread::spawn(move || {
                    log.pid
                        .store(loader::kernel::own_thread::own_tid(), Ordering::Release);
                    assert!(go.take());
                    log.sleep();
                    let (program, seconds) = (c"/bin/sleep", c"0.06");
                    let words = [program.as_ptr(), seconds.as_ptr(), std::ptr::null()];
                    // SAFETY: words that end in zeros, and a list that ends in null.
                    unsafe { libc::execv(program.as_ptr(), words.as_ptr()) };
                    exit(1);
                });
                let _ = other.join();
            };
            let waits = Process::new(move || {
                let executes = Process::new(executes);
                log.child.store(executes.pid, Ordering::Release);
                executes.join();
                log.over.now();
                done.give();
                rest();
            });
            until_in_call(waits.pid, libc::SYS_wait4);
            let executes = log.child.load(Ordering::Acquire);
            until_in_call(executes, libc::SYS_futex);
            let other = || log.pid.load(Ordering::Acquire);
            until("its other thread is there", || other() != 0);
            until_in_call(other(), libc::SYS_read);
            let session = open(mode, &[executes, waits.pid]);
            session.start(None).unwrap();
            go.give();
            done.await_given();
            let sample = closed(&session);
            // The other program's sleep is as long; it has no log.
            // Not that nobody stands below itself: the process's first thread, whose end the exec waits for, had the number before.
            let seen = thread(&sample, waits.pid);
            assert_chains_add_up(&sample, seen);
            let did = log.did();
            let whole_ns = log.over.get().at_ns - sample.start.at_ns;
            let whole = [blocked(waits.pid, "wait4"), by(executes)];
            assert_waited(seen, &whole, did.wall_ns() + long_ns()..=whole_ns);
            let asleep = [whole[0], blocked(executes, "clock_nanosleep"), INTERRUPT];
            let after_ns = log.over.get().at_ns - log.to.get().at_ns;
            let within = did.blocked_ns() / 2..=did.wall_ns() + after_ns;
            assert_waited(seen, &asleep, within);
            did.blocked_ns() >= long_ns() / 2
        });
    }
}
