//! Who ran instead of a thread that waited for a CPU, and who woke one that was blocked.

use crate::COMM_BYTES;
use crate::control::WINDOWS;
use crate::durations::Durations;

/// Turns that are remembered of each CPU.
pub const TURNS: usize = 16;

/// Of a wait in which more tasks had their turns than are remembered, only so many are attributed, the latest: with hundreds of
/// tasks that want the CPU all of them would cost each switch some microseconds, and be a small part of the wait even so.
pub const TURNS_OF_A_CROWD: usize = 4;

/// Waits that are shorter are nobody's doing: what they take goes for the switch itself, and attributing them would take more.
pub const LEAST_ATTRIBUTED_NS: u64 = 10_000;

/// Rows that a thread may have, at most, of tasks that ran instead and of those that woke it: a thread that waits for thousands of
/// others, one after the other, must not take everybody's.
pub const MOST_INSTEAD: u16 = 64;
pub const MOST_WAKERS: u16 = 16;

/// A task's turn on a CPU, noted as it ends: when the next one begins.
///
/// One CPU writes it while others may read it, who see the writes in any order (arm64): it is a turn only if `check` says so.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    pub since_ns: u64,
    /// The kernel's number.
    pub pid: u32,
    /// As they are reported; 0: it has none there.
    pub tid: u32,
    pub tgid: u32,
    pub reserved: u32,
    /// The name's bytes.
    pub comm: [u64; COMM_WORDS],
    pub check: u64,
}

pub const COMM_WORDS: usize = COMM_BYTES / 8;

impl Turn {
    /// What `check` is in the turn of this number, counted from the CPU's first: half of one turn and half of another, or a whole
    /// one of a round before, have another.
    #[inline(always)]
    pub fn checked(&self, number: u64) -> u64 {
        /// An odd number of many bits that is one instruction's.
        const FACTOR: u64 = 0x6487_ed51;
        let pids = u64::from(self.pid) | u64::from(self.tid) << 32;
        [
            pids,
            u64::from(self.tgid),
            self.comm[0],
            self.comm[1],
            self.since_ns,
        ]
        .into_iter()
        .fold(number, |check, word| check.wrapping_mul(FACTOR) ^ word)
    }
}

/// A wait for a CPU that is to be attributed, and how far back that has been done. In a map and not in registers: of what is
/// read from there the verifier knows nothing, so that it need not follow each turn on from each way through what came before it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Of the thread's record.
    pub slot: u32,
    /// The CPU in whose queue it waited, + 1; 0: there is no wait to attribute.
    pub queue: u32,
    pub since_ns: u64,
    pub end_ns: u64,
    /// The number of the turn that is next.
    pub number: u64,
}

/// What a CPU is doing. Written by its own programs alone, which may interrupt each other but not on the same fields; others
/// read it meanwhile, and check what they read.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// The interrupt whose handler runs: [`Who::LocalIrq`] or [`Who::HardIrq`] and its number; 0: none.
    pub hard_irq: u64,
    /// The action of that handler, for its name; 0: it has none.
    pub hard_irq_action: u64,
    /// [`Who::SoftIrq`] and the vector; 0: none.
    pub soft_irq: u64,
    /// The number of the latest of `turns`, which is at that number modulo [`TURNS`].
    pub latest: u64,
    /// The address of the task whose turn it is.
    pub running: u64,
    /// When its turn began, or, if it began before the first of those that wait, when that one came; 0: nobody waits.
    pub since_ns: u64,
    /// Says that the two belong together ([`Self::checked_running`]): they are no switch's middle, and none that was not noted.
    pub running_check: u64,
    /// The latest window in which somebody came to wait.
    pub window: u64,
    /// Monitored threads that wait in its queue, by window: where there are none, nobody needs to know whose turn it is. What a window
    /// leaves behind, and what was missed, costs the noting of turns that nobody asks for, nothing else.
    pub waiters: [u64; WINDOWS],
    pub walk: Walk,
    pub turns: [Turn; TURNS],
}

impl Cpu {
    /// What `running_check` is where these two are of the same turn. Other CPUs see their writes in any order (arm64).
    #[inline(always)]
    pub fn checked_running(running: u64, since_ns: u64) -> u64 {
        running ^ since_ns
    }
}

/// What a [`WhoKey`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Who {
    /// A task that ran while the thread waited for a CPU; by pid.
    Instead = 1,
    /// A CPU in whose queue it waited; by number.
    Queue = 2,
    /// Of what woke the thread: a task, by pid; 0: a CPU that was idle, in an interrupt of which no probe knows.
    Task = 3,
    HardIrq = 4,
    SoftIrq = 5,
    /// A local timer's or another processor's interrupt.
    LocalIrq = 6,
}

impl Who {
    /// Of [`Cpu`]'s words: what, and its number.
    #[inline(always)]
    pub fn word(self, number: u32) -> u64 {
        (self as u64) << 32 | u64::from(number)
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WhoKey {
    /// Of the thread's record.
    pub slot: u32,
    pub who: u32,
    /// The kernel's pid, a CPU, or an interrupt.
    pub number: u32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WhoRow {
    pub durations: Durations,
    /// As they are reported; 0: it has none there.
    pub tid: u32,
    pub tgid: u32,
    pub comm: [u8; COMM_BYTES],
}

const _: () = assert!(
    size_of::<Turn>() == 48
        && size_of::<Cpu>() == 96 + 8 * WINDOWS + 48 * TURNS
        && size_of::<WhoKey>() == 16
        && size_of::<WhoRow>() == 48,
    "implicit padding"
);

#[cfg(test)]
mod tests {
    use super::{Cpu, TURNS, Turn, Who};

    /// As a program notes it.
    fn turn(number: u64) -> Turn {
        let mut turn = Turn {
            since_ns: 1_000_000 + 977 * number,
            pid: 40 + number as u32,
            tid: 3 + number as u32,
            tgid: 2,
            reserved: 0,
            comm: [0x6e6f_6d65_6164 + number, 0],
            check: 0,
        };
        turn.check = turn.checked(number);
        turn
    }

    fn words(turn: Turn) -> [u64; 6] {
        // SAFETY: a turn is integers of 48 bytes without padding.
        unsafe { core::mem::transmute(turn) }
    }

    /// Every way to see some words of a turn and the others of the one that was there a round before.
    #[test]
    fn what_is_no_whole_turn_of_this_number_is_none() {
        let number = 5 + TURNS as u64;
        let (old, new) = (turn(5), turn(number));
        for from_new in 0..1 << 6 {
            let mut seen = words(old);
            for (index, word) in words(new).into_iter().enumerate() {
                if from_new >> index & 1 != 0 {
                    seen[index] = word;
                }
            }
            // SAFETY: as above.
            let seen: Turn = unsafe { core::mem::transmute(seen) };
            assert_eq!(
                seen.check == seen.checked(number),
                seen == new,
                "{from_new:06b}"
            );
        }
    }

    /// Every way to see some of the words of the turn that runs on another CPU, and the others of the one before it.
    #[test]
    fn who_runs_and_since_when_are_of_one_turn_or_unknown() {
        let of = |running: u64, since_ns: u64| {
            [running, since_ns, Cpu::checked_running(running, since_ns)]
        };
        let old = of(0xffff_8881_0000_4000, 1_000_000);
        let new = of(0xffff_8881_0002_8000, 1_004_321);
        for from_new in 0..1 << 3 {
            let word = |index: usize| match from_new >> index & 1 {
                0 => old[index],
                _ => new[index],
            };
            let seen = [word(0), word(1), word(2)];
            assert_eq!(
                seen[2] == Cpu::checked_running(seen[0], seen[1]),
                seen == old || seen == new,
                "{from_new:03b}"
            );
        }
    }

    #[test]
    fn a_word_holds_what_it_is_about_and_its_number() {
        let word = Who::SoftIrq.word(u32::MAX);
        assert_eq!((word >> 32, word as u32), (Who::SoftIrq as u64, u32::MAX));
    }
}
