//! The frame of an ELF file: segments, sections, notes. Owned and small; the tables that sections hold are read by those
//! who need them.
//!
//! Generic over how the bytes are read, so that the same code runs on a file and on a fuzzer's buffer.

use object::elf::{PF_W, PF_X, PT_LOAD, SHT_NOBITS};
use object::read::ReadRef;
use object::{Endian, Endianness};

/// Of a section with a note, or with a link to another file.
pub const LONGEST_NOTE: u64 = 64 << 10;

#[derive(Debug)]
pub struct Segment {
    pub kind: u32,
    pub flags: u32,
    pub offset: u64,
    pub address: u64,
    pub file_bytes: u64,
}

#[derive(Debug)]
pub struct Section {
    pub name: Vec<u8>,
    pub kind: u32,
    pub flags: u64,
    pub address: u64,
    pub offset: u64,
    pub bytes: u64,
    pub link: u32,
}

#[derive(Debug)]
pub struct Elf {
    pub is_64: bool,
    pub endian: Endianness,
    pub machine: u16,
    /// The address where a program begins.
    pub entry: u64,
    /// Of the file, in bytes.
    pub length: u64,
    pub segments: Vec<Segment>,
    /// Where the file has no section headers, those that can be found without.
    pub sections: Vec<Section>,
    pub has_section_headers: bool,
}

/// A note's parts, which are slices of its section's.
pub struct RawNote<'a> {
    pub kind: u32,
    /// With the NUL that ends it.
    pub name: &'a [u8],
    pub description: &'a [u8],
}

impl Elf {
    pub fn section(&self, name: &[u8]) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// Whether Go's linker made it.
    pub fn is_go(&self) -> bool {
        self.section(b".go.buildinfo").is_some()
    }

    /// Where in the file the instruction at an address is; `None`: no executable segment holds it.
    pub fn code_offset(&self, address: u64) -> Option<u64> {
        self.file_offset(address, PF_X)
    }

    /// The reverse.
    pub fn code_address(&self, offset: u64) -> Option<u64> {
        let segment = self.segments.iter().find(|segment| {
            segment.kind == PT_LOAD
                && segment.flags & PF_X != 0
                && offset >= segment.offset
                && offset - segment.offset < segment.file_bytes
        })?;
        (offset - segment.offset).checked_add(segment.address)
    }

    /// Where in the file the variable at an address is.
    pub fn data_offset(&self, address: u64) -> Option<u64> {
        self.file_offset(address, PF_W)
    }

    pub fn file_offset(&self, address: u64, flags: u32) -> Option<u64> {
        let segment = self.segments.iter().find(|segment| {
            segment.kind == PT_LOAD
                && segment.flags & flags == flags
                && address >= segment.address
                && address - segment.address < segment.file_bytes
        })?;
        let offset = (address - segment.address).checked_add(segment.offset)?;
        (offset < self.length).then_some(offset)
    }

    pub fn word(&self, bytes: &[u8]) -> Option<(u64, usize)> {
        if self.is_64 {
            let word = bytes.first_chunk()?;
            Some((self.endian.read_u64(*word), 8))
        } else {
            let word = bytes.first_chunk()?;
            Some((u64::from(self.endian.read_u32(*word)), 4))
        }
    }

    /// The notes of a section, until one is malformed.
    pub fn notes<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = RawNote<'a>> + use<'a> {
        let endian = self.endian;
        let mut rest = bytes;
        std::iter::from_fn(move || {
            let word = |at: usize| {
                let word = rest.get(at..)?.first_chunk()?;
                Some(endian.read_u32(*word))
            };
            let (name_bytes, description_bytes) = (word(0)? as usize, word(4)? as usize);
            let kind = word(8)?;
            let name_end = 12usize.checked_add(name_bytes)?;
            let description_from = name_end.checked_next_multiple_of(4)?;
            let end = description_from.checked_add(description_bytes)?;
            let note = RawNote {
                kind,
                name: rest.get(12..name_end)?,
                description: rest.get(description_from..end)?,
            };
            // The last one may lack the padding.
            rest = rest
                .get(end.checked_next_multiple_of(4)?..)
                .unwrap_or_default();
            Some(note)
        })
    }

    pub fn build_id<'a, R: ReadRef<'a>>(&self, data: R) -> Option<Vec<u8>> {
        const NT_GNU_BUILD_ID: u32 = 3;
        /// As long as SHA-512.
        const LONGEST: usize = 64;
        let section = self.section(b".note.gnu.build-id")?;
        let bytes = section.short_data(data, LONGEST_NOTE)?;
        self.notes(bytes)
            .find(|note| note.kind == NT_GNU_BUILD_ID && note.name == b"GNU\0")
            .map(|note| note.description.to_vec())
            .filter(|id| (2..=LONGEST).contains(&id.len()))
    }
}

impl Section {
    /// `None`: it lies outside of the file.
    pub fn data<'a, R: ReadRef<'a>>(&self, data: R) -> Option<&'a [u8]> {
        if self.kind == SHT_NOBITS {
            return Some(&[]);
        }
        data.read_bytes_at(self.offset, self.bytes).ok()
    }

    /// The same, if it is no longer than that: a file may say that anything is as long as itself.
    pub fn short_data<'a, R: ReadRef<'a>>(&self, data: R, longest: u64) -> Option<&'a [u8]> {
        (self.bytes <= longest).then(|| self.data(data)).flatten()
    }
}

/// A string of a string table's; `None`: it has no end within that length.
pub fn string(table: &[u8], offset: u32, longest: usize) -> Option<&[u8]> {
    let rest = table.get(offset as usize..)?;
    let rest = &rest[..rest.len().min(longest + 1)];
    let end = rest.iter().position(|&byte| byte == 0)?;
    Some(&rest[..end])
}
