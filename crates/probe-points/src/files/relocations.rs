//! The words of an object's data in which the loader puts where functions are.

use object::elf::{
    DT_JMPREL, DT_PLTRELSZ, DT_RELA, DT_RELASZ, EM_AARCH64, EM_X86_64, R_AARCH64_ABS64,
    R_AARCH64_GLOB_DAT, R_AARCH64_IRELATIVE, R_AARCH64_JUMP_SLOT, R_X86_64_64, R_X86_64_GLOB_DAT,
    R_X86_64_IRELATIVE, R_X86_64_JUMP_SLOT, Rela64, SHF_ALLOC, SHT_DYNSYM, SHT_RELA, Sym64,
};
use object::read::ReadRef;
use object::{Endianness, pod};

use crate::files::dynamic_table::{dynamic_entries, dynamic_value};
use crate::files::elf::{Elf, Section, string};

/// Of all tables together, and of the symbols and their names each. The largest browsers have some 20 MiB.
const MOST_BYTES: u64 = 64 << 20;
/// Found of one function: an object has one or two for it.
const MOST_SLOTS: usize = 16;
const LONGEST_NAME: usize = 256;

/// Whose place is wanted.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Of a symbol; `None`: not by its name.
    pub name: Option<&'a [u8]>,
    /// Of the function that chooses an implementation, if that is in this object.
    pub resolver: Option<u64>,
}

/// The addresses of those that are filled for it. Only objects of 64 bits are looked into.
pub fn slots<'a, R: ReadRef<'a>>(elf: &Elf, data: R, wanted: Wanted<'_>) -> Vec<u64> {
    let Some(kinds) = Kinds::of(elf).filter(|_| elf.is_64) else {
        return Vec::new();
    };
    let names = Names::of(elf, data);
    let mut found = Vec::new();
    let mut left = MOST_BYTES;
    for (offset, bytes) in tables(elf, data) {
        let bytes = bytes.min(left);
        left -= bytes;
        let table = data.read_bytes_at(offset, bytes).unwrap_or_default();
        let count = table.len() / size_of::<Rela64<Endianness>>();
        let Ok((entries, _)) = pod::slice_from_bytes::<Rela64<Endianness>>(table, count) else {
            continue;
        };
        for entry in entries {
            let (kind, symbol) = (
                entry.r_type(elf.endian, false),
                entry.r_sym(elf.endian, false),
            );
            let is_wanted = if kind == kinds.chosen {
                wanted.resolver == Some(entry.r_addend.get(elf.endian).cast_unsigned())
            } else {
                let of = || names.as_ref()?.of_symbol(elf, symbol);
                kinds.named.contains(&kind) && wanted.name.is_some() && of() == wanted.name
            };
            if found.len() == MOST_SLOTS {
                return found;
            }
            if is_wanted {
                found.push(entry.r_offset.get(elf.endian));
            }
        }
    }
    found
}

struct Kinds {
    /// By a function that is called for it.
    chosen: u32,
    /// With a symbol's address.
    named: [u32; 3],
}

impl Kinds {
    fn of(elf: &Elf) -> Option<Self> {
        match elf.machine {
            EM_X86_64 => Some(Self {
                chosen: R_X86_64_IRELATIVE,
                named: [R_X86_64_JUMP_SLOT, R_X86_64_GLOB_DAT, R_X86_64_64],
            }),
            EM_AARCH64 => Some(Self {
                chosen: R_AARCH64_IRELATIVE,
                named: [R_AARCH64_JUMP_SLOT, R_AARCH64_GLOB_DAT, R_AARCH64_ABS64],
            }),
            _ => None,
        }
    }
}

/// Where they are in the file, offset and bytes.
fn tables<'a, R: ReadRef<'a>>(elf: &Elf, data: R) -> Vec<(u64, u64)> {
    let entries = dynamic_entries(elf, data);
    let value = |wanted| dynamic_value(&entries, wanted);
    let table =
        |(address, bytes): (i64, i64)| Some((elf.file_offset(value(address)?, 0)?, value(bytes)?));
    let dynamic = [(DT_RELA, DT_RELASZ), (DT_JMPREL, DT_PLTRELSZ)];
    let found: Vec<(u64, u64)> = dynamic.into_iter().filter_map(table).collect();
    if !found.is_empty() {
        return found;
    }
    // Programs that are linked statically have no such table.
    let is_loaded =
        |section: &&Section| section.kind == SHT_RELA && section.flags & u64::from(SHF_ALLOC) != 0;
    let sections = elf.sections.iter().filter(is_loaded);
    sections
        .map(|section| (section.offset, section.bytes))
        .collect()
}

struct Names<'a> {
    symbols: &'a [u8],
    names: &'a [u8],
}

impl<'a> Names<'a> {
    fn of<R: ReadRef<'a>>(elf: &Elf, data: R) -> Option<Self> {
        let symbols = elf.sections.iter().find(|it| it.kind == SHT_DYNSYM)?;
        let names = elf.sections.get(symbols.link as usize)?;
        Some(Self {
            symbols: symbols.short_data(data, MOST_BYTES)?,
            names: names.short_data(data, MOST_BYTES)?,
        })
    }

    fn of_symbol(&self, elf: &Elf, index: u32) -> Option<&'a [u8]> {
        const BYTES: usize = size_of::<Sym64<Endianness>>();
        let from = (index as usize).checked_mul(BYTES)?;
        let bytes = self.symbols.get(from..from.checked_add(BYTES)?)?;
        let (symbol, _) = pod::from_bytes::<Sym64<Endianness>>(bytes).ok()?;
        string(self.names, symbol.st_name.get(elf.endian), LONGEST_NAME)
    }
}
