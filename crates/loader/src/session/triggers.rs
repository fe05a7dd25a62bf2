//! Start and stop triggers: from their texts to programs attached where they say.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use probe_points::{Kernel, Listing, Objects, Pattern, Point, Trigger};

use crate::error::{Error, ErrorKind, Result};
use crate::kernel::perf_event::{self, Event};
use crate::options::{Options, TriggerScope};
use crate::probes::object::{Probes, TriggerProgram};
use crate::session::trigger_errors::refused;
use crate::targets::process;

/// A trigger and the places that it stands for, in each monitored process.
pub struct ResolvedTrigger {
    trigger: Trigger,
    points: Vec<TargetPoint>,
}

struct TargetPoint {
    point: Point,
    /// The process in whose files it was found.
    pid: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    Start,
    Stop,
}

/// An attached trigger. Dropping it detaches.
pub struct AttachedTrigger {
    _events: Vec<OwnedFd>,
    /// The kernel was given a path to these by descriptor.
    _files: Vec<Arc<File>>,
}

impl ResolvedTrigger {
    /// Finds the trigger's places in the files of these processes, before anything is attached.
    pub fn new(text: &str, objects: &[(u32, Objects)]) -> Result<Self> {
        let trigger: Trigger = text.parse()?;
        let mut points: Vec<TargetPoint> = Vec::new();
        for (pid, objects) in objects {
            for point in probe_points::resolve(&trigger, objects)? {
                let is_of_kernel = !matches!(point, Point::User { .. });
                points.push(TargetPoint { point, pid: *pid });
                // The kernel's places are the same for every process.
                if is_of_kernel {
                    return Ok(Self { trigger, points });
                }
            }
        }
        Ok(Self { trigger, points })
    }

    /// Whether it may fire in tasks that are not monitored.
    pub fn fires_in_any_task(&self, scope: TriggerScope) -> bool {
        scope == TriggerScope::Any
            && self
                .points
                .iter()
                .any(|target| !matches!(target.point, Point::User { .. }))
    }

    pub fn attach(&self, probes: &mut Probes, edge: Edge, follow: bool) -> Result<AttachedTrigger> {
        let is_tracepoint = self
            .points
            .iter()
            .any(|target| matches!(target.point, Point::Tracepoint { .. }));
        let program = probes.load_trigger(match (edge, is_tracepoint) {
            (Edge::Start, false) => TriggerProgram::StartProbe,
            (Edge::Start, true) => TriggerProgram::StartTracepoint,
            (Edge::Stop, false) => TriggerProgram::StopProbe,
            (Edge::Stop, true) => TriggerProgram::StopTracepoint,
        })?;
        let mut events = Vec::with_capacity(self.points.len());
        let mut files = Vec::new();
        for target in &self.points {
            events.push(self.attach_point(target, &program, follow)?);
            if let Point::User { file, .. } = &target.point {
                files.push(Arc::clone(file));
            }
        }
        Ok(AttachedTrigger {
            _events: events,
            _files: files,
        })
    }

    fn attach_point(
        &self,
        target: &TargetPoint,
        program: &OwnedFd,
        follow: bool,
    ) -> Result<OwnedFd> {
        match &target.point {
            Point::Tracepoint { id } => self.attach_event(&Event::Tracepoint { id: *id }, program),
            Point::Kernel {
                function,
                offset,
                is_return,
            } => {
                let event = Event::Kernel {
                    pmu: Kernel::running().kprobe_pmu()?,
                    function,
                    offset: *offset,
                    is_return: *is_return,
                };
                self.attach_event(&event, program)
            }
            Point::User {
                path,
                offset,
                ref_ctr_offset,
                is_return,
                ..
            } => {
                let path = CString::new(path.as_os_str().as_bytes())
                    .map_err(|_| Error::new(ErrorKind::Internal, "a path with a NUL"))?;
                let pmu = Kernel::running().uprobe_pmu()?;
                let event = |tid: Option<u32>| Event::User {
                    pmu,
                    path: &path,
                    offset: *offset,
                    ref_ctr_offset: *ref_ctr_offset,
                    is_return: *is_return,
                    tid,
                };
                // Children have memory of their own, to which a process's probes do not extend.
                if follow {
                    return self.attach_event(&event(None), program);
                }
                // Any thread stands for its process; the leader may have ended.
                let tid = match process::tids(target.pid)?.as_slice() {
                    tids if tids.contains(&target.pid) => target.pid,
                    [first, ..] => *first,
                    [] => target.pid,
                };
                self.attach_event(&event(Some(tid)), program)
            }
        }
    }

    fn attach_event(&self, event: &Event<'_>, program: &OwnedFd) -> Result<OwnedFd> {
        perf_event::attach(event, program.as_fd())
            .map_err(|error| refused(&self.trigger, event, &error))
    }
}

/// Both triggers of a session, found before anything is attached.
pub struct Triggers {
    pub start: Option<ResolvedTrigger>,
    pub stop: Option<ResolvedTrigger>,
}

impl Triggers {
    pub fn resolve(pids: &[u32], options: &Options) -> Result<Self> {
        if options.start_trigger.is_none() && options.stop_trigger.is_none() {
            return Ok(Self {
                start: None,
                stop: None,
            });
        }
        let objects = pids
            .iter()
            .map(|&pid| {
                let objects = match &options.program {
                    Some(program) => Objects::of_command(program, Path::new("/")),
                    None => Objects::of_process(pid),
                };
                Ok((pid, objects?))
            })
            .collect::<Result<Vec<_>>>()?;
        let resolve = |text: &Option<String>| {
            text.as_ref()
                .map(|text| ResolvedTrigger::new(text, &objects))
                .transpose()
        };
        Ok(Self {
            start: resolve(&options.start_trigger)?,
            stop: resolve(&options.stop_trigger)?,
        })
    }

    /// Attaches the stop trigger first: a window that a start opens at once must be closable.
    pub fn attach(&self, probes: &mut Probes, follow: bool) -> Result<Vec<AttachedTrigger>> {
        [(&self.stop, Edge::Stop), (&self.start, Edge::Start)]
            .into_iter()
            .filter_map(|(trigger, edge)| Some((trigger.as_ref()?, edge)))
            .map(|(trigger, edge)| trigger.attach(probes, edge, follow))
            .collect()
    }
}

/// What can be a trigger in the kernel and, with a pid, in that process.
pub fn list(pid: Option<u32>, pattern: Option<&str>) -> Result<Listing> {
    let objects = pid.map(Objects::of_process).transpose()?;
    let pattern = pattern.map(Pattern::new);
    Ok(probe_points::list(objects.as_ref(), pattern.as_ref())?)
}
