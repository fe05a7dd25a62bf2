//! All ways through a function's code, from its start, and what no way is known to.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::code::by_address::ByAddress;
use crate::code::by_table::ByTable;
use crate::code::flow::{Flow, Step};
use crate::code::machine::{LONGEST_INSTRUCTION, is_nop, pointer, step};
use crate::code::others::Others;
use crate::files::clones;
use crate::files::object::Object;
use crate::files::symbols::Function;
use crate::files::unwind_tables::{Heights, UnwindTables};

/// Of one function's parts together.
pub const MOST_BYTES: u64 = 1 << 20;
/// Cold code that stands apart.
const MOST_PARTS: usize = 64;

pub struct Part {
    pub range: Range<u64>,
    bytes: Vec<u8>,
    heights: Heights,
}

/// Of one function.
const MOST_NAMES: usize = 64;

/// What has been found out of one function.
pub struct Walk<'a> {
    pub object: &'a Object,
    pub machine: u16,
    pub tables: &'a UnwindTables,
    pub symbols: Option<ByAddress<'a>>,
    pub start: u64,
    pub parts: Vec<Part>,
    /// Its instructions, by address.
    pub steps: BTreeMap<u64, Step>,
    /// Those of them that no way is known to.
    pub swept: BTreeSet<u64>,
    pub others: Others,
    /// Where it calls a place within itself, which no function is: what returns there stays in it, and behind the call may be data.
    pub inner_calls: Vec<u64>,
    /// Whether it may go on into what follows it.
    may_fall_out: bool,
    pub by_table: ByTable,
}

impl<'a> Walk<'a> {
    /// Along all ways from the start of the function whose code that is.
    pub fn new(object: &'a Object, function: Range<u64>) -> Result<Self, String> {
        Self::along(object, function, false)
    }

    /// The same of one that may go on into the next one, as assembler's do.
    pub fn of_any(object: &'a Object, function: Range<u64>) -> Result<Self, String> {
        Self::along(object, function, true)
    }

    fn along(object: &'a Object, function: Range<u64>, may_fall_out: bool) -> Result<Self, String> {
        let elf = object.elf().map_err(|error| error.message)?;
        let mut walk = Self {
            object,
            machine: elf.machine,
            tables: object.unwind_tables().map_err(|error| error.message)?,
            symbols: object.functions().ok().map(ByAddress::new),
            start: function.start,
            parts: Vec::new(),
            steps: BTreeMap::new(),
            swept: BTreeSet::new(),
            others: Others::default(),
            inner_calls: Vec::new(),
            may_fall_out,
            by_table: ByTable::default(),
        };
        let start = function.start;
        walk.add_part(function)?;
        walk.follow(vec![start], false)?;
        Ok(walk)
    }

    pub fn name(&self, function: &Function) -> &[u8] {
        self.symbols
            .as_ref()
            .map_or(&[], |symbols| symbols.functions.name(function))
    }

    pub fn shown(&self, address: u64) -> String {
        match address.checked_sub(self.start) {
            Some(offset) => format!("+{offset:#x}"),
            None => format!("{address:#x}"),
        }
    }

    pub fn add_part(&mut self, range: Range<u64>) -> Result<(), String> {
        let bytes = range.end.saturating_sub(range.start);
        let so_far: u64 = self.parts.iter().map(|it| it.bytes.len() as u64).sum();
        if so_far + bytes > MOST_BYTES || self.parts.len() == MOST_PARTS {
            return Err("it is too large".to_owned());
        }
        let elf = self.object.elf().map_err(|error| error.message)?;
        let from = elf.code_offset(range.start);
        let from = from.ok_or_else(|| "it is not in the code of its file".to_owned())?;
        let code = self.object.bytes_at(from, bytes as usize);
        let code = code.map_err(|error| error.message)?;
        if code.is_empty() || code.len() as u64 != bytes {
            return Err("it ends beyond its file".to_owned());
        }
        self.others.charge_tables(self.tables.cost(range.start))?;
        self.others.forget_looks();
        self.parts.push(Part {
            heights: self.tables.heights(range.start),
            range,
            bytes: code,
        });
        Ok(())
    }

    fn part(&self, address: u64) -> Option<&Part> {
        self.parts.iter().find(|it| it.range.contains(&address))
    }

    pub fn is_inside(&self, address: u64) -> bool {
        self.part(address).is_some()
    }

    /// In it, and not at the start of it or of a part.
    fn is_within(&self, address: u64) -> bool {
        let part = self.part(address);
        part.is_some_and(|part| part.range.start != address)
    }

    /// From an address of a part to that part's end.
    pub fn code(&self, address: u64) -> Option<&[u8]> {
        let part = self.part(address)?;
        part.bytes.get((address - part.range.start) as usize..)
    }

    /// The bytes of an instruction.
    pub fn instruction(&self, at: u64, step: &Step) -> Option<&[u8]> {
        self.code(at)?.get(..step.bytes as usize)
    }

    pub fn is_nop(&self, at: u64, step: &Step) -> bool {
        let code = self.instruction(at, step);
        code.is_some_and(|code| is_nop(self.machine, code))
    }

    /// The word by which it jumps.
    pub fn pointer(&self, at: u64) -> Option<u64> {
        pointer(self.machine, self.code(at)?, at)
    }

    /// Along all ways from there.
    pub fn follow(&mut self, mut ways: Vec<u64>, is_swept: bool) -> Result<(), String> {
        while let Some(mut at) = ways.pop() {
            while !self.steps.contains_key(&at) {
                let Some(code) = self.code(at) else {
                    break;
                };
                let step = step(self.machine, code, at)
                    .filter(|step| step.bytes <= code.len() as u64)
                    .ok_or_else(|| format!("what is at {} is no instruction", self.shown(at)))?;
                let after = at + step.bytes;
                // Some jump over another's prefix on purpose; what no way leads to is no code then.
                if is_swept && self.overlaps(at..after) {
                    return Err(format!("instructions overlap at {}", self.shown(at)));
                }
                self.steps.insert(at, step);
                if is_swept {
                    self.swept.insert(at);
                }
                match step.flow {
                    // Go's compiler puts one behind a call that never returns.
                    Flow::Next if !self.is_inside(after) && self.is_behind_call(at) => break,
                    Flow::Next if !self.is_inside(after) && self.may_fall_out => break,
                    Flow::Next if !self.is_inside(after) => {
                        let whence = self.shown(at);
                        return Err(format!("after {whence} it goes on into what follows it"));
                    }
                    // As a text is addressed that stands behind the call.
                    Flow::Call(Some(to)) if self.is_within(to) && to != after => {
                        self.inner_calls.push(at);
                        ways.push(to);
                        break;
                    }
                    Flow::Next | Flow::Call(_) => {}
                    Flow::Jump(to) => {
                        self.enter(to, &mut ways)?;
                        break;
                    }
                    Flow::Branch(to, _) => self.enter(to, &mut ways)?,
                    Flow::Return
                    | Flow::Pointer
                    | Flow::Computed
                    | Flow::Nowhere
                    | Flow::Foreign => break,
                }
                at = after;
            }
        }
        Ok(())
    }

    fn is_behind_call(&self, at: u64) -> bool {
        let mut steps = self.steps.range(..=at).rev();
        steps
            .find(|(at, step)| !self.is_nop(**at, step))
            .is_some_and(|(at, step)| {
                matches!(step.flow, Flow::Call(_)) && self.part(*at).is_some()
            })
    }

    /// Whether another of the instructions has some of these bytes.
    pub fn overlaps(&self, bytes: Range<u64>) -> bool {
        let last = self.steps.range(..bytes.start).next_back();
        last.is_some_and(|(at, step)| at + step.bytes > bytes.start)
            || self
                .steps
                .range(bytes.start + 1..bytes.end)
                .next()
                .is_some()
    }

    /// The instruction that begins before an address and ends behind it.
    pub fn around(&self, address: u64) -> Option<(u64, Step)> {
        let before = self.steps.range(..address).rev();
        let mut near = before.take_while(|(at, _)| address - **at < LONGEST_INSTRUCTION);
        let found = near.find(|(at, step)| *at + step.bytes > address)?;
        Some((*found.0, *found.1))
    }

    /// Where a jump leads, if it is within the function or to a part that is named as its own.
    fn enter(&mut self, to: u64, ways: &mut Vec<u64>) -> Result<(), String> {
        if !self.is_inside(to) {
            let Some(range) = self.part_by_name(to) else {
                return Ok(());
            };
            self.add_part(range)?;
        }
        ways.push(to);
        Ok(())
    }

    /// To all that its jumps lead to inside of it.
    pub fn ways_inside(&self) -> Vec<u64> {
        let jumps = self.steps.values().filter_map(|step| match step.flow {
            Flow::Jump(to) | Flow::Branch(to, _) => Some(to),
            _ => None,
        });
        jumps.filter(|to| self.is_inside(*to)).collect()
    }

    /// But for what compilers append.
    pub fn has_name(&self, name: &[u8]) -> bool {
        let symbols = self.symbols.as_ref();
        let own = symbols.map_or(&[][..], |symbols| symbols.at(self.start));
        let mut own = own.iter().take(MOST_NAMES);
        own.any(|own| clones::base(self.name(own)) == name)
    }

    /// Compilers and linkers give code that hardly ever runs a place and a symbol of its own.
    pub fn part_by_name(&self, to: u64) -> Option<Range<u64>> {
        let symbols = self.symbols.as_ref()?;
        let part = symbols.holding(to)?;
        let name = symbols.functions.name(part);
        let is_own = clones::is_part(name) && self.has_name(clones::base(name));
        (is_own && part.bytes > 0).then(|| part.address..part.address + part.bytes)
    }

    /// As the tables have it, where they describe how the function ends: some compilers leave that out.
    pub fn is_as_at_start(&self, address: u64) -> Option<bool> {
        self.part(address)?.heights.is_as_at_start(address)
    }

    pub fn read(&self, address: u64, bytes: usize) -> Option<Vec<u8>> {
        let offset = self.object.elf().ok()?.file_offset(address, 0)?;
        let read = self.object.bytes_at(offset, bytes).ok()?;
        (read.len() == bytes).then_some(read)
    }
}
