//! Time lines of this very process: what another implementation of the encoding reads in them is what the report says.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::Duration;

use loader::error::ErrorKind;
use loader::options::{AttachMode, EventOptions, Options, TimelineTo};
use loader::sample::{Budget, Thread};
use loader::session::capture::CaptureSession;
use loader::session::sample::Sample;

use super::load::spin;
use super::reader::{Read, State};
use super::worker::Worker;
use super::{MODES, captured, closed_by_hand, thread};

fn path(name: &str) -> PathBuf {
    let name = format!("kdelay-{name}-{}.pftrace", std::process::id());
    std::env::temp_dir().join(name)
}

fn open(mode: AttachMode, timeline: TimelineTo) -> CaptureSession {
    open_with(mode, timeline, &Options::default())
}

fn open_with(mode: AttachMode, timeline: TimelineTo, options: &Options) -> CaptureSession {
    CaptureSession::open(&Options {
        pids: vec![std::process::id()],
        attach_mode: mode,
        events: Some(EventOptions {
            least_ns: 1_000_000,
            only: None,
            except: Vec::new(),
            has_stacks: false,
            buffer_bytes: 1 << 20,
            limit: 1000,
        }),
        timeline: Some(timeline),
        ..options.clone()
    })
    .unwrap()
}

fn read(path: &PathBuf) -> Read {
    let bytes = fs::read(path).unwrap();
    fs::remove_file(path).unwrap();
    Read::of(&bytes)
}

/// Some of all that there is: turns, sleeps, and waits for each other.
fn work() {
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    let other = std::thread::spawn(move || {
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(1));
            spin(Duration::from_micros(300));
            writer.write_all(&[1]).unwrap();
        }
    });
    for _ in 0..20 {
        reader.read_exact(&mut [0]).unwrap();
        spin(Duration::from_micros(200));
    }
    other.join().unwrap();
    std::thread::sleep(Duration::from_millis(2));
}

fn on_cpu_ns(budget: &Budget) -> u64 {
    let ns = budget.user_ns
        + budget.kernel_ns
        + budget.kernel_outside_calls_ns.unwrap_or(0)
        + budget.hard_irq_ns
        + budget.soft_irq_ns;
    ns as u64
}

/// To the ns: the same readings of the clock. Where the kernel has not reported a switch, or a record was lost, it need not be.
fn assert_agrees(sample: &Sample, thread: &Thread, read: &Read) {
    let window = (
        sample.start.at_ns + read.asleep_ns,
        sample.stop.at_ns + read.asleep_ns,
    );
    let tid = thread.tid as i32;
    let total_ns = |is: fn(State) -> bool| read.total_ns(tid, window, is);
    let budget = &thread.budget;
    assert_eq!(budget.unknown_ns, 0, "{thread:?}");
    let running_ns = total_ns(|state| matches!(state, State::Running(_)));
    assert_eq!(running_ns, on_cpu_ns(budget), "{budget:?}");
    let ready_ns = total_ns(|state| state == State::Runnable);
    let of_budget_ns = budget.ready_woken_ns + budget.ready_preempted_ns;
    assert_eq!(ready_ns, of_budget_ns as u64, "{budget:?}");
    let asleep_ns = total_ns(|state| matches!(state, State::Sleeping | State::Uninterruptible));
    assert_eq!(asleep_ns, budget.blocked_ns as u64, "{budget:?}");
}

/// A kernel that hides a switch (docs/limitations.md) leaves what it was about unknown, and may do so with any task's.
fn is_all_known(sample: &Sample) -> bool {
    let losses = &sample.losses;
    let unknown_ns = sample.threads.iter().map(|thread| thread.budget.unknown_ns);
    losses.switches_missed == 0
        && losses.recursion_misses.unwrap_or(0) == 0
        && unknown_ns.sum::<i64>() == 0
}

/// False: in some window not all was known, or a CPU's switches do not go together.
fn agrees_in_every_window(mode: AttachMode) -> bool {
    let path = path("states");
    let session = open(mode, TimelineTo::File(path.clone()));
    let workers: Vec<Worker> = (0..3).map(|_| Worker::new(work)).collect();
    let samples: Vec<Sample> = workers
        .iter()
        .map(|worker| captured(&session, worker))
        .collect();
    session.close().unwrap();
    let read = read(&path);
    let windows: Vec<_> = read
        .slices
        .iter()
        .filter(|slice| slice.category == "window")
        .collect();
    assert_eq!(windows.len(), samples.len());
    for ((sample, worker), window) in samples.iter().zip(&workers).zip(windows) {
        assert_eq!(sample.losses.recorder_overwritten, 0);
        assert_eq!(window.from_ns - read.asleep_ns, sample.start.at_ns);
        assert_eq!(window.to_ns - read.asleep_ns, sample.stop.at_ns);
        if is_all_known(sample) {
            assert_agrees(sample, thread(sample, worker.tid), &read);
        }
    }
    // Between windows nobody runs.
    for gap in samples.windows(2) {
        let gap = (
            gap[0].stop.at_ns + read.asleep_ns,
            gap[1].start.at_ns + read.asleep_ns - 1,
        );
        for &tid in read.threads.keys() {
            let running_ns = read.total_ns(tid, gap, |state| matches!(state, State::Running(_)));
            assert_eq!(running_ns, 0, "{tid}");
        }
    }
    let tid = workers[0].tid as i32;
    assert_eq!(read.tgids.get(&tid), Some(&(std::process::id() as i32)));
    workers.into_iter().for_each(Worker::end);
    samples.iter().all(is_all_known) && read.mismatches == 0
}

#[test]
fn its_states_are_the_budget_s_in_every_window() {
    const ATTEMPTS: usize = 20;
    for mode in MODES {
        assert!(
            (0..ATTEMPTS).any(|_| agrees_in_every_window(mode)),
            "{mode:?}"
        );
    }
}

/// Two threads that wake each other all the time, and rings that hold a few of their switches: what was overwritten is nobody's.
#[test]
fn what_was_overwritten_is_a_gap_in_the_time_line_and_never_something_else() {
    let options = Options {
        recorder_bytes: 1,
        ..Options::default()
    };
    let is_overwritten = |mode| {
        let path = path("overwritten");
        let session = open_with(mode, TimelineTo::File(path.clone()), &options);
        let worker = Worker::new(|| {
            let [(mut there, mut from_here), (mut here, mut from_there)] =
                [(); 2].map(|()| std::io::pipe().unwrap());
            let other = std::thread::spawn(move || {
                while there.read_exact(&mut [0]).is_ok() {
                    from_there.write_all(&[1]).unwrap();
                }
            });
            for _ in 0..10_000 {
                from_here.write_all(&[1]).unwrap();
                here.read_exact(&mut [0]).unwrap();
            }
            drop(from_here);
            other.join().unwrap();
        });
        let sample = captured(&session, &worker);
        session.close().unwrap();
        let read = read(&path);
        let window = (
            sample.start.at_ns + read.asleep_ns,
            sample.stop.at_ns + read.asleep_ns,
        );
        let budget = &thread(&sample, worker.tid).budget;
        let unknown_ns = budget.unknown_ns as u64;
        let total_ns = |is: fn(State) -> bool| read.total_ns(worker.tid as i32, window, is);
        let running_ns = total_ns(|state| matches!(state, State::Running(_)));
        assert!(running_ns <= on_cpu_ns(budget) + unknown_ns, "{budget:?}");
        let asleep_ns = total_ns(|state| matches!(state, State::Sleeping));
        assert!(
            asleep_ns <= budget.blocked_ns as u64 + unknown_ns,
            "{budget:?}"
        );
        worker.end();
        sample.losses.recorder_overwritten > 0
    };
    // Whoever reads the rings may be in time.
    for mode in MODES {
        assert!((0..20).any(|_| is_overwritten(mode)), "{mode:?}");
    }
}

#[test]
fn calls_sleeps_and_who_woke_are_on_the_thread_s_own_track() {
    let path = path("tracks");
    let session = open(AttachMode::Best, TimelineTo::File(path.clone()));
    let worker = Worker::new(work);
    let sample = captured(&session, &worker);
    session.close().unwrap();
    let read = read(&path);
    let tid = worker.tid as i32;
    let track_of = |tid: i32| {
        let mut tracks = read.thread_tracks.iter();
        tracks.find(|(_, thread)| thread.1 == tid).map(|it| *it.0)
    };
    let own = track_of(tid).unwrap();
    let of = |category: &str| {
        let own = move |slice: &&super::reader::Slice| slice.track == own;
        let slices = read.slices.iter().filter(own);
        let category = category.to_owned();
        slices.filter(move |slice| slice.category == category)
    };
    let call = sample.calls.iter().find(|call| call.tid == worker.tid);
    let call = call.unwrap();
    let slice = of("call").find(|slice| slice.from_ns == call.entry_ns + read.asleep_ns);
    let slice = slice.unwrap();
    assert_eq!(slice.to_ns - read.asleep_ns, call.exit_ns);
    assert_eq!(slice.name, call.name);
    assert!(of("blocked").any(|slice| slice.name == "read"));
    // The other thread has written to the pipe. On a busy machine the reader need not have been asleep each time.
    let wakes_it = |instant: &&super::reader::Slice| {
        instant.name.starts_with("wakes ") && instant.name.ends_with(&format!(" {tid}"))
    };
    let woken = read.instants.iter().filter(wakes_it).count();
    assert!(woken > 0, "{:?}", read.instants);
    let to_own = read.arrows.iter().filter(|arrow| arrow.to == own);
    assert_eq!(to_own.count(), woken);
    worker.end();
}

#[test]
fn a_disk_that_is_full_costs_the_time_line_and_nothing_else() {
    let session = open(AttachMode::Best, TimelineTo::File("/dev/full".into()));
    let worker = Worker::new(work);
    let sample = captured(&session, &worker);
    assert!(thread(&sample, worker.tid).budget.wall_ns > 0);
    // As from Node.js, where nobody waits before that.
    session.begin_close();
    let failure = session.close().unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Io);
    assert_eq!(failure.cause.unwrap().errno, Some(libc::ENOSPC));
    assert!(
        failure.message.starts_with("/dev/full: "),
        "{}",
        failure.message
    );
    worker.end();
}

#[test]
fn a_pipe_whose_reader_is_gone_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    let session = open(AttachMode::Best, TimelineTo::Descriptor(writer.as_raw_fd()));
    drop(reader);
    session.start(None).unwrap();
    closed_by_hand(&session);
    session.close().unwrap();
}

#[test]
fn a_file_keeps_what_it_holds_until_there_is_something_to_write() {
    let path = path("kept");
    fs::write(&path, vec![7; 1 << 20]).unwrap();
    let session = open(AttachMode::Best, TimelineTo::File(path.clone()));
    session.close().unwrap();
    assert_eq!(fs::read(&path).unwrap().len(), 1 << 20);
    let session = open(AttachMode::Best, TimelineTo::File(path.clone()));
    session.start(None).unwrap();
    closed_by_hand(&session);
    session.close().unwrap();
    assert!(!read(&path).threads.is_empty());
    let session = open(AttachMode::Best, TimelineTo::File(path.clone()));
    assert!(path.exists());
    session.close().unwrap();
    assert!(!path.exists(), "nothing was written");
}
