//! What walking the stacks of a target may cost: so much at once, so much per second, and for no single file more than half of it.
//!
//! It is counted, and not timed: the same stack costs the same on every machine. A unit is about what an instruction of an unwind
//! table takes, some ten nanoseconds. Rules that are known cost nothing: a program has to be new, or strange, to spend any.

use std::collections::HashMap;

/// Files of one target that are told apart. Beyond that all begin anew; what they spend together is bounded in any case.
const MOST_MODULES: usize = 4096;
const NS_PER_SECOND: i128 = 1_000_000_000;
/// Reading unwind tables copies so many bytes in the time of a unit.
const BYTES_PER_UNIT: u64 = 64;
/// What has been spent of the memory for unwind tables comes back in so many seconds: modules may have been unmapped.
const TABLES_FOR_SECONDS: u64 = 1000;

/// What comes back as time passes. In billionths, so that none is lost.
#[derive(Debug)]
struct Flow {
    /// Below 0 where more was spent than there was: what something costs is known afterwards.
    left: i128,
    most: u64,
    per_second: u64,
    until_ns: u64,
}

impl Flow {
    fn new(most: u64, per_second: u64, now_ns: u64) -> Self {
        Self {
            left: i128::from(most) * NS_PER_SECOND,
            most,
            per_second,
            until_ns: now_ns,
        }
    }

    fn has_some(&mut self, now_ns: u64) -> bool {
        let since_ns = now_ns.saturating_sub(self.until_ns);
        let most = i128::from(self.most) * NS_PER_SECOND;
        self.left = (self.left + i128::from(since_ns) * i128::from(self.per_second)).min(most);
        self.until_ns = self.until_ns.max(now_ns);
        self.left > 0
    }

    fn spend(&mut self, units: u64) {
        self.left -= i128::from(units) * NS_PER_SECOND;
    }
}

/// What the walks of one target may cost.
#[derive(Debug)]
pub struct Effort {
    now_ns: u64,
    whole: Flow,
    /// By a module's id.
    modules: HashMap<u64, Flow>,
    table_bytes: Flow,
    spent: u64,
}

impl Effort {
    /// `most` at once, and so much again per second; `table_bytes`: of unwind tables in memory.
    pub fn new(most: u64, per_second: u64, table_bytes: u64) -> Self {
        Self {
            now_ns: 0,
            whole: Flow::new(most, per_second, 0),
            modules: HashMap::new(),
            table_bytes: Flow::new(table_bytes, table_bytes / TABLES_FOR_SECONDS, 0),
            spent: 0,
        }
    }

    /// More than anything takes.
    pub fn unlimited() -> Self {
        Self::new(u64::MAX, 0, u64::MAX)
    }

    /// Time passes. It is the caller's, from any begin.
    pub fn at(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// All that was ever spent.
    pub fn spent(&self) -> u64 {
        self.spent
    }

    /// Whether there is anything left for this module.
    pub(crate) fn allows(&mut self, module: u64) -> bool {
        let now_ns = self.now_ns;
        self.whole.has_some(now_ns)
            && (self.modules.get_mut(&module)).is_none_or(|module| module.has_some(now_ns))
    }

    pub(crate) fn spend(&mut self, module: u64, units: u64) {
        self.spent = self.spent.saturating_add(units);
        self.whole.spend(units);
        if self.modules.len() >= MOST_MODULES && !self.modules.contains_key(&module) {
            self.modules.clear();
        }
        let (most, per_second) = (self.whole.most / 2, self.whole.per_second / 2);
        let module = self.modules.entry(module);
        module
            .or_insert_with(|| Flow::new(most, per_second, self.now_ns))
            .spend(units);
    }

    /// Whether a module's unwind tables may be read.
    pub(crate) fn allows_tables(&mut self) -> bool {
        self.table_bytes.has_some(self.now_ns)
    }

    pub(crate) fn spend_tables(&mut self, module: u64, bytes: u64) {
        self.table_bytes.spend(bytes);
        self.spend(module, bytes / BYTES_PER_UNIT);
    }
}

#[cfg(test)]
mod tests {
    use super::Effort;

    #[test]
    fn no_module_takes_more_than_half() {
        let mut effort = Effort::new(1000, 100, 1 << 20);
        assert!(effort.allows(1));
        effort.spend(1, 500);
        assert!(!effort.allows(1) && effort.allows(2));
        effort.spend(2, 499);
        assert!(effort.allows(2) && effort.allows(3));
        effort.spend(3, 1);
        assert!(!effort.allows(2) && !effort.allows(3) && !effort.allows(4));
        assert_eq!(effort.spent(), 1000);
    }

    #[test]
    fn what_was_spent_comes_back_and_what_was_not_does_not_add_up() {
        let mut effort = Effort::new(1000, 100, 1 << 20);
        effort.at(1_000_000_000_000);
        assert!(effort.allows(1));
        effort.spend(1, 1500);
        // Of the whole 5 s are missing; of the half that is the module's, 20 s.
        effort.at(1_005_000_000_000);
        assert!(!effort.allows(2));
        effort.at(1_005_000_000_001);
        assert!(effort.allows(2) && !effort.allows(1));
        effort.at(1_020_000_000_000);
        assert!(!effort.allows(1));
        effort.at(1_020_000_000_001);
        assert!(effort.allows(1));
    }

    #[test]
    fn tables_are_bounded_by_themselves() {
        let mut effort = Effort::unlimited();
        assert!(effort.allows_tables());
        let mut small = Effort::new(u64::MAX, 0, 1 << 20);
        small.spend_tables(1, 1 << 20);
        assert!(small.allows(1) && !small.allows_tables());
        effort.spend_tables(1, 64 * 7);
        assert_eq!(effort.spent(), 7);
    }
}
