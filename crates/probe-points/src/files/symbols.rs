//! The functions of an ELF file, from its symbol tables.

use object::elf::{
    EM_ARM, SHF_EXECINSTR, SHN_UNDEF, SHT_DYNSYM, SHT_GNU_VERSYM, SHT_SYMTAB, STT_FUNC,
    STT_GNU_IFUNC, Sym32, Sym64, VERSYM_HIDDEN,
};
use object::read::ReadRef;
use object::read::elf::Sym;
use object::{Endian, Endianness, pod};

use crate::error::{Error, Result};
use crate::files::demangle::{MOST_BYTES, Wanted};
use crate::files::elf::{Elf, Section, string};
use crate::trigger::syntax::LONGEST_TRIGGER;

/// Of one file, all tables together: twice what the largest browsers have.
const MOST_FUNCTIONS: usize = 2_000_000;
/// Names that are longer than a trigger can be are left out.
const LONGEST_NAME: usize = LONGEST_TRIGGER;
/// Of all names together.
const MOST_NAME_BYTES: usize = 256 << 20;

#[derive(Clone, Copy, Debug)]
pub struct Function {
    name: (u32, u32),
    pub address: u64,
    /// 0: unknown, as of functions written in assembler.
    pub bytes: u64,
    /// What stands at the address chooses an implementation when the object is loaded (`STT_GNU_IFUNC`).
    pub is_indirect: bool,
    /// An older version of the symbol, which new programs are not linked to.
    pub is_old_version: bool,
}

/// Ordered by name, then by address; each once.
#[derive(Debug, Default)]
pub struct Functions {
    names: Vec<u8>,
    items: Vec<Function>,
}

impl Functions {
    pub fn name(&self, function: &Function) -> &[u8] {
        let (from, length) = function.name;
        &self.names[from as usize..from as usize + length as usize]
    }

    pub fn iter(&self) -> impl Iterator<Item = &Function> + Clone {
        self.items.iter()
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// All of that name, by address. Old versions only if there is no current one.
    pub fn named(&self, name: &[u8]) -> &[Function] {
        let from = self.items.partition_point(|f| self.name(f) < name);
        let count = self.items[from..].partition_point(|f| self.name(f) == name);
        self.current_of(&self.items[from..from + count])
    }

    /// Those whose name it is or, if there are none, whose readable form.
    pub fn matching(&self, name: &[u8]) -> Vec<Function> {
        let exact = self.named(name);
        if !exact.is_empty() {
            return exact.to_vec();
        }
        let Some(wanted) = Wanted::new(name) else {
            return Vec::new();
        };
        let mut bytes = 0;
        self.items
            .iter()
            .map(|function| (function, self.name(function)))
            .filter(|(_, name)| wanted.can_match(name))
            .take_while(|(_, name)| {
                bytes += name.len();
                bytes <= MOST_BYTES
            })
            .filter(|(_, name)| wanted.matches(name))
            .map(|(function, _)| *function)
            .collect()
    }

    /// The one whose code holds an address, of those that overlap the last to begin.
    pub fn holding(&self, address: u64) -> Option<&Function> {
        let holds = |f: &&Function| {
            address == f.address || (f.address < address && address - f.address < f.bytes)
        };
        self.items
            .iter()
            .filter(holds)
            .max_by_key(|function| function.address)
    }

    /// Groups of one name, in the order of names.
    pub fn by_name(&self) -> impl Iterator<Item = &[Function]> {
        self.items.chunk_by(|a, b| self.name(a) == self.name(b))
    }

    /// Of functions of one name, those that the name stands for. Current versions stand before old ones.
    pub fn current_of<'a>(&self, same: &'a [Function]) -> &'a [Function] {
        match same.partition_point(|function| !function.is_old_version) {
            0 => same,
            count => &same[..count],
        }
    }

    /// Adds those of a file's `.symtab` and `.dynsym`.
    pub fn add<'a, R: ReadRef<'a>>(&mut self, elf: &Elf, data: R) -> Result<()> {
        for kind in [SHT_SYMTAB, SHT_DYNSYM] {
            for section in elf.sections.iter().filter(|section| section.kind == kind) {
                if elf.is_64 {
                    self.add_table::<Sym64<Endianness>, R>(elf, data, section)?;
                } else {
                    self.add_table::<Sym32<Endianness>, R>(elf, data, section)?;
                }
            }
        }
        Ok(())
    }

    fn add_table<'a, S, R>(&mut self, elf: &Elf, data: R, section: &Section) -> Result<()>
    where
        S: Sym<Endian = Endianness> + 'a,
        R: ReadRef<'a>,
    {
        let table = |section: &Section| {
            let outside = || Error::corrupt("a symbol table lies outside of the file");
            section.data(data).ok_or_else(outside)
        };
        let bytes = table(section)?;
        let count = bytes.len() / size_of::<S>();
        let (symbols, _) = pod::slice_from_bytes::<S>(bytes, count)
            .map_err(|()| Error::corrupt("a symbol table is cut"))?;
        let names = match elf.sections.get(section.link as usize) {
            Some(names) => table(names)?,
            None => return Err(Error::corrupt("a symbol table has no names")),
        };
        let versions = versions(elf, data, section);
        for (index, symbol) in symbols.iter().enumerate() {
            let kind = symbol.st_type();
            if !matches!(kind, STT_FUNC | STT_GNU_IFUNC) || !is_code(elf, symbol) {
                continue;
            }
            let Some(name) = string(names, symbol.st_name(elf.endian), LONGEST_NAME) else {
                continue;
            };
            let (name, mut is_old_version) = without_version(name);
            if let Some(version) = versions.get(index * 2..).and_then(<[u8]>::first_chunk) {
                is_old_version |= elf.endian.read_u16(*version) & VERSYM_HIDDEN != 0;
            }
            let mut address: u64 = symbol.st_value(elf.endian).into();
            if elf.machine == EM_ARM {
                // The lowest bit says that the code is Thumb.
                address &= !1;
            }
            self.push(
                name,
                Function {
                    name: (0, 0),
                    address,
                    bytes: symbol.st_size(elf.endian).into(),
                    is_indirect: kind == STT_GNU_IFUNC,
                    is_old_version,
                },
            )?;
        }
        Ok(())
    }

    fn push(&mut self, name: &[u8], function: Function) -> Result<()> {
        if name.is_empty() {
            return Ok(());
        }
        if self.items.len() >= MOST_FUNCTIONS || self.names.len() + name.len() > MOST_NAME_BYTES {
            return Err(Error::corrupt("too many functions"));
        }
        let from = self.names.len() as u32;
        self.names.extend_from_slice(name);
        self.items.push(Function {
            name: (from, name.len() as u32),
            ..function
        });
        Ok(())
    }

    /// Once all are added.
    pub fn sort(&mut self) {
        let Self { names, items } = self;
        let name = |function: &Function| {
            let (from, length) = function.name;
            &names[from as usize..from as usize + length as usize]
        };
        items.sort_unstable_by(|a, b| {
            let key = |f: &Function| (f.is_old_version, f.address);
            name(a).cmp(name(b)).then_with(|| key(a).cmp(&key(b)))
        });
        items.dedup_by(|a, b| a.address == b.address && name(a) == name(b));
    }
}

/// Undefined symbols are other objects' functions.
fn is_code<S: Sym<Endian = Endianness>>(elf: &Elf, symbol: &S) -> bool {
    let index = symbol.st_shndx(elf.endian);
    if index == SHN_UNDEF {
        return false;
    }
    // Indices beyond the table are special: absolute, or kept elsewhere.
    elf.sections
        .get(usize::from(index))
        .is_none_or(|section| section.flags & u64::from(SHF_EXECINSTR) != 0)
}

/// `.gnu.version`: two bytes for each symbol of the table that it belongs to.
fn versions<'a, R: ReadRef<'a>>(elf: &Elf, data: R, symbols: &Section) -> &'a [u8] {
    elf.sections
        .iter()
        .filter(|section| section.kind == SHT_GNU_VERSYM)
        .find(|section| {
            let linked = elf.sections.get(section.link as usize);
            linked.is_some_and(|linked| std::ptr::eq(linked, symbols))
        })
        .and_then(|section| section.data(data))
        .unwrap_or_default()
}

/// `name@@VERSION` is the current one, `name@VERSION` an older.
fn without_version(name: &[u8]) -> (&[u8], bool) {
    match name.iter().position(|&byte| byte == b'@') {
        Some(at) if at > 0 => (&name[..at], name.get(at + 1) != Some(&b'@')),
        _ => (name, false),
    }
}
