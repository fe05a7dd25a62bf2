//! Where the kernel had a process begin.

use std::fs;
use std::path::Path;

/// Of the auxiliary vector, which the kernel gives to a program (getauxval(3)).
const AT_BASE: u64 = 7;
const AT_ENTRY: u64 = 9;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessBeginnings {
    /// Where its program begins.
    pub entry: u64,
    /// Where its loader is, which begins before that; 0: it has none.
    pub loader: u64,
}

impl ProcessBeginnings {
    /// Of a process's folder in /proc. `None`: it may not be read, or the process has ended.
    pub fn read(folder: &Path) -> Option<Self> {
        let bytes = fs::read(folder.join("auxv")).ok()?;
        Self::of_vector(&bytes)
    }

    fn of_vector(bytes: &[u8]) -> Option<Self> {
        let (words, _) = bytes.as_chunks::<8>();
        let value = |wanted: u64| {
            let mut entries = words.chunks_exact(2);
            let entry = entries.find(|entry| u64::from_ne_bytes(entry[0]) == wanted);
            entry.map(|entry| u64::from_ne_bytes(entry[1]))
        };
        Some(Self {
            entry: value(AT_ENTRY)?,
            loader: value(AT_BASE).unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::ProcessBeginnings;

    #[test]
    fn the_entry_and_the_loader_if_there_is_one() {
        let vector = |entries: &[(u64, u64)]| -> Vec<u8> {
            let words = entries.iter().flat_map(|&(kind, value)| [kind, value]);
            words.flat_map(u64::to_ne_bytes).collect()
        };
        let found = |entries: &[(u64, u64)]| ProcessBeginnings::of_vector(&vector(entries));
        let all = ProcessBeginnings {
            entry: 0x40_1000,
            loader: 0x7000,
        };
        assert_eq!(
            found(&[(3, 9), (7, 0x7000), (9, 0x40_1000), (0, 0)]),
            Some(all)
        );
        let alone = ProcessBeginnings { loader: 0, ..all };
        assert_eq!(found(&[(9, 0x40_1000)]), Some(alone));
        assert_eq!(found(&[(7, 9), (0, 0)]), None);
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn this_process_has_begun_somewhere() {
        let own = ProcessBeginnings::read("/proc/self".as_ref());
        assert!(own.is_some_and(|own| own.entry != 0));
    }
}
