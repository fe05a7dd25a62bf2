//! The functions of an ELF file, from its symbol tables.

use std::collections::HashMap;

use object::elf::{
    EM_ARM, SHF_EXECINSTR, SHN_UNDEF, SHT_DYNSYM, SHT_GNU_VERDEF, SHT_GNU_VERSYM, SHT_SYMTAB,
    STT_FUNC, STT_GNU_IFUNC, Sym32, Sym64, VERSYM_HIDDEN,
};
use object::read::ReadRef;
use object::read::elf::Sym;
use object::{Endian, Endianness, pod};

use crate::error::{Error, Result};
use crate::files::clones;
use crate::files::demangle::{MOST_BYTES, Wanted};
use crate::files::elf::{Elf, Section, string};
use crate::trigger::syntax::LONGEST_TRIGGER;

/// Of one file, all tables together: twice what the largest browsers have.
const MOST_FUNCTIONS: usize = 2_000_000;
/// libc has some sixty.
const MOST_VERSIONS: usize = 4096;
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
    /// Its version's place among [`Functions::versions`], from 1; 0: it has none.
    version: u16,
}

/// Ordered by name, then by address; each once.
#[derive(Debug, Default)]
pub struct Functions {
    names: Vec<u8>,
    items: Vec<Function>,
    versions: Vec<Vec<u8>>,
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

    /// Whether there is one function of that name, old versions included.
    pub fn has_one_of(&self, name: &[u8]) -> bool {
        let from = self.items.partition_point(|f| self.name(f) < name);
        let same = self.items[from..].iter();
        same.take_while(|f| self.name(f) == name).count() == 1
    }

    /// Those whose name it is, with a version or without; or, if there are none, those that compilers have made of the function of
    /// that name; or those whose readable form it is.
    pub fn matching(&self, name: &[u8]) -> Vec<Function> {
        let exact = self.named(name);
        if !exact.is_empty() {
            return exact.to_vec();
        }
        if let Some((base, version, is_current)) = with_version(name) {
            return self.of_version(base, version, is_current);
        }
        let clones = self.clones(name);
        if !clones.is_empty() {
            return clones;
        }
        self.readable(name)
    }

    fn of_version(&self, name: &[u8], version: &[u8], is_current: bool) -> Vec<Function> {
        let from = self.items.partition_point(|f| self.name(f) < name);
        let same = self.items[from..]
            .iter()
            .take_while(|f| self.name(f) == name);
        let is_wanted = |function: &&Function| {
            let of = usize::from(function.version).checked_sub(1);
            let of = of.and_then(|index| self.versions.get(index));
            of.is_some_and(|of| of == version) && !(is_current && function.is_old_version)
        };
        same.filter(is_wanted).copied().collect()
    }

    /// What compilers have made of the function of that name, besides itself.
    pub fn clones(&self, name: &[u8]) -> Vec<Function> {
        let prefix = [name, b"."].concat();
        let from = self.items.partition_point(|f| self.name(f) < &prefix[..]);
        let alike = self.items[from..]
            .iter()
            .take_while(|f| self.name(f).starts_with(&prefix));
        let is_clone = |function: &&Function| {
            let of = self.name(function);
            clones::base(of) == name && !clones::is_part(of)
        };
        alike.filter(is_clone).copied().collect()
    }

    fn readable(&self, name: &[u8]) -> Vec<Function> {
        let Some(wanted) = Wanted::new(name) else {
            return Vec::new();
        };
        let mut bytes = 0;
        let found: Vec<Function> = self
            .items
            .iter()
            .map(|function| (function, self.name(function)))
            .filter(|(_, name)| wanted.can_match(name) && !clones::is_part(name))
            .take_while(|(_, name)| {
                bytes += name.len();
                bytes <= MOST_BYTES
            })
            .filter(|(_, name)| wanted.matches(clones::base(name)))
            .map(|(function, _)| *function)
            .collect();
        let is_clone = |function: &Function| self.is_clone(function);
        // Of a function that is there itself the others are not what is meant.
        if found.iter().all(is_clone) {
            return found;
        }
        found.into_iter().filter(|it| !is_clone(it)).collect()
    }

    pub fn is_clone(&self, function: &Function) -> bool {
        let name = self.name(function);
        clones::base(name).len() < name.len()
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
        let defined = self.define_versions(elf, data);
        for (index, symbol) in symbols.iter().enumerate() {
            let kind = symbol.st_type();
            if !matches!(kind, STT_FUNC | STT_GNU_IFUNC) || !is_code(elf, symbol) {
                continue;
            }
            let Some(name) = string(names, symbol.st_name(elf.endian), LONGEST_NAME) else {
                continue;
            };
            let (name, mut is_old_version, mut version) = match with_version(name) {
                Some((name, version, is_current)) => (name, !is_current, self.version(version)),
                None => (name, false, 0),
            };
            if let Some(index) = versions.get(index * 2..).and_then(<[u8]>::first_chunk) {
                let index = elf.endian.read_u16(*index);
                is_old_version |= index & VERSYM_HIDDEN != 0;
                version = defined
                    .get(&(index & !VERSYM_HIDDEN))
                    .copied()
                    .unwrap_or(version);
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
                    version,
                },
            )?;
        }
        Ok(())
    }

    /// Its place among the versions, from 1; 0: there are too many.
    fn version(&mut self, name: &[u8]) -> u16 {
        let known = self.versions.iter().position(|it| it == name);
        let index = match known {
            Some(index) => index,
            None if self.versions.len() < MOST_VERSIONS => {
                self.versions.push(name.to_vec());
                self.versions.len() - 1
            }
            None => return 0,
        };
        index as u16 + 1
    }

    /// What the numbers in `.gnu.version` stand for, by `.gnu.version_d` (LSB 5, 10.7.2), as places among the versions.
    fn define_versions<'a, R: ReadRef<'a>>(&mut self, elf: &Elf, data: R) -> HashMap<u16, u16> {
        let mut places = HashMap::new();
        let section = elf.sections.iter().find(|it| it.kind == SHT_GNU_VERDEF);
        let Some(section) = section else {
            return places;
        };
        let bytes = section.data(data).unwrap_or_default();
        let names = elf.sections.get(section.link as usize);
        let names = names.and_then(|names| names.data(data)).unwrap_or_default();
        let word = |at: usize| Some(elf.endian.read_u32(*bytes.get(at..)?.first_chunk()?));
        let half = |at: usize| Some(elf.endian.read_u16(*bytes.get(at..)?.first_chunk()?));
        // Each: version, flags, number, count, hash; where its names are, and where the next one is, from here.
        let mut at = 0usize;
        for _ in 0..MOST_VERSIONS {
            let entry = (|| {
                let (number, names_at, next) = (half(at + 4)?, word(at + 12)?, word(at + 16)?);
                let name = word(at.checked_add(names_at as usize)?)?;
                Some((number, string(names, name, LONGEST_NAME)?, next as usize))
            })();
            let Some((number, name, next)) = entry else {
                break;
            };
            places.insert(number, self.version(name));
            if next == 0 {
                break;
            }
            at = at.saturating_add(next);
        }
        places
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
        let Self { names, items, .. } = self;
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
    if !elf.has_section_headers {
        return elf
            .code_offset(symbol.st_value(elf.endian).into())
            .is_some();
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

/// `name@@VERSION` is the current one, `name@VERSION` an older: the name, the version, and which it is.
fn with_version(name: &[u8]) -> Option<(&[u8], &[u8], bool)> {
    let at = name
        .iter()
        .position(|&byte| byte == b'@')
        .filter(|at| *at > 0)?;
    let (name, rest) = name.split_at(at);
    Some(match rest.strip_prefix(b"@@") {
        Some(version) => (name, version, true),
        None => (name, &rest[1..], false),
    })
}
