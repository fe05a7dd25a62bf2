//! Probes in the code of processes, which stay there while threads come and go.
//!
//! The kernel ties such a probe to one thread, and takes the breakpoint out of the process at the first hit after that thread has
//! ended, though others go on. So a probe is attached anew, by another thread, as soon as its own has ended. In between it is blind.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use probe_points::ProbePmu;

use crate::error::{Error, Result};
use crate::kernel::own_thread::raise_priority;
use crate::kernel::perf_event::{Event, ThreadEvent};
use crate::targets::pidfd::{PidFd, Signal, wait_readable};
use crate::targets::proc_stat;
use crate::targets::process::{living_thread, thread_folder};

/// Between two attempts to attach a probe, where the thread that was chosen ends.
const PAUSE_NS: u64 = 1_000_000;

/// Where in a file, and what to do there.
pub struct UserPlace {
    pub pmu: ProbePmu,
    pub path: CString,
    /// `path` may be one by descriptor.
    pub _file: Arc<File>,
    pub offset: u64,
    pub ref_ctr_offset: u64,
    pub is_return: bool,
    pub program: Arc<OwnedFd>,
    /// What is said where the kernel refuses.
    pub refused: Arc<dyn Fn(&io::Error) -> Error + Send + Sync>,
}

impl UserPlace {
    pub fn event(&self, tid: Option<u32>) -> Event<'_> {
        Event::User {
            pmu: self.pmu,
            path: &self.path,
            offset: self.offset,
            ref_ctr_offset: self.ref_ctr_offset,
            is_return: self.is_return,
            tid,
        }
    }
}

/// A place in one process, with the event that stands for it now.
pub struct UserProbe {
    place: UserPlace,
    pid: u32,
    process: PidFd,
    event: ThreadEvent,
}

/// What came of one attempt to attach a probe.
enum Attempt {
    Attached(ThreadEvent),
    /// This thread has ended meanwhile; there may be others.
    ThreadEnded,
    ProcessEnded,
}

impl UserProbe {
    pub fn attach(place: UserPlace, pid: u32) -> Result<Self> {
        /// Of the threads that end before they are reached.
        const MOST_ATTEMPTS: u32 = 1000;
        let ended = io::Error::from_raw_os_error(libc::ESRCH);
        let process = PidFd::open(pid).map_err(|error| (place.refused)(&error))?;
        for _ in 0..MOST_ATTEMPTS {
            match attempt(&place, pid, &process)? {
                Attempt::Attached(event) => {
                    return Ok(Self {
                        place,
                        pid,
                        process,
                        event,
                    });
                }
                Attempt::ThreadEnded => std::thread::sleep(Duration::from_nanos(PAUSE_NS)),
                Attempt::ProcessEnded => break,
            }
        }
        Err((place.refused)(&ended))
    }

    /// By another thread, until `closing` is raised; `false`: there is none any more. The new event is there before the old one goes,
    /// which does not fire, since its thread has ended.
    fn attach_anew(&mut self, closing: &Signal) -> Result<bool> {
        loop {
            match attempt(&self.place, self.pid, &self.process)? {
                Attempt::Attached(event) => {
                    self.event = event;
                    return Ok(true);
                }
                Attempt::ThreadEnded if !wait(&[closing.as_raw_fd()], Some(PAUSE_NS))?[0] => {}
                Attempt::ThreadEnded | Attempt::ProcessEnded => return Ok(false),
            }
        }
    }
}

fn attempt(place: &UserPlace, pid: u32, process: &PidFd) -> Result<Attempt> {
    let Some(tid) = living_thread(pid)? else {
        return Ok(Attempt::ProcessEnded);
    };
    let attached = ThreadEvent::attach(&place.event(Some(tid)), place.program.as_fd());
    // Only while the process lives is its pid its own.
    let has_ended = process.has_ended();
    if has_ended.map_err(|error| Error::io("pidfd", &error))? {
        return Ok(Attempt::ProcessEnded);
    }
    match attached {
        Ok(event) => {
            let folder = thread_folder(pid, tid);
            let thread = proc_stat::stat(&folder).map_err(|error| Error::io(folder, &error))?;
            // Else its tid may have been another process's by then.
            Ok(match thread {
                Some(_) => Attempt::Attached(event),
                None => Attempt::ThreadEnded,
            })
        }
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(Attempt::ThreadEnded),
        Err(error) => Err((place.refused)(&error)),
    }
}

fn wait(fds: &[RawFd], timeout_ns: Option<u64>) -> Result<Vec<bool>> {
    wait_readable(fds, timeout_ns).map_err(|error| Error::io("waiting for threads to end", &error))
}

/// A thread of this process that attaches probes anew. Dropping it detaches them.
pub struct UserProbes {
    closing: Arc<Signal>,
    failure: Arc<Mutex<Option<Error>>>,
    thread: Option<JoinHandle<()>>,
}

impl UserProbes {
    pub fn keep(probes: Vec<UserProbe>) -> Result<Self> {
        let closing = Signal::new().map_err(|error| Error::io("eventfd", &error))?;
        let closing = Arc::new(closing);
        let failure = Arc::new(Mutex::new(None));
        let (until, failed) = (Arc::clone(&closing), Arc::clone(&failure));
        let thread = std::thread::Builder::new()
            .name("kdelay-probes".to_owned())
            .spawn(move || {
                // Each moment until a probe is attached again is one in which it does not fire.
                raise_priority();
                if let Err(error) = run(probes, &until) {
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
            })
            .map_err(|error| Error::io("starting a thread", &error))?;
        Ok(Self {
            closing,
            failure,
            thread: Some(thread),
        })
    }

    /// Why a probe could not be attached anew, once.
    pub fn take_failure(&self) -> Option<Error> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl Drop for UserProbes {
    fn drop(&mut self) {
        self.closing.raise();
        if let Some(thread) = self.thread.take() {
            // It does not panic; and nothing of it is needed any more.
            let _ = thread.join();
        }
    }
}

/// Until all processes have ended, or `closing` is raised.
fn run(mut probes: Vec<UserProbe>, closing: &Signal) -> Result<()> {
    while !probes.is_empty() {
        let mut fds: Vec<RawFd> = vec![closing.as_raw_fd()];
        fds.extend(probes.iter().map(|probe| probe.event.as_raw_fd()));
        let ready = wait(&fds, None)?;
        if ready[0] {
            break;
        }
        let mut kept = Vec::with_capacity(probes.len());
        for (mut probe, has_ended) in probes.into_iter().zip(&ready[1..]) {
            if !has_ended || probe.attach_anew(closing)? {
                kept.push(probe);
            }
        }
        probes = kept;
    }
    Ok(())
}
