//! Start and stop triggers: from their texts to programs attached where they say.

use std::collections::HashSet;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use probe_points::{Kernel, Listing, Objects, Pattern, Point, ReturnProbes, Trigger};

use crate::error::{Error, ErrorKind, Result};
use crate::kernel::perf_event::{self, Event};
use crate::options::{IfEnded, Options, TriggerScope};
use crate::probes::object::{Probes, TriggerProgram};
use crate::session::pair::{Pair, place};
use crate::session::trigger_errors::{
    begins_again_at, ended_while_attached, refused, refused_in_file,
};
use crate::session::user_probes::{UserPlace, UserProbe, UserProbes};
use crate::targets::identity::Process;
use crate::targets::proc_stat::{self, Stat};
use crate::targets::process;

/// A trigger and the places that it stands for, in each monitored process.
pub struct ResolvedTrigger {
    trigger: Trigger,
    points: Vec<TargetPoint>,
    /// As `probe_points::Resolved`.
    begins_again: Option<String>,
    /// What whoever gave it should know, one line each.
    remarks: Vec<String>,
}

struct TargetPoint {
    point: Point,
    /// The one in whose files it was found.
    process: Arc<Process>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    Start,
    Stop,
}

/// Triggers that are attached. Dropping them detaches.
pub struct AttachedTriggers {
    _events: Vec<OwnedFd>,
    /// The kernel was given a path to these by descriptor.
    _files: Vec<Arc<File>>,
    /// `None`: there is none in the code of a process of its own.
    user_probes: Option<UserProbes>,
}

impl AttachedTriggers {
    /// Why a trigger that was attached is so no longer, once.
    pub fn take_failure(&self) -> Option<Error> {
        self.user_probes.as_ref()?.take_failure()
    }
}

#[derive(Clone, Copy)]
pub struct How {
    /// Children are captured too.
    pub follow: bool,
    /// Of processes that end before it is their turn.
    pub if_ended: IfEnded,
}

/// What is attached, trigger by trigger.
#[derive(Default)]
struct Parts {
    events: Vec<OwnedFd>,
    files: Vec<Arc<File>>,
    user_probes: Vec<UserProbe>,
}

impl ResolvedTrigger {
    /// Finds the trigger's places in the files of these processes, before anything is attached.
    pub fn new(
        text: &str,
        objects: &[(Arc<Process>, Objects)],
        returns: ReturnProbes,
    ) -> Result<Self> {
        let trigger: Trigger = text.parse()?;
        let mut resolved = Self {
            trigger,
            points: Vec::new(),
            begins_again: None,
            remarks: Vec::new(),
        };
        let kernel = Kernel::running();
        for (process, objects) in objects {
            let found = probe_points::resolve_with(&kernel, &resolved.trigger, objects, returns)?;
            resolved.begins_again = resolved.begins_again.or(found.begins_again);
            for remark in found.remarks {
                let remark = format!("{text}: {remark}");
                if !resolved.remarks.contains(&remark) {
                    resolved.remarks.push(remark);
                }
            }
            for point in found.points {
                let is_of_kernel = !matches!(point, Point::User { .. });
                let process = Arc::clone(process);
                resolved.points.push(TargetPoint { point, process });
                // The kernel's places are the same for every process.
                if is_of_kernel {
                    return Ok(resolved);
                }
            }
        }
        Ok(resolved)
    }

    fn found(&self) -> (&Trigger, Vec<&Point>) {
        let points = self.points.iter().map(|target| &target.point);
        (&self.trigger, points.collect())
    }

    /// Whether it may fire in tasks that are not monitored.
    pub fn fires_in_any_task(&self, scope: TriggerScope) -> bool {
        scope == TriggerScope::Any
            && self
                .points
                .iter()
                .any(|target| !matches!(target.point, Point::User { .. }))
    }

    fn attach(&self, probes: &mut Probes, edge: Edge, how: How, parts: &mut Parts) -> Result<()> {
        let mut loaded: Vec<(TriggerProgram, Arc<OwnedFd>)> = Vec::new();
        // What stands in every process that maps a file stands there for all targets: a second one would count each hit again.
        let mut places = HashSet::new();
        for target in &self.points {
            if how.follow && !places.insert(place(&target.point)?) {
                continue;
            }
            let wanted = program(edge, &target.point);
            let found = loaded.iter().find(|(program, _)| *program == wanted);
            let program = match found {
                Some((_, program)) => Arc::clone(program),
                None => {
                    let program = Arc::new(probes.load_trigger(wanted)?);
                    loaded.push((wanted, Arc::clone(&program)));
                    program
                }
            };
            self.attach_point(target, &program, how, parts)?;
        }
        Ok(())
    }

    fn attach_point(
        &self,
        target: &TargetPoint,
        program: &Arc<OwnedFd>,
        how: How,
        parts: &mut Parts,
    ) -> Result<()> {
        let attach_event = |event: &Event<'_>| {
            perf_event::attach(event, program.as_fd())
                .map_err(|error| refused(&self.trigger, false, &error))
        };
        match &target.point {
            Point::Tracepoint { id } => {
                parts
                    .events
                    .push(attach_event(&Event::Tracepoint { id: *id })?);
            }
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
                parts.events.push(attach_event(&event)?);
            }
            Point::User {
                path,
                file,
                offset,
                ref_ctr_offset,
                is_return,
                ..
            } => {
                let trigger = self.trigger.clone();
                let (refused_file, refused_offset) = (Arc::clone(file), *offset);
                let place = UserPlace {
                    pmu: Kernel::running().uprobe_pmu()?,
                    path: CString::new(path.as_os_str().as_bytes())
                        .map_err(|_| Error::new(ErrorKind::Internal, "a path with a NUL"))?,
                    _file: Arc::clone(file),
                    offset: *offset,
                    ref_ctr_offset: *ref_ctr_offset,
                    is_return: *is_return,
                    program: Arc::clone(program),
                    refused: Arc::new(move |error| {
                        refused_in_file(&trigger, &refused_file, refused_offset, error)
                    }),
                };
                // Children have memory of their own, to which a process's probes do not extend.
                if how.follow {
                    let event = perf_event::attach(&place.event(None), program.as_fd());
                    parts
                        .events
                        .push(event.map_err(|error| (place.refused)(&error))?);
                    parts.files.push(Arc::clone(file));
                } else {
                    let process = Arc::clone(&target.process);
                    let probe = UserProbe::attach(place, process);
                    if target.process.has_ended() {
                        if how.if_ended == IfEnded::LeaveOut {
                            return Ok(());
                        }
                        let pid = target.process.pid();
                        return Err(ended_while_attached(pid, &self.trigger));
                    }
                    parts.user_probes.push(probe?);
                }
            }
        }
        Ok(())
    }
}

fn program(edge: Edge, point: &Point) -> TriggerProgram {
    let is_conditional = matches!(
        point,
        Point::User {
            is_conditional: true,
            ..
        }
    );
    match (edge, point) {
        (Edge::Start, Point::Tracepoint { .. }) => TriggerProgram::StartTracepoint,
        (Edge::Stop, Point::Tracepoint { .. }) => TriggerProgram::StopTracepoint,
        (Edge::Start, _) if is_conditional => TriggerProgram::StartProbeIfTaken,
        (Edge::Stop, _) if is_conditional => TriggerProgram::StopProbeIfTaken,
        (Edge::Start, _) => TriggerProgram::StartProbe,
        (Edge::Stop, _) => TriggerProgram::StopProbe,
    }
}

/// Both triggers of a session, found before anything is attached.
pub struct Triggers {
    pub start: Option<ResolvedTrigger>,
    pub stop: Option<ResolvedTrigger>,
    /// `None`: each window is what lies between the two, whosever they are.
    pub pair: Option<Pair>,
}

impl Triggers {
    /// In the files of these processes and of nobody who has got the pid of one.
    pub fn resolve(processes: &[Arc<Process>], options: &Options) -> Result<Self> {
        if options.start_trigger.is_none() && options.stop_trigger.is_none() {
            return Ok(Self {
                start: None,
                stop: None,
                pair: None,
            });
        }
        let mut objects = Vec::new();
        let mut first_error = None;
        for process in processes {
            match objects_of(process, options) {
                Ok(found) => objects.push((Arc::clone(process), found)),
                Err(error)
                    if options.if_ended == IfEnded::LeaveOut
                        && (error.kind == ErrorKind::ProcessEnded || process.has_ended()) =>
                {
                    first_error.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(error) = first_error.filter(|_| objects.is_empty()) {
            return Err(error);
        }
        let resolve = |text: &Option<String>| {
            text.as_ref()
                .map(|text| ResolvedTrigger::new(text, &objects, options.returns))
                .transpose()
        };
        let start = resolve(&options.start_trigger)?;
        let stop = resolve(&options.stop_trigger)?;
        let pair = match (&start, &stop) {
            (Some(start), Some(stop)) => {
                let begins_again = stop.begins_again.as_deref();
                let ((start, begins), (stop, ends)) = (start.found(), stop.found());
                let pair = Pair::of((start, &begins), (stop, &ends), &objects)?;
                if let Some(at) = begins_again.filter(|_| pair.is_some()) {
                    return Err(begins_again_at(start, at));
                }
                pair
            }
            _ => None,
        };
        Ok(Self { start, stop, pair })
    }

    /// What whoever gave them should know, one line each.
    pub fn remarks(&self) -> Vec<String> {
        let triggers = [&self.start, &self.stop].into_iter().flatten();
        triggers.flat_map(|it| it.remarks.clone()).collect()
    }

    /// Attaches the stop trigger first: a window that a start opens at once must be closable.
    pub fn attach(&self, probes: &mut Probes, how: How) -> Result<AttachedTriggers> {
        let mut parts = Parts::default();
        for (trigger, edge) in [(&self.stop, Edge::Stop), (&self.start, Edge::Start)] {
            if let Some(trigger) = trigger {
                trigger.attach(probes, edge, how, &mut parts)?;
            }
        }
        Ok(AttachedTriggers {
            _events: parts.events,
            _files: parts.files,
            user_probes: match parts.user_probes {
                none if none.is_empty() => None,
                some => Some(UserProbes::keep(some)?),
            },
        })
    }
}

fn objects_of(process: &Process, options: &Options) -> Result<Objects> {
    match &options.program {
        Some(program) => Ok(Objects::of_command(program, Path::new("/"))?),
        None => {
            let begun = Instant::now();
            loop {
                let objects = process.while_there(objects_of_process)?;
                let objects = objects.ok_or_else(|| process.ended_meanwhile())?;
                if !objects.lacks_libraries() || begun.elapsed() > LONGEST_LOADING {
                    return Ok(objects);
                }
                thread::sleep(LOADING_PAUSE);
            }
        }
    }
}

/// That the libraries of a process that has just begun are waited for, before they count as not there. The loader maps them in a
/// millisecond, where it has a CPU.
const LONGEST_LOADING: Duration = Duration::from_millis(200);
const LOADING_PAUSE: Duration = Duration::from_millis(2);

/// By any of its threads: a leader that has ended maps nothing any more.
fn objects_of_process(pid: u32) -> Result<Objects> {
    let tid = process::living_thread(pid)?.unwrap_or(pid);
    Objects::of_process(tid).map_err(|error| {
        // It gives its memory back before it counts as ended.
        let stat = proc_stat::stat(&process::thread_folder(pid, tid));
        let is_ending = |stat: Option<Stat>| stat.is_none_or(|it| it.is_dead() || it.is_exiting());
        match stat.is_ok_and(is_ending) {
            true => Error::new(
                ErrorKind::ProcessEnded,
                format!("the process {pid} is ending"),
            ),
            false => error.into(),
        }
    })
}

/// What can be a trigger in the kernel and, with a pid, in that process.
pub fn list(pid: Option<u32>, pattern: Option<&str>) -> Result<Listing> {
    let objects = pid.map(objects_of_process).transpose()?;
    let pattern = pattern.map(Pattern::new);
    Ok(probe_points::list(objects.as_ref(), pattern.as_ref())?)
}
