//! What walking stacks may cost, shared among the processes that were named: each has a part, and all others, which `--follow` has
//! joined, have one together. Else who starts many processes would have many parts.

use std::collections::HashMap;

use stacks::Effort;

/// Of all: so much at once, a second or so, and a fifth of a CPU from then on (`Effort` says what a unit is).
const MOST_UNITS: u64 = 100_000_000;
const UNITS_PER_SECOND: u64 = 20_000_000;
/// Of one, however many there are: what a large program takes that has just begun.
const LEAST_UNITS: u64 = 10_000_000;
const LEAST_UNITS_PER_SECOND: u64 = 1_000_000;
const LEAST_TABLE_BYTES: u64 = 64 << 20;
/// Unwind tables in memory.
const MOST_TABLE_BYTES: u64 = 1 << 30;

#[derive(Debug)]
pub struct Efforts {
    /// By pid.
    named: HashMap<u32, OfOwner>,
    others: OfOwner,
}

#[derive(Debug)]
struct OfOwner {
    effort: Effort,
    /// Stacks that were cut by it since that was told last.
    cut: u64,
}

impl Efforts {
    pub fn new(named: impl IntoIterator<Item = u32>) -> Self {
        let pids: Vec<u32> = named.into_iter().collect();
        let parts = pids.len() as u64 + 1;
        let part = || OfOwner {
            effort: Effort::new(
                (MOST_UNITS / parts).max(LEAST_UNITS),
                (UNITS_PER_SECOND / parts).max(LEAST_UNITS_PER_SECOND),
                (MOST_TABLE_BYTES / parts).max(LEAST_TABLE_BYTES),
            ),
            cut: 0,
        };
        Self {
            named: pids.into_iter().map(|pid| (pid, part())).collect(),
            others: part(),
        }
    }

    fn of(&mut self, pid: u32) -> &mut OfOwner {
        self.named.get_mut(&pid).unwrap_or(&mut self.others)
    }

    /// Of a process, at that time.
    pub fn at(&mut self, pid: u32, now_ns: u64) -> &mut Effort {
        let effort = &mut self.of(pid).effort;
        effort.at(now_ns);
        effort
    }

    /// A stack of that process was cut because of what it would cost.
    pub fn count_cut(&mut self, pid: u32) {
        self.of(pid).cut += 1;
    }

    /// How many stacks were cut, a line for each of those whose are.
    pub fn take_problems(&mut self) -> Vec<String> {
        let mut cut: Vec<(String, u64)> = Vec::new();
        for (pid, owner) in &mut self.named {
            cut.push((format!("process {pid}"), std::mem::take(&mut owner.cut)));
        }
        cut.sort_unstable();
        cut.push((
            "child processes".to_owned(),
            std::mem::take(&mut self.others.cut),
        ));
        let lines = cut.iter().filter(|(_, count)| *count > 0);
        lines
            .map(|(who, count)| {
                format!("{who}: {count} stacks were cut: to find the callers takes too much")
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Efforts;

    #[test]
    fn what_was_cut_is_told_once_and_of_whom() {
        let mut efforts = Efforts::new([7, 3]);
        assert!(efforts.take_problems().is_empty());
        for pid in [3, 9, 3, 8] {
            efforts.count_cut(pid);
        }
        let said = "2 stacks were cut: to find the callers takes too much";
        let wanted = ["process 3", "child processes"].map(|who| format!("{who}: {said}"));
        assert_eq!(efforts.take_problems(), wanted);
        assert!(efforts.take_problems().is_empty());
    }
}
