//! `/tmp/perf-PID.map`: names that runtimes write for the code that they generate.

use std::sync::Arc;

use probe_points::open::Root;

use crate::mapped::named_ranges::NamedRanges;
use crate::mapped::perf_map_file::{PerfMapFile, PerfMapPlace};

/// Read of it. Large programs write some 10 MiB.
const MOST_BYTES: u64 = 128 << 20;
/// Of a line; longer ones are left out.
const LONGEST_LINE: usize = 4096;
const CHUNK: usize = 1 << 16;

/// Grows as the process goes on, and may be written anew. What has been read stays when it ends.
#[derive(Debug, Default)]
pub struct PerfMap {
    place: Option<PerfMapPlace>,
    file: Option<PerfMapFile>,
    /// Why what is there is not read.
    problem: Option<String>,
    /// The begin of a line whose end was not there yet.
    rest: Vec<u8>,
    names: NamedRanges,
}

impl PerfMap {
    /// See [`PerfMapPlace::of_process`].
    pub fn of_process(pid: u32, root: &Arc<Root>) -> Self {
        let mut map = Self {
            place: Some(PerfMapPlace::of_process(pid, root)),
            ..Self::default()
        };
        map.look_again();
        map
    }

    /// The process's id in its own pid namespace, as runtimes write it.
    pub fn own_id(&self) -> &str {
        self.place.as_ref().map_or("", PerfMapPlace::own_id)
    }

    /// What has been written since; all of it, if it was written anew or replaced. If there is no such file any more, or none that is to be
    /// read, what is known stays.
    pub fn look_again(&mut self) {
        match self.place.as_ref().map(PerfMapPlace::open) {
            None | Some(Ok(None)) => self.problem = None,
            Some(Ok(Some(file))) => {
                self.problem = None;
                let goes_on = |before: &PerfMapFile| before.is_continued_by(&file);
                if !self.file.as_ref().is_some_and(goes_on) {
                    self.rest.clear();
                    self.names.clear();
                    self.file = Some(file);
                }
            }
            Some(Err(problem)) => {
                self.problem = Some(problem);
                self.file = None;
            }
        }
        self.read_on();
    }

    /// What has been written since to the file that was there.
    pub fn read_on(&mut self) {
        let Some(mut file) = self.file.take() else {
            return;
        };
        let mut chunk = vec![0; CHUNK];
        loop {
            match file.read_on(&mut chunk, MOST_BYTES) {
                0 => break,
                count => self.add(&chunk[..count]),
            }
        }
        self.file = Some(file);
    }

    /// Why what is there is not read.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
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
        self.names.find(address)
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
        if let Some(name) = fields.next()
            && line.len() <= LONGEST_LINE
        {
            self.names.add(start, size, name);
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
