//! Where calls of a function end: at its return instructions, and where it jumps to another function instead of calling it.
//!
//! A breakpoint at each of these tells of a return without a change of the return address on the stack, which unwinders, garbage
//! collectors and exceptions read. What must not happen is a breakpoint in what is no instruction, or an end that is missed.
//! So all ways through the code are followed from its start; what is reached by none of them (a `catch` block, a case of
//! a `switch`) is taken for code only where it reads as such without a gap, and ends the function only where the unwind tables
//! say that the stack is as it was at the start. What remains unclear is told, and refused.

use std::ops::Range;

use crate::code::flow::{Condition, Flow};
use crate::code::jump_table::{Code, leads_inside};
use crate::code::leads::Leads;
use crate::code::machine::is_nop;
use crate::code::walk::Walk;
use crate::files::object::Object;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    pub address: u64,
    /// A jump that may be taken or not: the call ends there only if it is.
    pub is_conditional: bool,
}

/// Of the function whose code that is; else why they cannot be told, as the end of a sentence.
pub fn ends(object: &Object, function: Range<u64>) -> Result<Vec<End>, String> {
    let mut walk = Walk::new(object, function)?;
    loop {
        walk.sweep()?;
        match walk.classify()? {
            Found::Ends(ends) => return Ok(ends),
            Found::Part(range) => {
                walk.add_part(range)?;
                walk.follow(walk.ways_inside(), false)?;
            }
        }
    }
}

enum Found {
    Ends(Vec<End>),
    /// More code of the function.
    Part(Range<u64>),
}

impl Walk<'_> {
    fn classify(&self) -> Result<Found, String> {
        let returns: Vec<Option<bool>> = self
            .steps
            .iter()
            .filter(|(at, step)| step.flow == Flow::Return && !self.swept.contains(at))
            .map(|(at, _)| self.is_as_at_start(*at))
            .collect();
        // Some compilers leave out of the tables how a function takes its frame down.
        let tables_tell = !returns.contains(&Some(false));
        let height = |at: u64| self.is_as_at_start(at).filter(|_| tables_tell);
        let mut ends: Vec<End> = Vec::new();
        let mut computed = Vec::new();
        for (&at, step) in &self.steps {
            let (to, condition) = match step.flow {
                Flow::Next | Flow::Call | Flow::Nowhere => continue,
                Flow::Foreign => {
                    return Err(format!(
                        "it is left in an unusual way at {}",
                        self.shown(at)
                    ));
                }
                Flow::Return | Flow::Pointer => (None, None),
                Flow::Computed => {
                    computed.push(at);
                    continue;
                }
                Flow::Jump(to) => (Some(to), None),
                Flow::Branch(to, condition) => (Some(to), Some(condition)),
            };
            if let Some(to) = to {
                if self.is_inside(to) {
                    continue;
                }
                match self.leads(at, to, height(at))? {
                    Leads::ToPart(range) => return Ok(Found::Part(range)),
                    Leads::Nowhere => continue,
                    Leads::Away => {}
                }
            }
            if condition == Some(Condition::Unreadable) {
                let at = self.shown(at);
                return Err(format!(
                    "it jumps to another function on a condition at {at}"
                ));
            }
            ends.push(End {
                address: at,
                is_conditional: condition.is_some(),
            });
        }
        let (inside, outside): (Vec<u64>, Vec<u64>) = computed
            .into_iter()
            .partition(|at| height(*at) == Some(false) || self.goes_by_table(*at));
        // Where one of the others led inside, there would be code that nothing else leads to.
        let is_all_reached = !inside.is_empty() || self.swept.iter().all(|at| self.is_padding(*at));
        if let Some(at) = outside.first().filter(|_| !is_all_reached) {
            return Err(format!(
                "where its jump at {} leads cannot be told",
                self.shown(*at)
            ));
        }
        ends.extend(outside.into_iter().map(|address| End {
            address,
            is_conditional: false,
        }));
        for End { address, .. } in &ends {
            let at = self.shown(*address);
            let step = self.steps.get(address);
            if step.is_some_and(|step| self.overlaps(*address..address + step.bytes)) {
                return Err(format!("instructions overlap at {at}"));
            }
            let is_known = height(*address) == Some(true) || self.is_go();
            if self.swept.contains(address) && !is_known {
                return Err(format!("no way is known to its end at {at}"));
            }
        }
        if ends.is_empty() {
            return Err("it never returns".to_owned());
        }
        ends.sort_by_key(|end| end.address);
        Ok(Found::Ends(ends))
    }

    fn goes_by_table(&self, at: u64) -> bool {
        let instructions: Vec<(u64, &[u8])> = self
            .steps
            .iter()
            .filter_map(|(at, step)| Some((*at, self.code(*at)?.get(..step.bytes as usize)?)))
            .collect();
        let jump = instructions.partition_point(|(other, _)| *other < at);
        let code = Code {
            machine: self.machine,
            instructions: &instructions,
            read: &|address, bytes| self.read(address, bytes),
            is_inside: &|address| self.is_inside(address),
        };
        leads_inside(&code, jump)
    }

    fn is_padding(&self, at: u64) -> bool {
        let (Some(code), Some(step)) = (self.code(at), self.steps.get(&at)) else {
            return false;
        };
        step.flow == Flow::Nowhere || is_nop(self.machine, &code[..step.bytes as usize])
    }

    /// Go's compiler puts nothing but instructions among instructions, and makes no unwind tables.
    fn is_go(&self) -> bool {
        let elf = self.object.elf();
        elf.is_ok_and(|elf| elf.section(b".go.buildinfo").is_some())
    }
}
