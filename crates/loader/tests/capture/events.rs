//! Single system calls, recorded.

use loader::options::AttachMode;
use loader::options::EventOptions;
use loader::options::Options;
use loader::options::UserStacks;
use loader::sample::SyscallEvent;
use loader::session::capture::CaptureSession;
use loader::session::sample::Sample;

use crate::worker::Worker;
use crate::{MODES, closed_by_hand};

fn every_call() -> EventOptions {
    EventOptions {
        least_ns: 0,
        only: None,
        except: Vec::new(),
        has_stacks: false,
        buffer_bytes: 4 << 20,
        limit: 1_000_000,
    }
}

/// What a thread that did this made of it, by both kinds of program.
fn recorded(options: &EventOptions, work: fn()) -> Vec<(Vec<SyscallEvent>, Sample)> {
    recorded_with(options, UserStacks::None, work)
}

fn recorded_with(
    options: &EventOptions,
    user_stacks: UserStacks,
    work: fn(),
) -> Vec<(Vec<SyscallEvent>, Sample)> {
    MODES
        .into_iter()
        .map(|mode| {
            // Since Linux 7 the kernel skips programs while one is preempted on their CPU, and counts that: not this time.
            (0..10)
                .map(|_| recorded_once(options, user_stacks, mode, work))
                .find(|(_, sample)| sample.losses.recursion_misses.unwrap_or(0) == 0)
                .unwrap()
        })
        .collect()
}

fn recorded_once(
    options: &EventOptions,
    user_stacks: UserStacks,
    mode: AttachMode,
    work: fn(),
) -> (Vec<SyscallEvent>, Sample) {
    let session = CaptureSession::open(&Options {
        pids: vec![std::process::id()],
        attach_mode: mode,
        events: Some(options.clone()),
        user_stacks,
        ..Options::default()
    })
    .unwrap();
    let worker = Worker::new(work);
    session.start(None).unwrap();
    worker.run();
    let sample = closed_by_hand(&session);
    let events = sample.calls.iter();
    let own = events.filter(|event| event.tid == worker.tid).collect();
    worker.end();
    (own, sample)
}

fn named<'a>(events: &'a [SyscallEvent], name: &str) -> Vec<&'a SyscallEvent> {
    events.iter().filter(|event| event.name == name).collect()
}

fn calls() {
    // SAFETY: none of these has preconditions, and the buffer is as long as it is said to be.
    unsafe {
        for signal in 0..100 {
            libc::syscall(libc::SYS_tgkill, 1, 0x7fff_0000 + signal, 0);
        }
        libc::syscall(libc::SYS_close, -1);
        libc::usleep(3000);
    }
}

#[test]
fn each_call_is_recorded_with_arguments_and_result() {
    for (events, sample) in recorded(&every_call(), calls) {
        let kills = named(&events, "tgkill");
        assert_eq!(kills.len(), 100);
        for (index, kill) in kills.iter().enumerate() {
            let arguments = kill.arguments.as_ref().unwrap();
            assert_eq!(arguments[0], "0x1");
            assert_eq!(arguments[1], format!("{:#x}", 0x7fff_0000 + index));
            assert_eq!(
                (kill.result.as_str(), kill.errno.as_deref()),
                ("-3", Some("ESRCH"))
            );
            assert_eq!(kill.pid, std::process::id());
        }
        assert_eq!(named(&events, "close")[0].errno.as_deref(), Some("EBADF"));
        let sleep = named(&events, "clock_nanosleep")[0];
        assert!(sleep.duration_ns >= 3_000_000);
        for event in &events {
            let (entry_ns, exit_ns) = (event.entry_ns, event.exit_ns);
            assert_eq!((exit_ns - entry_ns) as i64, event.duration_ns);
            assert!(sample.start.at_ns <= entry_ns && exit_ns <= sample.stop.at_ns);
        }
        assert!(events.is_sorted_by_key(|event| event.entry_ns));
        assert_eq!(sample.losses.events_dropped, 0);
        // As many as were counted.
        for thread in &sample.threads {
            let counted: i64 = thread.syscalls.iter().map(|call| call.count).sum();
            let of_thread = |event: &SyscallEvent| event.tid == thread.tid;
            let recorded = sample.calls.iter().filter(of_thread).count();
            assert_eq!(counted, recorded as i64);
        }
    }
}

#[test]
fn only_the_calls_asked_for_are_recorded() {
    let slow = EventOptions {
        least_ns: 2_000_000,
        only: Some(vec!["clock_nanosleep".to_owned(), "close".to_owned()]),
        ..every_call()
    };
    for (events, _) in recorded(&slow, calls) {
        let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
        assert_eq!(names, ["clock_nanosleep"]);
    }
    let but_kills = EventOptions {
        except: vec!["tgkill".to_owned()],
        ..every_call()
    };
    for (events, _) in recorded(&but_kills, calls) {
        assert!(named(&events, "tgkill").is_empty());
        assert_eq!(named(&events, "close").len(), 1);
    }
}

#[inline(never)]
fn sleep_in_a_function() {
    std::thread::sleep(std::time::Duration::from_millis(3));
    // Or the sleep would be its last call, for which it would make way.
    std::hint::black_box(());
}

fn slow_sleeps() -> EventOptions {
    EventOptions {
        least_ns: 2_000_000,
        only: Some(vec!["clock_nanosleep".to_owned()]),
        has_stacks: true,
        ..every_call()
    }
}

/// The functions of a stack, innermost first.
fn functions(sample: &Sample, index: Option<u32>) -> Vec<String> {
    let frames = sample.stacks[index.unwrap() as usize].iter();
    let names = frames.map(|frame| frame.symbol.clone().unwrap_or_default());
    names.collect()
}

#[test]
fn a_call_comes_with_where_it_slept_and_who_made_it() {
    let copied = UserStacks::copied(16 << 10);
    for (events, sample) in recorded_with(&slow_sleeps(), copied, sleep_in_a_function) {
        // A hypervisor may make a call long that hardly slept: such a one has no wait.
        let event = events.iter().find(|event| event.wait.is_some()).unwrap();
        let stack = |index: Option<u32>| functions(&sample, index);
        let user = stack(event.user_stack);
        let is_ours = |name: &String| name.ends_with("sleep_in_a_function");
        assert!(user.iter().any(is_ours), "{user:?}");
        assert_eq!(
            event.user_stack_end.as_deref(),
            Some("complete"),
            "{user:?}"
        );
        assert!(event.wait.as_ref().unwrap().off_cpu_ns <= event.duration_ns);
        let kernel = stack(event.kernel_stack);
        assert!(
            kernel.iter().any(|name| name == "hrtimer_nanosleep"),
            "{kernel:?}"
        );
        assert!(
            !kernel.iter().any(|name| name.contains("bpf")),
            "{kernel:?}"
        );
        assert_eq!(sample.losses.stacks_lost, 0);
    }
}

/// A library that keeps no frame pointers has no callers to tell of, but where the call was made is known.
#[test]
fn stacks_may_be_walked_by_frame_pointers_in_the_kernel() {
    for (events, sample) in recorded_with(
        &slow_sleeps(),
        UserStacks::ByFramePointer,
        sleep_in_a_function,
    ) {
        let event = &events[0];
        let user = functions(&sample, event.user_stack);
        assert!(user[0].contains("clock_nanosleep"), "{user:?}");
        assert_eq!(sample.losses.stacks_lost, 0);
    }
}

#[test]
fn without_user_stacks_there_are_those_of_the_kernel() {
    for (events, sample) in recorded(&slow_sleeps(), sleep_in_a_function) {
        let kernel = functions(&sample, events[0].kernel_stack);
        assert!(!kernel.is_empty());
        assert_eq!(
            (events[0].user_stack, &events[0].user_stack_end),
            (None, &None)
        );
    }
}

/// A thread that calls as often as it can for that long.
fn storm() {
    let begun = std::time::Instant::now();
    while begun.elapsed() < std::time::Duration::from_millis(200) {
        for _ in 0..1000 {
            // SAFETY: getppid has no preconditions.
            unsafe { libc::syscall(libc::SYS_getppid) };
        }
    }
}

/// Every call of a storm is in the sample, or counted as left out or dropped.
#[test]
fn what_is_left_out_or_dropped_is_counted() {
    let few = EventOptions {
        only: Some(vec!["getppid".to_owned()]),
        limit: 1000,
        ..every_call()
    };
    let no_room = EventOptions {
        only: few.only.clone(),
        buffer_bytes: 4096,
        ..every_call()
    };
    for options in [few, no_room] {
        for (_, sample) in recorded(&options, storm) {
            let threads = sample.threads.iter();
            let counted: i64 = threads
                .map(|thread| crate::support::count(thread, "getppid"))
                .sum();
            let losses = &sample.losses;
            let recorded = sample.calls.len() as i64;
            eprintln!("{counted} calls: {recorded} recorded, {losses:?}");
            assert_eq!(
                counted,
                recorded + losses.events_dropped + losses.events_over_limit
            );
            assert!(losses.events_over_limit > 0 || losses.events_dropped > 0);
        }
    }
}
