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
use crate::targets::identity::Process;
use crate::targets::pidfd::{Signal, wait_readable};
use crate::targets::proc_stat;
use crate::targets::process::{living_thread_but, thread_folder};

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

/// A place in one process, with the events that stand for it now.
pub struct UserProbe {
    place: UserPlace,
    process: Arc<Process>,
    /// It runs the program, as long as its thread lives.
    acting: Standing,
    /// Of another thread, to take over at once: opening an event takes the kernel a tenth of a second and more. Only where the leader
    /// has ended: then threads come and go, and as long as it lives it hardly ends before them.
    standby: Option<Standing>,
}

struct Standing {
    tid: u32,
    event: ThreadEvent,
}

/// What came of one attempt to open an event.
enum Attempt {
    Opened(Standing),
    /// The thread that was chosen has ended meanwhile; there may be others.
    ThreadEnded,
    /// The process has ended, or there is none but the one that was not to be chosen.
    NoThread,
}

impl UserProbe {
    pub fn attach(place: UserPlace, process: Arc<Process>) -> Result<Self> {
        /// Of the threads that end before they are reached.
        const MOST_ATTEMPTS: u32 = 1000;
        for _ in 0..MOST_ATTEMPTS {
            match attempt(&place, &process, None)? {
                Attempt::Opened(acting) => {
                    let probe = Self {
                        place,
                        process,
                        acting,
                        standby: None,
                    };
                    probe.run()?;
                    return Ok(probe);
                }
                Attempt::ThreadEnded => std::thread::sleep(Duration::from_nanos(PAUSE_NS)),
                Attempt::NoThread => break,
            }
        }
        let ended = io::Error::from_raw_os_error(libc::ESRCH);
        Err((place.refused)(&ended))
    }

    fn run(&self) -> Result<()> {
        let running = self.acting.event.run(self.place.program.as_fd());
        running.map_err(|error| (self.place.refused)(&error))
    }

    /// By another thread, until `closing` is raised; `false`: there is none any more. The event of before does not fire, since its
    /// thread has ended.
    fn hand_over(&mut self, closing: &Signal) -> Result<bool> {
        let Some(next) = self.standby.take() else {
            return self.attach_anew(closing);
        };
        self.act(next)?;
        Ok(true)
    }

    fn act(&mut self, next: Standing) -> Result<()> {
        // Closing it takes as long as opening does.
        let before = std::mem::replace(&mut self.acting, next);
        self.run()?;
        drop(before);
        Ok(())
    }

    fn attach_anew(&mut self, closing: &Signal) -> Result<bool> {
        loop {
            match attempt(&self.place, &self.process, None)? {
                Attempt::Opened(acting) => {
                    self.act(acting)?;
                    return Ok(true);
                }
                Attempt::ThreadEnded if !wait(&[closing.as_raw_fd()], Some(PAUSE_NS))?[0] => {}
                Attempt::ThreadEnded | Attempt::NoThread => return Ok(false),
            }
        }
    }

    fn wants_standby(&self) -> bool {
        self.standby.is_none() && self.acting.tid != self.process.pid()
    }

    /// Tried once: a thread that has ended before it is reached says that the next one is to be tried.
    fn find_standby(&mut self) -> Result<()> {
        let other_than = Some(self.acting.tid);
        if let Attempt::Opened(standby) = attempt(&self.place, &self.process, other_than)? {
            self.standby = Some(standby);
        }
        Ok(())
    }
}

fn attempt(place: &UserPlace, process: &Process, other_than: Option<u32>) -> Result<Attempt> {
    if process.has_ended() {
        return Ok(Attempt::NoThread);
    }
    let tried = try_thread(place, process.pid(), other_than);
    // Only while the process lives is its pid its own: what came of another's is nothing.
    if process.has_ended() {
        return Ok(Attempt::NoThread);
    }
    tried
}

fn try_thread(place: &UserPlace, pid: u32, other_than: Option<u32>) -> Result<Attempt> {
    let Some(tid) = living_thread_but(pid, other_than)? else {
        return Ok(match other_than {
            Some(_) => Attempt::NoThread,
            // Threads that begin and end while they are listed may all be missed.
            None => Attempt::ThreadEnded,
        });
    };
    match ThreadEvent::open(&place.event(Some(tid))) {
        Ok(event) => {
            let folder = thread_folder(pid, tid);
            let thread = proc_stat::stat(&folder).map_err(|error| Error::io(folder, &error))?;
            // Else its tid may have been another process's by then.
            Ok(match thread {
                Some(_) => Attempt::Opened(Standing { tid, event }),
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
                let fail = |error| {
                    let mut failure = failed.lock().unwrap_or_else(PoisonError::into_inner);
                    failure.get_or_insert(error);
                };
                if let Err(error) = run(probes, &until, &fail) {
                    fail(error);
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

/// Until all processes have ended, or `closing` is raised. A probe that cannot be attached anew is gone; the others stay.
fn run(mut probes: Vec<UserProbe>, closing: &Signal, fail: &impl Fn(Error)) -> Result<()> {
    /// Between two looks for a second thread, where there was none.
    const LOOK_NS: u64 = 100_000_000;
    while !probes.is_empty() {
        let mut fds: Vec<RawFd> = vec![closing.as_raw_fd()];
        for probe in &probes {
            fds.push(probe.acting.event.as_raw_fd());
            // poll(2) passes over what is negative.
            let standby = probe.standby.as_ref();
            fds.push(standby.map_or(-1, |standby| standby.event.as_raw_fd()));
        }
        let wants_standby = probes.iter().any(UserProbe::wants_standby);
        let ended = wait(&fds, wants_standby.then_some(LOOK_NS))?;
        if ended[0] {
            break;
        }
        let mut kept = Vec::with_capacity(probes.len());
        for (mut probe, ended) in probes.into_iter().zip(ended[1..].chunks(2)) {
            if ended[1] {
                probe.standby = None;
            }
            let stays = if ended[0] {
                probe.hand_over(closing).unwrap_or_else(|error| {
                    fail(error);
                    false
                })
            } else {
                true
            };
            if stays {
                kept.push(probe);
            }
        }
        probes = kept;
        // One at a time: another's turn may come meanwhile.
        if let Some(index) = probes.iter().position(UserProbe::wants_standby) {
            let mut probe = probes.remove(index);
            // Looked for again in a while: what keeps it from being opened, such as too many open files, may pass, and the probe
            // fires without one.
            if probe.find_standby().is_err() {
                probe.standby = None;
            }
            probes.push(probe);
        }
    }
    Ok(())
}
