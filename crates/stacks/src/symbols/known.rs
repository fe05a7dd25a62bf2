//! A module's symbols, as far as they have been found.

use std::sync::Arc;

use probe_points::hexadecimal;

use crate::mapped::module::Module;
use crate::symbols::extract::Extract;
use crate::symbols::symbol_frame::ModuleName;

pub struct Known {
    pub name: Arc<ModuleName>,
    /// Best first.
    pub sources: Vec<Extract>,
}

/// Of a build id that is asked for: the least is what linkers make of a fast checksum.
const SHORTEST_ID: usize = 8;

impl Known {
    /// The build id of a debug file that it lacks: its own or, if that is there, the one that has what several have in common.
    pub fn missing(&self, module: &Module) -> Option<String> {
        let with_debug_info = self.sources.iter().find(|source| source.has_debug_info);
        let id: &[u8] = match with_debug_info {
            Some(source) => source.lacks_common.as_ref()?,
            // The kernel's distributor has the vDSO's; its own symbols do.
            None if module.path().starts_with(b"[") => return None,
            None => module.build_id()?,
        };
        (id.len() >= SHORTEST_ID).then(|| hexadecimal(id))
    }
}
