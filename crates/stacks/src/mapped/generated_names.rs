//! What runtimes say of the code that they generate: in `/tmp/perf-PID.map`, or in a file that they have mapped.

use std::fs::File;
use std::sync::Arc;

use probe_points::open::Root;

use crate::mapped::jit_dump::JitDump;
use crate::mapped::perf_map::PerfMap;

/// Of one process. What is known stays when it ends.
#[derive(Debug)]
pub struct GeneratedNames {
    map: PerfMap,
    dump: Option<JitDump>,
    /// Whoever asks whether they are current, as of when that was done last.
    as_of: u64,
}

impl GeneratedNames {
    pub fn of_process(pid: u32, root: &Arc<Root>) -> Self {
        Self {
            map: PerfMap::of_process(pid, root),
            dump: None,
            as_of: 0,
        }
    }

    /// What the file is called that the process may map.
    pub fn dump_name(&self) -> String {
        format!("jit-{}.dump", self.map.own_id())
    }

    /// Of that name, that it has mapped now. What was known of another one is forgotten: the process has executed another program.
    pub fn set_dump(&mut self, file: Option<File>) {
        match (file, &self.dump) {
            (Some(file), Some(known)) if known.is_of(&file) => {}
            (file, _) => self.dump = file.map(JitDump::new),
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
        if let Some(dump) = &mut self.dump {
            dump.look_again();
        }
    }

    /// What has been written since to the files that were there.
    pub fn read_on(&mut self) {
        self.map.read_on();
        if let Some(dump) = &mut self.dump {
            dump.read_on();
        }
    }

    /// The name of the code there, and the first address that it is for. A dump is the more exact.
    pub fn find(&self, address: u64) -> Option<(&[u8], u64)> {
        let of_dump = self.dump.as_ref().and_then(|dump| dump.find(address));
        of_dump.or_else(|| self.map.find(address))
    }

    /// Why what is there is not read.
    pub fn problem(&self) -> Option<&str> {
        self.map.problem()
    }
}
