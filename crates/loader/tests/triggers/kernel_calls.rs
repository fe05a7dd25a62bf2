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
use loader::session::capture::CaptureSession;

use crate::calls::{Timed, is_of, is_return_missed};
use crate::support::{SetOnDrop, assert_adds_up};
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
    let open = |function: &str| {
        let (start, stop) = (format!("k:{function}"), format!("kr:{function}"));
        CaptureSession::open(&Options {
            trigger_scope: TriggerScope::Target,
            ..options(Some(&start), Some(&stop))
        })
    };
    // Since Linux 6.15 by another name. Nobody else in this process reads from pipes.
    let opened = match open("pipe_read") {
        Err(error) if error.kind == ErrorKind::NoSuchProbe => open("anon_pipe_read"),
        opened => opened,
    };
    if !Path::new("/sys/bus/event_source/devices/kprobe").exists() {
        assert_eq!(opened.err().unwrap().kind, ErrorKind::KernelUnsupported);
        return;
    }
    let session = opened.unwrap();
    let (mut from, mut to) = std::io::pipe().unwrap();
    let (mut from_quick, mut to_quick) = std::io::pipe().unwrap();
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
            let mut byte = [0];
            while !end.load(Ordering::Acquire) {
                to_quick.write_all(&[1]).unwrap();
                note(Reads::of(|| from_quick.read_exact(&mut byte).unwrap()));
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
        let _threads_end = SetOnDrop(&end);
        while samples.len() < SAMPLES {
            session.start(None).unwrap();
            let reason = session.wait().unwrap();
            let sample = session.read().unwrap();
            if !is_return_missed(reason, &sample) {
                samples.push(sample);
            }
        }
    });
    let calls = calls.into_inner().unwrap();
    for sample in &samples {
        let its = calls.iter().any(|call| is_of(sample, call));
        assert!(its, "{:?} to {:?}", sample.start, sample.stop);
        assert_adds_up(sample);
    }
}
