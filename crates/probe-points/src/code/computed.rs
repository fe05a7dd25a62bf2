//! Jumps that go by a register or by memory: within the function, or out of it.
//!
//! Where all of the function's code is led to by jumps that say where, and by tables, none of the others leads into it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;

use object::elf::EM_AARCH64;

use crate::code::arm64;
use crate::code::by_table::ByTable;
use crate::code::definitions::Definitions;
use crate::code::flow::Flow;
use crate::code::jump_table::{Leads, Reader, tables_of};
use crate::code::walk::Walk;

/// By a register, in one function.
const MOST_JUMPS: usize = 4096;
/// What a table leads to may bring other values to where another one is used.
const MOST_PASSES: usize = 8;

impl Walk<'_> {
    /// Takes what tables lead to for led to; returns a part of the function that only a table leads to.
    pub fn follow_tables(&mut self) -> Result<Option<Range<u64>>, String> {
        for _ in 0..MOST_PASSES {
            let known = self.by_table.edges.len();
            match self.tables_followed()? {
                Err(part) => return Ok(Some(part)),
                Ok(by_table) => self.by_table = by_table,
            }
            let ways = self.by_table.edges.iter().map(|(to, _)| *to).collect();
            self.take_for_led_to(ways);
            if self.by_table.edges.len() == known {
                return Ok(None);
            }
        }
        Err("its tables of places cannot be told from each other".to_owned())
    }

    fn tables_followed(&self) -> Result<Result<ByTable, Range<u64>>, String> {
        let mut by_table = ByTable {
            edges: self.by_table.edges.clone(),
            ..ByTable::default()
        };
        let computed = self.steps.iter().filter(|it| it.1.flow == Flow::Computed);
        let jumps: Vec<u64> = computed.map(|(at, _)| *at).collect();
        if jumps.len() > MOST_JUMPS {
            return Err(format!(
                "it jumps by a register at over {MOST_JUMPS} places"
            ));
        }
        if jumps.is_empty() {
            return Ok(Ok(by_table));
        }
        let Some(definitions) = Definitions::new(self, &self.by_table.edges) else {
            let arm64s = jumps.into_iter().filter(|at| self.goes_by_distance(*at));
            by_table.inside = arm64s.collect();
            return Ok(Ok(by_table));
        };
        let found = |at: u64| Some((at, tables_of(&definitions, at)?));
        let tables: BTreeMap<u64, _> = jumps.into_iter().filter_map(found).collect();
        let reader = Reader::new(self, &tables);
        let mut read = BTreeMap::new();
        for (&jump, tables) in &tables {
            let (mut inside, mut away) = (0, 0);
            for table in tables {
                let leads = match read.entry(*table) {
                    Entry::Occupied(it) => it.into_mut(),
                    Entry::Vacant(it) => it.insert(reader.leads(*table)?),
                };
                match leads {
                    Leads::ToPart(part) => return Ok(Err(part.clone())),
                    Leads::Inside(places) => {
                        inside += 1;
                        by_table.edges.extend(places.iter().map(|to| (*to, jump)));
                    }
                    Leads::Unclear => inside += 1,
                    Leads::Away => away += 1,
                }
                if matches!(leads, Leads::Unclear) || (inside > 0 && away > 0) {
                    by_table.unclear.insert(jump);
                }
            }
            if inside > 0 {
                by_table.inside.insert(jump);
            }
        }
        Ok(Ok(by_table))
    }

    fn take_for_led_to(&mut self, mut ways: Vec<u64>) {
        while let Some(at) = ways.pop() {
            if !self.swept.remove(&at) {
                continue;
            }
            let Some(step) = self.steps.get(&at) else {
                continue;
            };
            match step.flow {
                Flow::Next | Flow::Call(_) => ways.push(at + step.bytes),
                Flow::Jump(to) => ways.push(to),
                Flow::Branch(to, _) => ways.extend([to, at + step.bytes]),
                _ => {}
            }
        }
    }

    /// Of jumps that go by a register or by memory, those that leave the function.
    pub fn leaving(
        &self,
        computed: &[u64],
        height: impl Fn(u64) -> Option<bool>,
    ) -> Result<Vec<u64>, String> {
        let untold = |at: u64| {
            let at = self.shown(at);
            Err(format!("where its jump at {at} leads cannot be told"))
        };
        // Nobody goes to another function with a frame on the stack.
        let mut leaving = computed.to_vec();
        leaving.retain(|at| height(*at) != Some(false));
        if let Some(at) = leaving.iter().find(|at| self.by_table.unclear.contains(at)) {
            return untold(*at);
        }
        leaving.retain(|at| !self.by_table.inside.contains(at));
        let mut unknown = leaving.iter().filter(|at| !self.goes_by_linker(**at));
        match unknown.next() {
            Some(at) if self.is_not_led_to(height) => untold(*at),
            _ => Ok(leaving),
        }
    }

    /// Whether there is code to which a jump from where the stack is as at the start may lead, and nothing else does. An exception, or a
    /// jump by an unknown way with a frame on the stack, leads to where there is a frame.
    fn is_not_led_to(&self, height: impl Fn(u64) -> Option<bool>) -> bool {
        let mut goes_on_at = None;
        for at in &self.swept {
            let Some(step) = self.steps.get(at) else {
                continue;
            };
            let is_padding = step.flow == Flow::Nowhere || self.is_nop(*at, step);
            let has_frame = height(*at) == Some(false);
            let is_after_frame = goes_on_at == Some(*at);
            if !is_padding && !has_frame && !is_after_frame {
                return true;
            }
            let goes_on = matches!(step.flow, Flow::Next | Flow::Call(_) | Flow::Branch(..));
            goes_on_at = (goes_on && !is_padding).then_some(at + step.bytes);
        }
        false
    }

    /// By a word of the linker's, in which is the address of another object's function.
    fn goes_by_linker(&self, at: u64) -> bool {
        let Some(word) = self.pointer(at) else {
            return false;
        };
        let Ok(elf) = self.object.elf() else {
            return false;
        };
        elf.sections.iter().any(|section| {
            section.name.starts_with(b".got")
                && word >= section.address
                && word - section.address < section.bytes
        })
    }

    /// `adr x1, place; add x0, x1, w0, sxth #2; br x0`: the distance is counted from a place of the function.
    fn goes_by_distance(&self, jump: u64) -> bool {
        /// What tells is close by.
        const MOST_BEFORE: usize = 16;
        if self.machine != EM_AARCH64 {
            return false;
        }
        let before = self.steps.range(..jump).rev().take(MOST_BEFORE);
        let words: Vec<(u64, u32)> = before
            .filter_map(|(at, step)| Some((*at, arm64::word(self.instruction(*at, step)?)?)))
            .collect();
        let jump = self.code(jump).and_then(arm64::word);
        let place = jump.and_then(|jump| arm64::counted_from(jump, &words));
        place.is_some_and(|place| self.is_inside(place))
    }
}
