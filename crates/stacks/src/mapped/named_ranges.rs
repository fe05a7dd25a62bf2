//! Names of code in memory that is used again: the last one that was given counts.

use std::collections::BTreeMap;

const MOST_NAMES: usize = 1_000_000;
/// Of all names together.
const MOST_BYTES: usize = 128 << 20;

#[derive(Debug, Default)]
pub struct NamedRanges {
    /// By first address: the end, and where the name is. They do not overlap.
    items: BTreeMap<u64, (u64, u32, u32)>,
    names: Vec<u8>,
}

impl NamedRanges {
    pub fn clear(&mut self) {
        self.items.clear();
        self.names.clear();
    }

    /// The name of the code there, and the first address that it is for.
    pub fn find(&self, address: u64) -> Option<(&[u8], u64)> {
        let (&start, &(end, from, length)) = self.items.range(..=address).next_back()?;
        let name = self
            .names
            .get(from as usize..from as usize + length as usize)?;
        (address < end).then_some((name, start))
    }

    /// What begins there has no name any more.
    pub fn remove(&mut self, start: u64) {
        self.items.remove(&start);
    }

    /// So many bytes from there on. What had a name and overlaps has none any more.
    pub fn add(&mut self, start: u64, bytes: u64, name: &[u8]) {
        let Some(end) = start.checked_add(bytes).filter(|end| *end > start) else {
            return;
        };
        while let Some((&other, &(other_end, ..))) = self.items.range(..end).next_back()
            && other_end > start
        {
            self.items.remove(&other);
        }
        let from = self.names.len();
        if self.items.len() < MOST_NAMES && from + name.len() <= MOST_BYTES {
            self.names.extend_from_slice(name);
            self.items
                .insert(start, (end, from as u32, name.len() as u32));
        }
    }
}
