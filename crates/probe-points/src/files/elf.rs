//! The frame of an ELF file: segments, sections, notes. Owned and small; the tables that sections hold are read by those
//! who need them.
//!
//! Generic over how the bytes are read, so that the same code runs on a file and on a fuzzer's buffer.

use object::elf::{
    ELFCLASS32, ELFCLASS64, ELFMAG, FileHeader32, FileHeader64, PF_W, PF_X, PT_LOAD, SHT_NOBITS,
};
use object::read::ReadRef;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::{Endian, Endianness};

use crate::error::{Error, Result};

/// Programs have some forty sections and a dozen segments.
const MOST_HEADERS: usize = 100_000;
/// Longer names are cut: none of those looked for is.
const LONGEST_SECTION_NAME: usize = 64;
/// Of the names of all sections. It is read whole, of every mapped file.
const MOST_NAME_BYTES: u64 = 8 << 20;
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
    pub sections: Vec<Section>,
}

/// A note's parts, which are slices of its section's.
pub struct RawNote<'a> {
    pub kind: u32,
    /// With the NUL that ends it.
    pub name: &'a [u8],
    pub description: &'a [u8],
}

impl Elf {
    pub fn parse<'a, R: ReadRef<'a>>(data: R) -> Result<Self> {
        let identity = data
            .read_bytes_at(0, 5)
            .map_err(|()| Error::corrupt("it is too short"))?;
        if !identity.starts_with(&ELFMAG) {
            return Err(Error::corrupt("it does not begin as one"));
        }
        match identity[4] {
            ELFCLASS32 => Self::of_class::<FileHeader32<Endianness>, R>(data, false),
            ELFCLASS64 => Self::of_class::<FileHeader64<Endianness>, R>(data, true),
            _ => Err(Error::corrupt("neither 32 nor 64 bits")),
        }
    }

    fn of_class<'a, H, R>(data: R, is_64: bool) -> Result<Self>
    where
        H: FileHeader<Endian = Endianness>,
        R: ReadRef<'a>,
    {
        let corrupt = |error| Error::corrupt(error);
        let header = H::parse(data).map_err(corrupt)?;
        let endian = header.endian().map_err(corrupt)?;
        let programs = header.program_headers(endian, data).map_err(corrupt)?;
        let sections = header.section_headers(endian, data).map_err(corrupt)?;
        if programs.len().max(sections.len()) > MOST_HEADERS {
            return Err(Error::corrupt("too many sections or segments"));
        }
        let names = match header.shstrndx(endian, data) {
            Ok(index) => sections.get(index as usize),
            Err(_) => None,
        };
        let names = names
            .filter(|section| section.sh_size(endian).into() <= MOST_NAME_BYTES)
            .and_then(|section| section.data(endian, data).ok())
            .unwrap_or_default();
        Ok(Self {
            is_64,
            endian,
            machine: header.e_machine(endian),
            entry: header.e_entry(endian).into(),
            length: data.len().map_err(|()| Error::corrupt("no length"))?,
            segments: programs
                .iter()
                .map(|program| Segment {
                    kind: program.p_type(endian),
                    flags: program.p_flags(endian),
                    offset: program.p_offset(endian).into(),
                    address: program.p_vaddr(endian).into(),
                    file_bytes: program.p_filesz(endian).into(),
                })
                .collect(),
            sections: sections
                .iter()
                .map(|section| Section {
                    name: string(names, section.sh_name(endian), LONGEST_SECTION_NAME)
                        .unwrap_or_default()
                        .to_vec(),
                    kind: section.sh_type(endian),
                    flags: section.sh_flags(endian).into(),
                    address: section.sh_addr(endian).into(),
                    offset: section.sh_offset(endian).into(),
                    bytes: section.sh_size(endian).into(),
                    link: section.sh_link(endian),
                })
                .collect(),
        })
    }

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
