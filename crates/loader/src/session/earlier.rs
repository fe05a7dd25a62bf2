//! What came before windows: the latest events, which windows begin with that are asked for it.

use std::collections::VecDeque;

use recorder::event::Event;

/// So many events are remembered at most: of more the oldest are forgotten.
const MOST_EVENTS: usize = 1 << 20;

pub struct Earlier {
    /// So much is asked for; 0: nothing.
    before_ns: u64,
    events: VecDeque<Event>,
    /// From when on they are all here.
    since_ns: u64,
}

impl Earlier {
    pub fn new(before_ns: u64) -> Self {
        Self {
            before_ns,
            events: VecDeque::new(),
            since_ns: 0,
        }
    }

    pub fn is_asked_for(&self) -> bool {
        self.before_ns > 0
    }

    /// From now on all is recorded.
    pub fn begin(&mut self, now_ns: u64) {
        self.since_ns = now_ns;
    }

    /// From when on a window knows something that begins then.
    pub fn begin_ns(&self, start_ns: u64) -> u64 {
        let asked_ns = start_ns.saturating_sub(self.before_ns);
        asked_ns.max(self.since_ns).min(start_ns)
    }

    /// In the order of time, from then on.
    pub fn since(&self, from_ns: u64) -> Vec<Event> {
        let first = self.events.partition_point(|event| event.at_ns < from_ns);
        self.events.range(first..).copied().collect()
    }

    /// The next ones, of which all are known up to that time.
    pub fn remember(&mut self, events: &[Event], until_ns: u64) {
        if !self.is_asked_for() {
            return;
        }
        self.events.extend(events);
        let kept_ns = until_ns.saturating_sub(self.before_ns);
        while let Some(oldest) = self.events.front()
            && (oldest.at_ns < kept_ns || self.events.len() > MOST_EVENTS)
        {
            self.since_ns = self.since_ns.max(oldest.at_ns + 1);
            self.events.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use recorder::event::{Event, What};

    use super::{Earlier, MOST_EVENTS};

    fn at(at_ns: u64) -> Event {
        let what = What::Migrated {
            task: 1,
            from: 0,
            to: 1,
        };
        Event {
            at_ns,
            cpu: 0,
            what,
        }
    }

    fn times(earlier: &Earlier, from_ns: u64) -> Vec<u64> {
        let events = earlier.since(from_ns);
        events.iter().map(|event| event.at_ns).collect()
    }

    #[test]
    fn so_much_is_remembered_as_is_asked_for_since_there_is_a_recording() {
        let mut earlier = Earlier::new(100);
        earlier.begin(950);
        assert_eq!(earlier.begin_ns(1000), 950);
        assert_eq!(
            earlier.begin_ns(900),
            900,
            "before that, only the window itself"
        );
        earlier.remember(&[at(960), at(970), at(1010)], 1020);
        assert_eq!(times(&earlier, 965), [970, 1010]);
        earlier.remember(&[at(1065)], 1070);
        assert_eq!(times(&earlier, 0), [970, 1010, 1065]);
        assert_eq!(earlier.begin_ns(1070), 970);
        assert_eq!(earlier.begin_ns(1200), 1100);
    }

    #[test]
    fn of_too_many_the_oldest_are_unknown() {
        let mut earlier = Earlier::new(u64::MAX);
        let events: Vec<Event> = (0..MOST_EVENTS as u64 + 5).map(at).collect();
        earlier.remember(&events, 0);
        assert_eq!(earlier.begin_ns(u64::MAX), 5);
        assert_eq!(earlier.since(0).len(), MOST_EVENTS);
    }

    #[test]
    fn nothing_is_remembered_for_whom_nobody_asks() {
        let mut earlier = Earlier::new(0);
        earlier.begin(5);
        earlier.remember(&[at(10)], 20);
        assert_eq!((earlier.since(0).len(), earlier.begin_ns(20)), (0, 20));
    }
}
