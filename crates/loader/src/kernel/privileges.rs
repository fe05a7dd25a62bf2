//! What this process may do: which capabilities it has, whether they count, and how it could get those that it lacks.

use std::fs;

use crate::doctor::diagnosis::{Check, Status};
use crate::kernel::capability::Capability;

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
