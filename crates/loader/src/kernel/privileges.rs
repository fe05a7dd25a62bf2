//! What this process may do: which capabilities it has, whether they count, and how it could get those that it lacks.

use std::fs;

use crate::error::Denial;
use crate::kernel::capability::Capability;

/// Without these there is no capture at all.
pub const NEEDED: [Capability; 2] = [Capability::Bpf, Capability::Perfmon];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privileges {
    pub uid: u32,
    pub gid: u32,
    pub effective: u64,
    /// The capabilities are those of a user namespace of its own, which eBPF does not go by.
    pub has_own_user_namespace: bool,
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

    pub fn lacking(self, capabilities: &[Capability]) -> Vec<String> {
        capabilities
            .iter()
            .filter(|&&capability| !self.has(capability))
            .map(|capability| capability.name())
            .collect()
    }

    /// Why a kernel that is not locked down refuses eBPF to this process.
    pub fn denial(self) -> Denial {
        if self.has_own_user_namespace {
            Denial::UserNamespace
        } else if self.lacking(&NEEDED).is_empty() {
            Denial::Policy
        } else {
            Denial::Capabilities
        }
    }

    /// What a kernel that refuses eBPF is to be told.
    pub fn hint(self) -> String {
        match self.denial() {
            Denial::UserNamespace => {
                "the capabilities of a user namespace of one's own (rootless containers, unshare -U) do not count for eBPF: \
                 run as root of the host"
                    .to_owned()
            }
            Denial::Capabilities => format!(
                "run as root, or grant this process {}: kdelay doctor and docs/privileges.md say how",
                self.lacking(&NEEDED).join(" and ")
            ),
            _ => "CAP_BPF and CAP_PERFMON are there: a seccomp profile, or a security module, \
                  refuses eBPF also to root (docker and podman: --security-opt=seccomp=unconfined, or a profile that allows it)"
                .to_owned(),
        }
    }
}

#[cfg(test)]
impl Privileges {
    /// Those of some user who has these capabilities.
    pub fn with(capabilities: &[Capability]) -> Self {
        Self {
            uid: 1000,
            gid: 100,
            effective: capabilities.iter().map(|one| one.bit()).sum(),
            has_own_user_namespace: false,
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
    use super::{Capability, Privileges, effective};

    #[test]
    fn the_effective_set_is_read_from_status() {
        let status = "CapPrm:\t0000000000000000\nCapEff:\t000000c000000000\n";
        let both = Privileges::with(&[Capability::Bpf, Capability::Perfmon]);
        assert_eq!(effective(status), Some(both.effective));
        assert_eq!(effective("nothing"), None);
    }

    #[test]
    fn what_is_lacking_is_named_and_what_is_greater_stands_for_it() {
        let hint = Privileges::with(&[Capability::Bpf]).hint();
        assert!(
            hint.contains("CAP_PERFMON") && !hint.contains("CAP_BPF"),
            "{hint}"
        );
        assert!(
            Privileges::with(&[Capability::SysAdmin])
                .hint()
                .contains("seccomp")
        );
    }

    #[test]
    fn a_user_namespace_has_no_capabilities_that_count() {
        let all = Privileges {
            effective: u64::MAX,
            has_own_user_namespace: true,
            ..Privileges::with(&[])
        };
        assert!(!all.has(Capability::Bpf));
        assert!(all.hint().contains("user namespace"));
    }
}
