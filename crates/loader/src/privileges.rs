//! What this process may do: its capabilities, where they count, and how it could get those that it lacks.

use std::fs;

use crate::doctor::{Check, Status};

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

/// Without these there is no capture at all.
const NEEDED: [Capability; 2] = [Capability::Bpf, Capability::Perfmon];

/// With all of them kdelay does as much as root's, and has no right to change anything.
const USEFUL: [Capability; 6] = [
    Capability::Bpf,
    Capability::Perfmon,
    Capability::SysPtrace,
    Capability::DacReadSearch,
    Capability::Syslog,
    Capability::CheckpointRestore,
];

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

    fn bit(self) -> u64 {
        1 << self as u8
    }

    /// Sets of which each member is as good.
    fn granted_by(self) -> u64 {
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
    fn cost(self) -> Option<&'static str> {
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

    fn how_to_grant(self) -> String {
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privileges {
    uid: u32,
    gid: u32,
    effective: u64,
    /// The capabilities are those of a user namespace of its own, which eBPF does not go by.
    has_own_user_namespace: bool,
}

impl Privileges {
    pub fn of_this_process() -> Self {
        /// `PROC_USER_INIT_INO`, include/linux/proc_ns.h.
        const INITIAL: &str = "user:[4026531837]";
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            // SAFETY: geteuid has no preconditions.
            uid: unsafe { libc::geteuid() },
            // SAFETY: getegid has no preconditions.
            gid: unsafe { libc::getegid() },
            effective: effective(&status).unwrap_or(0),
            has_own_user_namespace: fs::read_link("/proc/self/ns/user")
                .is_ok_and(|namespace| namespace.as_os_str() != INITIAL),
        }
    }

    pub fn has(self, capability: Capability) -> bool {
        !self.has_own_user_namespace && self.effective & capability.granted_by() != 0
    }

    fn lacking(self, capabilities: &[Capability]) -> Vec<String> {
        capabilities
            .iter()
            .filter(|&&capability| !self.has(capability))
            .map(|capability| capability.name())
            .collect()
    }

    /// What a kernel that refuses eBPF is to be told.
    pub fn hint(self) -> String {
        if self.has_own_user_namespace {
            return "the capabilities of a user namespace of one's own (rootless containers, unshare -U) do not count for eBPF: \
                    run as root of the host"
                .to_owned();
        }
        match self.lacking(&NEEDED).join(" and ") {
            lacking if lacking.is_empty() => "CAP_BPF and CAP_PERFMON are there: a seccomp profile, or a security module, \
                 refuses eBPF also to root (docker and podman: --security-opt=seccomp=unconfined, or a profile that allows it)"
                .to_owned(),
            lacking => format!(
                "run as root, or grant this process {lacking}: kdelay doctor and docs/privileges.md say how"
            ),
        }
    }

    /// The command that runs another one as this user with all that is useful.
    fn command(self) -> String {
        let caps = USEFUL.map(|capability| format!("+{}", capability.short_name()));
        let caps = caps.join(",").to_ascii_lowercase();
        let Self { uid, gid, .. } = self;
        format!(
            "sudo setpriv --reuid={uid} --regid={gid} --init-groups --inh-caps={caps} --ambient-caps={caps} -- kdelay …"
        )
    }

    /// One for the whole, and one for each capability, where these count.
    pub fn checks(self) -> Vec<Check> {
        let mut checks = vec![self.summary()];
        if self.has_own_user_namespace {
            return checks;
        }
        checks.extend(Capability::ALL.map(|capability| self.check(capability)));
        checks
    }

    fn summary(self) -> Check {
        let Self { uid, .. } = self;
        let lacking = self.lacking(&NEEDED).join(" and ");
        let (status, detail, hint) = if self.has_own_user_namespace {
            let detail = format!(
                "uid {uid} of a user namespace of its own, whose capabilities do not count"
            );
            (Status::Failed, detail, Some(self.hint()))
        } else if lacking.is_empty() {
            let detail = format!("uid {uid}, CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN");
            (Status::Ok, detail, None)
        } else {
            let hint = format!(
                "run as root, for example with sudo, or:\n{}",
                self.command()
            );
            (
                Status::Failed,
                format!("uid {uid} lacks {lacking}"),
                Some(hint),
            )
        };
        Check {
            name: "privileges".to_owned(),
            status,
            detail,
            hint,
        }
    }

    fn check(self, capability: Capability) -> Check {
        let (status, detail, hint) = if self.has(capability) {
            let by = match self.effective & capability.bit() {
                0 => "yes, by a greater one",
                _ => "yes",
            };
            (Status::Ok, by.to_owned(), None)
        } else {
            match capability.cost() {
                None => (Status::Ok, "no, and not needed here".to_owned(), None),
                Some(cost) => {
                    let status = match NEEDED.contains(&capability) {
                        true => Status::Failed,
                        false => Status::Degraded,
                    };
                    (
                        status,
                        format!("no: {cost}"),
                        Some(capability.how_to_grant()),
                    )
                }
            }
        };
        Check {
            name: capability.name(),
            status,
            detail,
            hint,
        }
    }
}

fn effective(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::{Capability, Privileges, Status, effective};

    fn with(capabilities: &[Capability]) -> Privileges {
        Privileges {
            uid: 1000,
            gid: 100,
            effective: capabilities.iter().map(|one| one.bit()).sum(),
            has_own_user_namespace: false,
        }
    }

    #[test]
    fn the_effective_set_is_read_from_status() {
        let status = "CapPrm:\t0000000000000000\nCapEff:\t000000c000000000\n";
        let both = with(&[Capability::Bpf, Capability::Perfmon]);
        assert_eq!(effective(status), Some(both.effective));
        assert_eq!(effective("nothing"), None);
    }

    #[test]
    fn what_is_lacking_is_named_and_what_is_greater_stands_for_it() {
        let hint = with(&[Capability::Bpf]).hint();
        assert!(
            hint.contains("CAP_PERFMON") && !hint.contains("CAP_BPF"),
            "{hint}"
        );
        assert!(with(&[Capability::SysAdmin]).hint().contains("seccomp"));
    }

    #[test]
    fn captures_take_two_capabilities_and_each_other_one_has_a_price() {
        let worst = |privileges: Privileges| {
            let checks = privileges.checks();
            checks.iter().any(|check| check.status == Status::Failed)
        };
        assert!(worst(with(&[])));
        assert!(worst(with(&[Capability::Bpf])));
        assert!(worst(with(&[Capability::Perfmon])));
        assert!(!worst(with(&[Capability::Bpf, Capability::Perfmon])));
        assert!(!worst(with(&[Capability::SysAdmin])));
        for check in with(&[]).checks() {
            assert_eq!(
                check.status == Status::Ok,
                check.hint.is_none(),
                "{check:?}"
            );
        }
    }

    #[test]
    fn a_user_namespace_has_no_capabilities_that_count() {
        let all = Privileges {
            effective: u64::MAX,
            has_own_user_namespace: true,
            ..with(&[])
        };
        assert!(!all.has(Capability::Bpf));
        assert!(all.hint().contains("user namespace"));
        assert_eq!(all.checks()[0].status, Status::Failed);
    }
}
