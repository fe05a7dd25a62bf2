//! What this process may do, as checks: one for the whole, and one for each capability.

use crate::doctor::check::{Check, Status};
use crate::kernel::capability::Capability;
use crate::kernel::privileges::{NEEDED, Privileges};

/// With all of them kdelay does as much as root's, and has no right to change anything.
const USEFUL: [Capability; 6] = [
    Capability::Bpf,
    Capability::Perfmon,
    Capability::SysPtrace,
    Capability::DacReadSearch,
    Capability::Syslog,
    Capability::CheckpointRestore,
];

/// The command that runs another one as this user with all that is useful.
fn command(privileges: Privileges) -> String {
    let caps = USEFUL.map(|capability| format!("+{}", capability.short_name()));
    let caps = caps.join(",").to_ascii_lowercase();
    let Privileges { uid, gid, .. } = privileges;
    format!(
        "sudo setpriv --reuid={uid} --regid={gid} --init-groups --inh-caps={caps} --ambient-caps={caps} -- kdelay …"
    )
}

/// One for the whole, and one for each capability, where these count.
pub fn checks(privileges: Privileges) -> Vec<Check> {
    let mut checks = vec![summary(privileges)];
    if privileges.has_own_user_namespace {
        return checks;
    }
    checks.extend(Capability::ALL.map(|capability| check(privileges, capability)));
    checks
}

fn summary(privileges: Privileges) -> Check {
    let Privileges { uid, .. } = privileges;
    let lacking = privileges.lacking(&NEEDED).join(" and ");
    let (status, detail, hint) = if privileges.has_own_user_namespace {
        let detail =
            format!("uid {uid} of a user namespace of its own, whose capabilities do not count");
        (Status::Failed, detail, Some(privileges.hint()))
    } else if lacking.is_empty() {
        let detail = format!("uid {uid}, CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN");
        (Status::Ok, detail, None)
    } else {
        let hint = format!(
            "run as root, for example with sudo, or:\n{}",
            command(privileges)
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

fn check(privileges: Privileges, capability: Capability) -> Check {
    let (status, detail, hint) = if privileges.has(capability) {
        let by = match privileges.effective & capability.bit() {
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

#[cfg(test)]
mod tests {
    use super::{Capability, Privileges, Status, checks};

    #[test]
    fn captures_take_two_capabilities_and_each_other_one_has_a_price() {
        let worst = |privileges: Privileges| {
            checks(privileges)
                .iter()
                .any(|check| check.status == Status::Failed)
        };
        assert!(worst(Privileges::with(&[])));
        assert!(worst(Privileges::with(&[Capability::Bpf])));
        assert!(worst(Privileges::with(&[Capability::Perfmon])));
        assert!(!worst(Privileges::with(&[
            Capability::Bpf,
            Capability::Perfmon
        ])));
        assert!(!worst(Privileges::with(&[Capability::SysAdmin])));
        for check in checks(Privileges::with(&[])) {
            assert_eq!(
                check.status == Status::Ok,
                check.hint.is_none(),
                "{check:?}"
            );
        }
    }

    #[test]
    fn a_user_namespace_has_none_that_count() {
        let all = Privileges {
            effective: u64::MAX,
            has_own_user_namespace: true,
            ..Privileges::with(&[])
        };
        let checks = checks(all);
        assert_eq!(checks.len(), 1);
        assert_eq!(checks[0].status, Status::Failed);
    }
}
