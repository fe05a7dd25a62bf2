//! Threads that wait for a condition, for a signal, or for a time: who ended that, and what that one did until then.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};

use loader::kernel::clock::monotonic_ns;
use loader::options::AttachMode;

use super::processes::{self, Means, PAUSE, Process, rest, shared, sleep};
use super::told::{INTERRUPT, assert_waited, blocked, by, closed, seen};
use crate::truth::{Did, LONG, Noted, attempt, long_ns, until, until_in_call};
use crate::worker::Worker;
use crate::{MODES, open};

const LOCK: &str = "futex";

/// Not the lock, but what it is about: who waits for a condition waits for who makes it true.
#[test]
fn who_waits_for_a_condition_waits_for_what_the_one_does_that_signals_it() {
    for mode in MODES {
        attempt("the one that signals sleeps", || {
            let session = open(mode);
            let state = Arc::new((Mutex::new(false), Condvar::new()));
            let asked = Arc::new(AtomicBool::new(false));
            let (say_did, did) = channel();
            let (say_asked_ns, asked_ns) = channel();
            let waiting = Worker::new({
                let (state, asked) = (Arc::clone(&state), Arc::clone(&asked));
                move || {
                    let before_ns = monotonic_ns();
                    let is_true = state.0.lock().unwrap();
                    asked.store(true, Ordering::Release);
                    drop(state.1.wait_while(is_true, |is_true| !*is_true).unwrap());
                    say_asked_ns.send(monotonic_ns() - before_ns).unwrap();
                }
            });
            let waiting_tid = waiting.tid;
            let signals = Worker::new(move || {
                until("the other one waits", || asked.load(Ordering::Acquire));
                until_in_call(waiting_tid, libc::SYS_futex);
                let did = Did::of(|| std::thread::sleep(LONG));
                *state.0.lock().unwrap() = true;
                state.1.notify_one();
                say_did.send(did).unwrap();
            });
            session.start(None).unwrap();
            signals.go.send(()).unwrap();
            waiting.go.send(()).unwrap();
            let (did, asked_ns) = (did.recv().unwrap(), asked_ns.recv().unwrap());
            signals.done.recv().unwrap();
            waiting.done.recv().unwrap();
            let sample = closed(&session);
            let seen = seen(&sample, waiting.tid);
            let whole = [blocked(seen.tid, LOCK), by(signals.tid)];
            assert_waited(seen, &whole, did.wall_ns()..=asked_ns);
            let asleep = blocked(signals.tid, "clock_nanosleep");
            let asleep = [whole[0], asleep, INTERRUPT];
            assert_waited(seen, &asleep, did.blocked_ns() / 2..=did.wall_ns());
            waiting.end();
            signals.end();
            did.blocked_ns() >= long_ns() / 2
        });
    }
}

/// A process that waits for a signal in this call, and how it begins to.
struct Waits {
    name: &'static str,
    number: libc::c_long,
    wait: fn(),
}

extern "C" fn nothing(_: libc::c_int) {}

/// For a signal that is blocked, and is taken.
fn take_signal() {
    // SAFETY: a set of signals is plain bits, and is filled in.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGUSR1);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        let mut taken = 0;
        libc::sigwait(&raw const set, &raw mut taken);
    }
}

fn handle_signals() {
    // SAFETY: an action of plain numbers, and a handler that does nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as usize;
        libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut());
    }
}

fn pause() {
    handle_signals();
    // SAFETY: no addresses.
    unsafe { libc::pause() };
}

/// It would sleep on if nobody came.
fn sleep_long() {
    handle_signals();
    sleep(std::time::Duration::from_secs(100));
}

const SIGNALLED: [Waits; 3] = [
    Waits {
        name: "rt_sigtimedwait",
        number: libc::SYS_rt_sigtimedwait,
        wait: take_signal,
    },
    Waits {
        name: PAUSE.0,
        number: PAUSE.1,
        wait: pause,
    },
    Waits {
        name: "clock_nanosleep",
        number: libc::SYS_clock_nanosleep,
        wait: sleep_long,
    },
];

#[derive(Default)]
struct Log {
    from: Noted,
    to: Noted,
    woken: Noted,
}

/// True: who sent the signal had slept before, by its own account.
fn is_told(mode: AttachMode, waits: &Waits) -> bool {
    let log = shared::<Log>();
    let go = Means::Pipe.link();
    let done = Means::Pipe.link();
    let wait = waits.wait;
    let waiting = Process::new(move || {
        wait();
        log.woken.now();
        done.give();
        rest();
    });
    let pid = waiting.pid;
    let sends = Process::new(move || {
        assert!(go.take());
        log.from.now();
        sleep(LONG);
        log.to.now();
        // SAFETY: no addresses, and the process is the test's own.
        unsafe { libc::kill(pid as i32, libc::SIGUSR1) };
        rest();
    });
    let session = processes::open(mode, &[waiting.pid, sends.pid]);
    until_in_call(waiting.pid, waits.number);
    until_in_call(sends.pid, libc::SYS_read);
    session.start(None).unwrap();
    go.give();
    done.await_given();
    let sample = closed(&session);
    let seen = seen(&sample, waiting.pid);
    let did = Did {
        from: log.from.get(),
        to: log.to.get(),
    };
    let whole_ns = log.woken.get().at_ns - sample.start.at_ns;
    let whole = [blocked(seen.tid, waits.name), by(sends.pid)];
    assert_waited(seen, &whole, did.wall_ns()..=whole_ns);
    let asleep = [whole[0], blocked(sends.pid, "clock_nanosleep"), INTERRUPT];
    assert_waited(seen, &asleep, did.blocked_ns() / 2..=did.wall_ns());
    did.blocked_ns() >= long_ns() / 2
}

/// Also of a sleep that was to be longer, which the signal ends.
#[test]
fn who_waits_for_a_signal_waits_for_what_its_sender_does() {
    for mode in MODES {
        for waits in &SIGNALLED {
            attempt(waits.name, || is_told(mode, waits));
        }
    }
}

fn read_timer(timer: RawFd) {
    let mut expired = 0_u64;
    // SAFETY: as many bytes as there is room for.
    let read = unsafe { libc::read(timer, (&raw mut expired).cast(), size_of::<u64>()) };
    assert_eq!(read, size_of::<u64>() as isize);
}

fn wait_for_timer() {
    // SAFETY: times are plain numbers, and the descriptor is the test's own.
    unsafe {
        let timer = libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC);
        assert!(timer >= 0);
        let mut time: libc::itimerspec = std::mem::zeroed();
        time.it_value.tv_nsec = long_ns() as i64;
        let set = libc::timerfd_settime(timer, 0, &raw const time, std::ptr::null_mut());
        assert_eq!(set, 0);
        read_timer(timer);
        libc::close(timer);
    }
}

fn poll_in_vain() {
    // SAFETY: no descriptors.
    let ready = unsafe { libc::poll(std::ptr::null_mut(), 0, LONG.as_millis() as i32) };
    assert_eq!(ready, 0);
}

/// A condition that nobody signals.
fn wait_in_vain() {
    let (lock, condition) = (Mutex::new(()), Condvar::new());
    let waited = condition.wait_timeout_while(lock.lock().unwrap(), LONG, |()| true);
    assert!(waited.unwrap().1.timed_out());
}

#[test]
fn who_waits_for_a_time_waits_for_an_interrupt_and_for_nobody() {
    let poll = if cfg!(target_arch = "x86_64") {
        "poll"
    } else {
        "ppoll"
    };
    let timers: [(&str, fn()); 4] = [
        ("clock_nanosleep", || std::thread::sleep(LONG)),
        ("read", wait_for_timer),
        (poll, poll_in_vain),
        (LOCK, wait_in_vain),
    ];
    for mode in MODES {
        for (call, wait) in timers {
            attempt(call, || {
                let session = open(mode);
                let (say_did, did) = channel();
                let worker = Worker::new(move || say_did.send(Did::of(wait)).unwrap());
                session.start(None).unwrap();
                worker.run();
                let did = did.recv().unwrap();
                let sample = closed(&session);
                let seen = seen(&sample, worker.tid);
                let way = [blocked(seen.tid, call), INTERRUPT];
                assert_waited(seen, &way, did.blocked_ns() / 2..=did.wall_ns());
                worker.end();
                did.blocked_ns() >= long_ns() / 2
            });
        }
    }
}
