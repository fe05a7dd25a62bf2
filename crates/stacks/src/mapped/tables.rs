//! The unwind tables of a file, read as a whole: a stack needs a few parts of them, many stacks need most.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use gimli::{
    BaseAddresses, CieOrFde, DebugFrame, EhFrame, EndianSlice, FrameDescriptionEntry, LittleEndian,
    UnwindSection,
};
use object::elf::{PT_GNU_EH_FRAME, PT_LOAD, SHT_NOBITS};
use object::read::ReadRef;
use probe_points::elf::{Elf, Section as ElfSection};

use crate::mapped::arch::Arch;
use crate::mapped::eh_frame_header::EhFrameHeader;
use crate::mapped::packed::unpacked;

/// Of one section: several times what the largest programs have.
const LONGEST_SECTION: u64 = 256 << 20;
/// Entries of an index that is made here.
const MOST_ENTRIES: usize = 4 << 20;
/// Of one entry. Those of the longest functions take some KiB.
const LONGEST_ENTRY: usize = 256 << 10;
const SHF_COMPRESSED: u64 = 0x800;

pub type Bytes<'a> = EndianSlice<'a, LittleEndian>;
pub type Fde<'a> = FrameDescriptionEntry<Bytes<'a>>;

/// Where functions begin, ordered, and where in the section their entries are.
type Index = Vec<(u64, u64)>;

#[derive(Debug, Default)]
pub struct Tables {
    pub arch: Option<Arch>,
    header: Vec<u8>,
    header_address: u64,
    eh_frame: Vec<u8>,
    debug_frame: Vec<u8>,
    eh_frame_address: u64,
    bases: BaseAddresses,
    eh_index: OnceLock<Index>,
    debug_index: OnceLock<Index>,
    /// Where a program begins: nothing has called it.
    pub entry: u64,
}

impl Tables {
    /// `left`: bytes that all tables together may still take; what these take is taken from it.
    pub fn read<'a, R: ReadRef<'a>>(elf: &Elf, data: R, left: &AtomicU64) -> Self {
        let mut tables = Self {
            arch: Arch::of_machine(elf.machine).filter(|_| elf.is_64),
            entry: elf.entry,
            ..Self::default()
        };
        if tables.arch.is_none() || elf.endian != object::Endianness::Little {
            return Self::default();
        }
        let address = |name| elf.section(name).map_or(0, |section| section.address);
        tables.bases = BaseAddresses::default()
            .set_text(address(b".text"))
            .set_got(address(b".got"));
        let is_left = |bytes: u64| {
            let update = |left: u64| left.checked_sub(bytes);
            let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
            taken.is_ok()
        };
        let take = |range: Option<(u64, u64)>| {
            let Some((offset, bytes)) = range.filter(|(_, bytes)| *bytes <= LONGEST_SECTION) else {
                return Vec::new();
            };
            if !is_left(bytes) {
                return Vec::new();
            }
            let found = data.read_bytes_at(offset, bytes).map(<[u8]>::to_vec);
            found.unwrap_or_else(|()| {
                left.fetch_add(bytes, Ordering::Relaxed);
                Vec::new()
            })
        };
        tables.header = take(header_range(elf));
        tables.header_address = header_address(elf);
        let (range, at) = tables.eh_frame_range(elf);
        tables.eh_frame = take(range);
        tables.eh_frame_address = at;
        tables.bases = std::mem::take(&mut tables.bases).set_eh_frame(at);
        tables.debug_frame = match elf.section(b".debug_frame") {
            Some(section) if section.flags & SHF_COMPRESSED != 0 => {
                let most = left.load(Ordering::Relaxed).min(LONGEST_SECTION);
                let found = unpacked_section(section, data, most);
                found
                    .filter(|bytes| is_left(bytes.len() as u64))
                    .unwrap_or_default()
            }
            section => take(section.and_then(plain)),
        };
        tables
    }

    #[cfg(test)]
    pub fn of_eh_frame(arch: Arch, eh_frame: Vec<u8>, address: u64) -> Self {
        Self {
            arch: Some(arch),
            eh_frame,
            bases: BaseAddresses::default().set_eh_frame(address),
            ..Self::default()
        }
    }

    /// What they take, as counted when they were read.
    pub fn bytes(&self) -> u64 {
        (self.header.len() + self.eh_frame.len() + self.debug_frame.len()) as u64
    }

    /// The section's; without section headers, what the header points to, until its segment ends.
    fn eh_frame_range(&self, elf: &Elf) -> (Option<(u64, u64)>, u64) {
        if let Some(section) = elf.section(b".eh_frame") {
            return (plain(section), section.address);
        }
        let Some(header) = EhFrameHeader::new(&self.header, self.header_address) else {
            return (None, 0);
        };
        let address = header.eh_frame;
        let range = elf.segments.iter().find_map(|segment| {
            let within = address.checked_sub(segment.address)?;
            let bytes = segment.file_bytes.checked_sub(within)?;
            let is_there = segment.kind == PT_LOAD && bytes > 0;
            is_there.then_some((segment.offset.checked_add(within)?, bytes))
        });
        (range, address)
    }

    pub fn eh_frame(&self) -> EhFrame<Bytes<'_>> {
        let mut section = EhFrame::new(&self.eh_frame, LittleEndian);
        section.set_address_size(8);
        section.set_vendor(self.arch.map_or(gimli::Vendor::Default, Arch::vendor));
        section
    }

    pub fn debug_frame(&self) -> DebugFrame<Bytes<'_>> {
        let mut section = DebugFrame::new(&self.debug_frame, LittleEndian);
        section.set_address_size(8);
        section.set_vendor(self.arch.map_or(gimli::Vendor::Default, Arch::vendor));
        section
    }

    pub fn bases(&self) -> &BaseAddresses {
        &self.bases
    }

    /// The entry of `.eh_frame` for the function that holds an address.
    pub fn eh_entry(&self, address: u64) -> Option<Fde<'_>> {
        let section = self.eh_frame();
        if self.eh_frame.is_empty() {
            return None;
        }
        if let Some(header) = EhFrameHeader::new(&self.header, self.header_address) {
            let entry = header.entry(address)?;
            let offset = entry.checked_sub(self.eh_frame_address)?;
            return entry_at(&section, &self.bases, offset, address);
        }
        let index = self.eh_index.get_or_init(|| index(&section, &self.bases));
        indexed(&section, &self.bases, index, address)
    }

    /// The same of `.debug_frame`.
    pub fn debug_entry(&self, address: u64) -> Option<Fde<'_>> {
        if self.debug_frame.is_empty() {
            return None;
        }
        let section = self.debug_frame();
        let index = self
            .debug_index
            .get_or_init(|| index(&section, &self.bases));
        indexed(&section, &self.bases, index, address)
    }
}

fn header_range(elf: &Elf) -> Option<(u64, u64)> {
    if let Some(section) = elf.section(b".eh_frame_hdr") {
        return plain(section);
    }
    let mut segments = elf.segments.iter();
    let segment = segments.find(|segment| segment.kind == PT_GNU_EH_FRAME)?;
    Some((segment.offset, segment.file_bytes))
}

fn header_address(elf: &Elf) -> u64 {
    if let Some(section) = elf.section(b".eh_frame_hdr") {
        return section.address;
    }
    let mut segments = elf.segments.iter();
    let segment = segments.find(|segment| segment.kind == PT_GNU_EH_FRAME);
    segment.map_or(0, |segment| segment.address)
}

/// As Go packs it.
fn unpacked_section<'a, R: ReadRef<'a>>(
    section: &ElfSection,
    data: R,
    most: u64,
) -> Option<Vec<u8>> {
    let is_short = section.kind != SHT_NOBITS && section.bytes <= most;
    let packed = is_short.then(|| section.data(data)).flatten()?;
    unpacked(packed, most).ok()
}

fn plain(section: &ElfSection) -> Option<(u64, u64)> {
    let is_there = section.kind != SHT_NOBITS && section.flags & SHF_COMPRESSED == 0;
    is_there.then_some((section.offset, section.bytes))
}

fn index<'a, S>(section: &S, bases: &BaseAddresses) -> Index
where
    S: UnwindSection<Bytes<'a>>,
{
    let mut found = Vec::new();
    let mut entries = section.entries(bases);
    // As far as it can be understood.
    while let Ok(Some(entry)) = entries.next() {
        if let CieOrFde::Fde(partial) = entry
            && let Ok(fde) = partial.parse(S::cie_from_offset)
        {
            found.push((fde.initial_address(), fde.offset() as u64));
        }
        if found.len() >= MOST_ENTRIES {
            break;
        }
    }
    found.sort_unstable();
    found
}

fn indexed<'a, S>(
    section: &S,
    bases: &BaseAddresses,
    index: &Index,
    address: u64,
) -> Option<Fde<'a>>
where
    S: UnwindSection<Bytes<'a>>,
{
    let last = index.partition_point(|(start, _)| *start <= address);
    let (_, offset) = index.get(last.checked_sub(1)?)?;
    entry_at(section, bases, *offset, address)
}

fn entry_at<'a, S>(section: &S, bases: &BaseAddresses, offset: u64, address: u64) -> Option<Fde<'a>>
where
    S: UnwindSection<Bytes<'a>>,
{
    let offset = S::Offset::from(usize::try_from(offset).ok()?);
    let fde = section.fde_from_offset(bases, offset, S::cie_from_offset);
    // Otherwise to run it takes too long.
    let is_short =
        |fde: &Fde<'_>| fde.entry_len() <= LONGEST_ENTRY && fde.cie().entry_len() <= LONGEST_ENTRY;
    fde.ok()
        .filter(|fde| fde.contains(address) && is_short(fde))
}
