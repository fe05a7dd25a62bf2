//! The flight recorder's rings: what each CPU has written since it was looked at last.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{Ordering, fence};

use abi::recorder::{Kind, Record, RecorderCpu};
use aya::maps::{Map, MapData, RingBuf};
use recorder::event::{Cpu, Pid};
use recorder::order::Order;

use crate::error::Result;
use crate::probes::mapped::MappedArray;
use crate::probes::maps::{map_error, mapped};
use crate::probes::object::Probes;

pub struct RecorderRings {
    cpus: MappedArray<RecorderCpu>,
    records: MappedArray<Record>,
    /// Of each CPU. A power of two.
    length: u64,
    /// How far each CPU's were read.
    read: Vec<Reading>,
    /// CPUs that have filled a part of theirs.
    full_parts: RingBuf<MapData>,
    _mapped: Vec<Map>,
}

#[derive(Clone, Copy, Default)]
struct Reading {
    /// The number of the next record.
    next: u64,
    /// The time of the one before.
    at_ns: u64,
    /// The latest look has found some.
    is_busy: bool,
}

impl RecorderRings {
    pub fn new(probes: &mut Probes, length: u32) -> Result<Self> {
        let mut kept = Vec::new();
        let cpus = mapped(probes, "RECORDER_CPUS", &mut kept)?;
        let records: MappedArray<Record> = mapped(probes, "RECORDS", &mut kept)?;
        let rings = records.len() / length as usize;
        Ok(Self {
            cpus,
            records,
            length: length.into(),
            read: vec![Reading::default(); rings],
            full_parts: RingBuf::try_from(probes.take_map("FULL_PARTS")?).map_err(map_error)?,
            _mapped: kept,
        })
    }

    /// Readable when a part of a ring was filled. A descriptor of its own: the maps may go before it.
    pub fn full_parts_fd(&self) -> io::Result<OwnedFd> {
        // SAFETY: the map's descriptor, which lives as long as the map.
        unsafe { BorrowedFd::borrow_raw(self.full_parts.as_raw_fd()) }.try_clone_to_owned()
    }

    /// Whether a part of a ring was filled since the last time that it was asked.
    pub fn take_full_parts(&mut self) -> bool {
        let mut is_any = false;
        while self.full_parts.next().is_some() {
            is_any = true;
        }
        is_any
    }

    /// Brings what is new into order. Returns how many records were overwritten unread; what is known of the CPU's tasks since the one
    /// before them, if that was in the window, or since its start, is said to be lost.
    pub fn take(&mut self, order: &mut Order, start_ns: u64) -> u64 {
        (0..self.read.len())
            .map(|cpu| self.take_of(cpu, order, start_ns))
            .sum()
    }

    /// How many records it has written.
    fn written(&self, cpu: usize) -> Option<u64> {
        // SAFETY: inside the mapping, and an integer, which is read whole.
        Some(unsafe { (&raw const (*self.cpus.value(cpu)?.as_ptr()).written).read_volatile() })
    }

    /// Who runs on it, + 1, if it has recorded nothing since the window began: up to the first switch after it.
    fn ran_on(&self, cpu: usize, window: u32) -> Option<u64> {
        let state = self.cpus.value(cpu)?.as_ptr();
        // SAFETY: inside the mapping, and integers, each of which is read whole.
        unsafe {
            let running = (&raw const (*state).running).read_volatile();
            fence(Ordering::Acquire);
            let ran_through = (&raw const (*state).ran_through).read_volatile();
            let after = (&raw const (*state).after_window).read_volatile();
            Some(if after == u64::from(window) {
                ran_through
            } else {
                running
            })
        }
    }

    fn take_of(&mut self, cpu: usize, order: &mut Order, start_ns: u64) -> u64 {
        let Reading { next, at_ns, .. } = self.read[cpu];
        self.read[cpu].is_busy = false;
        let Some(before) = self.written(cpu) else {
            return 0;
        };
        if before == next {
            return 0;
        }
        fence(Ordering::Acquire);
        let first = next.max(before.saturating_sub(self.length));
        let mut records: Vec<Record> = (first..before)
            .filter_map(|number| {
                let place = cpu as u64 * self.length + number % self.length;
                // SAFETY: inside the mapping, and integers. What a program writes over at the same time is left out below.
                Some(unsafe { self.records.value(place as usize)?.as_ptr().read_volatile() })
            })
            .collect();
        fence(Ordering::Acquire);
        // The oldest may have been written over meanwhile, and the next one to be written be half there.
        let written = self.written(cpu).unwrap_or(before);
        let overwritten = (written + 1)
            .saturating_sub(self.length)
            .saturating_sub(first);
        records.drain(..records.len().min(overwritten as usize));
        // Where a processor shows one CPU's stores to another in any order, the last may not be there yet: these are of a round before.
        let mut latest_ns = at_ns;
        let mut there = records.len();
        for (index, record) in records.iter().enumerate() {
            match record.kind() {
                Some(Kind::TaskName | Kind::IrqName) => {}
                Some(_) if record.at_ns >= latest_ns => latest_ns = record.at_ns,
                _ => {
                    there = index;
                    break;
                }
            }
        }
        records.truncate(there);
        let first_read = first + overwritten.min(before - first);
        let mut lost = first_read - next;
        if lost > 0 {
            let timed = |record: &&Record| {
                !matches!(record.kind(), Some(Kind::TaskName | Kind::IrqName) | None)
            };
            let until_ns = records
                .iter()
                .find(timed)
                .map_or(latest_ns, |record| record.at_ns);
            if until_ns > start_ns {
                order.lose(cpu as Cpu, at_ns.max(start_ns), until_ns);
            } else {
                // Nobody misses it.
                lost = 0;
            }
        }
        order.add(cpu as Cpu, &records);
        self.read[cpu] = Reading {
            next: first_read + there as u64,
            at_ns: latest_ns,
            is_busy: true,
        };
        lost
    }

    /// Of as many CPUs.
    pub fn count(&self) -> usize {
        self.read.len()
    }

    /// Those on which nothing was recorded since this window began, as far as the latest look has shown, and who has run on each since
    /// then.
    pub fn silent(&self, window: u32) -> Vec<(Cpu, Pid)> {
        let silent = |(cpu, reading): (usize, &Reading)| {
            // First who runs: if it has recorded nothing afterwards, it is the one.
            let pid = self.ran_on(cpu, window)?.checked_sub(1)?;
            fence(Ordering::Acquire);
            let is_silent = !reading.is_busy && self.written(cpu)? == reading.next;
            is_silent.then_some((cpu as Cpu, pid as Pid))
        };
        self.read.iter().enumerate().filter_map(silent).collect()
    }
}
