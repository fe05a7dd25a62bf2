//! Who ran instead, who woke, how long a loop was outside its poll, and what interrupted: against what the test itself did.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use loader::kernel::own_thread::{own_tid, raise_priority};
use loader::options::AttachMode;
use loader::sample::{TaskInstead, Thread};

use super::load::{pin_to_cpu_0, spin};
use super::support::assert_adds_up;
use super::worker::Worker;
use super::{MODES, captured, closed_by_hand, open, thread};

fn poll_nothing(timeout_ms: i32) {
    // SAFETY: no descriptors.
    let ready = unsafe { libc::poll(std::ptr::null_mut(), 0, timeout_ms) };
    assert_eq!(ready, 0);
}

#[test]
fn who_ran_instead_is_the_competitor_on_that_cpu() {
    /// Beside a load others may have most of the CPU, and more turns in one wait than are remembered.
    const ATTEMPTS: usize = 10;
    for mode in MODES {
        let mut seen = Vec::new();
        let is_found = (0..ATTEMPTS).any(|_| {
            let (starved, competitor) = starved_by_competitor(mode);
            let found = is_starved_by(&starved, competitor);
            seen.push(starved);
            found
        });
        assert!(is_found, "{mode:?}: {seen:?}");
    }
}

/// What is said of a thread that shares a CPU with another one, and that one's tid.
fn starved_by_competitor(mode: AttachMode) -> (Thread, u32) {
    const BUSY: Duration = Duration::from_millis(300);
    let session = open(mode);
    let begun = Arc::new(AtomicUsize::new(0));
    let competing = || {
        let begun = Arc::clone(&begun);
        move || {
            pin_to_cpu_0();
            // Before whatever else wants this CPU.
            raise_priority();
            // However late the other one gets there, it has to take the CPU from this one.
            begun.fetch_add(1, Ordering::SeqCst);
            while begun.load(Ordering::SeqCst) < 2 {
                std::hint::spin_loop();
            }
            spin(BUSY);
        }
    };
    let starved = Worker::new(competing());
    let competitor = Worker::new(competing());
    session.start(None).unwrap();
    starved.go.send(()).unwrap();
    competitor.go.send(()).unwrap();
    starved.done.recv().unwrap();
    competitor.done.recv().unwrap();
    let sample = closed_by_hand(&session);
    assert_adds_up(&sample);
    let found = (thread(&sample, starved.tid).clone(), competitor.tid);
    starved.end();
    competitor.end();
    found
}

/// Whether most of its waits for that CPU are the competitor's, as far as others left it any of it. Its own they never are.
fn is_starved_by(starved: &Thread, competitor: u32) -> bool {
    let Thread {
        ready, ran_instead, ..
    } = starved;
    assert!(
        !ran_instead.tasks.iter().any(|task| task.tid == starved.tid),
        "{starved:?}"
    );
    let preempted_ns = ready.preempted.total_ns;
    let is_its = |task: &TaskInstead| {
        task.tid == competitor && task.pid == std::process::id() && task.total_ns > preempted_ns / 4
    };
    let on_cpu_0 = ran_instead.cpus.iter().find(|queue| queue.cpu == 0);
    ready.preempted.count > 0
        && ran_instead.tasks.iter().any(is_its)
        && on_cpu_0.is_some_and(|queue| queue.total_ns > preempted_ns / 2)
        && ran_instead.unattributed_ns < ready.total_ns / 4
}

#[test]
fn who_woke_a_thread_is_who_wrote_and_a_sleeper_is_woken_by_no_task() {
    const BLOCKED: Duration = Duration::from_millis(20);
    for mode in MODES {
        let session = open(mode);
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        let (asleep, is_asleep) = std::sync::mpsc::channel();
        let woken = Worker::new(move || {
            asleep.send(own_tid()).unwrap();
            reader.read_exact(&mut [0]).unwrap();
        });
        let sleeper = Worker::new(|| std::thread::sleep(BLOCKED));
        session.start(None).unwrap();
        woken.go.send(()).unwrap();
        sleeper.go.send(()).unwrap();
        is_asleep.recv().unwrap();
        std::thread::sleep(BLOCKED);
        writer.write_all(&[1]).unwrap();
        woken.done.recv().unwrap();
        sleeper.done.recv().unwrap();
        let sample = closed_by_hand(&session);
        assert_adds_up(&sample);

        let seen = thread(&sample, woken.tid);
        let read = seen
            .syscalls
            .iter()
            .find(|call| call.name() == "read")
            .unwrap();
        assert_eq!(read.count, 1);
        let on_cpu_ns = read.total_ns - read.blocked_ns - read.ready_ns;
        assert!(
            read.blocked_ns > 0 && on_cpu_ns > 0 && on_cpu_ns < read.total_ns / 2,
            "{mode:?}: {read:?}"
        );
        let by = seen.woken_by.iter().find(|waker| waker.tid == own_tid());
        let by = by.unwrap_or_else(|| panic!("{mode:?}: {seen:?}"));
        assert_eq!((by.by.as_str(), by.pid), ("task", std::process::id()));
        assert!(
            by.count >= 1 && by.blocked_ns >= read.blocked_ns / 2,
            "{seen:?}"
        );

        let seen = thread(&sample, sleeper.tid);
        let sleep = seen
            .syscalls
            .iter()
            .find(|call| call.name() == "clock_nanosleep")
            .unwrap();
        assert!(
            sleep.blocked_ns > BLOCKED.as_nanos() as i64 / 2,
            "{sleep:?}"
        );
        let interrupts = seen.woken_by.iter().filter(|waker| waker.tid == 0);
        let slept_ns: i64 = interrupts.map(|waker| waker.blocked_ns).sum();
        assert!(slept_ns >= sleep.blocked_ns / 2, "{mode:?}: {seen:?}");
        woken.end();
        sleeper.end();
    }
}

#[test]
fn off_the_cpu_from_its_poll_is_the_time_between_two() {
    const AWAY: Duration = Duration::from_millis(30);
    for mode in MODES {
        let session = open(mode);
        let worker = Worker::new(|| {
            poll_nothing(1);
            spin(AWAY);
            poll_nothing(1);
            poll_nothing(1);
        });
        session.start(None).unwrap();
        worker.run();
        let sample = closed_by_hand(&session);
        let seen = thread(&sample, worker.tid);
        let off_cpu = &seen.long_poll;
        assert_eq!(off_cpu.count, 2, "{seen:?}");
        assert!(
            off_cpu.max_ns >= Some(AWAY.as_nanos() as i64),
            "{off_cpu:?}"
        );
        assert!(
            off_cpu.min_ns < off_cpu.max_ns && off_cpu.total_ns < seen.budget.wall_ns,
            "{off_cpu:?}"
        );
        let in_buckets: u32 = off_cpu.histogram.iter().flatten().skip(1).step_by(2).sum();
        assert_eq!(in_buckets, 2);
        worker.end();
    }
}

#[test]
fn page_faults_and_the_timer_are_told() {
    const PAGES: usize = 2000;
    for mode in MODES {
        let session = open(mode);
        let worker = Worker::new(|| {
            // A switch before, and one after: counted is up to the last.
            std::thread::sleep(Duration::from_millis(1));
            let page_bytes = 4096;
            // SAFETY: new memory, whose pages nothing else uses.
            let memory = unsafe {
                libc::mmap(
                    std::ptr::null_mut(),
                    PAGES * page_bytes,
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                    -1,
                    0,
                )
            };
            assert_ne!(memory, libc::MAP_FAILED);
            // SAFETY: inside the mapping. Without this one fault may bring many pages.
            unsafe { libc::madvise(memory, PAGES * page_bytes, libc::MADV_NOHUGEPAGE) };
            for page in 0..PAGES {
                // SAFETY: inside the mapping.
                unsafe { memory.cast::<u8>().add(page * page_bytes).write_volatile(1) };
            }
            spin(Duration::from_millis(100));
            std::thread::sleep(Duration::from_millis(1));
        });
        let sample = captured(&session, &worker);
        let seen = thread(&sample, worker.tid);
        let minor = seen.faults.minor.unwrap();
        assert!(
            (PAGES as i64..PAGES as i64 * 2).contains(&minor),
            "{mode:?}: {:?}",
            seen.faults
        );
        assert_eq!(seen.faults.major, Some(0));
        // A kernel without a periodic tick may still need none in so short a time; here there is one.
        let timer = seen
            .local_irqs
            .iter()
            .find(|vector| vector.name == "local_timer");
        if cfg!(target_arch = "x86_64") {
            let timer = timer.unwrap_or_else(|| panic!("{mode:?}: {seen:?}"));
            assert!(timer.count > 0 && timer.max_ns <= timer.total_ns);
        }
        let attributed_ns: i64 = seen
            .local_irqs
            .iter()
            .map(|vector| vector.total_ns)
            .sum::<i64>()
            + seen.hard_irqs.iter().map(|irq| irq.total_ns).sum::<i64>();
        assert!(attributed_ns <= seen.budget.hard_irq_ns, "{seen:?}");
        worker.end();
    }
}
