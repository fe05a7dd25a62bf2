//! Whether captures work here: each prerequisite is tried, not guessed.

use std::path::Path;

use abi::config::{Config, Events};
use abi::control::EDGES_BYTES;

use crate::doctor::check::{Check, Status, check, failed};
use crate::doctor::{features, rights};
use crate::kernel::btf::{Btf, VMLINUX};
use crate::kernel::offsets;
use crate::kernel::pid_namespace::PidNamespace;
use crate::kernel::privileges::Privileges;
use crate::kernel::refusal::lockdown;
use crate::options::AttachMode;
use crate::probes::capacity::Capacity;
use crate::probes::list::{Need, PROBES};
use crate::probes::object::{Attachment, PendingLoader, Probes};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// A capture will work.
    pub capable: bool,
    pub kernel: String,
    pub arch: String,
    pub checks: Vec<Check>,
}

/// Everything that can be found out without attaching to anybody's process.
pub fn diagnose() -> Diagnosis {
    let mut checks = rights::checks(Privileges::of_this_process());
    checks.extend([lockdown_mode(), tracefs()]);
    match Btf::of_running_kernel() {
        Ok(btf) => {
            let bytes = std::fs::metadata(VMLINUX).map_or(0, |file| file.len());
            checks.push(check(
                "BTF",
                Status::Ok,
                format!("{VMLINUX}, {:.1} MB", bytes as f64 / 1e6),
                None,
            ));
            checks.push(pid_namespace(&btf));
            checks.extend(kernel_structures(&btf));
            checks.extend(probes(&btf));
            checks.extend(kernel_features(&btf));
        }
        Err(error) => checks.push(failed("BTF", error)),
    }
    Diagnosis {
        capable: checks.iter().all(|check| check.status != Status::Failed),
        kernel: first_line("/proc/sys/kernel/osrelease"),
        arch: std::env::consts::ARCH.to_owned(),
        checks,
    }
}

fn first_line(path: &str) -> String {
    std::fs::read_to_string(path)
        .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// In one of its own, an eBPF iterator translates pids, if it can be had.
fn pid_namespace(btf: &Btf) -> Check {
    match PidNamespace::of_this_process(btf) {
        Ok(None) => check("pid namespace", Status::Ok, "the initial one", None),
        Ok(Some(_)) => check(
            "pid namespace",
            Status::Ok,
            "one of its own: its processes can be captured, by the pids that they have here",
            None,
        ),
        Err(error) => failed("pid namespace", error),
    }
}

fn lockdown_mode() -> Check {
    match lockdown() {
        None => check("lockdown", Status::Ok, "does not refuse eBPF", None),
        Some(mode) => {
            let hint = "boot with lockdown=integrity, or without secure boot";
            check(
                "lockdown",
                Status::Failed,
                format!("{mode}: the kernel refuses eBPF to root"),
                Some(hint),
            )
        }
    }
}

/// Captures by time do without; triggers by tracepoint need it, and without a mount use one of their own.
fn tracefs() -> Check {
    const FOLDERS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
    let mut closed = None;
    for folder in FOLDERS {
        match std::fs::read_dir(Path::new(folder).join("events")) {
            Ok(_) => return check("tracefs", Status::Ok, folder, None),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                closed = closed.or(Some(folder));
            }
            Err(_) => {}
        }
    }
    let (detail, hint) = match closed {
        Some(folder) => (
            format!("{folder} is closed to this user; captures by time work without"),
            "it takes CAP_DAC_READ_SEARCH, or as root: mount -o remount,gid=GROUP,mode=750 /sys/kernel/tracing",
        ),
        None => (
            "not mounted; captures by time work without".to_owned(),
            "mount -t tracefs tracefs /sys/kernel/tracing",
        ),
    };
    check("tracefs", Status::Degraded, detail, Some(hint))
}

fn kernel_structures(btf: &Btf) -> Vec<Check> {
    match offsets::configure(btf) {
        Err(error) => vec![failed("kernel structures", error)],
        Ok((_, missing)) => {
            let mut checks: Vec<Check> = missing
                .iter()
                .map(|missing| check(missing.member, Status::Degraded, missing.consequence, None))
                .collect();
            checks.insert(0, check("kernel structures", Status::Ok, "found", None));
            checks
        }
    }
}

/// Loads and attaches each probe, one object for all, and lets go.
fn probes(btf: &Btf) -> Vec<Check> {
    let Ok((mut config, _)) = offsets::configure(btf) else {
        return Vec::new();
    };
    // A pid that no process has: the probes run, and filter everything.
    config.target_tgid = u32::MAX;
    config.off_cpu = 1;
    config.recorder = Config::IN_WINDOWS;
    config.events = Events {
        recorded: 1,
        selected: 1,
        stacks: 1,
        stack_bytes: 0x4000,
        ..Events::NONE
    };
    let mut probes = match Probes::new(
        PendingLoader::begin(),
        btf,
        &config,
        Capacity {
            targets: 1,
            records: 1,
            hard_irq_rows: 1,
            ended_bytes: EDGES_BYTES,
            syscall_chunks: 1,
            event_bytes: EDGES_BYTES,
            stacked_event_bytes: EDGES_BYTES,
            off_cpu_rows: 1,
            off_cpu_bytes: EDGES_BYTES,
            waits: 1,
            cpus: 1,
            rings: 1,
            ring_shift: 0,
            upcall_rows: 1,
            calls: 1,
        },
        AttachMode::Best,
        0,
    ) {
        Ok(probes) => probes,
        Err(error) => return vec![failed("eBPF maps", error)],
    };
    PROBES
        .iter()
        .map(|probe| {
            let name = format!("probe {}", probe.tracepoint);
            match probes.attach(probe.tracepoint) {
                Ok(Attachment::BtfTracepoint) => check(name, Status::Ok, "tp_btf", None),
                Ok(Attachment::RawTracepoint(why_not)) => {
                    let detail = format!(
                        "raw_tp, which reads kernel memory at a higher cost (tp_btf: {why_not})"
                    );
                    check(name, Status::Degraded, detail, None)
                }
                Err(error) if probe.need == Need::Follow => Check {
                    name,
                    status: Status::Degraded,
                    detail: format!("{}; --follow will not work", error.message),
                    hint: error.hint,
                },
                Err(error) if probe.need == Need::Recorder => Check {
                    name,
                    status: Status::Degraded,
                    detail: format!("{}; captures need --no-who", error.message),
                    hint: error.hint,
                },
                Err(error) => failed(&name, error),
            }
        })
        .collect()
}

/// The details begin with "yes" or "no": the table of kernels in the documentation is made from them.
fn kernel_features(btf: &Btf) -> Vec<Check> {
    let Ok((config, _)) = offsets::configure(btf) else {
        return Vec::new();
    };
    features::try_all(&config)
        .into_iter()
        .map(|feature| {
            let name = format!("feature {}", feature.name);
            match (feature.missing, feature.consequence) {
                (None, _) => check(name, Status::Ok, "yes", None),
                (Some(why), None) => check(name, Status::Ok, format!("no: {why}"), None),
                (Some(why), Some(consequence)) => {
                    let detail = format!("no: {why}; {consequence}");
                    check(name, Status::Degraded, detail, None)
                }
            }
        })
        .collect()
}
