//! `/tmp/perf-PID.map`: names that runtimes write for the code that they generate.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use probe_points::open::Root;

/// Read of it. Large programs write some 10 MiB.
const MOST_BYTES: u64 = 128 << 20;
const MOST_NAMES: usize = 1_000_000;
/// Of a line; longer ones are left out.
const LONGEST_LINE: usize = 4096;
const CHUNK: usize = 1 << 16;

/// Grows as the process goes on. What has been read stays when it ends.
#[derive(Debug, Default)]
pub struct PerfMap {
    place: Option<(Arc<Root>, String)>,
    file: Option<File>,
    read: u64,
    /// The begin of a line whose end was not there yet.
    rest: Vec<u8>,
    /// By first address: the end, and where the name is. They do not overlap.
    items: BTreeMap<u64, (u64, u32, u32)>,
    names: Vec<u8>,
}

impl PerfMap {
    /// In the process's own mount namespace, by its id in its own pid namespace.
    pub fn of_process(pid: u32, root: &Arc<Root>) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        let id = ids.and_then(|ids| ids.split_ascii_whitespace().next_back());
        let id = id.map_or_else(|| pid.to_string(), str::to_owned);
        let mut map = Self {
            place: Some((root.clone(), format!("/tmp/perf-{id}.map"))),
            ..Self::default()
        };
        map.read_on();
        map
    }

    /// What has been written since; nothing if there is no such file, or it cannot be read.
    pub fn read_on(&mut self) {
        if self.file.is_none()
            && let Some((root, path)) = &self.place
        {
            self.file = root.open_file(Path::new(path)).ok();
        }
        let Some(file) = self.file.take() else {
            return;
        };
        let mut chunk = vec![0; CHUNK];
        while self.read < MOST_BYTES {
            match file.read_at(&mut chunk, self.read) {
                Ok(count) if count > 0 => {
                    self.read += count as u64;
                    self.add(&chunk[..count]);
                }
                _ => break,
            }
        }
        self.file = Some(file);
    }

    /// Text that follows what has been added.
    pub fn add(&mut self, text: &[u8]) {
        let mut lines = text.split(|&byte| byte == b'\n');
        let last = lines.next_back().unwrap_or_default();
        for line in lines {
            let begun = std::mem::take(&mut self.rest);
            match begun.is_empty() {
                true => self.add_line(line),
                false => self.add_line(&[&begun[..], line].concat()),
            }
        }
        if self.rest.len() + last.len() <= LONGEST_LINE {
            self.rest.extend_from_slice(last);
        }
    }

    /// The name of the code there, and the first address that it is for.
    pub fn find(&self, address: u64) -> Option<(&[u8], u64)> {
        let (&start, &(end, from, length)) = self.items.range(..=address).next_back()?;
        let name = self
            .names
            .get(from as usize..from as usize + length as usize)?;
        (address < end).then_some((name, start))
    }

    /// `START SIZE NAME`. Malformed ones are left out.
    fn add_line(&mut self, line: &[u8]) {
        let mut fields = line.splitn(3, |&byte| byte == b' ');
        let mut number = || {
            let text = std::str::from_utf8(fields.next()?).ok()?;
            u64::from_str_radix(text.trim_start_matches("0x"), 16).ok()
        };
        let (Some(start), Some(size)) = (number(), number()) else {
            return;
        };
        let (Some(name), Some(end)) = (fields.next(), start.checked_add(size)) else {
            return;
        };
        if size == 0 || line.len() > LONGEST_LINE {
            return;
        }
        // Memory is used again: the last one that was written is the one that is there.
        while let Some((&other, &(other_end, ..))) = self.items.range(..end).next_back()
            && other_end > start
        {
            self.items.remove(&other);
        }
        let from = self.names.len();
        if self.items.len() < MOST_NAMES && from + name.len() <= MOST_BYTES as usize {
            self.names.extend_from_slice(name);
            self.items
                .insert(start, (end, from as u32, name.len() as u32));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PerfMap;

    #[test]
    fn the_last_name_written_counts() {
        let mut map = PerfMap::default();
        map.add(b"1000 20 first one\n1040 10 sec");
        map.add(
            b"ond\nnonsense\n1010 20 third\n0x2000 0x10 other\nffffffffffffffff 2 x\n3000 1 cut",
        );
        let name = |address| {
            map.find(address)
                .map(|(name, start)| (name.to_vec(), start))
        };
        assert_eq!(name(0x1000), None);
        assert_eq!(name(0x1015), Some((b"third".to_vec(), 0x1010)));
        assert_eq!(name(0x1045), Some((b"second".to_vec(), 0x1040)));
        assert_eq!(name(0x200f), Some((b"other".to_vec(), 0x2000)));
        assert_eq!(name(0x3000), None);
        assert_eq!(name(0), None);
    }
}
