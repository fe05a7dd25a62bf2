//! The unwind tables of a file, read as a whole: a stack needs a few parts of them, many stacks need most.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use gimli::{BaseAddresses, DebugFrame, EhFrame, LittleEndian};
use object::elf::{CompressionHeader64, PT_GNU_EH_FRAME, PT_LOAD, SHT_NOBITS};
use object::read::ReadRef;
use probe_points::elf::{Elf, Section as ElfSection};

use crate::mapped::arch::Arch;
use crate::mapped::eh_frame_header::EhFrameHeader;
use crate::mapped::packed::unpacked;
use crate::mapped::table_entries::{Bytes, Fde, Index, entry_at, index, indexed};

/// Of one section: several times what the largest programs have.
const LONGEST_SECTION: u64 = 256 << 20;
const SHF_COMPRESSED: u64 = 0x800;

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
    /// That were copied, unpacked or compared for them, in vain or not.
    worked_bytes: u64,
    is_of_debug_file: bool,
}

impl Tables {
    /// `left`: bytes that all tables together may still take; what these take is taken from it.
    pub fn read<'a, R: ReadRef<'a>>(elf: &Elf, data: R, left: &AtomicU64) -> Self {
        let Some(mut tables) = Self::of_machine(elf) else {
            return Self::default();
        };
        let address = |name| elf.section(name).map_or(0, |section| section.address);
        tables.bases = BaseAddresses::default()
            .set_text(address(b".text"))
            .set_got(address(b".got"));
        tables.header = tables.take(header_range(elf), data, left);
        tables.header_address = header_address(elf);
        let (range, at) = tables.eh_frame_range(elf);
        tables.eh_frame = tables.take(range, data, left);
        tables.eh_frame_address = at;
        tables.bases = std::mem::take(&mut tables.bases).set_eh_frame(at);
        let header = EhFrameHeader::new(&tables.header, tables.header_address);
        if header.is_some_and(|header| !header.is_in_order()) {
            // An index is made instead.
            left.fetch_add(tables.header.len() as u64, Ordering::Relaxed);
            tables.header = Vec::new();
        }
        tables.take_debug_frame(elf, data, left);
        tables
    }

    /// Without any. `None`: of a machine whose tables are not read.
    fn of_machine(elf: &Elf) -> Option<Self> {
        let arch = Arch::of_machine(elf.machine).filter(|_| elf.is_64)?;
        (elf.endian == object::Endianness::Little).then(|| Self {
            arch: Some(arch),
            ..Self::default()
        })
    }

    /// Of a debug file: what its program lacks.
    pub fn of_debug_file<'a, R: ReadRef<'a>>(elf: &Elf, data: R, left: &AtomicU64) -> Self {
        let Some(mut tables) = Self::of_machine(elf) else {
            return Self::default();
        };
        tables.is_of_debug_file = true;
        tables.take_debug_frame(elf, data, left);
        tables
    }

    fn take_debug_frame<'a, R: ReadRef<'a>>(&mut self, elf: &Elf, data: R, left: &AtomicU64) {
        self.debug_frame = match elf.section(b".debug_frame") {
            Some(section) if section.flags & SHF_COMPRESSED != 0 => {
                self.worked_bytes += unpacked_bytes(section, data).min(LONGEST_SECTION);
                let most = left.load(Ordering::Relaxed).min(LONGEST_SECTION);
                let found = unpacked_section(section, data, most);
                found
                    .filter(|bytes| is_left(left, bytes.len() as u64))
                    .unwrap_or_default()
            }
            section => self.take(section.and_then(plain), data, left),
        };
    }

    /// A copy of so many bytes from there on; empty if they are too many, or outside of the file.
    fn take<'a, R: ReadRef<'a>>(
        &mut self,
        range: Option<(u64, u64)>,
        data: R,
        left: &AtomicU64,
    ) -> Vec<u8> {
        let Some((offset, bytes)) = range.filter(|(_, bytes)| *bytes <= LONGEST_SECTION) else {
            return Vec::new();
        };
        self.worked_bytes += bytes;
        if !is_left(left, bytes) {
            return Vec::new();
        }
        let found = data.read_bytes_at(offset, bytes).map(<[u8]>::to_vec);
        found.unwrap_or_else(|()| {
            left.fetch_add(bytes, Ordering::Relaxed);
            Vec::new()
        })
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

    /// What it took to read them.
    pub fn worked_bytes(&self) -> u64 {
        self.worked_bytes
    }

    /// To find them took that as well.
    pub fn with_work(mut self, bytes: u64) -> Self {
        self.worked_bytes += bytes;
        self
    }

    /// They are not of the program itself.
    pub fn is_of_debug_file(&self) -> bool {
        self.is_of_debug_file
    }

    pub fn has_debug_frame(&self) -> bool {
        !self.debug_frame.is_empty()
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

    /// The entry of `.eh_frame` for the function that holds an address. `units`: what it takes is added to them.
    pub fn eh_entry(&self, address: u64, units: &mut u64) -> Option<Fde<'_>> {
        let section = self.eh_frame();
        if self.eh_frame.is_empty() {
            return None;
        }
        if let Some(header) = EhFrameHeader::new(&self.header, self.header_address) {
            let entry = header.entry(address)?;
            let offset = entry.checked_sub(self.eh_frame_address)?;
            return entry_at(&section, &self.bases, offset, address, units);
        }
        let make = || index(&section, &self.bases, units);
        let index = self.eh_index.get_or_init(make);
        indexed(&section, &self.bases, index, address, units)
    }

    /// The same of `.debug_frame`.
    pub fn debug_entry(&self, address: u64, units: &mut u64) -> Option<Fde<'_>> {
        if self.debug_frame.is_empty() {
            return None;
        }
        let section = self.debug_frame();
        let make = || index(&section, &self.bases, units);
        let index = self.debug_index.get_or_init(make);
        indexed(&section, &self.bases, index, address, units)
    }
}

/// Takes so many bytes of those that are left, if they are.
fn is_left(left: &AtomicU64, bytes: u64) -> bool {
    let update = |left: u64| left.checked_sub(bytes);
    let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
    taken.is_ok()
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

/// As many as the section says that it becomes.
fn unpacked_bytes<'a, R: ReadRef<'a>>(section: &ElfSection, data: R) -> u64 {
    data.read_at::<CompressionHeader64<object::endian::LittleEndian>>(section.offset)
        .map_or(0, |header| header.ch_size.get(object::endian::LittleEndian))
}

fn plain(section: &ElfSection) -> Option<(u64, u64)> {
    let is_there = section.kind != SHT_NOBITS && section.flags & SHF_COMPRESSED == 0;
    is_there.then_some((section.offset, section.bytes))
}
