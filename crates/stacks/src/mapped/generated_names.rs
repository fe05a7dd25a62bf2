//! What runtimes say of the code that they generate: in `/tmp/perf-PID.map`, or in a file that they have mapped.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use probe_points::open::Root;

use crate::mapped::jit_dump::JitDump;
use crate::mapped::perf_map::PerfMap;

/// Of one process: it has one.
const MOST_DUMPS: usize = 8;

/// Of one process. What is known stays when it ends.
#[derive(Debug)]
pub struct GeneratedNames {
    map: PerfMap,
    /// With the identity of each file.
    dumps: Vec<((u64, u64), JitDump)>,
    /// Whoever asks whether they are current, as of when that was done last.
    as_of: u64,
}

impl GeneratedNames {
    pub fn of_process(pid: u32, root: &Arc<Root>) -> Self {
        Self {
            map: PerfMap::of_process(pid, root),
            dumps: Vec::new(),
            as_of: 0,
        }
    }

    /// A file that the process has mapped, as it is named.
    pub fn add_dump(&mut self, file: File) {
        let Ok(metadata) = file.metadata() else {
            return;
        };
        let identity = (metadata.dev(), metadata.ino());
        let is_known = self.dumps.iter().any(|(known, _)| *known == identity);
        if !is_known && self.dumps.len() < MOST_DUMPS {
            self.dumps.push((identity, JitDump::new(file)));
        }
    }

    /// As of a time that is numbered by whoever asks: looks once for each whether there are more, or others.
    pub fn be_current(&mut self, as_of: u64) {
        if as_of != self.as_of {
            self.as_of = as_of;
            self.look_again();
        }
    }

    pub fn look_again(&mut self) {
        self.map.look_again();
        self.dumps.iter_mut().for_each(|(_, dump)| dump.read_on());
    }

    /// What has been written since to the files that were there.
    pub fn read_on(&mut self) {
        self.map.read_on();
        self.dumps.iter_mut().for_each(|(_, dump)| dump.read_on());
    }

    /// The name of the code there, and the first address that it is for. A dump is the more exact.
    pub fn find(&self, address: u64) -> Option<(&[u8], u64)> {
        let of_dump = self.dumps.iter().find_map(|(_, dump)| dump.find(address));
        of_dump.or_else(|| self.map.find(address))
    }

    /// Why what is there is not read.
    pub fn problem(&self) -> Option<&str> {
        self.map.problem()
    }
}
