//! What was fetched from a server, looked at before it is used.

use std::path::Path;

use napi_derive::napi;
use probe_points::has_build_id;
use probe_points::open::open_file;

/// Whether it is an ELF file of that build id, which is in hexadecimal.
#[napi]
pub fn is_debug_file_of(path: String, build_id: String) -> bool {
    let digits = build_id.as_bytes().chunks(2);
    let bytes = digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    let Some(id) = bytes.collect::<Option<Vec<u8>>>() else {
        return false;
    };
    open_file(Path::new(&path)).is_ok_and(|file| has_build_id(&file, &id))
}
