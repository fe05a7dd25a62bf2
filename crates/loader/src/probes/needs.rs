//! Which of the hashes may have something of a record. To read one through takes as long as it has rows, of which many are of
//! other threads; and most threads that come and go have none.

use abi::thread::record::{Activity, ThreadRecord};

/// What may be there; what is not said to be there is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    pub hard_irqs: bool,
    /// Where they are not summed up by stack, the hash has room for one row, and reading it is one system call.
    pub off_cpu: bool,
    pub renames: bool,
}

impl Needs {
    /// Nobody may be writing the record any more.
    pub fn of(record: &ThreadRecord) -> Self {
        let has_ended = record.activity == Activity::Ended;
        Self {
            // Of a handler whose beginning was seen, whose address or number stays.
            hard_irqs: record.hard_irq_action != 0,
            off_cpu: !has_ended || may_have_been_blocked(record),
            // One that has ended has taken its name over by itself.
            renames: !has_ended,
        }
    }
}

/// It has ended. Each time blocked was followed by one ready, with which it is counted even if the clock stood still meanwhile,
/// unless a switch was missed or came before its time.
fn may_have_been_blocked(record: &ThreadRecord) -> bool {
    // Born ready: nothing was to be assumed of the time before its first event.
    let births = u64::from(record.first_activity == Activity::Unseen);
    record.woken.count > births || record.switches_missed > 0 || record.negative_intervals > 0
}

#[cfg(test)]
#[path = "needs_tests.rs"]
mod tests;
