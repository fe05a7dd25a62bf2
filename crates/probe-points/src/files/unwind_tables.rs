//! What an object's unwind tables (`.eh_frame`) say of its code: where functions begin and end, also where symbols are stripped,
//! and where the stack is as it was at a function's start. (DWARF 5, 6.4; the x86-64 psABI, 3.7 and 4.2.4.)

use gimli::{
    BaseAddresses, CfaRule, CieOrFde, EhFrame, EndianSlice, FrameDescriptionEntry, Register,
    RunTimeEndian, UnwindContext, UnwindSection,
};
use object::elf::{EM_386, EM_AARCH64, EM_X86_64, PF_R};
use object::read::ReadRef;
use object::{Endian, Endianness};
use std::ops::Range;

use crate::files::elf::Elf;

/// Of the section: browsers have some 30 MiB.
const MOST_BYTES: u64 = 128 << 20;
/// Of one object.
const MOST_FUNCTIONS: usize = 4_000_000;
/// Of one function: each is a change of the stack in its code.
const MOST_ROWS: usize = 20_000;
/// Of one function's entry, and of what it has in common with others. Each may copy all that is known of the registers.
const MOST_ENTRY_BYTES: u64 = 1 << 20;

type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

#[derive(Debug, Default)]
pub struct UnwindTables {
    bytes: Vec<u8>,
    address: u64,
    is_64: bool,
    is_big_endian: bool,
    /// Where the caller's stack begins as a function does: a register and what is added to it.
    at_start: Option<(Register, i64)>,
    /// By where they begin.
    functions: Vec<(Range<u64>, usize)>,
}

/// Of one function: whether the stack is as at its start, from one address to another.
#[derive(Clone, Debug, Default)]
pub struct Heights(Vec<(Range<u64>, bool)>);

impl Heights {
    /// `None`: the tables do not say.
    pub fn is_as_at_start(&self, address: u64) -> Option<bool> {
        let after = self.0.partition_point(|(range, _)| range.start <= address);
        let (range, is) = self.0.get(after.checked_sub(1)?)?;
        range.contains(&address).then_some(*is)
    }
}

impl UnwindTables {
    /// Empty where there are none; up to the first entry that cannot be read.
    pub fn read<'a, R: ReadRef<'a>>(elf: &Elf, data: R) -> Self {
        let mut tables = Self {
            is_64: elf.is_64,
            is_big_endian: elf.endian.is_big_endian(),
            at_start: match elf.machine {
                EM_X86_64 => Some((gimli::X86_64::RSP, 8)),
                EM_386 => Some((gimli::X86::ESP, 4)),
                EM_AARCH64 => Some((gimli::AArch64::SP, 0)),
                _ => None,
            },
            ..Self::default()
        };
        if let Some((address, bytes)) = section(elf, data) {
            tables.address = address;
            tables.bytes = bytes.to_vec();
            tables.functions = tables.listed();
        }
        tables
    }

    /// The code of the function, or of the part of one, that an address is in.
    pub fn holding(&self, address: u64) -> Option<Range<u64>> {
        self.entry(address).map(|(range, _)| range.clone())
    }

    /// Of the function, or of the part of one, that an address is in; empty where nothing is known of it.
    pub fn heights(&self, address: u64) -> Heights {
        self.entry(address)
            .and_then(|(_, offset)| self.rows(*offset))
            .unwrap_or_default()
    }

    /// How many bytes are run to tell the heights of the function that an address is in.
    pub fn cost(&self, address: u64) -> u64 {
        let entry = self.entry(address).and_then(|(_, at)| self.parsed(*at));
        entry.map_or(0, |entry| entry_bytes(&entry))
    }

    /// Whether the function that an address is in catches exceptions, or cleans up after them.
    pub fn has_landing_pads(&self, address: u64) -> bool {
        let entry = self.entry(address).and_then(|(_, at)| self.parsed(*at));
        entry.is_some_and(|entry| entry.lsda().is_some())
    }

    fn parsed(&self, offset: usize) -> Option<FrameDescriptionEntry<Slice<'_>>> {
        let (section, bases) = self.section();
        section
            .fde_from_offset(&bases, offset.into(), |section, bases, offset| {
                section.cie_from_offset(bases, offset)
            })
            .ok()
    }

    fn entry(&self, address: u64) -> Option<&(Range<u64>, usize)> {
        let after = self
            .functions
            .partition_point(|(range, _)| range.start <= address);
        let entry = self.functions.get(after.checked_sub(1)?)?;
        entry.0.contains(&address).then_some(entry)
    }

    fn section(&self) -> (EhFrame<Slice<'_>>, BaseAddresses) {
        let endian = if self.is_big_endian {
            RunTimeEndian::Big
        } else {
            RunTimeEndian::Little
        };
        let mut section = EhFrame::new(&self.bytes, endian);
        section.set_address_size(if self.is_64 { 8 } else { 4 });
        (section, BaseAddresses::default().set_eh_frame(self.address))
    }

    fn listed(&self) -> Vec<(Range<u64>, usize)> {
        let (section, bases) = self.section();
        let mut entries = section.entries(&bases);
        let mut functions = Vec::new();
        while let Ok(Some(entry)) = entries.next() {
            let CieOrFde::Fde(partial) = entry else {
                continue;
            };
            let Ok(entry) =
                partial.parse(|section, bases, offset| section.cie_from_offset(bases, offset))
            else {
                continue;
            };
            let from = entry.initial_address();
            // 0: of a function that the linker has dropped.
            if let Some(to) = from.checked_add(entry.len())
                && from != 0
                && functions.len() < MOST_FUNCTIONS
            {
                functions.push((from..to, entry.offset()));
            }
        }
        functions.sort_unstable_by_key(|(range, _)| range.start);
        functions
    }

    fn rows(&self, offset: usize) -> Option<Heights> {
        let (register, added) = self.at_start?;
        let (section, bases) = self.section();
        let entry = self.parsed(offset)?;
        if entry_bytes(&entry) > MOST_ENTRY_BYTES {
            return None;
        }
        let mut context = UnwindContext::new();
        let mut table = entry.rows(&section, &bases, &mut context).ok()?;
        let mut heights = Vec::new();
        while let Ok(Some(row)) = table.next_row() {
            if heights.len() == MOST_ROWS {
                return None;
            }
            let is_as_at_start = match row.cfa() {
                CfaRule::RegisterAndOffset {
                    register: from,
                    offset,
                } => (*from, *offset) == (register, added),
                CfaRule::Expression(_) => false,
            };
            heights.push((row.start_address()..row.end_address(), is_as_at_start));
        }
        Some(Heights(heights))
    }
}

fn entry_bytes(entry: &FrameDescriptionEntry<Slice<'_>>) -> u64 {
    let bytes = entry.entry_len().saturating_add(entry.cie().entry_len());
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// The address of `.eh_frame`, and its bytes. Where there are no section headers a program header leads to it.
fn section<'a, R: ReadRef<'a>>(elf: &Elf, data: R) -> Option<(u64, &'a [u8])> {
    const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
    if let Some(section) = elf.section(b".eh_frame") {
        let bytes = (section.bytes <= MOST_BYTES).then(|| section.data(data))??;
        return Some((section.address, bytes));
    }
    let header = elf.segments.iter().find(|it| it.kind == PT_GNU_EH_FRAME)?;
    let bytes = data
        .read_bytes_at(header.offset, header.file_bytes.min(16))
        .ok()?;
    // A version, three encodings, and where the section is, most often from here in four bytes (LSB 5, 10.6.2).
    const FROM_HERE_IN_FOUR_BYTES: u8 = 0x1b;
    if bytes.get(..2)? != [1, FROM_HERE_IN_FOUR_BYTES] {
        return None;
    }
    let distance = match elf.endian {
        Endianness::Little => i32::from_le_bytes(*bytes.get(4..)?.first_chunk()?),
        Endianness::Big => i32::from_be_bytes(*bytes.get(4..)?.first_chunk()?),
    };
    let address = (header.address + 4).checked_add_signed(i64::from(distance))?;
    let offset = elf.file_offset(address, PF_R)?;
    let segment = elf
        .segments
        .iter()
        .find(|it| offset >= it.offset && offset - it.offset < it.file_bytes)?;
    let bytes = segment.file_bytes - (offset - segment.offset);
    // It ends before the segment does, at an entry of no length.
    let bytes = data.read_bytes_at(offset, bytes.min(MOST_BYTES)).ok()?;
    Some((address, bytes))
}
