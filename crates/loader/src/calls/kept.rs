//! What has been taken out of the ring buffers, until its window is read.

use std::collections::HashMap;

use abi::off_cpu::OffCpuKey;

use crate::calls::longest::Longest;
use crate::calls::recorded_call::{CallStacks, RecordedCall};

/// Stacks of times blocked, of all windows together: as many as the programs have rows for, and as many again of threads that
/// have ended and given their rows back.
const MOST_STACKS: usize = 1 << 21;

pub struct Kept {
    by_window: HashMap<u32, OfWindow>,
    /// Windows up to this number have been read, or are not going to be.
    over_up_to: u32,
    /// Of one window, so many calls are kept: the longest.
    most_calls: usize,
    most_stacks: usize,
    stacks: usize,
}

pub struct OfWindow {
    pub calls: Longest,
    /// What the keys of times blocked stand for.
    pub stacks: HashMap<OffCpuKey, CallStacks>,
    /// Stacks for which there was no room.
    pub stacks_lost: u64,
}

impl OfWindow {
    fn new(most_calls: usize) -> Self {
        Self {
            calls: Longest::new(most_calls),
            stacks: HashMap::new(),
            stacks_lost: 0,
        }
    }
}

impl Kept {
    pub fn new(most_calls: usize) -> Self {
        Self {
            by_window: HashMap::new(),
            over_up_to: 0,
            most_calls,
            most_stacks: MOST_STACKS,
            stacks: 0,
        }
    }

    /// `None`: that window is over, and nobody asks for what comes late.
    fn window(&mut self, number: u32) -> Option<&mut OfWindow> {
        if number <= self.over_up_to {
            return None;
        }
        let window = self.by_window.entry(number);
        Some(window.or_insert_with(|| OfWindow::new(self.most_calls)))
    }

    /// A window's calls, to add many to them; [`Self::put_back`] follows.
    pub fn take_out(&mut self, number: u32) -> Longest {
        let none = Longest::new(self.most_calls);
        match self.window(number) {
            Some(window) => std::mem::replace(&mut window.calls, none),
            None => none,
        }
    }

    pub fn put_back(&mut self, number: u32, calls: Longest) {
        if let Some(window) = self.window(number) {
            window.calls = calls;
        }
    }

    /// Whether a call of this length would be kept.
    pub fn has_room_for(&mut self, number: u32, duration_ns: u64) -> bool {
        self.window(number)
            .is_some_and(|window| window.calls.has_room_for(duration_ns))
    }

    pub fn add_call(&mut self, call: RecordedCall) {
        if let Some(window) = self.window(call.call.window) {
            window.calls.add(call);
        }
    }

    pub fn add_stacks(&mut self, key: OffCpuKey, stacks: CallStacks) {
        let has_room = self.stacks < self.most_stacks;
        let Some(window) = self.window(key.window) else {
            return;
        };
        if !has_room && !window.stacks.contains_key(&key) {
            window.stacks_lost += 1;
        } else if window.stacks.insert(key, stacks).is_none() {
            self.stacks += 1;
        }
    }

    /// What there is of a window. That, and what there is of windows before it, is forgotten.
    pub fn take(&mut self, number: u32) -> OfWindow {
        let taken = self.by_window.remove(&number);
        self.forget(number);
        taken.unwrap_or_else(|| OfWindow::new(self.most_calls))
    }

    /// Forgets what there is of windows up to this one.
    pub fn forget(&mut self, number: u32) {
        self.over_up_to = self.over_up_to.max(number);
        self.by_window.retain(|&other, _| other > number);
        let stacks = self.by_window.values().map(|window| window.stacks.len());
        self.stacks = stacks.sum();
    }
}

#[cfg(test)]
mod tests {
    use super::{CallStacks, Kept, OffCpuKey};

    fn key(window: u32, pc: u64) -> OffCpuKey {
        OffCpuKey {
            window,
            pc,
            ..OffCpuKey::default()
        }
    }

    const NO_STACKS: CallStacks = CallStacks {
        wait: None,
        user: None,
    };

    fn with_room_for(most_stacks: usize) -> Kept {
        Kept {
            most_stacks,
            ..Kept::new(10)
        }
    }

    #[test]
    fn stacks_that_find_no_room_are_counted_and_those_that_are_there_stay() {
        let mut kept = with_room_for(2);
        for pc in 1..=5 {
            kept.add_stacks(key(1, pc), NO_STACKS);
        }
        // Known already: it takes no more room.
        kept.add_stacks(key(1, 1), NO_STACKS);
        let window = kept.take(1);
        assert!(window.stacks.contains_key(&key(1, 1)) && window.stacks.contains_key(&key(1, 2)));
        assert_eq!((window.stacks.len(), window.stacks_lost), (2, 3));
    }

    #[test]
    fn what_was_read_makes_room_and_what_comes_late_takes_none() {
        let mut kept = with_room_for(2);
        kept.add_stacks(key(1, 1), NO_STACKS);
        kept.add_stacks(key(2, 1), NO_STACKS);
        assert_eq!(kept.take(1).stacks.len(), 1);
        kept.add_stacks(key(1, 7), NO_STACKS);
        assert_eq!(kept.stacks, 1);
        kept.add_stacks(key(2, 2), NO_STACKS);
        let second = kept.take(2);
        assert_eq!((second.stacks.len(), second.stacks_lost), (2, 0));
        assert_eq!((kept.stacks, kept.by_window.len()), (0, 0));
    }

    #[test]
    fn windows_that_nobody_reads_are_forgotten() {
        let mut kept = with_room_for(2);
        for window in 1..100 {
            kept.add_stacks(key(window, 1), NO_STACKS);
            kept.forget(window);
        }
        assert_eq!((kept.stacks, kept.by_window.len()), (0, 0));
    }
}
