//! The tables of lines that units refer to, by their headers: many units may refer to the same one, and each byte of it may become a
//! row that is sixteen times as large.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Of one unit. Those of compilers have some hundred KiB.
const LONGEST_PROGRAM: u64 = 16 << 20;
/// Of the headers of all units, one after the other: with a few KiB for each, tens of thousands.
const MOST_HEADER_BYTES: u64 = 256 << 20;
/// Of a header's begin: lengths and version.
const BEGIN: usize = 24;

pub struct LineHeaders<'a> {
    file: &'a File,
    /// Of the section, in the file.
    offset: u64,
    bytes: u64,
    left: u64,
}

impl<'a> LineHeaders<'a> {
    pub fn new(file: &'a File, (offset, bytes): (u64, u64)) -> Self {
        Self {
            file,
            offset,
            bytes,
            left: MOST_HEADER_BYTES,
        }
    }

    /// One more unit has its lines there. False: they are too many, or their headers are, of all units together.
    pub fn may_be_read(&mut self, at: Option<u64>) -> io::Result<bool> {
        let Some(available) = at.and_then(|at| self.bytes.checked_sub(at)) else {
            return Ok(true);
        };
        let mut begin = [0; BEGIN];
        let count = available.min(BEGIN as u64) as usize;
        let offset = self.offset + at.unwrap_or_default();
        self.file.read_exact_at(&mut begin[..count], offset)?;
        // What makes no sense is read by nobody.
        let Some((whole, header)) = lengths(&begin) else {
            return Ok(true);
        };
        let (whole, header) = (whole.min(available), header.min(available));
        let left = self.left.checked_sub(header);
        self.left = left.unwrap_or_default();
        Ok(whole <= LONGEST_PROGRAM && left.is_some())
    }
}

/// Of all, and of the header in it.
fn lengths(begin: &[u8; BEGIN]) -> Option<(u64, u64)> {
    let short = |at: usize| Some(u32::from_le_bytes(*begin.get(at..)?.first_chunk()?));
    let long = |at: usize| Some(u64::from_le_bytes(*begin.get(at..)?.first_chunk()?));
    let (whole, at, is_long) = match short(0)? {
        u32::MAX => (long(4)?, 12, true),
        whole => (whole.into(), 4, false),
    };
    let version = u16::from_le_bytes(*begin.get(at..)?.first_chunk()?);
    // Since DWARF 5 two sizes come before it.
    let at = at + if version >= 5 { 4 } else { 2 };
    let header = if is_long {
        long(at)?
    } else {
        short(at)?.into()
    };
    Some((whole, header))
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_PROGRAM, LineHeaders, MOST_HEADER_BYTES};
    use crate::mapped::memory_file;

    fn header(whole: u32, header: u32) -> Vec<u8> {
        let parts = [&whole.to_le_bytes()[..], &[4, 0], &header.to_le_bytes()];
        parts.concat()
    }

    #[test]
    fn units_that_share_a_long_header_are_counted() {
        let bytes: u64 = 1 << 20;
        let mut section = header(bytes as u32 - 4, bytes as u32 - 10);
        section.resize(bytes as usize, 0);
        let file = memory_file::with_bytes(&section).unwrap();
        let mut lines = LineHeaders::new(&file, (0, bytes));
        let mut count = 0;
        while lines.may_be_read(Some(0)).unwrap() {
            count += 1;
        }
        assert_eq!(count, MOST_HEADER_BYTES / (bytes - 10));
    }

    #[test]
    fn a_program_that_would_become_too_many_rows_is_refused() {
        for (whole, is_bearable) in [(LONGEST_PROGRAM, true), (LONGEST_PROGRAM + 1, false)] {
            let file = memory_file::with_bytes(&header(whole as u32, 20)).unwrap();
            // Not all of it is there, which it is not read for.
            let mut lines = LineHeaders::new(&file, (0, LONGEST_PROGRAM * 2));
            file.set_len(LONGEST_PROGRAM * 2).unwrap();
            assert_eq!(lines.may_be_read(Some(0)).unwrap(), is_bearable);
        }
        let file = memory_file::with_bytes(&[1, 2, 3]).unwrap();
        let mut lines = LineHeaders::new(&file, (0, 3));
        for at in [None, Some(0), Some(3), Some(u64::MAX)] {
            assert!(lines.may_be_read(at).unwrap());
        }
    }
}
