//! What a time line is given besides events: machine, clocks, processes, windows and calls.

use abi::syscall::SyscallKey;

use crate::marks::{Annotations, Value};
use crate::proto::{
    BOOTTIME, Clock, ClockSnapshot, INCREMENTAL_STATE_CLEARED, MONOTONIC, Process as ProcessProto,
    REALTIME, SystemInfo, TracePacket, Utsname,
};

/// As `uname` tells it.
#[derive(Clone, Debug, Default)]
pub struct Host {
    pub sysname: String,
    pub release: String,
    pub version: String,
    pub machine: String,
}

/// One that is monitored.
#[derive(Clone, Debug, Default)]
pub struct Process {
    pub pid: u32,
    pub comm: String,
    /// Empty: it is not known.
    pub command_line: Vec<String>,
}

/// As they were asked for; `None`: there is none.
#[derive(Clone, Debug, Default)]
pub struct Triggers {
    pub start: Option<String>,
    pub stop: Option<String>,
}

/// At one moment, in ns.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// In which events come.
    pub monotonic_ns: u64,
    /// In which they are written, as the format has it.
    pub boottime_ns: u64,
    pub realtime_ns: u64,
}

impl Clocks {
    /// How long the machine has slept. The clocks are read one after the other: less than that takes is none.
    pub(crate) fn asleep_ns(&self) -> u64 {
        const READING_NS: u64 = 1_000_000;
        let asleep_ns = self.boottime_ns.saturating_sub(self.monotonic_ns);
        if asleep_ns < READING_NS { 0 } else { asleep_ns }
    }

    pub(crate) fn packet(&self) -> TracePacket {
        let clock = |clock_id: u32, ns: u64| Clock {
            clock_id: Some(clock_id),
            timestamp: Some(ns),
        };
        let boottime_ns = self.monotonic_ns.saturating_add(self.asleep_ns());
        TracePacket {
            timestamp: Some(boottime_ns),
            clock_snapshot: Some(ClockSnapshot {
                clocks: vec![
                    clock(BOOTTIME, boottime_ns),
                    clock(MONOTONIC, self.monotonic_ns),
                    clock(REALTIME, self.realtime_ns),
                ],
                primary_trace_clock: Some(BOOTTIME),
            }),
            ..TracePacket::default()
        }
    }
}

/// A thread as it is reported.
#[derive(Clone, Debug, Default)]
pub struct Who {
    pub pid: u32,
    pub tid: u32,
    pub comm: String,
}

/// How a window began and ended.
#[derive(Clone, Debug)]
pub struct WindowEdges<'a> {
    pub start_ns: u64,
    pub stop_ns: u64,
    /// In which a trigger opened it.
    pub started_by: Option<Who>,
    pub stopped_by: Option<Who>,
    /// Why it was closed, in a word.
    pub reason: &'a str,
    /// The report says nothing of it, as it was too short, say.
    pub was_dropped: bool,
}

/// A system call that was recorded.
#[derive(Clone, Debug)]
pub struct Call {
    pub who: Who,
    pub entry_ns: u64,
    pub exit_ns: u64,
    pub call: SyscallKey,
    pub result: i64,
}

pub(crate) fn host_packet(host: &Host) -> TracePacket {
    TracePacket {
        sequence_flags: Some(INCREMENTAL_STATE_CLEARED),
        system_info: Some(SystemInfo {
            utsname: Some(Utsname {
                sysname: Some(host.sysname.clone()),
                version: Some(host.version.clone()),
                release: Some(host.release.clone()),
                machine: Some(host.machine.clone()),
            }),
        }),
        ..TracePacket::default()
    }
}

pub(crate) fn annotations_of(who: &Who) -> Annotations {
    vec![
        ("thread", Value::Text(who.comm.clone())),
        ("tid", Value::Number(who.tid.into())),
        ("pid", Value::Number(who.pid.into())),
    ]
}

pub(crate) fn process_packet(process: &Process) -> ProcessProto {
    let is_comm = process.command_line.is_empty();
    ProcessProto {
        pid: Some(process.pid as i32),
        cmdline: if is_comm {
            vec![process.comm.clone()]
        } else {
            process.command_line.clone()
        },
        cmdline_is_comm: is_comm.then_some(true),
    }
}
