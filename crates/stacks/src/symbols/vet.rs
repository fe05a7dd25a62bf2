//! Debug information is looked at before blazesym gets it, which follows inlined calls by recursion, as deep as they are
//! nested: a hostile file would make the stack overflow, and that cannot be caught.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use gimli::{AttributeValue, DebugAbbrev, DebugInfo, EndianSlice, LittleEndian};

use crate::symbols::grant::Grant;
use crate::symbols::line_headers::LineHeaders;
use crate::symbols::range_lists::{List, RangeLists};
use crate::symbols::section_part::SectionPart;

/// Inlined calls within each other. Optimizers stop long before.
const DEEPEST: usize = 256;
/// Of one compilation unit. With link-time optimization a whole program may be one.
const LONGEST_UNIT: u64 = 256 << 20;
/// The shortest unit is of nothing but its header: what is said to be shorter is none, and no reader goes on behind it.
const SHORTEST_UNIT: u64 = 11;
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
    pub ranges: (u64, u64),
    pub range_lists: (u64, u64),
}

/// Goes through all of it, at some 200 MB/s, unless every unit has its own large table of abbreviations.
pub fn look(file: &File, places: Places, grant: &mut Grant) -> io::Result<Found> {
    let Places { info, abbrev, .. } = places;
    let mut abbreviations = vec![0; abbrev.1 as usize];
    file.read_exact_at(&mut abbreviations, abbrev.0)?;
    let abbreviations = DebugAbbrev::new(&abbreviations, LittleEndian);
    let mut lines = LineHeaders::new(file, places.line);
    let mut ranges = RangeLists::new(file, places.ranges, places.range_lists);
    let mut units = SectionPart::new(file, info);
    let mut at = 0;
    let mut found = Found::default();
    let mut count = 0u32;
    while at < info.1 {
        let start = units.read(at, 12)?;
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
        let mut all_ranges = true;
        let unit = look_at_unit(
            units.read(at, length)?,
            &abbreviations,
            |list, version, base| {
                all_ranges = ranges.may_be_read(list, version, base)?;
                Ok(all_ranges)
            },
        )?;
        found.is_split |= unit.is_split;
        found.is_hostile = unit.is_hostile || !all_ranges || !lines.may_be_read(unit.lines)?;
        if found.is_hostile {
            return Ok(found);
        }
        at += length;
    }
    Ok(found)
}

/// With the length's own bytes.
fn unit_length(start: &[u8]) -> Option<u64> {
    let short = u32::from_le_bytes(*start.first_chunk()?);
    if short != u32::MAX {
        return Some(u64::from(short) + 4);
    }
    u64::from_le_bytes(*start.get(4..)?.first_chunk()?).checked_add(12)
}

/// What is to be known of one unit.
#[derive(Clone, Copy, Default)]
pub struct Unit {
    pub is_hostile: bool,
    is_split: bool,
    /// Where its lines begin in their section.
    lines: Option<u64>,
}

/// `visit`: the lists of addresses that it refers to, with its version, and where its lists begin; false: no more of it.
pub fn look_at_unit(
    bytes: &[u8],
    abbreviations: &DebugAbbrev<EndianSlice<'_, LittleEndian>>,
    mut visit: impl FnMut(List, u16, u64) -> io::Result<bool>,
) -> io::Result<Unit> {
    let mut found = Unit::default();
    let mut failed = Ok(());
    let mut read = || -> gimli::Result<()> {
        let info = DebugInfo::new(bytes, LittleEndian);
        let Some(unit) = info.units().next()? else {
            return Ok(());
        };
        let abbreviations = unit.abbreviations(abbreviations)?;
        let mut entries = unit.entries_raw(&abbreviations, None)?;
        // The depths of inlined calls that are not closed.
        let mut open: Vec<isize> = Vec::new();
        let mut base = 0;
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
            let has_ranges = depth == 0 || may_have_ranges(abbreviation);
            if !has_ranges {
                entries.skip_attributes(abbreviation.attributes())?;
                continue;
            }
            let mut list = None;
            for one in abbreviation.attributes() {
                match entries.read_attribute(*one)?.value() {
                    AttributeValue::DebugLineRef(at) if depth == 0 => {
                        found.lines = Some(at.0 as u64);
                    }
                    AttributeValue::DebugRngListsBase(at) => base = at.0 as u64,
                    AttributeValue::RangeListsRef(at) => list = Some(List::At(at.0 as u64)),
                    AttributeValue::DebugRngListsIndex(index) => {
                        list = Some(List::Index(index.0 as u64));
                    }
                    _ => {}
                }
            }
            if let Some(list) = list {
                match visit(list, unit.version(), base) {
                    Ok(true) => {}
                    Ok(false) => return Ok(()),
                    Err(why) => {
                        failed = Err(why);
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    };
    // What cannot be parsed here cannot be there either.
    let _ = read();
    failed.map(|()| found)
}

/// Of those whose addresses are looked at.
fn may_have_ranges(abbreviation: &gimli::Abbreviation) -> bool {
    let is_function = matches!(
        abbreviation.tag(),
        gimli::DW_TAG_subprogram | gimli::DW_TAG_inlined_subroutine
    );
    let mut attributes = abbreviation.attributes().iter();
    is_function && attributes.any(|one| one.name() == gimli::DW_AT_ranges)
}

fn is_other_file(name: gimli::DwAt) -> bool {
    matches!(name, gimli::DW_AT_dwo_name | gimli::DW_AT_GNU_dwo_name)
}
