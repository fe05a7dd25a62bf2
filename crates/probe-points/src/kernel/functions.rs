//! The kernel's own functions: which there are, and which can be probed.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use crate::error::{Error, Result};
use crate::kernel::tracefs::Tracefs;

#[derive(Debug)]
pub struct KernelFunctions {
    /// Of all symbols that a function's name is looked up among, sorted; as often as they occur.
    symbols: Vec<Vec<u8>>,
    /// Those that can be probed, as ftrace knows them; `None`: it does not tell.
    traceable: Option<HashSet<Vec<u8>>>,
    blacklist: HashSet<Vec<u8>>,
}

impl KernelFunctions {
    /// As /proc and /sys below a folder list them.
    pub fn read(root: &Path, tracefs: Option<&Tracefs>) -> Result<Self> {
        let path = root.join("proc/kallsyms");
        let kallsyms = fs::read(&path).map_err(|error| Error::io("/proc/kallsyms", &error))?;
        let mut symbols: Vec<Vec<u8>> = lines(&kallsyms).filter_map(text_symbol).collect();
        symbols.sort_unstable();
        // A kernel that is locked down shows the file and refuses to read it.
        let traceable = tracefs
            .and_then(|tracefs| tracefs.read("available_filter_functions").ok())
            .map(|text| lines(&text).filter_map(|line| word(line, 0)).collect());
        let blacklist = fs::read(root.join("sys/kernel/debug/kprobes/blacklist"))
            .or_else(|error| match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Ok(Vec::new()),
                _ => Err(error),
            })
            .map_err(|error| Error::io("the blacklist of kprobes", &error))?;
        Ok(Self {
            symbols,
            traceable,
            blacklist: lines(&blacklist).filter_map(|line| word(line, 1)).collect(),
        })
    }

    /// How often the kernel has one of that name.
    pub fn count(&self, name: &[u8]) -> usize {
        let from = self
            .symbols
            .partition_point(|symbol| symbol.as_slice() < name);
        self.symbols[from..]
            .iter()
            .take_while(|symbol| symbol.as_slice() == name)
            .count()
    }

    /// `false` also where the kernel does not tell.
    pub fn is_blacklisted(&self, name: &[u8]) -> bool {
        !self.is_traceable(name) || self.blacklist.contains(name)
    }

    /// Those that can be probed: known by one name only, and on no blacklist.
    pub fn probeable(&self) -> impl Iterator<Item = &[u8]> {
        self.symbols
            .chunk_by(|a, b| a == b)
            .filter(|same| same.len() == 1)
            .filter_map(|same| same.first())
            .map(Vec::as_slice)
            .filter(|name| !self.is_blacklisted(name))
    }

    fn is_traceable(&self, name: &[u8]) -> bool {
        let names = self.traceable.as_ref();
        names.is_none_or(|names| names.contains(name))
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n')
}

fn word(line: &[u8], index: usize) -> Option<Vec<u8>> {
    let mut words = line
        .split(|byte| byte.is_ascii_whitespace())
        .filter(|word| !word.is_empty());
    words.nth(index).map(<[u8]>::to_vec)
}

/// `ADDRESS TYPE NAME [MODULE]`; the address is zero where it is kept secret.
fn text_symbol(line: &[u8]) -> Option<Vec<u8>> {
    let kind = word(line, 1)?;
    matches!(kind[..], [b't' | b'T' | b'w' | b'W'])
        .then(|| word(line, 2))
        .flatten()
}
