//! Where a module's symbols come from, best first.

use std::fs::File;

use probe_points::{separate_files, unpacked};

use crate::extract::Extract;
use crate::memory_file;
use crate::module::Module;

/// Of one file: twice what the debug information of a large server program takes.
const MOST_BYTES: u64 = 768 << 20;
/// Debug files that are tried.
const MOST_TRIED: usize = 4;

/// Its own symbols and, if it has no debug information, those of the debug file that belongs to it, or packed inside.
pub fn sources(module: &Module) -> Vec<Extract> {
    let object = module.object();
    let extract = |file: &File| Extract::of_file(file, object.root(), MOST_BYTES).ok();
    let own = extract(object.file());
    if own.as_ref().is_some_and(|own| own.has_debug_info) {
        return own.into_iter().collect();
    }
    let is_useful = |found: &Extract| found.has_debug_info || found.has_symbol_table;
    let separate = || {
        let files: Vec<File> = object
            .elf()
            .and_then(|elf| {
                object.read(|data| {
                    let files = separate_files(elf, data, object.path(), object.root());
                    Ok(files.take(MOST_TRIED).collect())
                })
            })
            .unwrap_or_default();
        files.iter().filter_map(extract).find(is_useful)
    };
    let packed = || {
        let elf = object.elf().ok()?;
        let bytes = object.read(|data| Ok(unpacked(elf, data))).ok()??;
        extract(&memory_file::with_bytes(&bytes).ok()?).filter(is_useful)
    };
    let has_table = own.as_ref().is_some_and(|own| own.has_symbol_table);
    let other = separate().or_else(|| (!has_table).then(packed).flatten());
    other.into_iter().chain(own).collect()
}
