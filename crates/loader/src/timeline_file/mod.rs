//! The time line of a session's windows, in a file.

mod names;
mod opened;
mod sink;
mod told;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use timeline::{Clocks, Host, Process, Timeline, Triggers};

pub use self::names::TaskNames;
pub use self::opened::OpenedFile;
use self::sink::Sink;
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::kernel::clock::{boottime_ns, monotonic_ns, wall_ns};
use crate::sample::Target;

pub struct TimelineFile {
    pub timeline: Timeline<Sink, TaskNames>,
    name: String,
    targets: Vec<Process>,
    has_begun: bool,
}

/// Whoever records writes it, and whoever has the session ends it, once nobody records any more.
#[derive(Clone)]
pub struct SharedTimeline(Arc<Mutex<Option<TimelineFile>>>);

impl SharedTimeline {
    pub fn new(file: TimelineFile) -> Self {
        Self(Arc::new(Mutex::new(Some(file))))
    }

    fn lock(&self) -> MutexGuard<'_, Option<TimelineFile>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None`: it has ended.
    pub fn with<T>(&self, use_it: impl FnOnce(&mut TimelineFile) -> T) -> Option<T> {
        self.lock().as_mut().map(use_it)
    }

    /// Waits until all of it is written. Fails once if that was not possible.
    pub fn finish(&self) -> Result<()> {
        let file = self.lock().take();
        file.map_or(Ok(()), TimelineFile::finish)
    }
}

impl TimelineFile {
    pub fn new(
        file: OpenedFile,
        names: TaskNames,
        triggers: Triggers,
        targets: &[Target],
    ) -> Result<Self> {
        let name = file.name.clone();
        let sink = Sink::start(file).map_err(|error| Error::io("starting a thread", &error))?;
        Ok(Self {
            timeline: Timeline::new(sink, names, triggers),
            name,
            targets: targets.iter().map(process).collect(),
            has_begun: false,
        })
    }

    /// Nothing is written before there is a window: what the file held stays there until then.
    pub fn begin_window(&mut self, start_ns: u64, silent: &[(u32, u32)]) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.timeline.begin(&host(), &self.targets);
        }
        let clocks = Clocks {
            monotonic_ns: monotonic_ns(),
            boottime_ns: boottime_ns(),
            realtime_ns: wall_ns(),
        };
        self.timeline.begin_window(start_ns, &clocks, silent);
    }

    /// What there is goes on its way, and waits for no disk. What has failed is told in the end.
    pub fn hand_on(&mut self) {
        drop(self.timeline.flush());
    }

    /// Waits until all of it is written. That nobody reads it any more is no failure.
    pub fn finish(self) -> Result<()> {
        let written = self.timeline.into_output().and_then(Sink::finish);
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let why = Cause::of(&error).text;
                Err(Error::new(ErrorKind::Io, format!("{}: the time line: {why}", self.name))
                    .cause(Cause::of(&error))
                    .hint("choose a file that can be written, and check that the disk has room: what was written by then can be read"))
            }
            _ => Ok(()),
        }
    }
}

fn process(target: &Target) -> Process {
    Process {
        pid: target.pid,
        comm: target.comm.clone(),
        command_line: target.cmdline.clone().unwrap_or_default(),
    }
}

fn host() -> Host {
    let name = rustix::system::uname();
    let text = |name: &std::ffi::CStr| name.to_string_lossy().into_owned();
    Host {
        sysname: text(name.sysname()),
        release: text(name.release()),
        version: text(name.version()),
        machine: text(name.machine()),
    }
}
