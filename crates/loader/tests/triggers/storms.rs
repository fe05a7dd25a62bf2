//! Triggers that fire at once, in each other, and as often as they can: what is not a window is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use loader::options::Options;
use loader::options::TriggerScope;
use loader::sample::StopReason;
use loader::session::capture::CaptureSession;

use crate::functions::{kdelay_test_recursion, kdelay_test_storm};
use crate::support::assert_adds_up;
use crate::{alone, open, options};

#[test]
fn recursion_and_threads_that_start_at_once_open_one_window() {
    let _alone = alone();
    let session = open(Some("up:kdelay_test_recursion"), None);
    session.start(None).unwrap();
    let go = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let go = Arc::clone(&go);
            std::thread::spawn(move || {
                while !go.load(Ordering::Acquire) {
                    std::hint::spin_loop();
                }
                kdelay_test_recursion(9)
            })
        })
        .collect();
    go.store(true, Ordering::Release);
    let fired: u64 = threads
        .into_iter()
        .map(|thread| thread.join().unwrap() + 1)
        .sum();
    session.stop().unwrap();
    assert_eq!(session.wait().unwrap(), StopReason::Interrupt);
    let sample = session.read().unwrap();
    // Those that came while the first was opening the window are told by it, or by the next one.
    session.start(Some(1_000_000)).unwrap();
    kdelay_test_recursion(0);
    assert_eq!(session.wait().unwrap(), StopReason::Time);
    let next = session.read().unwrap();
    let missed = sample.losses.triggers_missed + next.losses.triggers_missed;
    let others = (sample.starts_in_window + missed) as u64;
    // Since Linux 7 the kernel skips programs while one is preempted on their CPU, and counts that.
    let skipped = sample.losses.recursion_misses.unwrap_or(0) as u64;
    assert!(
        others < fired && fired <= others + 1 + skipped,
        "{others} of {fired}, {skipped} skipped"
    );
    assert!(session.closed_window().is_none());
}

/// A process that fires as often as it can until it is told to end, and counts.
struct Storm {
    pid: libc::pid_t,
    shared: &'static [AtomicU64; 4],
}

impl Storm {
    const GO: usize = 0;
    const END: usize = 1;
    const FIRED: usize = 2;
    const ENDED: usize = 3;

    fn new(fire: fn()) -> Self {
        // SAFETY: a new shared mapping, zeroed, larger and better aligned than the array, and never unmapped.
        let shared: &'static [AtomicU64; 4] = unsafe {
            &*libc::mmap(
                std::ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
            .cast()
        };
        // SAFETY: the child makes async-signal-safe calls only.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            while shared[Self::GO].load(Ordering::Acquire) == 0 {
                std::hint::spin_loop();
            }
            while shared[Self::END].load(Ordering::Acquire) == 0 {
                shared[Self::FIRED].fetch_add(1, Ordering::Release);
                fire();
            }
            shared[Self::ENDED].store(1, Ordering::Release);
            // Once more, when the last window is armed: it tells what was missed until then.
            while shared[Self::GO].load(Ordering::Acquire) == 1 {
                std::hint::spin_loop();
            }
            shared[Self::FIRED].fetch_add(1, Ordering::Release);
            fire();
            loop {
                // SAFETY: no preconditions.
                unsafe { libc::pause() };
            }
        }
        Self { pid, shared }
    }

    fn fired(&self) -> u64 {
        self.shared[Self::FIRED].load(Ordering::Acquire)
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        // SAFETY: our own unreaped child's pid.
        unsafe {
            libc::kill(self.pid, libc::SIGKILL);
            libc::waitpid(self.pid, std::ptr::null_mut(), 0);
        }
    }
}

fn call() {
    kdelay_test_storm(1);
}

fn rename() {
    // SAFETY: a name of less than 16 bytes, NUL included.
    unsafe { libc::prctl(libc::PR_SET_NAME, c"storm".as_ptr()) };
}

/// Every firing opens a window, finds one open, or is counted as missed. A call takes a breakpoint; a thread can take a name
/// several 100,000 times a second.
#[test]
fn a_storm_of_triggers_loses_only_what_it_counts() {
    let _alone = alone();
    for (fire, start, stop) in [
        (call as fn(), "up:kdelay_test_storm", "ur:kdelay_test_storm"),
        (rename, "t:task:task_rename", "t:raw_syscalls:sys_exit"),
    ] {
        let storm = Storm::new(fire);
        let session = CaptureSession::open(&Options {
            pids: vec![storm.pid as u32],
            trigger_scope: TriggerScope::Target,
            ..options(Some(start), Some(stop))
        })
        .unwrap();
        for _ in 0..3 {
            session.start(None).unwrap();
        }
        let begun = Instant::now();
        storm.shared[Storm::GO].store(1, Ordering::Release);
        let (mut windows, mut in_window, mut missed, mut skipped) = (0, 0, 0, 0);
        let mut read = || {
            assert_eq!(session.wait().unwrap(), StopReason::Trigger);
            let sample = session.read().unwrap();
            windows += 1;
            in_window += sample.starts_in_window;
            missed += sample.losses.triggers_missed;
            skipped += sample.losses.recursion_misses.unwrap_or(0);
            assert_adds_up(&sample);
        };
        while begun.elapsed() < Duration::from_millis(300) {
            read();
            session.start(None).unwrap();
        }
        let (fired, elapsed) = (storm.fired(), begun.elapsed());
        storm.shared[Storm::END].store(1, Ordering::Release);
        while storm.shared[Storm::ENDED].load(Ordering::Acquire) == 0 {
            std::thread::yield_now();
        }
        while session.closed_window().is_some() {
            read();
        }
        session.start(None).unwrap();
        storm.shared[Storm::GO].store(2, Ordering::Release);
        read();
        eprintln!(
            "{} firings a second of {start}: {windows} windows, {in_window} in a window, {missed} missed",
            u128::from(fired) * 1_000_000_000 / elapsed.as_nanos(),
        );
        let (seen, fired) = (windows + in_window + missed, storm.fired() as i64);
        // Since Linux 7 the kernel skips programs while one is preempted on their CPU, and counts that.
        assert!(
            seen <= fired && fired <= seen + skipped,
            "{seen} of {fired}, {skipped} skipped"
        );
        assert!(missed > 0);
    }
}

/// Two threads, so that a stop may fire while the other one opens a window: what fired before the window began does not close it.
#[test]
fn a_window_never_ends_before_it_begins() {
    let _alone = alone();
    let starts = Storm::new(rename);
    let stops = Storm::new(|| {
        // SAFETY: no preconditions.
        unsafe { libc::syscall(libc::SYS_getppid) };
    });
    let session = CaptureSession::open(&Options {
        pids: vec![starts.pid as u32, stops.pid as u32],
        trigger_scope: TriggerScope::Target,
        ..options(Some("t:task:task_rename"), Some("t:raw_syscalls:sys_enter"))
    })
    .unwrap();
    for _ in 0..3 {
        session.start(None).unwrap();
    }
    let begun = Instant::now();
    for storm in [&starts, &stops] {
        storm.shared[Storm::GO].store(1, Ordering::Release);
    }
    let mut windows = 0;
    while begun.elapsed() < Duration::from_secs(1) {
        assert_eq!(session.wait().unwrap(), StopReason::Trigger);
        let sample = session.read().unwrap();
        assert!(
            sample.start.at_ns <= sample.stop.at_ns,
            "window {windows} of {:?}: {} to {}",
            begun.elapsed(),
            sample.start.at_ns,
            sample.stop.at_ns
        );
        windows += 1;
        session.start(None).unwrap();
    }
    assert!(windows > 0);
}
