//! Windows opened and closed by triggers, on this machine's kernel, as root: each test calls functions of its own that are the
//! triggers, and knows when it did.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at what it does not expect"
)]

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use loader::capture::{CaptureSession, Options};
use loader::clock::monotonic_ns;
use loader::error::ErrorKind;
use loader::sample::{Sample, StopReason, Thread};
use loader::triggers::TriggerScope;
use support::{assert_adds_up, count};

/// A function that does nothing and is still called.
macro_rules! trigger_function {
    ($name:ident) => {
        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $name(value: u64) -> u64 {
            std::hint::black_box(value)
        }
    };
}

trigger_function!(kdelay_test_begin);
trigger_function!(kdelay_test_end);
trigger_function!(kdelay_test_storm);
trigger_function!(kdelay_test_never);
trigger_function!(kdelay_test_race);

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn kdelay_test_sleep(milliseconds: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(milliseconds));
    milliseconds
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn kdelay_test_recursion(depth: u64) -> u64 {
    if depth == 0 {
        return 0;
    }
    std::hint::black_box(kdelay_test_recursion(depth - 1)) + 1
}

/// The tests share their process and the functions in it, so each fires the others' triggers too: one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(start: Option<&str>, stop: Option<&str>) -> CaptureSession {
    CaptureSession::open(&options(start, stop)).unwrap()
}

fn options(start: Option<&str>, stop: Option<&str>) -> Options {
    Options {
        pids: vec![std::process::id()],
        start_trigger: start.map(str::to_owned),
        stop_trigger: stop.map(str::to_owned),
        ..Options::default()
    }
}

fn own_tid() -> u32 {
    // SAFETY: gettid has no preconditions.
    (unsafe { libc::gettid() }) as u32
}

fn own(sample: &Sample) -> &Thread {
    let tid = own_tid();
    sample
        .threads
        .iter()
        .find(|thread| thread.tid == tid)
        .unwrap()
}

fn getppid(times: usize) {
    for _ in 0..times {
        // SAFETY: getppid has no preconditions.
        unsafe { libc::syscall(libc::SYS_getppid) };
    }
}

#[test]
fn a_window_is_exactly_what_lies_between_two_triggers() {
    let _alone = alone();
    let session = open(Some("up:kdelay_test_begin"), Some("up:kdelay_test_end"));
    session.start(None).unwrap();
    getppid(7);
    let before_ns = monotonic_ns();
    kdelay_test_begin(1);
    let begun_ns = monotonic_ns();
    getppid(100);
    let ended_ns = monotonic_ns();
    kdelay_test_end(1);
    let after_ns = monotonic_ns();
    getppid(13);
    assert_eq!(session.wait().unwrap(), StopReason::Trigger);
    let sample = session.read().unwrap();
    assert!((before_ns..=begun_ns).contains(&sample.start.at_ns));
    assert!((ended_ns..=after_ns).contains(&sample.stop.at_ns));
    assert_eq!(count(own(&sample), "getppid"), 100);
    let by = sample.start.by.clone().unwrap();
    assert_eq!((by.pid, by.tid), (std::process::id(), own_tid()));
    assert_eq!(sample.stop.by.clone().unwrap().tid, own_tid());
    assert_eq!(sample.losses.triggers_missed, 0);
    assert_adds_up(&sample);
}

/// Each edge lies between the program's own readings of the clock before and after the call. How far apart the two deltas are
/// is printed: it is what two breakpoints take.
#[test]
fn the_delta_is_the_programs_own() {
    let _alone = alone();
    let session = open(Some("up:kdelay_test_begin"), Some("up:kdelay_test_end"));
    let mut best_ns = u64::MAX;
    for _ in 0..20 {
        session.start(None).unwrap();
        let before_ns = monotonic_ns();
        kdelay_test_begin(1);
        let begun_ns = monotonic_ns();
        let mut ended_ns = begun_ns;
        while ended_ns < begun_ns + 500_000 {
            ended_ns = monotonic_ns();
        }
        kdelay_test_end(1);
        let after_ns = monotonic_ns();
        session.wait().unwrap();
        let sample = session.read().unwrap();
        let delta_ns = sample.stop.at_ns - sample.start.at_ns;
        assert!((ended_ns - begun_ns..=after_ns - before_ns).contains(&delta_ns));
        best_ns = best_ns.min(delta_ns - (ended_ns - begun_ns));
    }
    eprintln!("the trigger's delta exceeds the program's own by {best_ns} ns at best");
}

#[test]
fn a_function_is_captured_from_its_call_to_its_return() {
    let _alone = alone();
    let session = open(Some("up:kdelay_test_sleep"), Some("ur:kdelay_test_sleep"));
    session.start(None).unwrap();
    let begun = Instant::now();
    kdelay_test_sleep(20);
    let own_ns = begun.elapsed().as_nanos() as u64;
    assert_eq!(session.wait().unwrap(), StopReason::Trigger);
    let sample = session.read().unwrap();
    let window_ns = sample.stop.at_ns - sample.start.at_ns;
    assert!((20_000_000..=own_ns).contains(&window_ns), "{window_ns}");
    let thread = own(&sample);
    assert_eq!(count(thread, "clock_nanosleep"), 1);
    assert!(thread.budget.blocked_ns >= 19_000_000);
    assert_adds_up(&sample);
}

#[test]
fn a_start_trigger_alone_opens_a_window_of_the_given_length() {
    let _alone = alone();
    let session = open(Some("ur:kdelay_test_begin"), None);
    session.start(Some(5_000_000)).unwrap();
    assert!(session.open_window().is_none());
    kdelay_test_begin(1);
    assert_eq!(session.wait().unwrap(), StopReason::Time);
    let sample = session.read().unwrap();
    assert_eq!(sample.stop.at_ns - sample.start.at_ns, 5_000_000);
    assert!(sample.start.by.is_some() && sample.stop.by.is_none());
    assert_adds_up(&sample);
}

#[test]
fn a_stop_trigger_alone_ends_a_window_that_was_opened_at_once() {
    let _alone = alone();
    let session = open(None, Some("ur:kdelay_test_end"));
    session.start(None).unwrap();
    getppid(5);
    kdelay_test_end(1);
    assert_eq!(session.wait().unwrap(), StopReason::Trigger);
    let sample = session.read().unwrap();
    assert!(sample.start.by.is_none() && sample.stop.by.is_some());
    assert_eq!(count(own(&sample), "getppid"), 5);
    assert_adds_up(&sample);
}

#[test]
fn a_trigger_that_does_not_fire_is_given_up() {
    let _alone = alone();
    let session = open(Some("up:kdelay_test_never"), None);
    session.start(Some(1_000_000)).unwrap();
    let reason = session.wait_for_triggers(Some(30_000_000)).unwrap();
    assert_eq!(reason, StopReason::Timeout);
    assert!(session.closed_window().is_none());
    assert_eq!(session.read().unwrap_err().kind, ErrorKind::WrongState);

    let session = open(None, Some("up:kdelay_test_never"));
    session.start(None).unwrap();
    getppid(3);
    let reason = session.wait_for_triggers(Some(30_000_000)).unwrap();
    assert_eq!(reason, StopReason::Timeout);
    let sample = session.read().unwrap();
    assert!(sample.stop.at_ns - sample.start.at_ns >= 30_000_000);
    assert_eq!(count(own(&sample), "getppid"), 3);
    // Nothing waits for it any more.
    kdelay_test_never(1);
}

#[test]
fn stopping_takes_back_what_is_armed() {
    let _alone = alone();
    let session = open(Some("up:kdelay_test_race"), None);
    session.start(Some(1_000_000)).unwrap();
    session.start(Some(1_000_000)).unwrap();
    session.stop().unwrap();
    assert_eq!(session.wait().unwrap(), StopReason::Interrupt);
    assert!(session.closed_window().is_none());
    kdelay_test_race(1);
    assert!(session.open_window().is_none());
    session.start(Some(1_000_000)).unwrap();
    kdelay_test_race(1);
    assert_eq!(session.wait().unwrap(), StopReason::Time);
    session.read().unwrap();
}

/// Each window follows its predecessor at once: the next is armed while the one before it is open, so that reading takes no
/// time of the triggers'.
#[test]
fn consecutive_captures_leave_no_time_between_them() {
    let _alone = alone();
    const WINDOWS: usize = 6;
    let session = open(Some("up:kdelay_test_begin"), Some("up:kdelay_test_end"));
    assert!(session.windows_ahead().unwrap() >= WINDOWS);
    for _ in 0..WINDOWS {
        session.start(None).unwrap();
    }
    for index in 0..WINDOWS {
        kdelay_test_begin(1);
        getppid(index + 1);
        kdelay_test_end(1);
    }
    let mut before: Option<Sample> = None;
    let mut dead_ns = Vec::new();
    for index in 0..WINDOWS {
        assert_eq!(session.wait().unwrap(), StopReason::Trigger);
        let sample = session.read().unwrap();
        assert_eq!(count(own(&sample), "getppid"), index as i64 + 1);
        assert_eq!(sample.losses.triggers_missed, 0);
        assert_adds_up(&sample);
        if let Some(before) = before {
            dead_ns.push(sample.start.at_ns - before.stop.at_ns);
        }
        before = Some(sample);
    }
    eprintln!("ns between two consecutive captures: {dead_ns:?}");
    assert!(dead_ns.iter().min().unwrap() < &5_000_000);
}

/// A thread that sleeps through one window and acts in the next is described for both, although its record is the second's.
#[test]
fn a_thread_without_events_in_its_window_is_told_by_its_next_event() {
    let _alone = alone();
    let session = open(Some("up:kdelay_test_begin"), Some("up:kdelay_test_end"));
    let (sleeper_tid, tid) = std::sync::mpsc::channel();
    let (wake, woken) = std::sync::mpsc::channel::<()>();
    let (say_done, done) = std::sync::mpsc::channel();
    let sleeper = std::thread::spawn(move || {
        sleeper_tid.send(own_tid()).unwrap();
        woken.recv().unwrap();
        getppid(4);
        say_done.send(()).unwrap();
        let _ = woken.recv();
    });
    let tid = tid.recv().unwrap();
    std::thread::sleep(Duration::from_millis(20));
    session.start(None).unwrap();
    session.start(None).unwrap();
    kdelay_test_begin(1);
    getppid(1);
    kdelay_test_end(1);
    kdelay_test_begin(1);
    wake.send(()).unwrap();
    done.recv().unwrap();
    kdelay_test_end(1);
    let of = |sample: &Sample| {
        let found = sample.threads.iter().find(|thread| thread.tid == tid);
        found.unwrap().clone()
    };
    session.wait().unwrap();
    let first = session.read().unwrap();
    let thread = of(&first);
    assert_eq!(
        thread.budget.blocked_ns, thread.budget.wall_ns,
        "{thread:?}"
    );
    // Before Linux 5.15 the kernel hands over no other task's registers, which name the call.
    let btf = loader::btf::Btf::of_running_kernel().unwrap();
    if btf.has_enumerator("bpf_func_id", "BPF_FUNC_task_pt_regs") {
        let futex = thread.syscalls.iter().find(|call| call.name == "futex");
        assert_eq!(futex.unwrap().in_flight_ns, thread.budget.wall_ns);
    }
    session.wait().unwrap();
    let second = session.read().unwrap();
    assert_eq!(count(&of(&second), "getppid"), 4);
    assert_adds_up(&first);
    assert_adds_up(&second);
    drop(wake);
    sleeper.join().unwrap();
}

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
    // Those that came while the first was opening the window are told by the next one.
    session.start(Some(1_000_000)).unwrap();
    kdelay_test_recursion(0);
    assert_eq!(session.wait().unwrap(), StopReason::Time);
    let next = session.read().unwrap();
    let others = (sample.starts_in_window + next.losses.triggers_missed) as u64;
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
    shared: &'static [AtomicU64; 3],
}

impl Storm {
    const GO: usize = 0;
    const END: usize = 1;
    const FIRED: usize = 2;

    fn new(fire: fn()) -> Self {
        // SAFETY: a new shared mapping, zeroed, larger and better aligned than the array, and never unmapped.
        let shared: &'static [AtomicU64; 3] = unsafe {
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
                fire();
                shared[Self::FIRED].fetch_add(1, Ordering::Release);
            }
            // Once more, when the last window is armed: it tells what was missed until then.
            while shared[Self::GO].load(Ordering::Acquire) == 1 {
                std::hint::spin_loop();
            }
            fire();
            shared[Self::FIRED].fetch_add(1, Ordering::Release);
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
        std::thread::sleep(Duration::from_millis(50));
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

#[test]
fn a_tracepoint_fires_in_any_task_or_in_the_targets_only() {
    let _alone = alone();
    for scope in [TriggerScope::Any, TriggerScope::Target] {
        let session = CaptureSession::open(&Options {
            trigger_scope: scope,
            ..options(Some("t:sched:sched_process_exec"), None)
        })
        .unwrap();
        session.start(Some(1_000_000)).unwrap();
        // Its exec is another process's: of the child that std forks.
        std::process::Command::new("true").status().unwrap();
        let reason = session.wait_for_triggers(Some(100_000_000)).unwrap();
        match scope {
            TriggerScope::Any => {
                assert_eq!(reason, StopReason::Time);
                let by = session.read().unwrap().start.by.unwrap();
                assert_ne!(by.pid, std::process::id());
            }
            TriggerScope::Target => assert_eq!(reason, StopReason::Timeout),
        }
    }
}

#[test]
fn the_end_of_the_target_ends_the_wait() {
    let _alone = alone();
    let mut child = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let session = CaptureSession::open(&Options {
        pids: vec![child.id()],
        start_trigger: Some("t:sched:sched_process_fork".to_owned()),
        trigger_scope: TriggerScope::Target,
        ..Options::default()
    })
    .unwrap();
    session.start(Some(1_000_000)).unwrap();
    child.kill().unwrap();
    assert_eq!(session.wait().unwrap(), StopReason::Exit);
    assert!(session.closed_window().is_none());
    child.wait().unwrap();
}

#[test]
fn discarded_windows_give_their_records_back() {
    let _alone = alone();
    let session = open(Some("up:kdelay_test_begin"), Some("up:kdelay_test_end"));
    for _ in 0..40 {
        session.start(None).unwrap();
        kdelay_test_begin(1);
        getppid(1);
        kdelay_test_end(1);
        assert_eq!(session.wait().unwrap(), StopReason::Trigger);
        session.discard().unwrap();
    }
    session.start(None).unwrap();
    kdelay_test_begin(1);
    getppid(2);
    kdelay_test_end(1);
    session.wait().unwrap();
    let sample = session.read().unwrap();
    assert_eq!(count(own(&sample), "getppid"), 2);
    assert_eq!(sample.losses.threads_untracked, 0);
}

#[test]
fn what_cannot_be_a_trigger_is_refused_before_anything_is_attached() {
    let _alone = alone();
    for (trigger, kind) in [
        ("up:", ErrorKind::InvalidArgument),
        ("nonsense", ErrorKind::InvalidArgument),
        ("up:kdelay_test_begim", ErrorKind::NoSuchProbe),
        ("t:sched:no_such_event", ErrorKind::NoSuchProbe),
        ("u:nobody:nothing", ErrorKind::NoSuchProbe),
    ] {
        let error = CaptureSession::open(&options(Some(trigger), None))
            .err()
            .unwrap();
        assert_eq!(error.kind, kind, "{trigger}: {error}");
        assert!(error.hint.is_some(), "{trigger}: {error}");
        assert!(!error.message.contains('\n'));
    }
    let error = CaptureSession::open(&options(Some("up:kdelay_test_begim"), None))
        .err()
        .unwrap();
    assert!(error.hint.unwrap().contains("kdelay_test_begin"));
}
