//! The capabilities that kdelay has a use for: what each is good for, and how it is granted.

use std::fs;

/// Those that kdelay has a use for, by their numbers in include/uapi/linux/capability.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Capability {
    DacReadSearch = 2,
    SysPtrace = 19,
    SysAdmin = 21,
    SysResource = 24,
    Syslog = 34,
    Perfmon = 38,
    Bpf = 39,
    CheckpointRestore = 40,
}

impl Capability {
    pub const ALL: [Self; 8] = [
        Self::Bpf,
        Self::Perfmon,
        Self::SysPtrace,
        Self::DacReadSearch,
        Self::Syslog,
        Self::CheckpointRestore,
        Self::SysAdmin,
        Self::SysResource,
    ];

    /// As docker and setpriv have it, in the case of the one and of the other.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::DacReadSearch => "DAC_READ_SEARCH",
            Self::SysPtrace => "SYS_PTRACE",
            Self::SysAdmin => "SYS_ADMIN",
            Self::SysResource => "SYS_RESOURCE",
            Self::Syslog => "SYSLOG",
            Self::Perfmon => "PERFMON",
            Self::Bpf => "BPF",
            Self::CheckpointRestore => "CHECKPOINT_RESTORE",
        }
    }

    pub fn name(self) -> String {
        format!("CAP_{}", self.short_name())
    }

    pub fn bit(self) -> u64 {
        1 << self as u8
    }

    /// Sets of which each member is as good.
    pub fn granted_by(self) -> u64 {
        /// Stands for CAP_DAC_READ_SEARCH in all that it is used for here.
        const CAP_DAC_OVERRIDE: u64 = 1 << 1;
        match self {
            Self::Bpf | Self::Perfmon | Self::CheckpointRestore => {
                self.bit() | Self::SysAdmin.bit()
            }
            Self::DacReadSearch => self.bit() | CAP_DAC_OVERRIDE,
            _ => self.bit(),
        }
    }

    /// What a process without it does not get; `None`: nothing here.
    pub fn cost(self) -> Option<&'static str> {
        match self {
            Self::Bpf => Some("no eBPF maps and programs: no captures"),
            Self::Perfmon => Some("no eBPF programs that trace: no captures"),
            Self::SysPtrace => Some(
                "of other users' processes: no name of the executable, no user stacks, no triggers in their code, and no \
                 names of calls that they are blocked in all along",
            ),
            Self::DacReadSearch => Some(
                "no triggers at tracepoints where tracefs is root's alone; of other users' processes: no names of calls that \
                 they are blocked in all along, and none of functions whose files are closed to this user",
            ),
            Self::Syslog if !kallsyms_has_addresses() => {
                Some("no names of functions in kernel stacks")
            }
            Self::Syslog => None,
            Self::CheckpointRestore => {
                Some("no functions of files that were deleted or replaced since they were mapped")
            }
            Self::SysAdmin => Some(
                "no triggers in user code since Linux 6.16 and in stable kernels of that time; tracefs cannot be mounted",
            ),
            Self::SysResource if counts_locked_memory() => {
                Some("no eBPF maps beyond RLIMIT_MEMLOCK, which Linux before 5.11 counts them in")
            }
            Self::SysResource => None,
        }
    }

    pub fn how_to_grant(self) -> String {
        let name = self.short_name();
        let lower = name.to_ascii_lowercase();
        format!(
            "docker, podman: --cap-add={name}; setpriv: +{lower} in --inh-caps and --ambient-caps; systemd: \
             AmbientCapabilities=CAP_{name}"
        )
    }
}

/// Whether kernel symbols have addresses for this process: kernel.kptr_restrict and perf_event_paranoid decide, too.
fn kallsyms_has_addresses() -> bool {
    use std::io::{BufRead, BufReader};
    /// The first symbols of some kernels are at zero for everybody.
    const LOOKED_AT: usize = 1000;
    let Ok(file) = fs::File::open("/proc/kallsyms") else {
        return false;
    };
    BufReader::new(file)
        .split(b'\n')
        .take(LOOKED_AT)
        .flatten()
        .any(|line| {
            let address = line.split(|&byte| byte == b' ').next().unwrap_or_default();
            address.iter().any(|&digit| digit != b'0')
        })
}

fn counts_locked_memory() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release
        .split(|letter: char| !letter.is_ascii_digit())
        .map_while(|number| number.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => (major, minor) < (5, 11),
        _ => false,
    }
}
