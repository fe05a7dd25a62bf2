//! Files whose section headers were stripped: the sections that program headers and the dynamic table lead to.

use object::elf::{
    DT_GNU_HASH, DT_HASH, DT_STRSZ, DT_STRTAB, DT_SYMTAB, DT_VERDEF, DT_VERSYM, PT_NOTE, SHF_ALLOC,
    SHT_DYNSYM, SHT_GNU_VERDEF, SHT_GNU_VERSYM, SHT_NOTE, SHT_NULL, SHT_STRTAB,
};
use object::read::ReadRef;

use crate::files::dynamic_table::{dynamic_entries, dynamic_value};
use crate::files::elf::{Elf, LONGEST_NOTE, Section, Segment};

/// Of one chain of a hash table, and of all: more symbols than any library has.
const MOST_SYMBOLS: u64 = 4_000_000;
/// Segments with notes that are looked into: programs have two or three.
const MOST_NOTES: usize = 16;
/// Notes by which sections are known: whose, which of theirs, and the section.
const NOTES: [(&[u8], u32, &[u8]); 2] = [
    (b"GNU\0", 3, b".note.gnu.build-id"),
    (b"Go\0\0", 4, b".note.go.buildid"),
];

/// The first is none, as in all files: a number of 0 stands for no section.
pub fn sections<'a, R: ReadRef<'a>>(elf: &Elf, data: R) -> Vec<Section> {
    let mut sections = vec![section(b"", SHT_NULL, 0, 0, 0)];
    let segments = || elf.segments.iter().filter(|it| it.kind == PT_NOTE);
    for (owner, kind, name) in NOTES {
        let holds = |segment: &&Segment| {
            let bytes = segment.file_bytes.min(LONGEST_NOTE);
            let bytes = data
                .read_bytes_at(segment.offset, bytes)
                .unwrap_or_default();
            elf.notes(bytes)
                .any(|note| (note.name, note.kind) == (owner, kind))
        };
        if let Some(segment) = segments().take(MOST_NOTES).find(holds) {
            let bytes = segment.file_bytes.min(LONGEST_NOTE);
            sections.push(section(
                name,
                SHT_NOTE,
                segment.address,
                segment.offset,
                bytes,
            ));
        }
    }
    add_dynamic(elf, data, &mut sections);
    sections
}

fn section(name: &[u8], kind: u32, address: u64, offset: u64, bytes: u64) -> Section {
    Section {
        name: name.to_vec(),
        kind,
        flags: u64::from(SHF_ALLOC),
        address,
        offset,
        bytes,
        link: 0,
    }
}

/// The symbols that the loader looks up, with their names and versions.
fn add_dynamic<'a, R: ReadRef<'a>>(elf: &Elf, data: R, sections: &mut Vec<Section>) -> Option<()> {
    let entries = dynamic_entries(elf, data);
    let value = |wanted| dynamic_value(&entries, wanted);
    let place = |wanted: i64| {
        let address = value(wanted)?;
        Some((address, elf.file_offset(address, 0)?))
    };
    let (address, offset) = place(DT_SYMTAB)?;
    let (names_address, names_offset) = place(DT_STRTAB)?;
    let by_plain_hash = || plain_hash_symbols(elf, data, place(DT_HASH)?.1);
    let by_gnu_hash = || gnu_hash_symbols(elf, data, place(DT_GNU_HASH)?.1);
    let count = by_plain_hash().or_else(by_gnu_hash)?.min(MOST_SYMBOLS);
    let names = sections.len() as u32;
    sections.push(section(
        b".dynstr",
        SHT_STRTAB,
        names_address,
        names_offset,
        value(DT_STRSZ)?,
    ));
    let symbols = sections.len() as u32;
    let one = if elf.is_64 { 24 } else { 16 };
    sections.push(Section {
        link: names,
        ..section(b".dynsym", SHT_DYNSYM, address, offset, count * one)
    });
    if let Some((address, offset)) = place(DT_VERSYM) {
        sections.push(Section {
            link: symbols,
            ..section(b".gnu.version", SHT_GNU_VERSYM, address, offset, count * 2)
        });
    }
    if let Some((address, offset)) = place(DT_VERDEF) {
        // How long it is nothing tells; its entries do where the next one is.
        let holding = elf.segments.iter().find(|segment| {
            let within = address.checked_sub(segment.address);
            within.is_some_and(|within| within < segment.file_bytes)
        })?;
        let left = holding.file_bytes - (address - holding.address);
        sections.push(Section {
            link: names,
            ..section(
                b".gnu.version_d",
                SHT_GNU_VERDEF,
                address,
                offset,
                left.min(LONGEST_NOTE),
            )
        });
    }
    Some(())
}

/// Buckets, chains: a word for each symbol. (System V ABI, chapter 5.)
fn plain_hash_symbols<'a, R: ReadRef<'a>>(elf: &Elf, data: R, at: u64) -> Option<u64> {
    let bytes = data.read_bytes_at(at, 8).ok()?;
    word(elf, bytes, 1).map(u64::from)
}

/// Only symbols from a certain one on are in it, ordered by bucket; the last one of each chain has an odd hash.
fn gnu_hash_symbols<'a, R: ReadRef<'a>>(elf: &Elf, data: R, at: u64) -> Option<u64> {
    const HEADER: u64 = 16;
    let header = data.read_bytes_at(at, HEADER).ok()?;
    let [buckets, first, filter_words] = [0, 1, 2].map(|index| word(elf, header, index));
    let (buckets, first) = (u64::from(buckets?), u64::from(first?));
    if buckets > MOST_SYMBOLS {
        return None;
    }
    let filter = u64::from(filter_words?) * if elf.is_64 { 8 } else { 4 };
    let at = at.checked_add(HEADER)?.checked_add(filter)?;
    let table = data.read_bytes_at(at, buckets * 4).ok()?;
    let last = (0..buckets as usize).filter_map(|index| word(elf, table, index));
    let last = u64::from(last.max()?);
    // None is in it.
    let Some(mut index) = last.checked_sub(first) else {
        return Some(first);
    };
    let chains = at + buckets * 4;
    /// Words that are read at a time.
    const CHUNK: u64 = 1024;
    while index < MOST_SYMBOLS {
        let from = chains.checked_add(index * 4)?;
        let left = elf.length.saturating_sub(from) / 4;
        let chunk = data.read_bytes_at(from, left.min(CHUNK) * 4).ok()?;
        let words = chunk.len() / 4;
        let is_last = |at: &usize| word(elf, chunk, *at).is_some_and(|hash| hash & 1 == 1);
        match (0..words).find(is_last) {
            Some(at) => return Some(first + index + at as u64 + 1),
            None if words == 0 => return None,
            None => index += words as u64,
        }
    }
    None
}

fn word(elf: &Elf, bytes: &[u8], index: usize) -> Option<u32> {
    use object::Endian;
    let word = bytes.get(index * 4..)?.first_chunk()?;
    Some(elf.endian.read_u32(*word))
}
