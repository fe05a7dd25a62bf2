//! Time blocked, summed up by stack.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::channel;

use loader::options::AttachMode;
use loader::options::Options;
use loader::options::UserStacks;
use loader::sample::{Frame, OffCpu};
use loader::session::capture::CaptureSession;
use loader::session::sample::Sample;

use crate::worker::Worker;
use crate::{MODES, closed_by_hand, thread};

const SHORT: usize = 200;
const LONG: usize = 3;

/// How often this thread has left a CPU to sleep, as the scheduler counts it: a timer may ring before its thread sleeps.
fn sleeps_so_far() -> i64 {
    // SAFETY: plain integers, for which zeros are values; the call fills them in.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage), 0);
        usage.ru_nvcsw
    }
}

#[inline(never)]
fn many_short_sleeps() {
    for _ in 0..SHORT {
        std::thread::sleep(std::time::Duration::from_micros(100));
    }
    std::hint::black_box(());
}

#[inline(never)]
fn few_long_sleeps() {
    for _ in 0..LONG {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    std::hint::black_box(());
}

/// From two places, however a compiler lays them out.
#[inline(never)]
fn sleep_before_and_after(between: impl Fn()) {
    std::thread::sleep(std::time::Duration::from_millis(5));
    between();
    std::thread::sleep(std::time::Duration::from_millis(5));
    std::hint::black_box(());
}

fn functions(sample: &Sample, index: Option<u32>) -> Vec<String> {
    let Some(index) = index else {
        return Vec::new();
    };
    let frames = sample.stacks[index as usize].iter();
    frames
        .map(|frame| frame.symbol.clone().unwrap_or_default())
        .collect()
}

#[test]
fn each_way_into_sleep_has_its_own_sum() {
    for mode in MODES {
        // What the kernel does not report, or skips, it says: not this time.
        assert!((0..10).any(|_| is_summed_up_in(mode)), "{mode:?}");
    }
}

/// False: the kernel has hidden something.
fn is_summed_up_in(mode: AttachMode) -> bool {
    let session = CaptureSession::open(&Options {
        pids: vec![std::process::id()],
        attach_mode: mode,
        off_cpu: true,
        user_stacks: UserStacks::copied(16 << 10),
        ..Options::default()
    })
    .unwrap();
    let truth = Arc::new([AtomicI64::new(0), AtomicI64::new(0)]);
    let counts = Arc::clone(&truth);
    let worker = Worker::new(move || {
        let before = sleeps_so_far();
        many_short_sleeps();
        let between = sleeps_so_far();
        few_long_sleeps();
        counts[0].store(between - before, Ordering::Release);
        counts[1].store(sleeps_so_far() - between, Ordering::Release);
    });
    session.start(None).unwrap();
    worker.run();
    let sample = closed_by_hand(&session);
    let losses = &sample.losses;
    if losses.switches_missed > 0 || losses.recursion_misses.unwrap_or(0) > 0 {
        worker.end();
        return false;
    }
    let [short, long] = [0, 1].map(|index: usize| truth[index].load(Ordering::Acquire));
    assert!(short > 0 && long > 0);
    let own: Vec<&OffCpu> = sample
        .off_cpu
        .iter()
        .filter(|time| time.tid == worker.tid)
        .collect();
    for time in &own {
        assert!(time.count > 0 && time.max_ns <= time.total_ns);
        let kernel = functions(&sample, time.kernel_stack);
        assert!(!kernel.is_empty() && !kernel.iter().any(|name| name.contains("bpf")));
    }
    // What began or ended outside of the window is in the budget only.
    let total_ns: i64 = own.iter().map(|time| time.total_ns).sum();
    let blocked_ns = thread(&sample, worker.tid).budget.blocked_ns;
    assert!(total_ns <= blocked_ns, "{total_ns} of {blocked_ns}");
    let of = |name: &str| -> Vec<&&OffCpu> {
        let is_in = |time: &&&OffCpu| {
            let user = functions(&sample, time.user_stack);
            user.iter().any(|function| function.ends_with(name))
        };
        own.iter().filter(is_in).collect()
    };
    let count = |name: &str| of(name).iter().map(|time| time.count).sum::<i64>();
    // As `raw_tp`, the kernel hands over no registers.
    if own.iter().any(|time| time.user_stack.is_some()) {
        assert_eq!(count("many_short_sleeps"), short, "{mode:?}");
        assert_eq!(count("few_long_sleeps"), long, "{mode:?}");
        let rows = of("few_long_sleeps");
        let stacks: Vec<_> = rows.iter().map(|row| frames(&sample, row)).collect();
        assert_eq!(rows.len(), 1, "{stacks:#?}");
        assert!(of("few_long_sleeps")[0].max_ns > 0);
    }
    let sleeps = own.iter().filter(|time| {
        let kernel = functions(&sample, time.kernel_stack);
        kernel.iter().any(|name| name == "hrtimer_nanosleep")
    });
    let sleeps: i64 = sleeps.map(|time| time.count).sum();
    assert_eq!(sleeps, short + long, "{mode:?}");
    assert_eq!(sample.losses.stacks_lost, 0);
    worker.end();
    true
}

/// While somebody else traces the scheduler, too, the kernel comes to the probe by another way.
#[test]
fn sleeps_of_one_function_are_one_whoever_else_looks() {
    for mode in MODES {
        assert!((0..10).any(|_| is_one_beside_another(mode)), "{mode:?}");
    }
}

/// False: the kernel has hidden something.
fn is_one_beside_another(mode: AttachMode) -> bool {
    let options = Options {
        pids: vec![std::process::id()],
        attach_mode: mode,
        off_cpu: true,
        user_stacks: UserStacks::copied(16 << 10),
        ..Options::default()
    };
    let session = CaptureSession::open(&options).unwrap();
    let (say_asleep, asleep) = channel();
    let (say_go_on, go_on) = channel::<()>();
    let worker = Worker::new(move || {
        sleep_before_and_after(|| {
            say_asleep.send(()).unwrap();
            go_on.recv().unwrap();
        });
    });
    session.start(None).unwrap();
    worker.go.send(()).unwrap();
    asleep.recv().unwrap();
    let other = CaptureSession::open(&options).unwrap();
    say_go_on.send(()).unwrap();
    worker.done.recv().unwrap();
    drop(other);
    let sample = closed_by_hand(&session);
    let tid = worker.tid;
    worker.end();
    let losses = &sample.losses;
    if losses.switches_missed > 0 || losses.recursion_misses.unwrap_or(0) > 0 {
        return false;
    }
    let has = |index, function: &str| {
        let mut all = functions(&sample, index).into_iter();
        all.any(|name| name.contains(function))
    };
    let rows: Vec<&OffCpu> = sample
        .off_cpu
        .iter()
        .filter(|time| time.tid == tid && has(time.kernel_stack, "hrtimer_nanosleep"))
        .collect();
    // As `raw_tp`, the kernel hands over no registers.
    if rows.iter().any(|time| time.user_stack.is_some()) {
        assert!(has(rows[0].user_stack, "sleep_before_and_after"));
    }
    // A timer may ring before its thread sleeps.
    let stacks: Vec<_> = rows.iter().map(|row| frames(&sample, row)).collect();
    assert_eq!(rows.len(), 1, "{mode:?}: {stacks:#?}");
    rows[0].count == 2
}

fn frames<'a>(sample: &'a Sample, row: &'a OffCpu) -> (i64, [Option<&'a Vec<Frame>>; 2]) {
    let of = |index: Option<u32>| sample.stacks.get(index? as usize);
    (row.count, [of(row.kernel_stack), of(row.user_stack)])
}
