//! Debug information is looked at before blazesym gets it, which follows inlined calls by recursion, as deep as they are
//! nested: a hostile file would make the stack overflow, and that cannot be caught.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use gimli::{DebugAbbrev, DebugInfo, EndianSlice, LittleEndian};

/// Inlined calls within each other. Optimizers stop long before.
const DEEPEST: usize = 256;
/// Of one compilation unit. With link-time optimization a whole program may be one.
const LONGEST_UNIT: u64 = 256 << 20;
/// It goes through some 200 MB/s, unless every unit has its own large table of abbreviations.
const LONGEST: Duration = Duration::from_secs(10);

/// What is to be known of debug information before it is used.
#[derive(Clone, Copy, Default)]
pub struct Found {
    /// Inlined calls are nested too deep, or it takes too long to look.
    pub is_hostile: bool,
    /// Some of it is in other files.
    pub is_split: bool,
}

/// Goes through all of it. `info` and `abbrev`: where the sections are in the file, offset and bytes.
pub fn look(file: &File, info: (u64, u64), abbrev: (u64, u64)) -> io::Result<Found> {
    let mut abbreviations = vec![0; abbrev.1 as usize];
    file.read_exact_at(&mut abbreviations, abbrev.0)?;
    let abbreviations = DebugAbbrev::new(&abbreviations, LittleEndian);
    let begin = Instant::now();
    let mut at = 0;
    let mut bytes = Vec::new();
    let mut found = Found::default();
    while at < info.1 {
        let mut start = [0; 12];
        let available = (info.1 - at).min(12) as usize;
        file.read_exact_at(&mut start[..available], info.0 + at)?;
        let Some(length) = unit_length(&start).filter(|length| *length <= info.1 - at) else {
            // Nothing behind it is reached by any reader.
            return Ok(found);
        };
        if length > LONGEST_UNIT || begin.elapsed() > LONGEST {
            found.is_hostile = true;
            return Ok(found);
        }
        bytes.resize(length as usize, 0);
        file.read_exact_at(&mut bytes, info.0 + at)?;
        let unit = look_at_unit(&bytes, &abbreviations);
        found.is_split |= unit.is_split;
        found.is_hostile = unit.is_hostile;
        if found.is_hostile {
            return Ok(found);
        }
        at += length;
    }
    Ok(found)
}

/// With the length's own bytes.
fn unit_length(start: &[u8; 12]) -> Option<u64> {
    let short = u32::from_le_bytes(*start.first_chunk()?);
    if short != u32::MAX {
        return Some(u64::from(short) + 4);
    }
    u64::from_le_bytes(*start.last_chunk()?).checked_add(12)
}

/// The same of one unit.
pub fn look_at_unit(
    bytes: &[u8],
    abbreviations: &DebugAbbrev<EndianSlice<'_, LittleEndian>>,
) -> Found {
    let mut found = Found::default();
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
            entries.skip_attributes(abbreviation.attributes())?;
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
