//! What an object's dynamic table says: the libraries that it needs, where they are looked for, and its own name.

use object::elf::{
    DT_NEEDED, DT_NULL, DT_RPATH, DT_RUNPATH, DT_SONAME, DT_STRSZ, DT_STRTAB, PT_DYNAMIC,
};
use object::read::ReadRef;

use crate::error::Result;
use crate::files::elf::{Elf, Segment, string};

pub const MOST_LIBRARIES: usize = 512;
pub const LONGEST_PATH: usize = 4096;

#[derive(Default)]
pub struct Needs {
    pub libraries: Vec<Vec<u8>>,
    /// DT_RPATH: searched for a library's own libraries, too.
    pub rpath: Vec<u8>,
    pub runpath: Vec<u8>,
    /// What others need it by; empty: it has no such name.
    pub soname: Vec<u8>,
}

pub fn segment_data<'a, R: ReadRef<'a>>(segment: &Segment, data: R) -> Option<&'a [u8]> {
    data.read_bytes_at(segment.offset, segment.file_bytes).ok()
}

/// Tags and values, in their order; none where there is no such table.
pub fn dynamic_entries<'a, R: ReadRef<'a>>(elf: &Elf, data: R) -> Vec<(u64, u64)> {
    let mut segments = elf.segments.iter();
    let dynamic = segments.find(|segment| segment.kind == PT_DYNAMIC);
    let mut rest = dynamic
        .and_then(|segment| segment_data(segment, data))
        .unwrap_or_default();
    let mut entries = Vec::new();
    while let Some((tag, bytes)) = elf.word(rest)
        && let Some((value, _)) = elf.word(&rest[bytes..])
        && tag.cast_signed() != DT_NULL
    {
        entries.push((tag, value));
        rest = &rest[bytes * 2..];
    }
    entries
}

/// Of the first entry of that kind.
pub fn dynamic_value(entries: &[(u64, u64)], wanted: i64) -> Option<u64> {
    let mut entries = entries.iter();
    let found = entries.find(|(tag, _)| tag.cast_signed() == wanted);
    found.map(|(_, value)| *value)
}

pub fn needs_of<'a, R: ReadRef<'a>>(elf: &Elf, data: R) -> Result<Needs> {
    let mut needs = Needs::default();
    let entries = dynamic_entries(elf, data);
    let value = |wanted| dynamic_value(&entries, wanted);
    let strings = value(DT_STRTAB)
        .and_then(|address| elf.file_offset(address, 0))
        .and_then(|offset| data.read_bytes_at(offset, value(DT_STRSZ)?).ok())
        .unwrap_or_default();
    for (tag, value) in entries {
        let Some(text) = u32::try_from(value)
            .ok()
            .and_then(|offset| string(strings, offset, LONGEST_PATH))
        else {
            continue;
        };
        match tag.cast_signed() {
            DT_NEEDED if needs.libraries.len() < MOST_LIBRARIES => {
                needs.libraries.push(text.to_vec());
            }
            DT_RPATH => needs.rpath = text.to_vec(),
            DT_RUNPATH => needs.runpath = text.to_vec(),
            DT_SONAME => needs.soname = text.to_vec(),
            _ => {}
        }
    }
    Ok(needs)
}
