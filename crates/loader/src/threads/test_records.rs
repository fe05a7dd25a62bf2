//! Records as the programs leave them: made by the state machine that the programs run, from timelines.

use abi::syscall::{SyscallKey, SyscallRow};
use abi::thread::record::ThreadRecord;
use abi::thread::state::{SwitchOut, SyscallEnd};

use crate::sample::{Budget, Thread};
use crate::targets::stopped::Halt;
use crate::threads::from_record::{self, Parts};
use crate::threads::seen::SeenThread;
use crate::threads::syscalls::statistics;

pub const TID: u32 = 8;
pub const TGID: u32 = 7;

pub fn key(number: i64) -> SyscallKey {
    SyscallKey::new(number as u64, false)
}

pub fn empty_record(begin_ns: u64) -> ThreadRecord {
    // SAFETY: all zeros is the free record: every field is an integer or an enum whose variant 0 exists.
    let mut record: ThreadRecord = unsafe { std::mem::zeroed() };
    record.begin_ns = begin_ns;
    record.since_ns = begin_ns;
    record.tid = TID;
    record.tgid = TGID;
    record.comm = *b"worker\0\0\0\0\0\0\0\0\0\0";
    record
}

#[derive(Clone, Copy, Debug)]
pub enum Event {
    In,
    Out(SwitchOut),
    Wakeup,
    Enter(i64),
    Exit,
    Exiting,
    HardIrq { lasts_ns: u64 },
    SoftIrq { lasts_ns: u64 },
}

/// A thread, and the rows that the programs keep of it.
pub struct Recorded {
    pub record: ThreadRecord,
    pub rows: Vec<SyscallRow>,
}

impl Recorded {
    pub fn new(begin_ns: u64) -> Self {
        Self {
            record: empty_record(begin_ns),
            rows: Vec::new(),
        }
    }

    pub fn of(begin_ns: u64, events: &[(u64, Event)]) -> Self {
        let mut recorded = Self::new(begin_ns);
        for &(at_ns, event) in events {
            recorded.apply(event, at_ns);
        }
        recorded
    }

    pub fn inside(mut self, number: i64) -> Self {
        self.record.was_inside(Some(key(number)));
        self
    }

    fn row(&mut self, key: SyscallKey) -> &mut SyscallRow {
        let index = self.rows.iter().position(|row| row.key == key);
        let index = index.unwrap_or_else(|| {
            // SAFETY: all zeros is the free row: every field is an integer.
            let mut row: SyscallRow = unsafe { std::mem::zeroed() };
            row.key = key;
            self.rows.push(row);
            self.rows.len() - 1
        });
        &mut self.rows[index]
    }

    pub fn apply(&mut self, event: Event, now_ns: u64) {
        let record = &mut self.record;
        let end = match event {
            Event::In => {
                record.switched_in(now_ns);
                if let Some((key, off_cpu)) = record.attribute_off_cpu() {
                    self.row(key).off_cpu.add(off_cpu);
                }
                return;
            }
            Event::Out(why) => return record.switched_out(now_ns, || why),
            Event::Wakeup => return record.woken(now_ns),
            Event::Enter(number) => return record.syscall_entered(now_ns, key(number)),
            Event::HardIrq { lasts_ns } => {
                record.hard_irq_entered(now_ns, 1);
                record.hard_irq_exited(now_ns + lasts_ns, 1);
                return;
            }
            Event::SoftIrq { lasts_ns } => {
                record.soft_irq_entered(now_ns, 1);
                return record.soft_irq_exited(now_ns + lasts_ns, 1);
            }
            Event::Exit => record.syscall_exited(now_ns, || false),
            Event::Exiting => record.exiting(now_ns),
        };
        match end {
            SyscallEnd::Whole { key, duration_ns } => {
                let row = self.row(key);
                row.durations.add(duration_ns);
                row.histogram[abi::histogram::bucket(duration_ns)] += 1;
            }
            SyscallEnd::Cut {
                key: of,
                duration_ns,
                off_cpu,
            } => {
                let of = of.unwrap_or_else(|| {
                    record.was_in(key(libc::SYS_read));
                    key(libc::SYS_read)
                });
                let row = self.row(of);
                row.in_flight_ns += duration_ns;
                row.off_cpu.add(off_cpu);
            }
            SyscallEnd::Orphan => {}
            // What the events of a test do not say is which call.
            SyscallEnd::Refused => self.row(key(libc::SYS_read)).refuse(-1),
        }
    }

    /// As a sample has it; `was_stopped`: /proc said so as the window began.
    pub fn seen(self, stop_ns: u64, was_stopped: bool) -> SeenThread {
        self.halted(stop_ns, was_stopped.then_some(Halt::Stop))
    }

    /// `halt`: what had halted it as the window began, by /proc.
    pub fn halted(mut self, stop_ns: u64, halt: Option<Halt>) -> SeenThread {
        let open = self.record.closed(stop_ns);
        let parts = Parts {
            syscalls: statistics(&self.rows, open),
            unattributed: open.off_cpu,
            ..Parts::default()
        };
        let halted = halt.map(|halt| (TID, halt)).into_iter().collect();
        from_record::thread(self.record, parts, stop_ns, &halted)
    }

    pub fn thread(self, stop_ns: u64) -> Thread {
        self.seen(stop_ns, false).thread
    }
}

pub fn budget_sum(budget: &Budget) -> i64 {
    parts_of(budget).iter().sum()
}

pub fn parts_of(budget: &Budget) -> [i64; 11] {
    [
        budget.user_ns,
        budget.kernel_ns,
        budget.kernel_outside_calls_ns.unwrap_or(0),
        budget.ready_woken_ns,
        budget.ready_preempted_ns,
        budget.blocked_ns,
        budget.stopped_ns,
        budget.frozen_ns,
        budget.hard_irq_ns,
        budget.soft_irq_ns,
        budget.unknown_ns,
    ]
}
