//! Reading the frame of an ELF file.

use object::Endianness;
use object::elf::{ELFCLASS32, ELFCLASS64, ELFMAG, FileHeader32, FileHeader64};
use object::read::ReadRef;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};

use crate::error::{Error, Result};
use crate::files::elf::{Elf, Section, Segment, string};
use crate::files::sectionless;

/// Programs have some forty sections and a dozen segments.
const MOST_HEADERS: usize = 100_000;
/// Longer names are cut: none of those looked for is.
const LONGEST_SECTION_NAME: usize = 64;
/// Of the names of all sections. It is read whole, of every mapped file.
const MOST_NAME_BYTES: u64 = 8 << 20;

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
        let mut elf = Self {
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
            has_section_headers: !sections.is_empty(),
        };
        if !elf.has_section_headers {
            elf.sections = sectionless::sections(&elf, data);
        }
        Ok(elf)
    }
}
