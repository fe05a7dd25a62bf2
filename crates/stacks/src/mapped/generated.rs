//! Code in memory of no file.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// One mapping of it, readable as long as its process lives.
#[derive(Clone, Copy, Debug)]
pub struct GeneratedCode<'a> {
    /// The process's.
    pub memory: &'a File,
    pub start: u64,
    pub end: u64,
}

impl GeneratedCode<'_> {
    /// Up to so many bytes from there on: at the mapping's end, less. `None`: it is outside, or cannot be read.
    pub fn bytes_at(&self, address: u64, most: usize) -> Option<Vec<u8>> {
        if address < self.start {
            return None;
        }
        let left = self.end.checked_sub(address).filter(|left| *left > 0)?;
        let mut bytes = vec![0; usize::try_from(left).map_or(most, |left| left.min(most))];
        let count = self.memory.read_at(&mut bytes, address).ok()?;
        bytes.truncate(count);
        (count > 0).then_some(bytes)
    }
}
