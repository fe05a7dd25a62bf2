//! Where a module's symbols come from, best first.

use std::cell::Cell;
use std::fs::File;
use std::path::{Path, PathBuf};

use probe_points::open::open_file;
use probe_points::{MOST_CHECKED, by_build_id, has_build_id, unpacked, unpacked_bytes};

use crate::mapped::memory_file;
use crate::mapped::module::Module;
use crate::symbols::cached::cached;
use crate::symbols::extract::Extract;
use crate::symbols::grant::Grant;
use crate::symbols::symbol_frame::text;

/// Of one file: twice what the debug information of a large server program takes.
const MOST_BYTES: u64 = 768 << 20;

#[derive(Default)]
pub struct Sources {
    pub extracts: Vec<Extract>,
    /// What is wrong with them, a line each.
    pub problems: Vec<String>,
    /// There is more than what was granted is enough for.
    pub is_refused: bool,
}

/// Its own symbols and, if it has no debug information, those of the debug file that belongs to it, or packed inside.
/// `cache`: a folder of debug files that were fetched.
/// What they take is taken of `grant`; what that is not enough for is left out.
pub fn sources(module: &Module, cache: Option<&Path>, grant: &mut Grant) -> Sources {
    let object = module.object();
    let path = text(module.path());
    let mut problems = Vec::new();
    let mut extract = |file: &File, what: &str, grant: &mut Grant| {
        let found = Extract::of_file(file, object.root(), cache, MOST_BYTES, grant);
        let problem = match &found {
            Ok(extract) => extract
                .problem
                .as_ref()
                .map(|problem| format!("{path}: {what}{problem}")),
            Err(why) => Some(format!("{path}: {what}symbols cannot be read: {why}")),
        };
        problems.extend(problem);
        found.ok()
    };
    let own = extract(object.file(), "its ", grant);
    if own.as_ref().is_some_and(|own| own.has_debug_info) {
        let extracts = own.into_iter().collect();
        return Sources {
            extracts,
            problems,
            is_refused: grant.is_refused,
        };
    }
    let is_useful = |found: &Extract| found.has_debug_info || found.has_symbol_table;
    let mut separate = || {
        let local = module.debug_files(&Cell::new(MOST_CHECKED));
        let fetched = || cached(cache?, module.build_id()?);
        let files = local.into_iter().chain(fetched());
        files
            .filter_map(|file| extract(&file, "its debug file's ", grant))
            .find(is_useful)
    };
    let separate = separate();
    let has_table = own.as_ref().is_some_and(|own| own.has_symbol_table);
    let packed = || {
        let elf = object.elf().ok()?;
        let bytes = object.read(|data| {
            let announced = unpacked_bytes(elf, data);
            let is_granted = announced.is_some_and(|bytes| grant.take(bytes).is_ok());
            Ok(is_granted.then(|| unpacked(elf, data)).flatten())
        });
        let file = memory_file::with_bytes(&bytes.ok()??).ok()?;
        extract(&file, "its packed ", grant).filter(is_useful)
    };
    let is_alone = separate.is_none();
    let other = separate.or_else(|| (!has_table).then(packed).flatten());
    let is_refused = grant.is_refused;
    if is_alone {
        problems.extend(strange_file(module).map(|at| {
            format!(
                "{path}: its debug file {} is not of this build, or not intact",
                at.display()
            )
        }));
    }
    Sources {
        extracts: other.into_iter().chain(own).collect(),
        problems,
        is_refused,
    }
}

/// What lies where the module's debug file should be.
fn strange_file(module: &Module) -> Option<PathBuf> {
    let id = module.build_id()?;
    let at = by_build_id(id);
    let root = module.object().root();
    let mut files = [root.open_file(&at), open_file(&at)].into_iter().flatten();
    files.any(|file| !has_build_id(&file, id)).then_some(at)
}
