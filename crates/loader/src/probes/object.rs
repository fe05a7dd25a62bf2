//! The eBPF object: loads and attaches each probe, as `tp_btf` where the kernel allows it, else as `raw_tp`.

use std::num::NonZero;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;
use std::thread::JoinHandle;

use abi::config::{CONFIG_SYMBOL, Config};
use abi::control::Command;
use aya::maps::Map;
use aya::programs::{
    BtfTracePoint, KProbe, Program, ProgramError, RawTracePoint, RawTracePointRunOptions, TestRun,
    TracePoint,
};
use aya::{Ebpf, EbpfLoader, Endianness, VerifierLogLevel};

use crate::error::{Cause, Error, ErrorKind, Result, chain, first_line};
use crate::kernel::bpf;
use crate::kernel::btf::Btf;
use crate::kernel::own_thread::enter_root_of_this_thread;
use crate::kernel::refusal::refused;
use crate::options::AttachMode;
use crate::probes::capacity::Capacity;
use crate::probes::list::{LOCAL_IRQS, PROBES};
use crate::probes::placeholders::filled_in;
use crate::probes::refusal::{NeitherWay, Refusal};

pub(super) static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/kdelay-probes"));

/// What the verifier has to do with these is most of all.
const LONGEST_TO_VERIFY: [&str; 2] = ["sched_switch", "sys_exit"];

/// The longest is half of all work: more would not be done sooner.
const MOST_VERIFIERS: usize = 3;

/// How a probe came to be attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attachment {
    BtfTracepoint,
    /// And why not as `tp_btf`.
    RawTracepoint(String),
}

/// The program of a trigger, by what it does and by what it can be attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerProgram {
    StartProbe,
    StopProbe,
    /// At x86's near conditional jump, for when it is taken.
    StartProbeIfTaken,
    StopProbeIfTaken,
    StartTracepoint,
    StopTracepoint,
    /// It sets no edge: it counts upcalls.
    Upcall,
}

impl TriggerProgram {
    fn name(self) -> &'static str {
        match self {
            Self::StartProbe => "start_probe",
            Self::StopProbe => "stop_probe",
            Self::StartProbeIfTaken => "start_probe_if_taken",
            Self::StopProbeIfTaken => "stop_probe_if_taken",
            Self::StartTracepoint => "start_tracepoint",
            Self::StopTracepoint => "stop_tracepoint",
            Self::Upcall => "upcall_return",
        }
    }
}

/// What the verifier may say, by `-D`'s level.
fn log_level(debug_level: u32) -> VerifierLogLevel {
    match debug_level {
        0 => VerifierLogLevel::DISABLE,
        level => VerifierLogLevel::from_bits_truncate(level),
    }
}

/// aya's loader, on its way: it reads the kernel's whole BTF as it is made, of which nothing here has any use, and takes long for
/// it. So it is made on a thread that does not find the file; where that cannot be, it is made while this thread finds out what the
/// loader is to be told.
pub struct PendingLoader(JoinHandle<EbpfLoader<'static>>);

impl PendingLoader {
    pub fn begin() -> Self {
        Self(std::thread::spawn(|| {
            // In /sys/kernel/btf there is no /sys/kernel/btf/vmlinux.
            let _ = enter_root_of_this_thread(c"/sys/kernel/btf");
            EbpfLoader::default()
        }))
    }
}

/// The object, its maps made and its programs ready to be loaded.
pub struct Probes {
    ebpf: Ebpf,
    tracepoint_types: Option<aya::Btf>,
    mode: AttachMode,
    debug_level: u32,
}

impl Probes {
    pub fn new(
        loader: PendingLoader,
        btf: &Btf,
        config: &Config,
        capacity: Capacity,
        mode: AttachMode,
        debug_level: u32,
    ) -> Result<Self> {
        let object = filled_in(OBJECT, config)?;
        let tracepoints = PROBES.map(|probe| probe.tracepoint);
        let excerpt = btf.only_tracepoints(&tracepoints);
        let tracepoint_types = aya::Btf::parse(&excerpt, Endianness::default()).ok();
        let mut loader = loader
            .0
            .join()
            .map_err(|_| Error::new(ErrorKind::Internal, "aya's loader could not be made"))?;
        let ebpf = loader
            .btf(tracepoint_types.as_ref())
            .verifier_log_level(log_level(debug_level))
            .override_global(CONFIG_SYMBOL, config.as_bytes(), true)
            .map_max_entries("TARGETS", capacity.targets)
            .map_max_entries("THREADS", capacity.records)
            .map_max_entries("FREE_THREADS", capacity.records)
            .map_max_entries("ENDED", capacity.ended_bytes)
            .map_max_entries("RENAMES", capacity.records)
            .map_max_entries("THREAD_OF_TASK", capacity.records)
            .map_max_entries(
                "SYSCALL_ROWS",
                capacity.syscall_chunks * abi::syscall::ROWS_PER_CHUNK,
            )
            .map_max_entries("FREE_CHUNKS", capacity.syscall_chunks)
            .map_max_entries("HARD_IRQS", capacity.hard_irq_rows)
            .map_max_entries("SYSCALL_EVENTS", capacity.event_bytes)
            .map_max_entries("STACKED_EVENTS", capacity.stacked_event_bytes)
            .map_max_entries("OFF_CPU", capacity.off_cpu_rows)
            .map_max_entries("OFF_CPU_STACKS", capacity.off_cpu_bytes)
            .map_max_entries("WAITS", capacity.waits)
            .map_max_entries("RECORDER_CPUS", capacity.cpus)
            .map_max_entries("RECORDS", capacity.rings << capacity.ring_shift)
            .map_max_entries("UPCALLS", capacity.upcall_rows)
            .map_max_entries("CALLS", capacity.calls)
            .load(&object)
            .map_err(|error| {
                refused(
                    "the kernel did not take the probes' maps",
                    Cause::of(&error),
                )
            })?;
        Ok(Self {
            ebpf,
            tracepoint_types,
            mode,
            debug_level,
        })
    }

    pub fn take_map(&mut self, name: &str) -> Result<Map> {
        self.ebpf.take_map(name).ok_or_else(|| {
            Error::new(
                ErrorKind::Internal,
                format!("the eBPF object has no map {name}"),
            )
        })
    }

    /// Has the verifier look at these probes' `tp_btf` programs, at several at once, and first at those that take it the longest. What
    /// is refused is tried once more when it is attached, which tells why.
    pub fn load_at_once(&mut self, tracepoints: &[&str]) {
        let Some(types) = self.tracepoint_types.as_ref() else {
            return;
        };
        if self.mode == AttachMode::RawTracepoint {
            return;
        }
        let wanted = |(name, program)| {
            let program = <&mut BtfTracePoint>::try_from(program).ok()?;
            let name = tracepoints.iter().find(|&&wanted| wanted == name)?;
            Some((*name, program))
        };
        let mut programs: Vec<_> = self.ebpf.programs_mut().filter_map(wanted).collect();
        // Taken from the end.
        programs.sort_by_key(|(name, _)| LONGEST_TO_VERIFY.contains(name));
        let programs = Mutex::new(programs);
        let next = || programs.lock().ok()?.pop();
        let verify = || {
            while let Some((name, program)) = next() {
                let _ = program.load(name, types);
            }
        };
        let cpus = std::thread::available_parallelism().map_or(1, NonZero::get);
        std::thread::scope(|scope| {
            for _ in 1..cpus.min(MOST_VERIFIERS) {
                scope.spawn(verify);
            }
            verify();
        });
    }

    /// Loads, unless it is loaded, and attaches one probe.
    pub fn attach(&mut self, tracepoint: &str) -> Result<Attachment> {
        let btf = match self.attach_btf(tracepoint) {
            Ok(()) => {
                self.trace(tracepoint, "tp_btf");
                return Ok(Attachment::BtfTracepoint);
            }
            Err(refusal) => refusal,
        };
        self.trace(tracepoint, &format!("no tp_btf: {}", chain(&btf)));
        match self.attach_raw(tracepoint) {
            Ok(()) => {
                self.trace(tracepoint, "raw_tp");
                // The verifier's log, behind the first line, has been printed where it was asked for.
                Ok(Attachment::RawTracepoint(
                    first_line(&chain(&btf)).to_owned(),
                ))
            }
            Err(raw) => {
                self.trace(tracepoint, &format!("no raw_tp: {}", chain(&raw)));
                Err(refused(
                    &format!("the probe {tracepoint} cannot be attached"),
                    NeitherWay { btf, raw }.cause().probe(tracepoint),
                ))
            }
        }
    }

    fn attach_btf(&mut self, tracepoint: &str) -> std::result::Result<(), Refusal> {
        if self.mode == AttachMode::RawTracepoint {
            return Err(Refusal::NotAskedFor);
        }
        let types = self.tracepoint_types.as_ref().ok_or(Refusal::NoTypes)?;
        let program = self
            .ebpf
            .program_mut(tracepoint)
            .ok_or(Refusal::NotInObject)?;
        let program: &mut BtfTracePoint = program.try_into()?;
        match program.load(tracepoint, types) {
            Ok(()) | Err(ProgramError::AlreadyLoaded) => {}
            Err(error) => return Err(error.into()),
        }
        program.attach()?;
        Ok(())
    }

    fn attach_raw(&mut self, tracepoint: &str) -> std::result::Result<(), Refusal> {
        let program = self
            .ebpf
            .program_mut(&format!("{tracepoint}_raw"))
            .ok_or(Refusal::NotInObject)?;
        let program: &mut RawTracePoint = program.try_into()?;
        program.load()?;
        program.attach(tracepoint)?;
        Ok(())
    }

    /// Attaches the programs of the interrupts that have no line, to those of their tracepoints that this kernel has.
    pub fn attach_local_irqs(&mut self) -> Result<()> {
        for edge in ["entry", "exit"] {
            let name = format!("vector_{edge}_raw");
            self.load::<RawTracePoint>(&name, RawTracePoint::load)
                .map_err(|refusal| {
                    let cause = Cause::of(&refusal).probe(&name);
                    refused("a probe of interrupts was not taken", cause)
                })?;
            for irq in LOCAL_IRQS {
                let tracepoint = format!("{irq}_{edge}");
                let attached = self.load::<RawTracePoint>(&name, |program| {
                    program.attach(&tracepoint).map(|_| ())
                });
                match attached {
                    Ok(()) => self.trace(&tracepoint, "raw_tp"),
                    Err(refusal) => {
                        self.trace(&tracepoint, &format!("not attached: {}", chain(&refusal)));
                    }
                }
            }
        }
        Ok(())
    }

    /// The program that changes the windows: attached to nothing.
    pub fn load_control(&mut self) -> Result<()> {
        self.load::<RawTracePoint>("control", RawTracePoint::load)
            .map(|_| ())
            .map_err(|refusal| {
                refused(
                    "the probes' control program was not taken",
                    Cause::of(&refusal).probe("control"),
                )
            })
    }

    /// Runs it once; returns what it returns.
    pub fn run_control(&self, command: Command, argument: u64) -> Result<u32> {
        let failed = |refusal: Refusal| {
            let cause = Cause::of(&refusal).probe("control");
            let message = format!("the probes' control program cannot be run: {cause}");
            Error::new(ErrorKind::Internal, message).cause(cause)
        };
        let program = self
            .ebpf
            .program("control")
            .ok_or_else(|| failed(Refusal::NotInObject))?;
        let program: &RawTracePoint = program
            .try_into()
            .map_err(|error: ProgramError| failed(error.into()))?;
        let mut options = RawTracePointRunOptions::new();
        options.args[0] = command as u64;
        options.args[1] = argument;
        let run = program
            .test_run(options)
            .map_err(|error| failed(error.into()))?;
        Ok(run.return_value)
    }

    /// A trigger's program. One program may be attached to many places.
    pub fn load_trigger(&mut self, program: TriggerProgram) -> Result<OwnedFd> {
        let name = program.name();
        let loaded = match program {
            TriggerProgram::StartTracepoint | TriggerProgram::StopTracepoint => {
                self.load::<TracePoint>(name, TracePoint::load)
            }
            TriggerProgram::StartProbe
            | TriggerProgram::StopProbe
            | TriggerProgram::StartProbeIfTaken
            | TriggerProgram::StopProbeIfTaken
            | TriggerProgram::Upcall => self.load::<KProbe>(name, KProbe::load),
        };
        loaded.map_err(|refusal| {
            refused(
                "a trigger's program was not taken",
                Cause::of(&refusal).probe(name),
            )
        })?;
        let program = self
            .ebpf
            .program(name)
            .and_then(|program| program.fd().ok());
        let fd = program
            .ok_or_else(|| Error::new(ErrorKind::Internal, "a trigger's program is not loaded"))?;
        fd.as_fd()
            .try_clone_to_owned()
            .map_err(|error| Error::io("holding a trigger's program", &error))
    }

    fn load<P>(
        &mut self,
        name: &str,
        load: impl FnOnce(&mut P) -> std::result::Result<(), ProgramError>,
    ) -> std::result::Result<(), Refusal>
    where
        for<'a> &'a mut P: TryFrom<&'a mut Program, Error = ProgramError>,
    {
        let program = self.ebpf.program_mut(name).ok_or(Refusal::NotInObject)?;
        load(program.try_into()?)?;
        Ok(())
    }

    /// Runs that the kernel skipped because the program was already running on that CPU. `None`: not counted here.
    pub fn recursion_misses(&self) -> Result<Option<u64>> {
        let mut sum = Some(0u64);
        for (_, program) in self.ebpf.programs() {
            // A program that was not loaded has no descriptor.
            let Ok(fd) = program.fd() else { continue };
            let misses = bpf::recursion_misses(fd.as_fd())
                .map_err(|error| Error::io("reading a program's statistics", &error))?;
            sum = sum.zip(misses).map(|(sum, misses)| sum + misses);
        }
        Ok(sum)
    }

    fn trace(&self, tracepoint: &str, what: &str) {
        if self.debug_level > 0 {
            eprintln!("kdelay: probe {tracepoint}: {what}");
        }
    }
}
