//! The same of a function of the kernel's own, where it has kprobes.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loader::error::ErrorKind;
use loader::kernel::clock::monotonic_ns;
use loader::kernel::own_thread::own_tid;
use loader::options::{Options, TriggerScope};
use loader::sample::StopReason;
use loader::session::capture::CaptureSession;

use crate::calls::Timed;
use crate::support::assert_adds_up;
use crate::{alone, options};

/// A call of read: its own clock cannot look inside of it.
struct Reads {
    tid: u32,
    before_ns: u64,
    after_ns: u64,
}

impl Reads {
    fn of(read: impl FnOnce()) -> Self {
        let before_ns = monotonic_ns();
        read();
        Self {
            tid: own_tid(),
            before_ns,
            after_ns: monotonic_ns(),
        }
    }

    fn as_timed(&self) -> Timed {
        Timed {
            tid: self.tid,
            begins: self.before_ns..=self.after_ns,
            ends: self.before_ns..=self.after_ns,
        }
    }
}

#[test]
fn each_window_is_one_thread_s_own_call_of_a_kernel_function() {
    let _alone = alone();
    const SAMPLES: usize = 10;
    let opened = CaptureSession::open(&Options {
        trigger_scope: TriggerScope::Target,
        ..options(Some("k:vfs_read"), Some("kr:vfs_read"))
    });
    if !Path::new("/sys/bus/event_source/devices/kprobe").exists() {
        assert_eq!(opened.err().unwrap().kind, ErrorKind::KernelUnsupported);
        return;
    }
    let session = opened.unwrap();
    let (mut from, mut to) = std::io::pipe().unwrap();
    let end = AtomicBool::new(false);
    let calls = Mutex::new(Vec::new());
    let note = |call: Reads| calls.lock().unwrap().push(call.as_timed());
    let mut samples = Vec::new();
    std::thread::scope(|scope| {
        // Blocked for long, by one that is not: only the former's own return ends its window.
        scope.spawn(|| {
            let mut byte = [0];
            while !end.load(Ordering::Acquire) {
                note(Reads::of(|| from.read_exact(&mut byte).unwrap()));
            }
        });
        scope.spawn(|| {
            let mut zero = std::fs::File::open("/dev/zero").unwrap();
            let mut byte = [0];
            while !end.load(Ordering::Acquire) {
                note(Reads::of(|| zero.read_exact(&mut byte).unwrap()));
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        scope.spawn(|| {
            while !end.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(20));
                to.write_all(&[1]).unwrap();
            }
            // The reader may have gone round once more.
            to.write_all(&[1]).unwrap();
        });
        while samples.len() < SAMPLES {
            session.start(None).unwrap();
            assert_eq!(session.wait().unwrap(), StopReason::Trigger);
            samples.push(session.read().unwrap());
        }
        end.store(true, Ordering::Release);
    });
    let calls = calls.into_inner().unwrap();
    for sample in &samples {
        let by = [&sample.start.by, &sample.stop.by].map(|by| by.as_ref().map(|by| by.tid));
        assert_eq!(by[0], by[1]);
        assert_adds_up(sample);
        // What reads of the session's own threads is not noted.
        let its = calls.iter().filter(|call| by[0] == Some(call.tid));
        let its: Vec<_> = its.collect();
        if !its.is_empty() {
            assert!(
                its.iter().any(|call| {
                    call.begins.contains(&sample.start.at_ns)
                        && call.ends.contains(&sample.stop.at_ns)
                }),
                "{:?} to {:?}",
                sample.start,
                sample.stop
            );
        }
    }
}
