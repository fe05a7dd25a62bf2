//! One row per (thread, system call). Rows come from a pool in chunks: a thread uses about ten of several hundred
//! calls, so a full table per thread would be mostly holes.

use crate::durations::{Durations, OffCpuTime};
use crate::histogram::{BUCKETS, Histogram};

/// Rows that a thread takes from the pool at once.
pub const ROWS_PER_CHUNK: u32 = 4;

/// `ThreadRecord::rows` has this many heads; a call's head is its number modulo this.
pub const ROW_HEADS: usize = 128;

/// Rows of one head, at most: of each calling convention the numbers that fall to it, and of each that is told by more than its
/// number (x32 is not) the row that what a hostile program makes up beyond [`LAST_NUMBER`] shares.
pub const CHAIN_LIMIT: usize = 3 * (LAST_NUMBER as usize + 1) / ROW_HEADS + 2;

/// Numbers above this are no system calls on any architecture.
pub const LAST_NUMBER: u32 = 1023;

/// Stands for every number that is no system call.
pub const INVALID_NUMBER: u32 = 0xffff;

/// The bit by which x86_64 marks its x32 calls.
pub const X32_BIT: u32 = 0x4000_0000;

/// The calling convention of a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Abi {
    Native = 0,
    /// ia32 on x86_64, arm on arm64.
    Compat = 1,
    X32 = 2,
}

/// A system call's number and convention in one word, never 0.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SyscallKey(u32);

impl SyscallKey {
    pub const NONE: Self = Self(0);
    const PRESENT: u32 = 1 << 31;

    /// From the number that the kernel's tracepoint carries.
    #[inline(always)]
    pub fn new(raw: u64, compat: bool) -> Self {
        if raw <= LAST_NUMBER.into() && !compat {
            Self(Self::PRESENT | raw as u32)
        } else {
            Self::uncommon(raw as u32, compat)
        }
    }

    #[inline(always)]
    fn uncommon(raw: u32, compat: bool) -> Self {
        let (abi, number) = if compat {
            (Abi::Compat, raw)
        } else if raw & X32_BIT != 0 && raw <= X32_BIT + LAST_NUMBER {
            (Abi::X32, raw & !X32_BIT)
        } else {
            (Abi::Native, raw)
        };
        let number = if number > LAST_NUMBER {
            INVALID_NUMBER
        } else {
            number
        };
        Self(Self::PRESENT | (abi as u32) << 16 | number)
    }

    #[inline(always)]
    pub fn number(self) -> u32 {
        self.0 & 0xffff
    }

    pub fn abi(self) -> Abi {
        match (self.0 >> 16) & 3 {
            0 => Abi::Native,
            1 => Abi::Compat,
            _ => Abi::X32,
        }
    }

    #[inline(always)]
    pub fn is_compat(self) -> bool {
        self.0 & (Abi::Compat as u32) << 16 != 0
    }

    /// What [`Self::from_bits`] makes a key of again.
    #[inline(always)]
    pub fn bits(self) -> u32 {
        self.0
    }

    /// `None`: of no key.
    pub fn from_bits(bits: u32) -> Option<Self> {
        (bits & Self::PRESENT != 0).then_some(Self(bits))
    }

    #[inline(always)]
    pub fn head(self) -> usize {
        (self.0 as usize) & (ROW_HEADS - 1)
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SyscallRow {
    pub key: SyscallKey,
    /// The next row of the same head: a row's index + 1, 0 for none.
    pub next: u32,
    /// Calls that began and ended inside the window.
    pub durations: Durations,
    /// Time inside the window of calls that a window edge, or the thread's end, cut.
    pub in_flight_ns: u64,
    /// Of both, the time off the CPU.
    pub off_cpu: OffCpuTime,
    /// 1: a call of the poll family.
    pub is_poll: u8,
    /// 1: not all of those that were refused had the same result.
    pub refused_variously: u8,
    /// The error of the first one; 0: none.
    pub refused_errno: u16,
    /// Calls that the kernel refused on the way in. They are not among `durations`: nobody saw them begin.
    pub refused: u32,
    pub histogram: Histogram,
}

impl SyscallRow {
    /// `result`: of such a call.
    #[inline(always)]
    pub fn refuse(&mut self, result: i64) {
        let errno = if (-MOST_ERRNO..0).contains(&result) {
            -result as u16
        } else {
            0
        };
        if self.refused == 0 {
            self.refused_errno = errno;
        } else if self.refused_errno != errno {
            self.refused_variously = 1;
        }
        self.refused = self.refused.saturating_add(1);
    }
}

/// `MAX_ERRNO` of `include/linux/err.h`.
const MOST_ERRNO: i64 = 4095;

const _: () = assert!(
    size_of::<SyscallRow>() == 8 + 24 + 8 + 24 + 8 + 4 * BUCKETS,
    "SyscallRow has padding"
);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Abi, CHAIN_LIMIT, INVALID_NUMBER, LAST_NUMBER, ROW_HEADS, SyscallKey, X32_BIT};

    #[test]
    fn a_key_keeps_number_and_convention() {
        for (raw, compat, abi, number) in [
            (0, false, Abi::Native, 0),
            (202, false, Abi::Native, 202),
            (64, true, Abi::Compat, 64),
            (0x4000_0000, false, Abi::X32, 0),
            (0x4000_0200, false, Abi::X32, 512),
        ] {
            let key = SyscallKey::new(raw, compat);
            assert_eq!((key.abi(), key.number()), (abi, number), "{raw:#x}");
            assert_ne!(key, SyscallKey::NONE);
        }
    }

    #[test]
    fn no_head_has_more_rows_than_are_looked_through() {
        let mut rows = vec![HashSet::new(); ROW_HEADS];
        for number in 0..=2 * LAST_NUMBER {
            for (raw, compat) in [
                (number, false),
                (number, true),
                (X32_BIT | number, false),
                (X32_BIT | number, true),
            ] {
                let key = SyscallKey::new(raw.into(), compat);
                rows[key.head()].insert(key);
            }
        }
        assert_eq!(rows.iter().map(HashSet::len).max(), Some(CHAIN_LIMIT));
    }

    #[test]
    fn made_up_numbers_share_one_row() {
        let invalid = SyscallKey::new(u64::MAX, false);
        assert_eq!(invalid.number(), INVALID_NUMBER);
        for raw in [1024, 99_999, 0x7fff_ffff, 0x4fff_ffff] {
            assert_eq!(SyscallKey::new(raw, false), invalid, "{raw:#x}");
        }
    }
}
