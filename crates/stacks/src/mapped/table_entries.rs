//! The entries of unwind tables, found by the address of a function.

use std::collections::HashMap;

use gimli::{
    BaseAddresses, CieOrFde, CommonInformationEntry, EndianSlice, FrameDescriptionEntry,
    LittleEndian, Section, UnwindOffset, UnwindSection,
};

/// Entries of an index that is made here.
const MOST_ENTRIES: usize = 4 << 20;
/// Of one entry. Those of the longest functions take some KiB. What it costs to run it is another question (`unwind::cost`).
const LONGEST_ENTRY: usize = 256 << 10;
/// Of what entries have in common: some tens of bytes. It is parsed again for each entry that is looked at.
const LONGEST_COMMON: usize = 4 << 10;
/// To find an entry and to parse it, in units of effort (`mapped::effort`); for each so many bytes of what is in common one more.
const ENTRY_UNITS: u64 = 4;
const COMMON_BYTES_PER_UNIT: usize = 8;
/// For one index. The largest programs take some four million.
const MOST_INDEX_UNITS: u64 = 32 << 20;

pub type Bytes<'a> = EndianSlice<'a, LittleEndian>;
pub type Fde<'a> = FrameDescriptionEntry<Bytes<'a>>;

/// Where functions begin, ordered, and where in the section their entries are.
pub type Index = Vec<(u64, u64)>;

/// What several entries have in common, by where it is.
type Commons<'a> = HashMap<usize, CommonInformationEntry<Bytes<'a>>>;

pub fn index<'a, S>(section: &S, bases: &BaseAddresses, units: &mut u64) -> Index
where
    S: UnwindSection<Bytes<'a>> + Section<Bytes<'a>>,
{
    let mut found = Vec::new();
    let mut entries = section.entries(bases);
    let mut commons = Commons::new();
    let mut own = 0;
    // As far as it can be understood, in bearable time.
    while let Ok(Some(entry)) = entries.next() {
        own += ENTRY_UNITS;
        if let CieOrFde::Fde(partial) = entry
            && let Ok(fde) = partial.parse(|section: &S, bases, offset| {
                let at = UnwindOffset::into(offset);
                if let Some(known) = commons.get(&at) {
                    return Ok(known.clone());
                }
                let common = common(section, bases, offset, &mut own)?;
                Ok(commons.entry(at).or_insert(common).clone())
            })
        {
            found.push((fde.initial_address(), fde.offset() as u64));
        }
        if found.len() >= MOST_ENTRIES || own > MOST_INDEX_UNITS {
            break;
        }
    }
    *units += own;
    found.sort_unstable();
    found
}

pub fn indexed<'a, S>(
    section: &S,
    bases: &BaseAddresses,
    index: &Index,
    address: u64,
    units: &mut u64,
) -> Option<Fde<'a>>
where
    S: UnwindSection<Bytes<'a>> + Section<Bytes<'a>>,
{
    let last = index.partition_point(|(start, _)| *start <= address);
    let (_, offset) = index.get(last.checked_sub(1)?)?;
    entry_at(section, bases, *offset, address, units)
}

pub fn entry_at<'a, S>(
    section: &S,
    bases: &BaseAddresses,
    offset: u64,
    address: u64,
    units: &mut u64,
) -> Option<Fde<'a>>
where
    S: UnwindSection<Bytes<'a>> + Section<Bytes<'a>>,
{
    *units += ENTRY_UNITS;
    let offset = S::Offset::from(usize::try_from(offset).ok()?);
    let parse = |section: &S, bases: &_, offset| common(section, bases, offset, units);
    let fde = section.fde_from_offset(bases, offset, parse);
    // Otherwise even to count what it takes takes too long.
    let is_short = |fde: &Fde<'_>| fde.entry_len() <= LONGEST_ENTRY;
    fde.ok()
        .filter(|fde| fde.contains(address) && is_short(fde))
}

/// What an entry has in common with others, if it is as short as that should be: gimli goes through all of its augmentations.
fn common<'a, S>(
    section: &S,
    bases: &BaseAddresses,
    offset: S::Offset,
    units: &mut u64,
) -> gimli::Result<CommonInformationEntry<Bytes<'a>>>
where
    S: UnwindSection<Bytes<'a>> + Section<Bytes<'a>>,
{
    let at: usize = UnwindOffset::into(offset);
    let start = section.reader().slice().get(at..).unwrap_or_default();
    let number = |bytes: &[u8]| bytes.first_chunk().map(|first| u32::from_le_bytes(*first));
    // 64-bit DWARF begins with a length that is none, and has its own after that.
    let length = match number(start) {
        Some(u32::MAX) => start.get(4..).and_then(number),
        length => length,
    };
    let length = length.map_or(usize::MAX, |length| length as usize);
    if length > LONGEST_COMMON {
        return Err(gimli::Error::NotCieId(at as u64));
    }
    *units += (length / COMMON_BYTES_PER_UNIT) as u64;
    section.cie_from_offset(bases, offset)
}
