//! Which of the times blocked that the programs tell apart are one in a sample.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::sample::{Frame, OffCpu};

/// What a reader knows a frame by: its function, and where that is unknown its address.
#[derive(PartialEq, Eq, Hash)]
enum Place<'a> {
    Function(Option<&'a str>, &'a str),
    Address(Option<&'a str>, &'a str),
}

impl<'a> Place<'a> {
    fn of(frame: &'a Frame) -> Self {
        let module = frame.module.as_deref();
        match (&frame.symbol, &frame.module_address) {
            (Some(symbol), _) => Self::Function(module, symbol),
            (None, Some(address)) => Self::Address(module, address),
            (None, None) => Self::Address(module, &frame.address),
        }
    }
}

/// One for each way through functions, with the frames of the first that came by it.
///
/// The programs tell apart stacks that are one here: by the way into the probe, which is another while somebody else traces the
/// scheduler, too. And they do not tell apart the places of a function from which it called the next one: those leave the stack
/// as deep. So the offset and the line of a caller are those of whoever came first, and make no difference.
pub fn merged(times: Vec<OffCpu>, stacks: &[Vec<Frame>]) -> Vec<OffCpu> {
    let mut numbers = HashMap::new();
    let ways: Vec<usize> = stacks
        .iter()
        .map(|frames| {
            let way: Vec<Place> = frames.iter().map(Place::of).collect();
            let next = numbers.len();
            *numbers.entry(way).or_insert(next)
        })
        .collect();
    let way = |index: Option<u32>| index.and_then(|index| ways.get(index as usize));
    let mut places = HashMap::new();
    let mut merged: Vec<OffCpu> = Vec::new();
    for time in times {
        let key = (
            time.pid,
            time.tid,
            way(time.kernel_stack),
            way(time.user_stack),
            time.user_stack_end.clone(),
        );
        match places.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(merged.len());
                merged.push(time);
            }
            Entry::Occupied(entry) => {
                let known = &mut merged[*entry.get()];
                known.count += time.count;
                known.total_ns += time.total_ns;
                known.max_ns = known.max_ns.max(time.max_ns);
            }
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::merged;
    use crate::sample::{Frame, OffCpu};

    fn frame(symbol: &str, offset: i64) -> Frame {
        Frame {
            address: format!("{:#x}", 0x1000 + offset),
            symbol: Some(symbol.to_owned()),
            offset: Some(offset),
            ..Frame::default()
        }
    }

    fn unknown(module: Option<&str>, address: u64) -> Frame {
        Frame {
            address: format!("{address:#x}"),
            module: module.map(str::to_owned),
            module_address: module.map(|_| format!("{address:#x}")),
            ..Frame::default()
        }
    }

    fn time(tid: u32, kernel: u32, user: u32, total_ns: i64) -> OffCpu {
        OffCpu {
            tid,
            count: 1,
            total_ns,
            max_ns: total_ns,
            kernel_stack: Some(kernel),
            user_stack: Some(user),
            ..OffCpu::default()
        }
    }

    fn rows(times: Vec<OffCpu>, stacks: &[Vec<Frame>]) -> Vec<(u32, i64, i64, i64)> {
        let row = |time: &OffCpu| (time.tid, time.count, time.total_ns, time.max_ns);
        merged(times, stacks).iter().map(row).collect()
    }

    #[test]
    fn times_that_look_the_same_are_one() {
        let stacks = [
            vec![frame("schedule", 1)],
            vec![frame("schedule", 1)],
            vec![frame("main", 1)],
            vec![frame("start", 1)],
        ];
        let times = vec![
            time(1, 0, 2, 10),
            time(1, 1, 2, 30),
            time(1, 0, 3, 5),
            time(2, 0, 2, 7),
        ];
        assert_eq!(
            rows(times, &stacks),
            [(1, 2, 40, 30), (1, 1, 5, 5), (2, 1, 7, 7)]
        );
    }

    /// As a compiler makes them of a loop of a few turns.
    #[test]
    fn calls_from_several_places_of_one_function_are_one() {
        let stacks = [
            vec![frame("schedule", 1)],
            vec![frame("nanosleep", 1), frame("three_sleeps", 0x11)],
            vec![frame("nanosleep", 1), frame("three_sleeps", 0x1a)],
        ];
        let times = vec![time(1, 0, 1, 10), time(1, 0, 2, 30)];
        assert_eq!(rows(times, &stacks), [(1, 2, 40, 30)]);
    }

    #[test]
    fn what_has_no_name_is_told_apart_by_its_address() {
        let stacks = [
            vec![frame("schedule", 1)],
            vec![unknown(Some("/usr/lib/a.so"), 0x10)],
            vec![unknown(Some("/usr/lib/a.so"), 0x20)],
            vec![unknown(Some("/usr/lib/b.so"), 0x10)],
            vec![unknown(None, 0x10)],
        ];
        let times: Vec<OffCpu> = (1..5).map(|user| time(1, 0, user, 1)).collect();
        assert_eq!(merged(times, &stacks).len(), 4);
    }

    #[test]
    fn how_a_walk_ended_and_whether_there_is_one_tells_apart() {
        let stacks = [vec![frame("schedule", 1)], vec![frame("main", 1)]];
        let mut cut = time(1, 0, 1, 1);
        cut.user_stack_end = Some("cut".to_owned());
        let mut without = time(1, 0, 1, 1);
        without.user_stack = None;
        assert_eq!(
            merged(vec![time(1, 0, 1, 1), cut, without], &stacks).len(),
            3
        );
    }
}
