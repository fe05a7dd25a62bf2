//! Debug files that were fetched.

use std::fs::File;
use std::path::Path;

use probe_points::open::open_file;
use probe_points::{has_build_id, hexadecimal};

/// A debug file that was fetched, where the clients of debuginfod keep it.
pub fn cached(cache: &Path, id: &[u8]) -> Option<File> {
    let file = open_file(&cache.join(hexadecimal(id)).join("debuginfo")).ok()?;
    has_build_id(&file, id).then_some(file)
}
