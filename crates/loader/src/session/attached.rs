//! The probes, attached to a set of processes: what a session holds while it is open. Dropping it detaches.

use abi::control::{EDGES_BYTES, MOST_PENDING};
use abi::syscall::ROWS_PER_CHUNK;
use abi::thread::record::ENDED_BYTES;
use abi::upcall::UPCALL_ROWS;
use abi::who::LEAST_ATTRIBUTED_NS;

use crate::calls::ring::EventReader;
use crate::calls::selection::{polls, selection};
use crate::calls::stack_reader::StackReader;
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::bpf::GracePeriod;
use crate::kernel::btf::Btf;
use crate::kernel::machine::possible_cpus;
use crate::kernel::offsets;
use crate::kernel::pid_namespace::PidNamespace;
use crate::options::Options;
use crate::probes::control::Control;
use crate::probes::list::{Need, PROBES};
use crate::probes::maps::Maps;
use crate::probes::object::{Capacity, PendingLoader, Probes};
use crate::probes::upcalls::{self, Upcalls};
use crate::sample::Target;
use crate::session::triggers::{AttachedTrigger, ResolvedTrigger, Triggers};
use crate::targets::pidfd::PidFd;
use crate::targets::process;

const MOST_TARGETS: u32 = 1 << 14;
/// Room for at least this many threads that make many different calls.
const LEAST_THREADS: u32 = 768;
/// Where children join, each of them brings threads.
const LEAST_THREADS_FOLLOWED: u32 = 4096;
const MOST_THREADS: u32 = 1 << 20;
/// Room for at least this many that make few, unless another number is asked for: two CPUs make some fifty threads in a
/// millisecond that do nothing but come and go, and of two virtual ones the one that is to take them in may not run for tens of
/// milliseconds.
const LEAST_RECORDS: u32 = 3072;
/// Most threads make fewer than sixteen different calls, and those that come and go fewer than four.
const CHUNKS_PER_THREAD: u32 = 16 / ROWS_PER_CHUNK;
/// Interrupts come from few devices, and find few threads on a CPU.
const HARD_IRQS_PER_THREAD: u32 = 2;

/// A stack takes a hundred times the room of its call, and is recorded for fewer.
const STACKED_EVENT_SHARE: u32 = 4;
const MOST_RING_BYTES: u32 = 1 << 30;
/// A hundred bytes each.
const OFF_CPU_ROWS_PER_THREAD: u32 = 16;
const LEAST_OFF_CPU_ROWS: u32 = 1 << 14;
const MOST_OFF_CPU_ROWS: u32 = 1 << 20;
/// Threads that wait for a CPU, or are blocked, for long are few, and meet few others. Eighty bytes each.
const WHO_ROWS_PER_THREAD: u32 = 8;
const LEAST_WHO_ROWS: u32 = 1 << 13;
const MOST_WHO_ROWS: u32 = 1 << 20;
/// Each stack comes once.
const OFF_CPU_RING_BYTES: u32 = 8 << 20;

pub struct Attached {
    pub probes: Probes,
    pub maps: Maps,
    pub grace_period: GracePeriod,
    pub control: Control,
    /// `None`: neither calls nor stacks are recorded.
    pub events: Option<EventReader>,
    /// `None`: they are not counted.
    pub upcalls: Option<Upcalls>,
    /// The targets that were named, as long as they live.
    pub processes: Vec<PidFd>,
    pub has_start_trigger: bool,
    /// Windows that may be armed, open or unread at the same time: as many as there are records for.
    pub most_pending: usize,
    /// Held for as long as they are to fire.
    _triggers: Vec<AttachedTrigger>,
}

impl Attached {
    /// Attaches the probes to the processes, each named once.
    pub fn new(pids: &[u32], options: &Options) -> Result<(Self, Vec<Target>)> {
        let loader = PendingLoader::begin();
        let (processes, targets) = hold(pids)?;
        let btf = Btf::of_running_kernel()?;
        let (mut config, missing) = offsets::configure(&btf)?;
        if options.debug_level > 0 {
            for missing in missing {
                eprintln!("kdelay: no {}: {}", missing.member, missing.consequence);
            }
        }
        let one = match pids {
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
        let triggers = Triggers::resolve(pids, options)?;
        let in_any_task = |trigger: &Option<ResolvedTrigger>| {
            trigger
                .as_ref()
                .is_some_and(|trigger| trigger.fires_in_any_task(options.trigger_scope))
        };
        config.start_in_any_task = in_any_task(&triggers.start).into();
        config.stop_in_any_task = in_any_task(&triggers.stop).into();
        if let Some(events) = &options.events {
            config.events = selection(events)?;
        }
        config.off_cpu = options.off_cpu.into();
        config.polls = polls();
        config.who = u32::from(!options.without_who);
        config.least_attributed_ns = LEAST_ATTRIBUTED_NS;
        let living = living_threads(pids)?;
        let capacity = capacity(living, one.is_none(), options)?;
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
        let mut maps = Maps::new(&mut probes)?;
        if one.is_none() {
            for &pid in pids {
                maps.add_target(kernel_tgid(pid)?, pid)?;
            }
        }
        let needed: Vec<&str> = PROBES
            .iter()
            .filter(|probe| match probe.need {
                Need::Always => true,
                Need::TargetSet => one.is_none(),
                Need::Follow => options.follow,
                Need::Who => !options.without_who,
            })
            .map(|probe| probe.tracepoint)
            .collect();
        probes.load_at_once(&needed);
        for tracepoint in needed {
            probes.attach(tracepoint)?;
        }
        probes.attach_vectors()?;
        let events = if options.events.is_some() || options.off_cpu {
            let limit = options.events.as_ref().map_or(0, |events| events.limit);
            let stacks = StackReader::new(user_stacks, pids);
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
        let triggers = triggers.attach(&mut probes, options.follow)?;
        let most_pending = if has_start_trigger {
            (capacity.syscall_chunks / CHUNKS_PER_THREAD / living.max(1))
                .clamp(1, MOST_PENDING as u32) as usize
        } else {
            1
        };
        let grace_period = GracePeriod::new()?;
        let attached = Self {
            probes,
            maps,
            grace_period,
            control,
            events,
            upcalls,
            processes,
            has_start_trigger,
            most_pending,
            _triggers: triggers,
        };
        Ok((attached, targets))
    }
}

fn counts_upcalls(options: &Options) -> bool {
    !options.without_upcalls && upcalls::has_datapath()
}

fn hold(pids: &[u32]) -> Result<(Vec<PidFd>, Vec<Target>)> {
    let mut processes = Vec::new();
    let mut targets = Vec::new();
    for &pid in pids {
        // Held first and inspected then: what is inspected is what is held.
        let held = PidFd::open(pid);
        let process = process::inspect(pid)?;
        processes
            .push(held.map_err(|error| Error::io(format!("holding the process {pid}"), &error))?);
        targets.push(process);
    }
    Ok((processes, targets))
}

fn living_threads(pids: &[u32]) -> Result<u32> {
    let mut living = 0u32;
    for &pid in pids {
        living = living.saturating_add(process::tids(pid)?.len() as u32);
    }
    Ok(living)
}

/// Of so many records, how many threads end before user space is woken to take them in: a small part, as it may take a while until
/// it has a CPU; and many at once, as each wakening takes time from what is monitored. A power of two.
fn crowd(records: u32) -> u32 {
    const LEAST: u32 = 2;
    const MOST: u32 = 256;
    let sixteenth = (records / 16).max(1);
    (1 << sixteenth.ilog2()).clamp(LEAST, MOST)
}

fn capacity(living: u32, is_set: bool, options: &Options) -> Result<Capacity> {
    let threads = match options.thread_capacity {
        Some(0) => {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "a capacity of 0 threads",
            ));
        }
        Some(threads) => threads.min(MOST_THREADS),
        None => {
            let least = if options.follow {
                LEAST_THREADS_FOLLOWED
            } else {
                LEAST_THREADS
            };
            living.saturating_mul(2).clamp(least, MOST_THREADS)
        }
    };
    let events = options.events.as_ref();
    let records = match options.thread_capacity {
        Some(_) => threads,
        None => threads.max(LEAST_RECORDS),
    };
    Ok(Capacity {
        targets: if is_set { MOST_TARGETS } else { 1 },
        records,
        hard_irq_rows: threads.saturating_mul(HARD_IRQS_PER_THREAD),
        // Twice as many as there are records: what was read and freed before it was told is told all the same.
        ended_bytes: (2 * records * ENDED_BYTES)
            .next_power_of_two()
            .max(EDGES_BYTES),
        syscall_chunks: threads.saturating_mul(CHUNKS_PER_THREAD).max(records),
        // What is not used is there all the same, as small as any.
        event_bytes: events.map_or(EDGES_BYTES, |events| events.buffer_bytes),
        stacked_event_bytes: match events {
            Some(events) if events.has_stacks => events
                .buffer_bytes
                .saturating_mul(STACKED_EVENT_SHARE)
                .min(MOST_RING_BYTES),
            _ => EDGES_BYTES,
        },
        off_cpu_rows: if options.off_cpu {
            threads
                .saturating_mul(OFF_CPU_ROWS_PER_THREAD)
                .clamp(LEAST_OFF_CPU_ROWS, MOST_OFF_CPU_ROWS)
        } else {
            1
        },
        off_cpu_bytes: if options.off_cpu {
            OFF_CPU_RING_BYTES
        } else {
            EDGES_BYTES
        },
        waits: if options.has_stacks() { records } else { 1 },
        cpus: if options.without_who {
            1
        } else {
            possible_cpus()
        },
        who_rows: if options.without_who {
            1
        } else {
            threads
                .saturating_mul(WHO_ROWS_PER_THREAD)
                .clamp(LEAST_WHO_ROWS, MOST_WHO_ROWS)
        },
        upcall_rows: if counts_upcalls(options) {
            UPCALL_ROWS
        } else {
            1
        },
    })
}
