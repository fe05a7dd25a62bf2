//! Storms of interrupts, against what the kernel counts of them by itself.

use std::net::UdpSocket;
use std::time::Duration;

use loader::kernel::own_thread::raise_priority;

use super::load::pin_to_cpu_0;
use super::worker::Worker;
use super::{MODES, captured, open, thread};

/// Of CPU 0, so far, in a table of /proc that has a line for each kind and a column for each CPU.
fn counted(table: &str, kind: &str) -> i64 {
    let text = std::fs::read_to_string(table).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(kind))
        .unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Expires after that time, on the CPU that it is armed on, and again so long after each look that found it expired.
struct Timer(i32);

impl Timer {
    fn every(interval: Duration) -> Self {
        // SAFETY: no addresses.
        let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK) };
        assert!(fd >= 0);
        let interval = libc::timespec {
            tv_sec: 0,
            tv_nsec: interval.subsec_nanos().into(),
        };
        let times = libc::itimerspec {
            it_interval: interval,
            it_value: interval,
        };
        // SAFETY: the times live until the call returns; nobody asks for the old ones.
        let result = unsafe { libc::timerfd_settime(fd, 0, &times, std::ptr::null_mut()) };
        assert_eq!(result, 0);
        Self(fd)
    }

    /// Whether it has expired since the last look. The kernel arms it again only then.
    fn has_expired(&self) -> bool {
        let mut expirations = 0u64;
        // SAFETY: the number lives until the call returns, and is as long as is said.
        let bytes = unsafe { libc::read(self.0, (&raw mut expirations).cast(), 8) };
        bytes == 8 && expirations > 0
    }
}

/// How often the calling thread has left its CPU.
fn own_switches() -> i64 {
    // SAFETY: plain integers, all of which may be 0.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the struct lives until the call returns.
    let result = unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) };
    assert_eq!(result, 0);
    usage.ru_nvcsw + usage.ru_nivcsw
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: its own.
        unsafe { libc::close(self.0) };
    }
}

#[test]
fn a_timer_storm_is_what_proc_interrupts_counts() {
    // On arm64 the timer's interrupt has a line like any other.
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    /// So many hit the thread for certain: it did not leave its CPU between one and the next.
    const CERTAIN: i64 = 200;
    let counted = || counted("/proc/interrupts", "LOC:");
    for mode in MODES {
        let session = open(mode);
        let worker = Worker::new(|| {
            pin_to_cpu_0();
            raise_priority();
            let timer = Timer::every(Duration::from_micros(500));
            let (mut certain, mut before) = (0, -1);
            while certain < CERTAIN {
                if timer.has_expired() {
                    let switches = own_switches();
                    certain += i64::from(switches == before);
                    before = switches;
                }
            }
        });
        let before = counted();
        let sample = captured(&session, &worker);
        let at_most = counted() - before;
        let seen = thread(&sample, worker.tid);
        // It has moved there from another CPU, whose row is another's.
        let attributed: i64 = seen
            .local_irqs
            .iter()
            .filter(|vector| vector.name == "local_timer")
            .map(|vector| vector.count)
            .sum();
        assert!(
            attributed >= CERTAIN && attributed <= at_most + 5,
            "{mode:?}: {attributed} of {CERTAIN}, at most {at_most}"
        );
        assert!(seen.budget.hard_irq_ns > 0);
        worker.end();
    }
}

#[test]
fn packets_on_the_loopback_are_what_proc_softirqs_counts() {
    const PACKETS: i64 = 2000;
    let counted = || counted("/proc/softirqs", "NET_RX:");
    for mode in MODES {
        let session = open(mode);
        let worker = Worker::new(|| {
            pin_to_cpu_0();
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(socket.local_addr().unwrap()).unwrap();
            let mut packet = [0; 8];
            for _ in 0..PACKETS {
                socket.send(&packet).unwrap();
                socket.recv(&mut packet).unwrap();
            }
        });
        let before = counted();
        let sample = captured(&session, &worker);
        let at_most = counted() - before;
        let seen = thread(&sample, worker.tid);
        let net_rx = seen
            .soft_irqs
            .iter()
            .find(|irq| irq.name == "net_rx")
            .unwrap();
        // Each is handled at the end of its own `sendto`, but for those that the kernel leaves to ksoftirqd.
        assert!(
            net_rx.count >= PACKETS / 2 && net_rx.count <= at_most,
            "{mode:?}: {net_rx:?}, at most {at_most}"
        );
        assert!(
            net_rx.total_ns > 0 && seen.budget.soft_irq_ns > 0,
            "{mode:?}: {seen:?}"
        );
        worker.end();
    }
}
