//! Debug information is looked at before blazesym gets it, which follows inlined calls by recursion, as deep as they are
//! nested: a hostile file would make the stack overflow, and that cannot be caught.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use gimli::{AttributeValue, DebugAbbrev, DebugInfo, EndianSlice, LittleEndian};

use crate::symbols::grant::Grant;
use crate::symbols::line_headers::LineHeaders;

/// Inlined calls within each other. Optimizers stop long before.
const DEEPEST: usize = 256;
/// Of one compilation unit. With link-time optimization a whole program may be one.
const LONGEST_UNIT: u64 = 256 << 20;
/// The shortest unit is of nothing but its header: what is said to be shorter is none, and no reader goes on behind it.
const SHORTEST_UNIT: u64 = 11;
/// Read at a time, or a whole unit where that is longer: units may be short, and many.
const CHUNK: u64 = 1 << 20;
/// Units between two looks at the time.
const UNITS_AT_ONCE: u32 = 256;

/// What is to be known of debug information before it is used.
#[derive(Clone, Copy, Default)]
pub struct Found {
    /// Inlined calls are nested too deep, or it takes too much to read.
    pub is_hostile: bool,
    /// Some of it is in other files.
    pub is_split: bool,
}

/// Where the sections are in a file, offset and bytes.
pub struct Places {
    pub info: (u64, u64),
    pub abbrev: (u64, u64),
    pub line: (u64, u64),
}

/// Goes through all of it, at some 200 MB/s, unless every unit has its own large table of abbreviations.
pub fn look(file: &File, places: Places, grant: &mut Grant) -> io::Result<Found> {
    let Places { info, abbrev, line } = places;
    let mut abbreviations = vec![0; abbrev.1 as usize];
    file.read_exact_at(&mut abbreviations, abbrev.0)?;
    let abbreviations = DebugAbbrev::new(&abbreviations, LittleEndian);
    let mut lines = LineHeaders::new(file, line);
    let mut chunk = Chunk::default();
    let mut at = 0;
    let mut found = Found::default();
    let mut count = 0u32;
    while at < info.1 {
        let start = chunk.read(file, info, at, (info.1 - at).min(12))?;
        let length = unit_length(start).filter(|length| *length <= info.1 - at);
        let Some(length) = length.filter(|length| *length >= SHORTEST_UNIT) else {
            // Nothing behind it is reached by any reader.
            return Ok(found);
        };
        count = count.wrapping_add(1);
        if length > LONGEST_UNIT || (count.is_multiple_of(UNITS_AT_ONCE) && grant.is_over()) {
            found.is_hostile = true;
            return Ok(found);
        }
        let unit = look_at_unit(chunk.read(file, info, at, length)?, &abbreviations);
        found.is_split |= unit.is_split;
        found.is_hostile = unit.is_hostile || !lines.may_be_read(unit.lines)?;
        if found.is_hostile {
            return Ok(found);
        }
        at += length;
    }
    Ok(found)
}

/// A part of a section.
#[derive(Default)]
struct Chunk {
    start: u64,
    bytes: Vec<u8>,
}

impl Chunk {
    /// `length` bytes from `at` on, which are in the section.
    fn read(
        &mut self,
        file: &File,
        section: (u64, u64),
        at: u64,
        length: u64,
    ) -> io::Result<&[u8]> {
        let end = self.start + self.bytes.len() as u64;
        if at < self.start || at + length > end {
            let wanted = length.max(CHUNK).min(section.1 - at);
            self.bytes.resize(wanted as usize, 0);
            self.start = at;
            file.read_exact_at(&mut self.bytes, section.0 + at)?;
        }
        let from = (at - self.start) as usize;
        Ok(&self.bytes[from..from + length as usize])
    }
}

/// With the length's own bytes.
fn unit_length(start: &[u8]) -> Option<u64> {
    let short = u32::from_le_bytes(*start.first_chunk()?);
    if short != u32::MAX {
        return Some(u64::from(short) + 4);
    }
    u64::from_le_bytes(*start.get(4..)?.first_chunk()?).checked_add(12)
}

/// The same of one unit.
#[derive(Clone, Copy, Default)]
pub struct Unit {
    pub is_hostile: bool,
    is_split: bool,
    /// Where its lines begin in their section.
    lines: Option<u64>,
}

pub fn look_at_unit(
    bytes: &[u8],
    abbreviations: &DebugAbbrev<EndianSlice<'_, LittleEndian>>,
) -> Unit {
    let mut found = Unit::default();
    let mut read = || -> gimli::Result<()> {
        let info = DebugInfo::new(bytes, LittleEndian);
        let Some(unit) = info.units().next()? else {
            return Ok(());
        };
        let abbreviations = unit.abbreviations(abbreviations)?;
        let mut entries = unit.entries_raw(&abbreviations, None)?;
        // The depths of inlined calls that are not closed.
        let mut open: Vec<isize> = Vec::new();
        while !entries.is_empty() {
            let depth = entries.next_depth();
            let Some(abbreviation) = entries.read_abbreviation()? else {
                continue;
            };
            while open.last().is_some_and(|last| *last >= depth) {
                open.pop();
            }
            let names = abbreviation.attributes().iter().map(|one| one.name());
            found.is_split |= depth == 0 && names.into_iter().any(is_other_file);
            if abbreviation.tag() == gimli::DW_TAG_inlined_subroutine {
                open.push(depth);
                if open.len() > DEEPEST {
                    found.is_hostile = true;
                    return Ok(());
                }
            }
            if depth > 0 {
                entries.skip_attributes(abbreviation.attributes())?;
                continue;
            }
            for one in abbreviation.attributes() {
                let attribute = entries.read_attribute(*one)?;
                if one.name() == gimli::DW_AT_stmt_list
                    && let AttributeValue::DebugLineRef(at) = attribute.value()
                {
                    found.lines = Some(at.0 as u64);
                }
            }
        }
        Ok(())
    };
    // What cannot be parsed here cannot be there either.
    let _ = read();
    found
}

fn is_other_file(name: gimli::DwAt) -> bool {
    matches!(name, gimli::DW_AT_dwo_name | gimli::DW_AT_GNU_dwo_name)
}
