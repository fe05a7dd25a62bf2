//! Where a jump out of a function's code leads: to another function, or to a part of the same one that compilers have put elsewhere.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::code::flow::Flow;
use crate::code::machine::step;
use crate::code::others::Looks;
use crate::code::walk::{MOST_BYTES, Walk};
use crate::files::clones::{base, is_part};

pub enum Leads {
    /// To another function, which returns to the caller of this one.
    Away,
    ToPart(Range<u64>),
    /// Control never goes there.
    Nowhere,
}

impl Walk<'_> {
    /// Where a jump out of the function's code leads.
    pub fn leads(&self, at: u64, to: u64, height: Option<bool>) -> Result<Leads, String> {
        let untold = || {
            let (at, to) = (self.shown(at), self.shown(to));
            format!("whether {to}, to which it jumps at {at}, belongs to it cannot be told")
        };
        let is_deeper = self.others.is_deeper(self.tables, to)?;
        let named = self
            .symbols
            .as_ref()
            .and_then(|symbols| symbols.holding(to));
        match self.other_part(to) {
            Some(is_own) if is_own => return Ok(Leads::Nowhere),
            Some(_) => return Err(untold()),
            None => {}
        }
        if self.is_stub(to) || named.is_some_and(|it| it.address == to && !is_deeper) {
            // With a frame on the stack nobody goes to another function for good: it may be what stands in for a jump by a register
            // (`__x86_indirect_thunk_rax`), which leads back.
            return if height == Some(false) {
                Err(untold())
            } else {
                Ok(Leads::Away)
            };
        }
        let Some(range) = self.tables.holding(to) else {
            // What compilers take for impossible leads to where the code happens to end.
            let is_behind = self.parts.iter().any(|part| part.range.end == to);
            return match height {
                _ if is_behind => Ok(Leads::Nowhere),
                Some(true) if self.read(to, 1).is_some() => Ok(Leads::Away),
                _ => Err(untold()),
            };
        };
        if range.start != to || is_deeper {
            // Compilers do not jump to the middle of another function; who writes assembler may.
            return match named {
                Some(other) if !is_part(self.name(other)) => Err(untold()),
                _ => Ok(Leads::ToPart(range)),
            };
        }
        match height {
            Some(false) => Ok(Leads::ToPart(range)),
            _ => match self.looks(&range, to)? {
                Looks::LeadsBack | Looks::NeverEnds => Ok(Leads::ToPart(range)),
                Looks::Ends => Ok(Leads::Away),
            },
        }
    }

    /// Of a part that begins there: whether it has the function's name and no code, or one of the function's ends there. The compiler leads
    /// there what is impossible. Else it is a part of another function, to which nobody else jumps.
    fn other_part(&self, to: u64) -> Option<bool> {
        let symbols = self.symbols.as_ref()?;
        let here = symbols.at(to);
        let mut parts = here.iter().filter(|it| is_part(self.name(it)));
        let first = parts.clone().next()?;
        let ends_here = || {
            let part = self.part_by_name(to.checked_sub(1)?)?;
            (part.end == to).then_some(())
        };
        let is_own = parts.any(|it| it.bytes == 0 && self.has_name(base(self.name(it))))
            || ends_here().is_some();
        let is_only_part = here.iter().all(|it| is_part(self.name(it)));
        (is_own || (is_only_part && first.bytes > 0)).then_some(is_own)
    }

    /// Code without a name that begins as a function does: it may be one, or a part of this one that hardly ever runs.
    fn looks(&self, range: &Range<u64>, from: u64) -> Result<Looks, String> {
        if let Some(known) = self.others.looks(from) {
            return Ok(known);
        }
        let looks = self.looked(range, from)?;
        self.others.remember(from, looks);
        Ok(looks)
    }

    fn looked(&self, range: &Range<u64>, from: u64) -> Result<Looks, String> {
        let bytes = (range.end - range.start).min(MOST_BYTES) as usize;
        self.others.charge_looks(0, bytes as u64)?;
        let code = self.read(range.start, bytes).unwrap_or_default();
        let mut seen = BTreeSet::new();
        let mut ways = vec![from];
        let mut looks = Looks::NeverEnds;
        while let Some(at) = ways.pop() {
            if !range.contains(&at) {
                if self.is_inside(at) && at != self.start {
                    return Ok(Looks::LeadsBack);
                }
                looks = Looks::Ends;
                continue;
            }
            if !seen.insert(at) {
                continue;
            }
            self.others.charge_looks(1, 0)?;
            let rest = code.get((at - range.start) as usize..).unwrap_or_default();
            let Some(step) = step(self.machine, rest, at) else {
                return Ok(Looks::Ends);
            };
            let after = at + step.bytes;
            match step.flow {
                Flow::Next => ways.push(after),
                Flow::Call(_) if range.contains(&after) => ways.push(after),
                Flow::Call(_) | Flow::Nowhere => {}
                Flow::Jump(to) => ways.push(to),
                Flow::Branch(to, _) => ways.extend([to, after]),
                Flow::Return | Flow::Pointer | Flow::Computed | Flow::Foreign => {
                    looks = Looks::Ends;
                }
            }
        }
        Ok(looks)
    }

    /// Of a procedure linkage table, by which functions of other objects are called.
    fn is_stub(&self, to: u64) -> bool {
        let Ok(elf) = self.object.elf() else {
            return false;
        };
        let holds = elf.sections.iter().any(|section| {
            section.name.starts_with(b".plt")
                && to >= section.address
                && to - section.address < section.bytes
        });
        holds || {
            let code = self.read(to, 16).unwrap_or_default();
            let first = step(self.machine, &code, to);
            let rest = first.map_or(0, |first| first.bytes as usize);
            let second = code.get(rest..);
            let second = second.and_then(|code| step(self.machine, code, to + rest as u64));
            [first, second]
                .into_iter()
                .flatten()
                .map(|step| step.flow)
                .find(|flow| *flow != Flow::Next)
                == Some(Flow::Pointer)
        }
    }
}
