//! The probes, attached to a set of processes: what a session holds while it is open. Dropping it detaches. Several threads
//! use it at the same time, each for what is its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use abi::calls::NO_PAIR;
use abi::config::Config;
use abi::control::MOST_PENDING;
use abi::thread::record::ENDED_BYTES;

use crate::calls::ring::EventReader;
use crate::calls::selection::{polls, selection};
use crate::calls::stack_reader::StackReader;
use crate::error::Result;
use crate::kernel::bpf::GracePeriod;
use crate::kernel::btf::Btf;
use crate::kernel::clock::monotonic_ns;
use crate::kernel::offsets;
use crate::kernel::pid_namespace::PidNamespace;
use crate::options::Options;
use crate::probes::capacity::{CHUNKS_PER_THREAD, calls_known, capacity, counts_upcalls, crowd};
use crate::probes::control::Control;
use crate::probes::list::{Need, PROBES};
use crate::probes::maps::Maps;
use crate::probes::object::{PendingLoader, Probes};
use crate::probes::recorder_rings::RecorderRings;
use crate::probes::upcalls::Upcalls;
use crate::sample::Target;
use crate::session::earlier::Earlier;
use crate::session::recording::Recording;
use crate::session::triggers::{AttachedTriggers, How, ResolvedTrigger, Triggers};
use crate::targets::hold::{hold, living_threads};
use crate::targets::identity::Process;
use crate::targets::pidfd::Signal;
use crate::targets::process::will_be;
use crate::timeline_file::{OpenedFile, SharedTimeline, TaskNames, TimelineFile};

pub struct Attached {
    pub probes: Probes,
    pub maps: Maps,
    /// `None`: it is not noted who ran instead and who woke.
    pub recording: Option<Mutex<Recording>>,
    /// Tasks are reported by the kernel's own numbers.
    pub has_kernel_pids: bool,
    /// The thread whose critical path each window has; `None`: that of the thread in which the stop trigger fires.
    pub critical_path_of: Option<u32>,
    pub before_ns: u64,
    pub grace_period: GracePeriod,
    /// `None`: neither calls nor stacks are recorded.
    pub events: Option<EventReader>,
    /// `None`: they are not counted.
    pub upcalls: Option<Upcalls>,
    pub has_start_trigger: bool,
    /// Windows that may be armed, open or unread at the same time: as many as there are records for.
    pub most_pending: usize,
    /// Held for as long as they are to fire.
    pub triggers: AttachedTriggers,
    /// After all the rest is gone.
    _detached: RaisedWhenDropped,
}

struct RaisedWhenDropped(Arc<Signal>);

impl Drop for RaisedWhenDropped {
    fn drop(&mut self) {
        self.0.raise();
    }
}

/// What a session begins with.
pub struct Opened {
    pub attached: Attached,
    pub control: Control,
    pub processes: Vec<Arc<Process>>,
    pub targets: Vec<Target>,
    /// On the triggers, one line each.
    pub remarks: Vec<String>,
    pub timeline: Option<SharedTimeline>,
}

impl Attached {
    /// For as long as it takes to take in what has been recorded.
    pub fn recording(&self) -> Option<MutexGuard<'_, Recording>> {
        let recording = self.recording.as_ref()?;
        Some(recording.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Attaches the probes to the processes, each named once. `detached` is raised when they are gone again.
    pub fn open(pids: &[u32], options: &Options, detached: Arc<Signal>) -> Result<Opened> {
        // Before anything attaches: that it cannot be written must not show after an hour of capturing.
        let timeline = options.timeline.as_ref().map(OpenedFile::open);
        let timeline = timeline.transpose()?;
        let loader = PendingLoader::begin();
        let (processes, mut targets) = hold(pids, options.if_ended)?;
        if let (Some(program), [target]) = (&options.program, &mut targets[..]) {
            *target = will_be(target.pid, program, options.command_line.clone());
        }
        let pids: Vec<u32> = processes.iter().map(|process| process.pid()).collect();
        let btf = Btf::of_running_kernel()?;
        let (mut config, missing) = offsets::configure(&btf)?;
        if options.debug_level > 0 {
            for missing in missing {
                eprintln!("kdelay: no {}: {}", missing.member, missing.consequence);
            }
        }
        let one = match &pids[..] {
            [only] if !options.follow => Some(*only),
            _ => None,
        };
        let namespace = PidNamespace::of_this_process(&btf)?;
        if let Some(namespace) = &namespace {
            namespace.configure(&mut config);
        }
        let kernel_tgid = |pid: u32| match &namespace {
            Some(namespace) => namespace.kernel_tgid(pid),
            None => Ok(pid),
        };
        config.target_tgid = one.map(kernel_tgid).transpose()?.unwrap_or(0);
        let triggers = Triggers::resolve(&processes, options)?;
        let in_any_task = |trigger: &Option<ResolvedTrigger>| {
            trigger
                .as_ref()
                .is_some_and(|trigger| trigger.fires_in_any_task(options.trigger_scope))
        };
        config.start_in_any_task = in_any_task(&triggers.start).into();
        config.stop_in_any_task = in_any_task(&triggers.stop).into();
        if let Some(pair) = triggers.pair {
            pair.configure(&mut config);
        }
        if let Some(events) = &options.events {
            config.events = selection(events)?;
        }
        config.off_cpu = options.off_cpu.into();
        config.polls = polls();
        let living = living_threads(&processes)?;
        let mut capacity = capacity(living, one.is_none(), options)?;
        if config.pair != NO_PAIR {
            capacity.calls = calls_known();
        }
        config.recorder = match options.before_ns {
            _ if options.without_who => Config::NEVER,
            0 => Config::IN_WINDOWS,
            _ => Config::ALWAYS,
        };
        config.recorder_shift = capacity.ring_shift;
        config.recorder_mask = (1 << capacity.ring_shift) - 1;
        config.crowd_bytes = ENDED_BYTES * crowd(capacity.records);
        let user_stacks = options.user_stacks_taken();
        config.events.stack_bytes = user_stacks.bytes();
        let mut probes = Probes::new(
            loader,
            &btf,
            &config,
            capacity,
            options.attach_mode,
            options.debug_level,
        )?;
        let maps = Maps::new(&mut probes)?;
        let mut shared_timeline = None;
        let recording = if options.without_who {
            None
        } else {
            let rings = RecorderRings::new(&mut probes, 1 << capacity.ring_shift)?;
            let timeline = timeline.map(|file| {
                let asked_for = timeline::Triggers {
                    start: options.start_trigger.clone(),
                    stop: options.stop_trigger.clone(),
                };
                let names = TaskNames::new(namespace.is_none());
                TimelineFile::new(file, names, asked_for, &targets)
            });
            shared_timeline = timeline.transpose()?.map(SharedTimeline::new);
            Some(Mutex::new(Recording::new(
                rings,
                Earlier::new(options.before_ns),
                shared_timeline.clone(),
            )))
        };
        if one.is_none() {
            for &pid in &pids {
                maps.add_target(kernel_tgid(pid)?, pid)?;
            }
        }
        let needed: Vec<&str> = PROBES
            .iter()
            .filter(|probe| match probe.need {
                Need::Always => true,
                Need::TargetSet => one.is_none(),
                Need::Follow => options.follow,
                Need::Recorder => !options.without_who,
            })
            .map(|probe| probe.tracepoint)
            .collect();
        probes.load_at_once(&needed);
        for tracepoint in needed {
            probes.attach(tracepoint)?;
        }
        probes.attach_local_irqs()?;
        if one.is_none() {
            // From here on the probes see them end. What ended before has a pid that may be another's.
            for process in processes.iter().filter(|process| !process.is_there()) {
                maps.remove_target(process.pid())?;
            }
        }
        let events = if options.events.is_some() || options.off_cpu {
            let limit = options.events.as_ref().map_or(0, |events| events.limit);
            let stacks = StackReader::new(user_stacks, &processes, options.follow);
            Some(EventReader::new(&mut probes, stacks, limit)?)
        } else {
            None
        };
        let upcalls = if counts_upcalls(options) {
            Upcalls::attach(&mut probes, options.debug_level)?
        } else {
            None
        };
        let control = Control::new(&mut probes)?;
        maps.fill(&probes)?;
        let has_start_trigger = triggers.start.is_some();
        let remarks = triggers.remarks();
        let triggers = triggers.attach(
            &mut probes,
            How {
                follow: options.follow,
                if_ended: options.if_ended,
            },
        )?;
        let most_pending = if has_start_trigger {
            (capacity.syscall_chunks / CHUNKS_PER_THREAD / living.max(1))
                .clamp(1, MOST_PENDING as u32) as usize
        } else {
            1
        };
        let grace_period = GracePeriod::new()?;
        if let Some(recording) = &recording {
            let mut recording = recording.lock().unwrap_or_else(PoisonError::into_inner);
            recording.begin(monotonic_ns());
        }
        let attached = Self {
            probes,
            maps,
            recording,
            has_kernel_pids: namespace.is_none(),
            critical_path_of: options.critical_path_of,
            before_ns: options.before_ns,
            grace_period,
            events,
            upcalls,
            has_start_trigger,
            most_pending,
            triggers,
            _detached: RaisedWhenDropped(detached),
        };
        Ok(Opened {
            attached,
            control,
            processes,
            targets,
            remarks,
            timeline: shared_timeline,
        })
    }
}
