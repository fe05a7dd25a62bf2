//! A DWARF package (`.dwp`) of compilation units that were found one by one: blazesym looks for them in no other place.

use std::fs::File;
use std::io;

use object::elf::{
    ELFCLASS64, ELFDATA2LSB, ELFMAG, ET_DYN, EV_CURRENT, FileHeader64, SHT_PROGBITS, SHT_STRTAB,
    SectionHeader64,
};
use object::endian::{LittleEndian, U16, U32, U64};
use object::pod::bytes_of;

use crate::mapped::memory_file;

const LE: LittleEndian = LittleEndian;
/// Their numbers in an index of DWARF 5. Lines come from the program itself; places of variables are of no use here.
const COLUMNS: [(u32, &[u8]); 4] = [
    (1, b".debug_info.dwo"),
    (3, b".debug_abbrev.dwo"),
    (6, b".debug_str_offsets.dwo"),
    (8, b".debug_rnglists.dwo"),
];

/// One compilation unit's.
pub struct Unit<'a> {
    /// The one that the program has for it, too.
    pub id: u64,
    pub version: u16,
    pub info: &'a [u8],
    pub abbreviations: &'a [u8],
    pub string_offsets: &'a [u8],
    pub range_lists: &'a [u8],
}

#[derive(Default)]
pub struct Package {
    columns: [Vec<u8>; 4],
    strings: Vec<u8>,
    rows: Vec<(u64, [(u32, u32); 4])>,
}

impl Package {
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn bytes(&self) -> u64 {
        let columns = self.columns.iter().map(Vec::len).sum::<usize>();
        (columns + self.strings.len() + 64 * self.rows.len()) as u64
    }

    /// Where they begin: several units may have them in common. `None`: they are too many.
    pub fn add_strings(&mut self, strings: &[u8]) -> Option<u32> {
        let base = u32::try_from(self.strings.len()).ok()?;
        u32::try_from(self.strings.len() + strings.len()).ok()?;
        self.strings.extend_from_slice(strings);
        Some(base)
    }

    /// `strings`: where its strings begin. `None`: it is too large, or not as units are.
    pub fn add(&mut self, unit: &Unit<'_>, strings: u32) -> Option<()> {
        let offsets = moved(unit, strings)?;
        let parts = [unit.info, unit.abbreviations, &offsets, unit.range_lists];
        let mut row = [(0, 0); 4];
        for ((place, column), part) in row.iter_mut().zip(&self.columns).zip(parts) {
            let begin = u32::try_from(column.len()).ok()?;
            u32::try_from(column.len() + part.len()).ok()?;
            *place = (begin, part.len() as u32);
        }
        for (column, part) in self.columns.iter_mut().zip(parts) {
            column.extend_from_slice(part);
        }
        self.rows.push((unit.id, row));
        Some(())
    }

    pub fn write(&self) -> io::Result<File> {
        let index = self.index();
        let mut sections: Vec<(&[u8], &[u8])> = vec![
            (b".debug_cu_index", &index),
            (b".debug_str.dwo", &self.strings),
        ];
        for ((_, name), bytes) in COLUMNS.iter().zip(&self.columns) {
            sections.push((name, bytes));
        }
        memory_file::with_bytes(&elf(&sections))
    }

    /// `.debug_cu_index`: a hash table of ids, and a row per unit of where its parts are.
    fn index(&self) -> Vec<u8> {
        let count = self.rows.len() as u32;
        let slots = (2 * (count + 1)).next_power_of_two();
        let mask = u64::from(slots - 1);
        let mut table = vec![(0u64, 0u32); slots as usize];
        for (row, (id, _)) in (1..).zip(&self.rows) {
            let step = (id >> 32 & mask) | 1;
            let mut slot = id & mask;
            // There are more slots than rows, and the step is odd: it comes to all of them.
            while table[slot as usize].1 != 0 {
                slot = (slot + step) & mask;
            }
            table[slot as usize] = (*id, row);
        }
        let head = [5, COLUMNS.len() as u32, count, slots].into_iter();
        let ids = table.iter().flat_map(|(id, _)| id.to_le_bytes());
        let rows = table.iter().map(|(_, row)| *row);
        let columns = COLUMNS.iter().map(|(number, _)| *number);
        let places = || self.rows.iter().flat_map(|(_, places)| places);
        let offsets = places().map(|(offset, _)| *offset);
        let sizes = places().map(|(_, bytes)| *bytes);
        let rest = rows.chain(columns).chain(offsets).chain(sizes);
        head.flat_map(u32::to_le_bytes)
            .chain(ids)
            .chain(rest.flat_map(u32::to_le_bytes))
            .collect()
    }
}

/// The offsets of strings that have moved. Since DWARF 5 they come after a header.
fn moved(unit: &Unit<'_>, by: u32) -> Option<Vec<u8>> {
    let header = if unit.version >= 5 { 8 } else { 0 };
    let (header, offsets) = match unit.string_offsets.split_at_checked(header) {
        Some(parts) => parts,
        None if unit.string_offsets.is_empty() => return Some(Vec::new()),
        None => return None,
    };
    // Of 64 bits: nobody writes them.
    if header.starts_with(&[0xff; 4]) {
        return None;
    }
    let mut moved = header.to_vec();
    for offset in offsets.chunks_exact(4) {
        let offset = u32::from_le_bytes(*offset.first_chunk()?);
        moved.extend(offset.checked_add(by)?.to_le_bytes());
    }
    Some(moved)
}

fn elf(sections: &[(&[u8], &[u8])]) -> Vec<u8> {
    const HEADER: usize = size_of::<FileHeader64<LittleEndian>>();
    let mut out = vec![0; HEADER];
    let mut names = vec![0];
    let mut headers = vec![section(0, 0, 0, 0)];
    for (name, bytes) in sections {
        out.resize(out.len().next_multiple_of(16), 0);
        headers.push(section(SHT_PROGBITS, names.len(), out.len(), bytes.len()));
        names.extend_from_slice(name);
        names.push(0);
        out.extend_from_slice(bytes);
    }
    headers.push(section(SHT_STRTAB, names.len(), out.len(), 0));
    names.extend_from_slice(b".shstrtab\0");
    if let Some(last) = headers.last_mut() {
        last.sh_size = U64::new(LE, names.len() as u64);
    }
    out.extend_from_slice(&names);
    out.resize(out.len().next_multiple_of(16), 0);
    let header = FileHeader64::<LittleEndian> {
        e_ident: object::elf::Ident {
            magic: ELFMAG,
            class: ELFCLASS64,
            data: ELFDATA2LSB,
            version: EV_CURRENT,
            os_abi: 0,
            abi_version: 0,
            padding: [0; 7],
        },
        e_type: U16::new(LE, ET_DYN),
        e_machine: U16::new(LE, 0),
        e_version: U32::new(LE, EV_CURRENT.into()),
        e_entry: U64::new(LE, 0),
        e_phoff: U64::new(LE, 0),
        e_shoff: U64::new(LE, out.len() as u64),
        e_flags: U32::new(LE, 0),
        e_ehsize: U16::new(LE, HEADER as u16),
        e_phentsize: U16::new(LE, 0),
        e_phnum: U16::new(LE, 0),
        e_shentsize: U16::new(LE, size_of::<SectionHeader64<LittleEndian>>() as u16),
        e_shnum: U16::new(LE, headers.len() as u16),
        e_shstrndx: U16::new(LE, headers.len() as u16 - 1),
    };
    out.extend(headers.iter().flat_map(bytes_of));
    out[..HEADER].copy_from_slice(bytes_of(&header));
    out
}

fn section(kind: u32, name: usize, at: usize, bytes: usize) -> SectionHeader64<LittleEndian> {
    SectionHeader64 {
        sh_name: U32::new(LE, name as u32),
        sh_type: U32::new(LE, kind),
        sh_flags: U64::new(LE, 0),
        sh_addr: U64::new(LE, 0),
        sh_offset: U64::new(LE, at as u64),
        sh_size: U64::new(LE, bytes as u64),
        sh_link: U32::new(LE, 0),
        sh_info: U32::new(LE, 0),
        sh_addralign: U64::new(LE, 1),
        sh_entsize: U64::new(LE, 0),
    }
}
