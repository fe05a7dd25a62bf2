//! Where calls of a function end: at its return instructions, and where it jumps to another function instead of calling it.
//!
//! A breakpoint at each of these tells of a return without a change of the return address on the stack, which unwinders, garbage
//! collectors and exceptions read. What must not happen is a breakpoint in what is no instruction, or an end that is missed.
//! So all ways through the code are followed from its start; what is reached by none of them (a `catch` block, a case of
//! a `switch`) is taken for code only where it reads as such without a gap, and ends the function only where the unwind tables
//! say that the stack is as it was at the start. What remains unclear is told, and refused.

use std::ops::Range;

use crate::code::flow::{Condition, Flow};
use crate::code::leads::Leads;
use crate::code::walk::Walk;
use crate::files::elf::Elf;
use crate::files::object::Object;

/// To other code, in one function.
const MOST_JUMPS: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    pub address: u64,
    /// A jump that may be taken or not: the call ends there only if it is.
    pub is_conditional: bool,
    /// It leads to another function, which returns in its place.
    pub is_jump: bool,
}

#[derive(Clone, Debug)]
pub struct Ends {
    pub all: Vec<End>,
    /// Where it jumps to its first instruction, at which a call begins no more than it does in a loop's next round.
    pub begins_again: Option<String>,
}

/// Of the function whose code that is; else why they cannot be told, as the end of a sentence.
pub fn ends(object: &Object, function: Range<u64>) -> Result<Ends, String> {
    let mut walk = Walk::new(object, function)?;
    loop {
        if let Some(at) = walk.inner_calls.first() {
            let at = walk.shown(*at);
            return Err(format!("it calls a place within itself at {at}"));
        }
        walk.sweep()?;
        let part = match walk.follow_tables()? {
            Some(part) => part,
            None => match walk.classify()? {
                Found::Ends(all) => {
                    let begins_again = walk.begins_again().map(|at| walk.shown(at));
                    return Ok(Ends { all, begins_again });
                }
                Found::Part(part) => part,
            },
        };
        walk.add_part(part)?;
        walk.follow(walk.ways_inside(), false)?;
    }
}

enum Found {
    Ends(Vec<End>),
    /// More code of the function.
    Part(Range<u64>),
}

impl Walk<'_> {
    fn classify(&self) -> Result<Found, String> {
        let returns = self
            .steps
            .iter()
            .filter(|(at, step)| step.flow == Flow::Return && !self.swept.contains(at));
        let mut heights = returns.map(|(at, _)| self.is_as_at_start(*at));
        // Some compilers leave out of the tables how a function takes its frame down.
        let tables_tell = !heights.any(|is| is == Some(false));
        let height = |at: u64| self.is_as_at_start(at).filter(|_| tables_tell);
        let mut ends = Vec::new();
        let mut end = |address, flow: Flow| {
            ends.push(End {
                address,
                is_conditional: matches!(flow, Flow::Branch(..)),
                is_jump: flow != Flow::Return,
            });
        };
        let mut computed = Vec::new();
        let mut elsewhere = 0;
        for (&at, step) in &self.steps {
            let (to, condition) = match step.flow {
                Flow::Next | Flow::Call(_) | Flow::Nowhere => continue,
                Flow::Foreign => {
                    let at = self.shown(at);
                    return Err(format!("it is left in an unusual way at {at}"));
                }
                Flow::Return => {
                    end(at, step.flow);
                    continue;
                }
                // A label's address may be in a variable, too.
                Flow::Pointer | Flow::Computed => {
                    computed.push(at);
                    continue;
                }
                Flow::Jump(to) => (to, None),
                Flow::Branch(to, condition) => (to, Some(condition)),
            };
            if self.is_inside(to) {
                continue;
            }
            if condition.is_none() && self.is_thunk(to) {
                computed.push(at);
                continue;
            }
            elsewhere += 1;
            if elsewhere > MOST_JUMPS {
                return Err(format!(
                    "it jumps to other code at over {MOST_JUMPS} places"
                ));
            }
            match self.leads(at, to, height(at))? {
                Leads::ToPart(range) => return Ok(Found::Part(range)),
                Leads::Nowhere => {}
                Leads::Away if condition == Some(Condition::Unreadable) => {
                    let at = self.shown(at);
                    return Err(format!(
                        "it jumps to another function on a condition at {at}"
                    ));
                }
                Leads::Away => end(at, step.flow),
            }
        }
        for at in self.leaving(&computed, height)? {
            end(at, Flow::Computed);
        }
        self.require_instructions(&ends, height)?;
        if ends.is_empty() {
            return Err("it never returns".to_owned());
        }
        ends.sort_by_key(|end| end.address);
        Ok(Found::Ends(ends))
    }

    /// Go's functions do so as their stack has grown, and have not begun before.
    fn begins_again(&self) -> Option<u64> {
        let mut steps = self.steps.iter().filter(|_| !self.is_go());
        let found = steps.find(|(_, step)| match step.flow {
            Flow::Jump(to) | Flow::Branch(to, _) => to == self.start,
            _ => false,
        });
        found.map(|(at, _)| *at)
    }

    /// A breakpoint is put on what is an instruction for certain.
    fn require_instructions(
        &self,
        ends: &[End],
        height: impl Fn(u64) -> Option<bool>,
    ) -> Result<(), String> {
        let is_go = self.is_go();
        for End { address, .. } in ends {
            let step = self.steps.get(address);
            if step.is_some_and(|step| self.overlaps(*address..address + step.bytes)) {
                let at = self.shown(*address);
                return Err(format!("instructions overlap at {at}"));
            }
            let is_known = height(*address) == Some(true) || is_go;
            if self.swept.contains(address) && !is_known {
                let at = self.shown(*address);
                return Err(format!("no way is known to its end at {at}"));
            }
        }
        Ok(())
    }

    /// Go's compiler puts nothing but instructions among instructions, and makes no unwind tables.
    fn is_go(&self) -> bool {
        self.object.elf().is_ok_and(Elf::is_go)
    }
}
