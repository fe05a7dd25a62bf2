//! The lists of addresses that functions have, by their lengths: many functions may refer to one, or to parts of it, and blazesym
//! goes through it for each of them.

use std::fs::File;
use std::io;

use crate::symbols::section_part::SectionPart;

/// In the lists of all functions, one after the other. The largest programs have some five million.
const MOST_RANGES: u64 = 16 << 20;
/// Of an entry: an operation and two numbers.
const LONGEST_ENTRY: u64 = 24;

/// Which list: where it is, or by its number from where the unit's begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    At(u64),
    Index(u64),
}

pub struct RangeLists<'a> {
    /// Up to DWARF 4, and since.
    pairs: SectionPart<'a>,
    entries: SectionPart<'a>,
    left: u64,
}

impl<'a> RangeLists<'a> {
    /// `.debug_ranges` and `.debug_rnglists`.
    pub fn new(file: &'a File, pairs: (u64, u64), entries: (u64, u64)) -> Self {
        Self {
            pairs: SectionPart::new(file, pairs),
            entries: SectionPart::new(file, entries),
            left: MOST_RANGES,
        }
    }

    /// One more function has that list. `base`: where the unit's lists begin. False: all together are too long.
    pub fn may_be_read(&mut self, list: List, version: u16, base: u64) -> io::Result<bool> {
        let at = match list {
            List::At(at) => at,
            List::Index(index) => match self.offset(index, base)? {
                Some(at) => at,
                None => return Ok(true),
            },
        };
        let mut at = at;
        while self.left > 0 {
            let next = match version {
                0..=4 => self.next_pair(at)?,
                _ => self.next_entry(at)?,
            };
            match next {
                Some(next) => at = next,
                None => return Ok(true),
            }
            self.left -= 1;
        }
        Ok(false)
    }

    fn offset(&mut self, index: u64, base: u64) -> io::Result<Option<u64>> {
        let at = index.checked_mul(4).and_then(|at| at.checked_add(base));
        let Some(at) = at else { return Ok(None) };
        let number = self.entries.read(at, 4)?.first_chunk();
        let number = number.map(|number| u64::from(u32::from_le_bytes(*number)));
        Ok(number.and_then(|number| number.checked_add(base)))
    }

    /// Where the entry after that one is; `None`: there is none.
    fn next_pair(&mut self, at: u64) -> io::Result<Option<u64>> {
        const BYTES: u64 = 16;
        let pair = self.pairs.read(at, BYTES)?;
        let is_last = (pair.len() as u64) < BYTES || pair.iter().all(|&byte| byte == 0);
        Ok((!is_last).then_some(at + BYTES))
    }

    fn next_entry(&mut self, at: u64) -> io::Result<Option<u64>> {
        let bytes = self.entries.read(at, LONGEST_ENTRY)?;
        Ok(entry_length(bytes).map(|length| at + length))
    }
}

/// `None`: it is the last one, or makes no sense.
fn entry_length(bytes: &[u8]) -> Option<u64> {
    const ADDRESS: usize = 8;
    let number = |from: usize| {
        let rest = bytes.get(from..)?;
        rest.iter()
            .position(|byte| byte & 0x80 == 0)
            .map(|at| from + at + 1)
    };
    let end = match bytes.first()? {
        1 => number(1)?,
        2..=4 => number(number(1)?)?,
        5 => 1 + ADDRESS,
        6 => 1 + 2 * ADDRESS,
        7 => number(1 + ADDRESS)?,
        _ => return None,
    };
    Some(end as u64)
}

#[cfg(test)]
mod tests {
    use super::{List, MOST_RANGES, RangeLists, entry_length};
    use crate::mapped::memory_file;

    #[test]
    fn functions_that_share_a_long_list_are_counted() {
        const LENGTH: u64 = 1 << 16;
        let pairs = LENGTH * 16 + 16;
        let mut bytes = vec![1; LENGTH as usize * 16];
        bytes.resize(pairs as usize, 0);
        // The same list, in four bytes an entry.
        bytes.extend([4, 1, 0x81, 1].repeat(LENGTH as usize));
        bytes.push(0);
        let file = memory_file::with_bytes(&bytes).unwrap();
        for version in [4, 5] {
            let entries = (pairs, bytes.len() as u64 - pairs);
            let mut lists = RangeLists::new(&file, (0, pairs), entries);
            let mut count = 0;
            while lists.may_be_read(List::At(0), version, 0).unwrap() {
                count += 1;
            }
            // The last one fits up to its end, which is not looked at any more.
            assert_eq!(count, MOST_RANGES / LENGTH - 1);
        }
    }

    #[test]
    fn lists_are_found_by_their_numbers() {
        let bytes = [&[0, 0, 0, 0, 8, 0, 0, 0][..], &[9, 0, 0, 0], &[4, 1, 1, 0]].concat();
        let file = memory_file::with_bytes(&bytes).unwrap();
        let mut lists = RangeLists::new(&file, (0, 0), (0, bytes.len() as u64));
        assert_eq!(lists.offset(0, 4).unwrap(), Some(12));
        assert!(lists.may_be_read(List::Index(0), 5, 4).unwrap());
        assert_eq!(lists.left, MOST_RANGES - 1);
        for nowhere in [List::Index(100), List::Index(u64::MAX), List::At(u64::MAX)] {
            assert!(lists.may_be_read(nowhere, 5, 4).unwrap());
        }
        assert_eq!(lists.left, MOST_RANGES - 1);
    }

    #[test]
    fn entries_have_their_lengths() {
        assert_eq!(entry_length(&[0, 1]), None);
        assert_eq!(entry_length(&[3, 0x80, 1, 2]), Some(4));
        assert_eq!(entry_length(&[7, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f]), Some(10));
        assert_eq!(entry_length(&[6]), Some(17));
        assert_eq!(entry_length(&[4, 0x80]), None);
    }
}
