//! The flight recorder's records: what the scheduler does on the whole machine, as it does it, in a ring for each CPU.
//!
//! A record is four words. The first says what it is about and has room for a call; the second is the time; what the others hold
//! is each kind's own matter.

use crate::COMM_BYTES;
use crate::syscall::SyscallKey;

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub head: u64,
    /// `CLOCK_MONOTONIC`; of a [`Kind::TaskName`], its tid and tgid as they are reported.
    pub at_ns: u64,
    pub tasks: u64,
    pub argument: u64,
}

/// What a CPU keeps of its ring, and of what it is doing. A cache line of its own: no CPU writes another's.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecorderCpu {
    /// How many records it has written; the next one's place is this modulo the ring's length.
    pub written: u64,
    /// The kernel's pid of the task that is running, + 1, written at each switch whether a window is open or not; 0: none was
    /// seen. Of a CPU that has no switch in a window nothing else tells whose turn it is.
    pub running: u64,
    /// The interrupt whose handler runs, as [`Context`] and its number; 0: none.
    pub hard_irq: u64,
    /// The action of that handler, for its name; 0: it has none.
    pub hard_irq_action: u64,
    /// [`Context::SoftIrq`] and the vector; 0: none.
    pub soft_irq: u64,
    /// The action that was named last.
    pub named_action: u64,
    /// The latest window after which it has switched, and who left it at the first such switch, + 1.
    pub after_window: u64,
    pub ran_through: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// `tasks`: who leaves the CPU, who comes. `number`: the state of the one that leaves, of which [`PREEMPTED`] and [`FROZEN`] are not
    /// part. The call that it is in, if it is monitored or sleeps; `argument`: since when, 0: since before the window, or
    /// [`SINCE_UNKNOWN`].
    Switch = 1,
    /// `tasks`: who is woken, who was running on the CPU. `detail`: the [`Context`], and what is known of both; `number`: the interrupt's.
    /// `argument`: the waker's call, if it is looked at, and the CPU that the woken one was on last, + 1, if that is known.
    Waking = 2,
    /// `tasks`: who is born, and of whom.
    Born = 3,
    /// `tasks`: who goes into another CPU's queue, which one that is; `number`: in which it was.
    Migrated = 4,
    /// A task's name: `argument` and `tasks` are its bytes, the call's place is the kernel's pid.
    TaskName = 5,
    /// An interrupt's name, likewise: `detail` and `number` as of [`Kind::Waking`].
    IrqName = 6,
    /// A call of the monitored task that is about to leave the CPU, which it has ended there: `tasks`: who, and for how long it was there in
    /// it, in ns (u32::MAX: or longer); `argument`: when it ended.
    Call = 7,
}

impl Kind {
    pub fn of(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Switch,
            2 => Self::Waking,
            3 => Self::Born,
            4 => Self::Migrated,
            5 => Self::TaskName,
            6 => Self::IrqName,
            7 => Self::Call,
            _ => return None,
        })
    }
}

/// User space is woken each time that such a part of a ring was filled, as a power of two: an eighth. Who folds much at a time keeps others
/// from a CPU for as long, and the longer a queue becomes, the more there is to tell of each wait in it.
pub const PART_SHIFT: u32 = 3;

/// Who wakes: the task that runs, or what has interrupted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Context {
    Task = 0,
    HardIrq = 1,
    SoftIrq = 2,
    /// A local timer's or another processor's interrupt.
    LocalIrq = 3,
}

impl Context {
    /// In a [`Kind::Waking`]'s detail.
    #[inline(always)]
    pub fn of(detail: u8) -> Self {
        match detail & 0x3 {
            1 => Self::HardIrq,
            2 => Self::SoftIrq,
            3 => Self::LocalIrq,
            _ => Self::Task,
        }
    }

    /// Of what [`Self::word`] has made.
    #[inline(always)]
    pub fn of_word(word: u64) -> Self {
        Self::of((word >> DETAIL_SHIFT) as u8)
    }

    /// As [`RecorderCpu`] and the head of a record hold it: never 0 of an interrupt.
    #[inline(always)]
    pub fn word(self, number: u32) -> u64 {
        (self as u64) << DETAIL_SHIFT | u64::from(number & LAST_NUMBER) << NUMBER_SHIFT
    }
}

/// Of a call in a [`Kind::Switch`]: later than any time.
pub const SINCE_UNKNOWN: u64 = u64::MAX;

/// In a [`Kind::Switch`]'s detail: the task that leaves could go on, whatever its state says.
pub const PREEMPTED: u8 = 0x1;
/// Likewise: a freezer has it, which its state does not say on this kernel.
pub const FROZEN: u8 = 0x2;
/// In a [`Kind::Waking`]'s detail: the waker is about to end.
pub const EXITING: u8 = 0x80;
/// Likewise: the woken one is on a CPU still, on its way to sleep or awake.
pub const ON_CPU: u8 = 0x10;
/// Likewise: job control or a tracer had stopped it.
pub const WAS_STOPPED: u8 = 0x8;
/// In a [`Kind::Switch`]'s detail, that of who leaves, and of who comes: it is monitored. In a [`Kind::Waking`]'s the first is the woken one's.
pub const PREV_IS_TARGET: u8 = 0x40;
pub const NEXT_IS_TARGET: u8 = 0x20;

const DETAIL_SHIFT: u32 = 8;
const NUMBER_SHIFT: u32 = 16;
const CALL_SHIFT: u32 = 32;
/// Interrupts' lines and CPUs beyond this are not told apart.
pub const LAST_NUMBER: u32 = 0xffff;

impl Record {
    #[inline(always)]
    pub fn head(kind: Kind, detail: u8) -> u64 {
        kind as u64 | u64::from(detail) << DETAIL_SHIFT
    }

    #[inline(always)]
    pub fn number_word(number: u32) -> u64 {
        u64::from(number & LAST_NUMBER) << NUMBER_SHIFT
    }

    #[inline(always)]
    pub fn call_word(call: u32) -> u64 {
        u64::from(call) << CALL_SHIFT
    }

    #[inline(always)]
    pub fn pair(first: u32, second: u32) -> u64 {
        u64::from(first) | u64::from(second) << 32
    }

    /// `None`: nothing that a program has written.
    pub fn kind(&self) -> Option<Kind> {
        Kind::of(self.head as u8)
    }

    pub fn detail(&self) -> u8 {
        (self.head >> DETAIL_SHIFT) as u8
    }

    pub fn number(&self) -> u32 {
        (self.head >> NUMBER_SHIFT) as u32 & LAST_NUMBER
    }

    /// What is in the call's place.
    pub fn upper(&self) -> u32 {
        (self.head >> CALL_SHIFT) as u32
    }

    pub fn call(&self) -> Option<SyscallKey> {
        SyscallKey::from_bits(self.upper())
    }

    pub fn first(&self) -> u32 {
        self.tasks as u32
    }

    pub fn second(&self) -> u32 {
        (self.tasks >> 32) as u32
    }

    /// Of the kinds that are names.
    pub fn name(&self) -> [u8; COMM_BYTES] {
        let mut name = [0; COMM_BYTES];
        let (first, last) = name.split_at_mut(COMM_BYTES / 2);
        first.copy_from_slice(&self.tasks.to_le_bytes());
        last.copy_from_slice(&self.argument.to_le_bytes());
        name
    }
}

const _: () = assert!(
    size_of::<Record>() == 32 && size_of::<RecorderCpu>() == 64 && COMM_BYTES == 16,
    "implicit padding"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_what_was_put_into_it() {
        let call = SyscallKey::new(202, false);
        let record = Record {
            head: Record::head(Kind::Waking, EXITING)
                | Context::HardIrq.word(77)
                | Record::call_word(call.bits()),
            at_ns: u64::MAX,
            tasks: Record::pair(1, u32::MAX),
            argument: 0,
        };
        assert_eq!(record.kind(), Some(Kind::Waking));
        assert_eq!(record.detail(), EXITING | Context::HardIrq as u8);
        assert_eq!(Context::of(record.detail()), Context::HardIrq);
        assert_eq!((record.number(), record.call()), (77, Some(call)));
        assert_eq!((record.first(), record.second()), (1, u32::MAX));
        let irqs = [Context::HardIrq, Context::SoftIrq, Context::LocalIrq];
        for context in irqs {
            assert_eq!(Context::of_word(context.word(0)), context);
            assert_ne!(context.word(0), 0);
        }
    }

    #[test]
    fn each_number_is_one_of_its_kind_or_none() {
        for number in 0..=u8::MAX {
            assert!(Kind::of(number).is_none_or(|kind| kind as u8 == number));
        }
        assert_eq!(Record::default().kind(), None, "nothing was written");
        assert_eq!(Record::default().call(), None);
    }

    #[test]
    fn a_name_keeps_its_bytes() {
        let name = *b"kworker/u4:2-ev\0";
        let word = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&name[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        let record = Record {
            tasks: word(0),
            argument: word(8),
            ..Record::default()
        };
        assert_eq!(record.name(), name);
    }
}
