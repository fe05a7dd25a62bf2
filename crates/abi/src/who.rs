//! Who ran instead of a thread that waited for a CPU, and who woke one that was blocked.

use crate::COMM_BYTES;
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

/// A task's turn on a CPU. It ends as the next one begins.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    pub since_ns: u64,
    /// The kernel's number.
    pub pid: u32,
    /// As they are reported; 0: it has none there.
    pub tid: u32,
    pub tgid: u32,
    pub reserved: u32,
    pub comm: [u8; COMM_BYTES],
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
    pub index: u64,
}

/// What a CPU is doing. Written by its own programs alone, which may interrupt each other but not on the same fields; others
/// read it meanwhile, and check what they read.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// The interrupt whose handler runs: [`Who::Vector`] or [`Who::HardIrq`] and its number; 0: none.
    pub hard_irq: u64,
    /// The action of that handler, for its name; 0: it has none.
    pub hard_irq_action: u64,
    /// [`Who::SoftIrq`] and the vector; 0: none.
    pub soft_irq: u64,
    /// The latest of `turns`.
    pub latest: u64,
    pub walk: Walk,
    pub turns: [Turn; TURNS],
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
    Vector = 6,
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
    size_of::<Turn>() == 40
        && size_of::<Cpu>() == 64 + 40 * TURNS
        && size_of::<WhoKey>() == 16
        && size_of::<WhoRow>() == 48,
    "implicit padding"
);
