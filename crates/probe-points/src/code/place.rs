//! Where instructions begin. A breakpoint inside of one would make another one of it, and the kernel does not look; one in data changes
//! what the program reads.
//!
//! Of x86 the ways through the function tell: where one of them leads, an instruction begins. What none is known to is taken for code
//! only where something could lead there that is not followed, and where the function reads the same whether it is followed or read
//! from its start to its end, as it does not with data among the instructions.

use std::ops::Range;

use object::elf::{EM_386, EM_AARCH64, EM_ARM, EM_RISCV, EM_X86_64};

use crate::code::flow::Flow;
use crate::code::machine::step;
use crate::code::walk::Walk;
use crate::files::elf::Elf;
use crate::files::object::Object;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Begins,
    /// Of the instruction that it is in, from the function's start on.
    Inside {
        offset: u64,
        bytes: u64,
    },
    /// Why it cannot be told.
    Unknown(String),
}

/// What the function whose code that is has at an address of it.
pub fn place(object: &Object, function: Range<u64>, address: u64) -> Place {
    let start = function.start;
    let machine = object.elf().map_or(0, |elf| elf.machine);
    let found = match machine {
        EM_X86_64 | EM_386 => along_ways(object, function, address),
        EM_AARCH64 => return aligned(address - start, 4),
        EM_ARM | EM_RISCV => return aligned(address - start, 2),
        _ => Err("instructions of this processor are not known".to_owned()),
    };
    match found {
        Ok((at, _)) if at == address => Place::Begins,
        Ok((at, bytes)) => Place::Inside {
            offset: at.saturating_sub(start),
            bytes,
        },
        Err(why) => Place::Unknown(why),
    }
}

/// Whether an instruction begins there, whatever is around it.
pub fn begins_anywhere(machine: u16, address: u64) -> bool {
    machine == EM_AARCH64 && aligned(address, 4) == Place::Begins
}

fn aligned(wanted: u64, bytes: u64) -> Place {
    match wanted % bytes {
        0 => Place::Begins,
        beyond => Place::Inside {
            offset: wanted - beyond,
            bytes,
        },
    }
}

/// Where the instruction begins that an address is in, and how long it is.
fn along_ways(object: &Object, function: Range<u64>, address: u64) -> Result<(u64, u64), String> {
    let mut walk = Walk::of_any(object, function.clone())?;
    if let Some(found) = walk.found_at(address) {
        return Ok(found);
    }
    let leads_anywhere = walk.leads_anywhere();
    let begins = walk.read_in_line(&function)?;
    walk.sweep()?;
    let mut inside = walk.steps.keys().filter(|at| function.contains(at));
    if let Some(at) = inside.find(|at| begins.binary_search(at).is_err()) {
        return Err(format!(
            "there is data among the instructions before {}",
            walk.shown(*at)
        ));
    }
    let found = walk.found_at(address);
    let (at, bytes) = found.ok_or_else(|| "no instruction is known there".to_owned())?;
    if at == address && !leads_anywhere && !walk.is_between_ways(at) {
        return Err("no way is known to it, and it may be data".to_owned());
    }
    Ok((at, bytes))
}

impl Walk<'_> {
    fn found_at(&self, address: u64) -> Option<(u64, u64)> {
        let around = self.around(address);
        let found = around.or_else(|| Some((address, *self.steps.get(&address)?)));
        found.map(|(at, step)| (at, step.bytes))
    }

    /// Whether it can go on where no way is known to: by a table or a label's address, or as an exception is caught. Go's run time knows
    /// other ways, and its compiler puts nothing but instructions among instructions.
    fn leads_anywhere(&self) -> bool {
        let mut flows = self.steps.values().map(|step| step.flow);
        flows.any(|flow| matches!(flow, Flow::Computed | Flow::Pointer))
            || self.tables.has_landing_pads(self.start)
            || self.object.elf().is_ok_and(Elf::is_go)
    }

    /// Where instructions begin, each behind the one before it; in order.
    fn read_in_line(&self, function: &Range<u64>) -> Result<Vec<u64>, String> {
        let mut begins = Vec::new();
        let mut at = function.start;
        while let Some(code) = self.code(at).filter(|_| function.contains(&at)) {
            let step = step(self.machine, code, at);
            let step =
                step.ok_or_else(|| format!("what is at {} is no instruction", self.shown(at)))?;
            begins.push(at);
            at += step.bytes;
        }
        Ok(begins)
    }

    /// It is one of the instructions without effect that fill up a gap.
    fn is_between_ways(&self, at: u64) -> bool {
        let is_filling = |at: &u64| {
            self.swept.contains(at) && self.steps.get(at).is_some_and(|it| self.is_nop(*at, it))
        };
        let mut before = self.swept.range(..at).rev();
        let mut begin = at;
        while let Some(last) = before.next()
            && self
                .steps
                .get(last)
                .is_some_and(|it| last + it.bytes == begin)
        {
            begin = *last;
        }
        let mut next = begin;
        while self.swept.contains(&next) {
            if !is_filling(&next) {
                return false;
            }
            next += self.steps.get(&next).map_or(1, |it| it.bytes);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use object::elf::{EM_AARCH64, EM_X86_64};

    use super::{Place, aligned, begins_anywhere};

    #[test]
    fn instructions_of_one_length_begin_at_its_multiples() {
        assert_eq!(aligned(8, 4), Place::Begins);
        let inside = Place::Inside {
            offset: 4,
            bytes: 4,
        };
        assert_eq!(aligned(6, 4), inside);
        assert!(begins_anywhere(EM_AARCH64, 8));
        assert!(!begins_anywhere(EM_AARCH64, 6));
        assert!(!begins_anywhere(EM_X86_64, 8));
    }
}
