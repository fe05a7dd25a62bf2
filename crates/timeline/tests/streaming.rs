//! A window of a million records: what is written, and what of it is in memory at one time.
#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use abi::COMM_BYTES;
use abi::recorder::SINCE_UNKNOWN;
use abi::syscall::SyscallKey;
use recorder::event::{Event, Irq, Leaving, Pid, TaskName, Waker, What, Why};
use recorder::machine::Machine;
use timeline::names::Names;
use timeline::{Clocks, Timeline, Triggers};

struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is the system's; that it is counted changes nothing of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's promises are the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Named;

impl Names for Named {
    fn task(&mut self, pid: Pid) -> Option<TaskName> {
        Some(TaskName {
            tid: pid,
            tgid: pid,
            comm: *b"a-name-as-usual\0",
        })
    }

    fn number(&self, pid: Pid) -> Option<u32> {
        Some(pid)
    }

    fn text(&self, comm: &[u8; COMM_BYTES]) -> String {
        String::from_utf8_lossy(&comm[..COMM_BYTES - 1]).into_owned()
    }

    fn call(&self, _: SyscallKey) -> String {
        "read".to_owned()
    }

    fn irq(&self, _: Irq, _: Option<&[u8; COMM_BYTES]>) -> String {
        String::new()
    }
}

/// Counts bytes; fails once there are so many.
struct Disk {
    written: u64,
    most: u64,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.written >= self.most {
            return Err(io::Error::from_raw_os_error(28));
        }
        self.written += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const CPUS: u32 = 8;
const TASKS: u32 = 200;

/// Tasks that take turns, each woken before its own.
fn event(number: u64) -> Event {
    let cpu = number as u32 / 2 % CPUS;
    // Each has tasks of its own, so that none runs on two.
    let round = number as u32 / 2 / CPUS;
    let task = |round: u32| 100 + cpu * TASKS + round % TASKS;
    let what = if number.is_multiple_of(2) {
        What::Waking {
            woken: task(round + 1),
            woken_is_target: false,
            is_on_cpu: false,
            was_stopped: false,
            woken_cpu: Some(cpu),
            by: Waker::Task {
                pid: task(round),
                call: None,
                is_exiting: false,
            },
        }
    } else {
        What::Switch {
            prev: Leaving {
                call_since_ns: SINCE_UNKNOWN,
                pid: task(round),
                why: Why::Blocked,
                state: 1,
                was_preempted: false,
                is_target: false,
                call: None,
            },
            next: task(round + 1),
            next_is_target: false,
        }
    };
    Event {
        at_ns: 1_000 + number * 100,
        cpu,
        what,
    }
}

fn write(events: u64, most: u64) -> io::Result<u64> {
    let mut timeline = Timeline::new(Disk { written: 0, most }, Named, Triggers::default());
    let clocks = Clocks {
        monotonic_ns: 1,
        boottime_ns: 1,
        realtime_ns: 1,
    };
    timeline.begin_window(1_000, &clocks, &[]);
    let machine = Machine::new(1_000);
    for number in 0..events {
        timeline.event(&machine, &event(number), None);
    }
    timeline.end_window(&machine, 1_000 + events * 100);
    Ok(timeline.into_output()?.written)
}

/// Both in one test: they count the same memory.
#[test]
fn a_window_of_a_million_records_takes_no_more_memory_than_a_short_one() {
    let most_of = |events: u64| {
        let before = ALLOCATED.load(Ordering::Relaxed);
        MOST.store(before, Ordering::Relaxed);
        let written = write(events, u64::MAX).unwrap();
        (MOST.load(Ordering::Relaxed) - before, written)
    };
    let (short, written) = most_of(20_000);
    let (long, all_written) = most_of(1_000_000);
    println!("{short} bytes of memory for {written} written, {long} for {all_written}");
    assert!(all_written > 30 * written, "all of it is there");
    assert!(
        long < short + 65_536,
        "{long} bytes, {short} for a short one"
    );
    assert!(long < 2 << 20, "{long} bytes");

    let full = write(1_000_000, 1 << 20).unwrap_err();
    assert_eq!(full.raw_os_error(), Some(28));
}
