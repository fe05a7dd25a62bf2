//! The longest of many events, in bounded memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::calls::recorded_call::RecordedCall;

/// By duration; of equals, whichever.
struct ByDuration(RecordedCall);

pub struct Longest {
    limit: usize,
    /// The shortest on top; heaped up only once there are more than may be kept.
    kept: Kept,
    left_out: u64,
}

enum Kept {
    All(Vec<RecordedCall>),
    Some(BinaryHeap<Reverse<ByDuration>>),
}

impl Longest {
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            kept: Kept::All(Vec::new()),
            left_out: 0,
        }
    }

    pub fn add(&mut self, event: RecordedCall) {
        match &mut self.kept {
            Kept::All(events) if events.len() < self.limit => events.push(event),
            Kept::All(events) => {
                let events = std::mem::take(events).into_iter();
                self.kept = Kept::Some(events.map(|event| Reverse(ByDuration(event))).collect());
                self.add(event);
            }
            Kept::Some(heap) => {
                self.left_out += 1;
                if let Some(mut shortest) = heap.peek_mut()
                    && shortest.0.0.call.duration_ns < event.call.duration_ns
                {
                    *shortest = Reverse(ByDuration(event));
                }
            }
        }
    }

    /// Whether a call of this length would be kept.
    pub fn has_room_for(&self, duration_ns: u64) -> bool {
        match &self.kept {
            Kept::All(_) => true,
            Kept::Some(heap) => heap
                .peek()
                .is_some_and(|shortest| shortest.0.0.call.duration_ns < duration_ns),
        }
    }

    /// Instead of `add`, of one for which there is no room.
    pub fn leave_out(&mut self) {
        self.left_out += 1;
    }

    /// In the order of time, and how many shorter ones were left out.
    pub fn in_order(self) -> (Vec<RecordedCall>, u64) {
        let mut events = match self.kept {
            Kept::All(events) => events,
            Kept::Some(heap) => heap.into_iter().map(|Reverse(event)| event.0).collect(),
        };
        events.sort_by_key(|event| (event.entry_ns(), event.call.tid));
        (events, self.left_out)
    }
}

impl Ord for ByDuration {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.call.duration_ns.cmp(&other.0.call.duration_ns)
    }
}

impl PartialOrd for ByDuration {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByDuration {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ByDuration {}

#[cfg(test)]
mod tests {
    use abi::event::SyscallEvent;
    use abi::syscall::SyscallKey;

    use super::Longest;
    use crate::calls::recorded_call::RecordedCall;

    fn event(exit_ns: u64, duration_ns: u64) -> RecordedCall {
        RecordedCall::from(SyscallEvent {
            exit_ns,
            duration_ns,
            result: 0,
            arguments: [0; 6],
            key: SyscallKey::new(0, false),
            tid: 1,
            tgid: 1,
            window: 1,
            comm: [0; 16],
        })
    }

    fn durations(limit: usize, durations_ns: &[u64]) -> (Vec<u64>, u64) {
        let mut longest = Longest::new(limit);
        for (index, &duration_ns) in durations_ns.iter().enumerate() {
            longest.add(event(1000 * (index as u64 + 1), duration_ns));
        }
        let (events, left_out) = longest.in_order();
        (
            events.iter().map(|event| event.call.duration_ns).collect(),
            left_out,
        )
    }

    #[test]
    fn all_are_kept_up_to_the_limit() {
        assert_eq!(durations(3, &[5, 1, 3]), (vec![5, 1, 3], 0));
        assert_eq!(durations(3, &[]), (vec![], 0));
    }

    #[test]
    fn beyond_it_the_longest_are_kept_in_the_order_of_time() {
        assert_eq!(durations(3, &[5, 1, 3, 2, 9, 4]), (vec![5, 9, 4], 3));
        assert_eq!(durations(1, &[1, 2, 3]), (vec![3], 2));
        assert_eq!(durations(0, &[1, 2]), (vec![], 2));
    }
}
