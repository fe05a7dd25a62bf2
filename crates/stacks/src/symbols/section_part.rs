//! A section of a file that is read from its begin to its end, mostly, without holding all of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Read at a time, or more where that is asked for: what is read may be short, and much of it.
const CHUNK: u64 = 1 << 20;

pub struct SectionPart<'a> {
    file: &'a File,
    offset: u64,
    length: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> SectionPart<'a> {
    /// Where it is in the file: offset and bytes.
    pub fn new(file: &'a File, (offset, length): (u64, u64)) -> Self {
        Self {
            file,
            offset,
            length,
            start: 0,
            bytes: Vec::new(),
        }
    }

    /// From there on so many bytes, or less at its end.
    pub fn read(&mut self, at: u64, most: u64) -> io::Result<&[u8]> {
        let most = most.min(self.length.saturating_sub(at));
        let end = self.start + self.bytes.len() as u64;
        if most > 0 && (at < self.start || at + most > end) {
            let wanted = most.max(CHUNK).min(self.length - at);
            self.bytes.resize(wanted as usize, 0);
            self.start = at;
            self.file.read_exact_at(&mut self.bytes, self.offset + at)?;
        }
        let from = at.saturating_sub(self.start) as usize;
        let part = self.bytes.get(from..from + most as usize);
        Ok(part.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, SectionPart};
    use crate::mapped::memory_file;

    #[test]
    fn parts_are_read_wherever_they_are() {
        let bytes: Vec<u8> = (0..CHUNK * 2).map(|at| (at / 7) as u8).collect();
        let file = memory_file::with_bytes(&bytes).unwrap();
        let mut section = SectionPart::new(&file, (10, CHUNK * 2 - 20));
        for (at, most) in [
            (0, 5),
            (CHUNK - 2, 4),
            (3, 7),
            (CHUNK, CHUNK - 20),
            (0, CHUNK * 2 - 20),
        ] {
            let from = (10 + at) as usize;
            assert_eq!(
                section.read(at, most).unwrap(),
                &bytes[from..][..most as usize]
            );
        }
        assert_eq!(section.read(CHUNK * 2 - 22, 9).unwrap().len(), 2);
        assert!(section.read(CHUNK * 3, 9).unwrap().is_empty());
        assert!(section.read(u64::MAX, 9).unwrap().is_empty());
    }
}
