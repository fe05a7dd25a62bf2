//! The records of all CPUs in the order of time.
//!
//! Each CPU's are in its own order already. What a CPU has not shown yet may lie before what others have: so the latest are held back
//! until it is known that nothing older comes.

use abi::recorder::Record;

use crate::event::{Cpu, Event, Pid, What};

#[derive(Default)]
pub struct Order {
    /// Of each CPU in its order.
    waiting: Vec<Event>,
    /// Records that no program writes.
    pub damaged: u64,
}

impl Order {
    /// The next records of a CPU, oldest first. A name counts at the time of the record after it, which is about that task; the last of
    /// these at that of the one before.
    pub fn add(&mut self, cpu: Cpu, records: &[Record]) {
        let mut known_ns = 0;
        let mut first_name = self.waiting.len();
        for record in records {
            let Some(event) = Event::of(record, cpu) else {
                self.damaged += 1;
                continue;
            };
            let is_name = event.what.is_name();
            self.waiting.push(event);
            if !is_name {
                known_ns = event.at_ns;
                self.date_names(first_name, known_ns);
                first_name = self.waiting.len();
            }
        }
        self.date_names(first_name, known_ns);
    }

    /// What the CPU recorded from then to then is not known. Before its next records are added.
    pub fn lose(&mut self, cpu: Cpu, from_ns: u64, until_ns: u64) {
        self.waiting.push(Event {
            at_ns: from_ns,
            cpu,
            what: What::Lost { until_ns },
        });
    }

    fn date_names(&mut self, first: usize, at_ns: u64) {
        for name in &mut self.waiting[first..] {
            name.at_ns = at_ns;
        }
    }

    /// Who was running on the CPU at this time, as its first switch since then says, if that is here.
    pub fn running_at(&self, cpu: Cpu, at_ns: u64) -> Option<Pid> {
        let first = self
            .waiting
            .iter()
            .filter(|event| event.cpu == cpu && event.at_ns >= at_ns)
            .find(|event| event.what.tells_who_ran())?;
        match first.what {
            What::Switch { prev, .. } => Some(prev.pid),
            _ => None,
        }
    }

    /// Those before this time, in order. Of several at one time those of one CPU stay in its order.
    pub fn take(&mut self, until_ns: u64) -> Vec<Event> {
        // Stable, and quick where there are few runs that are in order: as many as were added.
        self.waiting.sort_by_key(|event| event.at_ns);
        let end = self.waiting.partition_point(|event| event.at_ns < until_ns);
        let later = self.waiting.split_off(end);
        std::mem::replace(&mut self.waiting, later)
    }
}
