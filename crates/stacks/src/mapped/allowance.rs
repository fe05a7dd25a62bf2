//! How much time may go for something that is done again and again: a share of it, and some of it at once.

use std::time::{Duration, Instant};

/// A twentieth of the time.
const SHARE: i64 = 20;
/// What has not been spent adds up to this. A program that has just begun maps one thing after the other.
const MOST_NS: i64 = 200_000_000;

#[derive(Debug)]
pub struct Allowance {
    /// Below 0 where more was spent than there was.
    left_ns: i64,
    /// Up to when its share has been added.
    until: Instant,
}

impl Allowance {
    pub fn new(now: Instant) -> Self {
        Self {
            left_ns: MOST_NS,
            until: now,
        }
    }

    pub fn has_some(&mut self, now: Instant) -> bool {
        let since_ns = now.saturating_duration_since(self.until).as_nanos();
        let share_ns = i64::try_from(since_ns).unwrap_or(i64::MAX) / SHARE;
        self.left_ns = self.left_ns.saturating_add(share_ns).min(MOST_NS);
        self.until = now;
        self.left_ns > 0
    }

    pub fn spend(&mut self, time: Duration) {
        let ns = i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        self.left_ns = self.left_ns.saturating_sub(ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_at_once_is_not_put_off() {
        let now = Instant::now();
        let mut allowance = Allowance::new(now);
        for _ in 0..100 {
            assert!(allowance.has_some(now));
            allowance.spend(Duration::from_millis(1));
        }
    }

    #[test]
    fn what_is_done_all_the_time_has_its_share() {
        for each in [1, 50, 3000].map(Duration::from_millis) {
            let begin = Instant::now();
            let mut allowance = Allowance::new(begin);
            let (length, mut spent) = (Duration::from_secs(1000), Duration::ZERO);
            let mut now = begin;
            while now < begin + length {
                now += Duration::from_millis(1);
                if allowance.has_some(now) {
                    allowance.spend(each);
                    spent += each;
                    now += each;
                }
            }
            let share = length / SHARE as u32;
            let least = share - share / 10;
            assert!(
                spent > least && spent < share + 2 * each + Duration::from_secs(1),
                "{each:?}: {spent:?}"
            );
        }
    }
}
