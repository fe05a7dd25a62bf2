//! An ELF file written anew with some of its sections, so that nobody else can cut or change it while it is mapped.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use object::Endianness;
use object::elf::{
    ET_DYN, ET_EXEC, FileHeader64, ProgramHeader64, SHF_COMPRESSED, SHN_LORESERVE, SHT_NOBITS,
    SHT_STRTAB, SectionHeader64,
};
use object::endian::{LittleEndian, U16, U32, U64};
use object::pod::bytes_of;
use object::read::ReadRef;
use probe_points::cache::Cache;
use probe_points::elf::{Elf, Section};

use crate::mapped::memory_file;
use crate::mapped::packed::{announced_bytes, invalid, section_bytes};
use crate::symbols::grant::Grant;

type Header = FileHeader64<LittleEndian>;
type SectionHeader = SectionHeader64<LittleEndian>;
const LE: LittleEndian = LittleEndian;
const CHUNK: usize = 1 << 20;

/// What becomes of a section.
pub enum Part {
    /// Its header stays, so that symbols' section numbers stay right.
    Leave,
    Copy,
    Replace(Vec<u8>),
}

/// A section that was written: where it is in the new file, offset and bytes.
pub type Places = Vec<(Vec<u8>, (u64, u64))>;

/// `part` says what becomes of each section, once. At most so many bytes are written, and none if all would be more than is granted.
pub fn write(
    file: &File,
    elf: &Elf,
    data: &Cache<'_>,
    most_bytes: u64,
    grant: &mut Grant,
    part: impl FnMut(&Section) -> Part,
) -> io::Result<(File, Places)> {
    if !elf.is_64 || elf.endian != Endianness::Little {
        return Err(invalid("not of 64 bits, little-endian"));
    }
    let mut header: Header = *pod(data, 0)?;
    if !elf.has_section_headers {
        let count = u16::try_from(elf.sections.len()).unwrap_or(SHN_LORESERVE);
        header.e_shentsize = U16::new(LE, size_of::<SectionHeader>() as u16);
        header.e_shnum = U16::new(LE, count.saturating_add(1));
        header.e_shstrndx = U16::new(LE, count);
    }
    let count = usize::from(header.e_shnum.get(LE));
    let there = count - usize::from(!elf.has_section_headers);
    let is_plain = there == elf.sections.len() && count < usize::from(SHN_LORESERVE);
    let names_index = usize::from(header.e_shstrndx.get(LE));
    if !is_plain || names_index >= count {
        return Err(invalid("too many sections"));
    }
    let parts: Vec<Part> = elf.sections.iter().map(part).collect();
    let copied = elf.sections.iter().zip(&parts);
    let copied = copied.filter(|(_, part)| matches!(part, Part::Copy));
    let bytes = copied.map(|(section, _)| announced_bytes(file, section));
    let bytes: u64 = bytes.fold(0, u64::saturating_add);
    if bytes > most_bytes {
        return Err(invalid("its symbols are too large"));
    }
    grant.take(bytes)?;
    let mut out = Out {
        file: memory_file::empty()?,
        left: most_bytes,
    };
    out.write(&[0; size_of::<Header>()])?;
    let programs = usize::from(header.e_phnum.get(LE)) * size_of::<ProgramHeader64<LittleEndian>>();
    let programs = data.read_bytes_at(header.e_phoff.get(LE), programs as u64);
    let at = out.write(programs.map_err(|()| invalid("no segments"))?)?;
    header.e_phoff = U64::new(LE, at);
    let (mut headers, mut names, mut places) = (Vec::new(), vec![0], Places::new());
    for (index, (section, part)) in elf.sections.iter().zip(parts).enumerate() {
        if grant.is_over() {
            return Err(invalid("to copy them takes too long"));
        }
        let mut new = match elf.has_section_headers {
            true => {
                let at = header.e_shoff.get(LE) + (index * size_of::<SectionHeader>()) as u64;
                *pod(data, at)?
            }
            false => made(section.kind, section.address, section.link),
        };
        new.sh_name = U32::new(LE, 0);
        let place = match part {
            _ if section.kind == SHT_NOBITS || index == names_index => None,
            Part::Leave => None,
            Part::Copy => Some(out.copy(file, section)?),
            Part::Replace(bytes) => Some((out.write(&bytes)?, bytes.len() as u64)),
        };
        match place {
            Some((offset, bytes)) => {
                new.sh_name = U32::new(LE, names.len() as u32);
                names.extend_from_slice(&section.name);
                names.push(0);
                new.sh_offset = U64::new(LE, offset);
                new.sh_size = U64::new(LE, bytes);
                new.sh_flags = U64::new(LE, new.sh_flags.get(LE) & !u64::from(SHF_COMPRESSED));
                places.push((section.name.clone(), (offset, bytes)));
            }
            None => new.sh_type = U32::new(LE, SHT_NOBITS),
        }
        headers.push(new);
    }
    if !elf.has_section_headers {
        headers.push(made(SHT_STRTAB, 0, 0));
    }
    let names_at = out.write(&names)?;
    if let Some(new) = headers.get_mut(names_index) {
        new.sh_type = U32::new(LE, SHT_STRTAB);
        new.sh_offset = U64::new(LE, names_at);
        new.sh_size = U64::new(LE, names.len() as u64);
    }
    let bytes: Vec<u8> = headers.iter().flat_map(bytes_of).copied().collect();
    header.e_shoff = U64::new(LE, out.write(&bytes)?);
    if header.e_type.get(LE) != ET_EXEC {
        // Not one that would have to be linked first.
        header.e_type = U16::new(LE, ET_DYN);
    }
    out.file.write_all_at(bytes_of(&header), 0)?;
    Ok((out.file, places))
}

/// The header of a section that has none in the file.
fn made(kind: u32, address: u64, link: u32) -> SectionHeader {
    let none = U64::new(LE, 0);
    SectionHeader {
        sh_name: U32::new(LE, 0),
        sh_type: U32::new(LE, kind),
        sh_flags: none,
        sh_addr: U64::new(LE, address),
        sh_offset: none,
        sh_size: none,
        sh_link: U32::new(LE, link),
        sh_info: U32::new(LE, 0),
        sh_addralign: none,
        sh_entsize: none,
    }
}

struct Out {
    file: File,
    left: u64,
}

impl Out {
    /// At the end, aligned. Where that is.
    fn write(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let at = self.begin(bytes.len() as u64)?;
        self.file.write_all(bytes)?;
        Ok(at)
    }

    fn begin(&mut self, bytes: u64) -> io::Result<u64> {
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or_else(|| invalid("its symbols are too large"))?;
        let end = self.file.seek(SeekFrom::End(0))?;
        self.file.seek(SeekFrom::Start(end.next_multiple_of(16)))
    }

    /// A section, unpacked.
    fn copy(&mut self, file: &File, section: &Section) -> io::Result<(u64, u64)> {
        if section.flags & u64::from(SHF_COMPRESSED) != 0 {
            let bytes = section_bytes(file, section, self.left)?;
            return Ok((self.write(&bytes)?, bytes.len() as u64));
        }
        let at = self.begin(section.bytes)?;
        let mut chunk = vec![0; CHUNK.min(section.bytes as usize)];
        let mut done = 0;
        while done < section.bytes {
            let wanted = chunk.len().min((section.bytes - done) as usize);
            let offset = section.offset.checked_add(done);
            let offset = offset.ok_or_else(|| invalid("a section lies outside of the file"))?;
            file.read_exact_at(&mut chunk[..wanted], offset)?;
            self.file.write_all(&chunk[..wanted])?;
            done += wanted as u64;
        }
        Ok((at, section.bytes))
    }
}

fn pod<'a, T: object::Pod>(data: &'a Cache<'_>, offset: u64) -> io::Result<&'a T> {
    data.read_at(offset)
        .map_err(|()| invalid("a header lies outside of the file"))
}
