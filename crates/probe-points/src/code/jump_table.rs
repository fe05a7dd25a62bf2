//! Where a computed jump leads that goes by a table of places, as compilers make them of a `switch`.
//!
//! A tail call by a table of functions looks alike: what tells is where the table's entries lead. All of them are followed, as the first
//! one may lead to code that hardly ever runs, or be one that cannot be.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use crate::code::definitions::Definitions;
use crate::code::walk::Walk;

/// Of all tables of one function.
const MOST_ENTRIES: u32 = 1 << 16;
/// Behind a first one that leads out of the function, for one that leads into it.
const LOOKED_BEYOND: u64 = 16;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Table {
    pub address: u64,
    /// Four or eight bytes.
    entry_bytes: u32,
    /// What each entry is counted from.
    from: u64,
}

pub enum Leads {
    /// To these places in the function.
    Inside(Vec<u64>),
    /// Also to more code that is the function's by its name.
    ToPart(Range<u64>),
    /// Not at first, but perhaps further on.
    Unclear,
    Away,
}

/// The tables that a jump may go by; `None`: it goes otherwise, or cannot be followed.
pub fn tables_of(definitions: &Definitions<'_>, jump: u64) -> Option<Vec<Table>> {
    let it = definitions.decode(jump)?;
    if it.op0_kind() == OpKind::Memory {
        return by_address(definitions, &it, jump);
    }
    let mut tables = Vec::new();
    for at in definitions.of(jump, it.op0_register())? {
        let it = definitions.decode(at)?;
        let found = match (it.mnemonic(), it.op1_kind()) {
            (Mnemonic::Mov, OpKind::Memory) => by_address(definitions, &it, at),
            (Mnemonic::Add, OpKind::Register) => {
                let by = |register| by_distance(definitions, at, register);
                by(it.op0_register()).or_else(|| by(it.op1_register()))
            }
            _ => None,
        };
        tables.extend(found?);
    }
    Some(tables)
}

/// `jmp *table(,%rax,8)`, or the same by way of a register.
fn by_address(definitions: &Definitions<'_>, it: &Instruction, at: u64) -> Option<Vec<Table>> {
    let entry_bytes = definitions.word_bytes();
    if it.memory_index() == Register::None || it.memory_index_scale() != entry_bytes {
        return None;
    }
    let bases = match it.memory_base() {
        Register::None => vec![0],
        base => definitions.addresses(at, base)?,
    };
    let table = |base: u64| Table {
        address: base.wrapping_add(it.memory_displacement64()),
        entry_bytes,
        from: 0,
    };
    Some(bases.into_iter().map(table).collect())
}

/// `movslq (%rdx,%rax,4),%rax; add %rdx,%rax; jmp *%rax`: of four bytes, from the table on.
fn by_distance(definitions: &Definitions<'_>, add: u64, register: Register) -> Option<Vec<Table>> {
    let mut tables = Vec::new();
    for at in definitions.of(add, register)? {
        let it = definitions.decode(at)?;
        let reads_table = matches!(it.mnemonic(), Mnemonic::Movsxd | Mnemonic::Mov)
            && it.op1_kind() == OpKind::Memory
            && it.memory_index() != Register::None
            && it.memory_index_scale() == 4;
        if !reads_table {
            return None;
        }
        let bases = definitions.addresses(at, it.memory_base())?;
        tables.extend(bases.into_iter().map(|base| Table {
            address: base.wrapping_add(it.memory_displacement64()),
            entry_bytes: 4,
            from: base,
        }));
    }
    Some(tables)
}

enum Entry {
    Begins,
    ToPart(Range<u64>),
    /// What compilers take for impossible leads to where the code happens to end.
    Behind,
    Elsewhere,
}

/// Reads tables of one function.
pub struct Reader<'a> {
    walk: &'a Walk<'a>,
    /// Where tables of the function begin: another one's are not read for a table's.
    pub begins: BTreeSet<u64>,
    entries_left: Cell<u32>,
}

impl<'a> Reader<'a> {
    pub fn new(walk: &'a Walk<'a>, tables: &BTreeMap<u64, Vec<Table>>) -> Self {
        Self {
            walk,
            begins: tables
                .values()
                .flatten()
                .map(|table| table.address)
                .collect(),
            entries_left: Cell::new(MOST_ENTRIES),
        }
    }

    pub fn leads(&self, table: Table) -> Result<Leads, String> {
        let mut inside = Vec::new();
        let mut index = 0;
        while let Some((at, to)) = self.entry(table, index)? {
            if index > 0 && self.begins.contains(&at) {
                break;
            }
            index += 1;
            match self.looks(to) {
                Entry::Begins => inside.push(to),
                Entry::ToPart(range) => return Ok(Leads::ToPart(range)),
                Entry::Behind => {}
                Entry::Elsewhere => break,
            }
        }
        if !inside.is_empty() {
            return Ok(Leads::Inside(inside));
        }
        for index in index..index + LOOKED_BEYOND {
            match self.entry(table, index)? {
                Some((at, _)) if self.begins.contains(&at) => break,
                Some((_, to)) if matches!(self.looks(to), Entry::Begins) => {
                    return Ok(Leads::Unclear);
                }
                Some(_) => {}
                None => break,
            }
        }
        Ok(Leads::Away)
    }

    /// Where it is, and where it leads.
    fn entry(&self, table: Table, index: u64) -> Result<Option<(u64, u64)>, String> {
        let left = self.entries_left.get().checked_sub(1);
        let left = left.ok_or_else(|| "its tables of places are too large".to_owned())?;
        self.entries_left.set(left);
        let bytes = u64::from(table.entry_bytes);
        let at = table.address.wrapping_add(index.wrapping_mul(bytes));
        let Some(entry) = self.walk.read(at, bytes as usize) else {
            return Ok(None);
        };
        let mut word = [0; 8];
        let used = entry.len().min(word.len());
        word[..used].copy_from_slice(&entry[..used]);
        let word = u64::from_le_bytes(word);
        let to = if table.from == 0 {
            word
        } else {
            let distance = i64::from(word as i32);
            table.from.wrapping_add_signed(distance)
        };
        Ok(Some((at, to)))
    }

    fn looks(&self, to: u64) -> Entry {
        let walk = self.walk;
        if walk.is_inside(to) {
            let begins = walk.steps.contains_key(&to) && walk.around(to).is_none();
            return if begins && to != walk.start {
                Entry::Begins
            } else {
                Entry::Elsewhere
            };
        }
        if walk.parts.iter().any(|part| part.range.end == to) {
            return Entry::Behind;
        }
        walk.part_by_name(to)
            .map_or(Entry::Elsewhere, Entry::ToPart)
    }
}
