//! A module's symbols, as far as they have been found.

use std::sync::Arc;
use std::time::Duration;

use probe_points::hexadecimal;

use crate::mapped::module::Module;
use crate::symbols::extract::Extract;
use crate::symbols::symbol_frame::{ModuleName, text};

pub struct Known {
    pub name: Arc<ModuleName>,
    /// Best first.
    pub sources: Vec<Extract>,
    /// There are more than what was left for them was enough for.
    pub is_refused: bool,
    /// What they may still take of this sample; `None`: they have not been asked for in it.
    pub time_left: Option<Duration>,
    /// Frames of this sample that have no names because of the time.
    pub left_out: u64,
}

/// Of a build id that is asked for: the least is what linkers make of a fast checksum.
const SHORTEST_ID: usize = 8;

impl Known {
    /// Nothing is known yet.
    pub fn new(module: &Module) -> Self {
        Self {
            name: Arc::new(ModuleName {
                path: text(module.path()),
                build_id: module.build_id().map(hexadecimal),
            }),
            sources: Vec::new(),
            is_refused: true,
            time_left: None,
            left_out: 0,
        }
    }

    /// Another sample, or another attempt, has means of its own.
    pub fn begin_sample(&mut self) {
        self.time_left = None;
        self.left_out = 0;
    }

    /// The build id of a debug file that it lacks: its own or, if that is there, the one that has what several have in common.
    pub fn missing(&self, module: &Module) -> Option<String> {
        let with_debug_info = self.sources.iter().find(|source| source.has_debug_info);
        let id: &[u8] = match with_debug_info {
            Some(source) => source.lacks_common.as_ref()?,
            // It has some, for which there was no room.
            None if self.is_refused => return None,
            // The kernel's distributor has the vDSO's; its own symbols do.
            None if module.path().starts_with(b"[") => return None,
            None => module.build_id()?,
        };
        (id.len() >= SHORTEST_ID).then(|| hexadecimal(id))
    }
}
