//! One step of a walk: from a function's registers to its caller's.

use crate::mapped::arch::Registers;
use crate::mapped::effort::Effort;
use crate::mapped::module::Module;
use crate::mapped::process_maps::{Place, ProcessMaps};
use crate::unwind::beginnings::is_entry;
use crate::unwind::cfi::{self, Context};
use crate::unwind::copied_stack::CopiedStack;
use crate::unwind::expression::Failure;
use crate::unwind::rules::{Rule, Rules};
use crate::unwind::stepped::{READ_UNITS, Stepped, called, not_copied};
use crate::unwind::text::Code;
use crate::unwind::walk::{End, FoundBy};
use crate::unwind::without_tables::WithoutTables;
use crate::unwind::{signal_frame, way_out};

#[derive(Default)]
pub struct Stepper {
    context: Context,
    rules: Rules,
    without_tables: WithoutTables,
}

impl Stepper {
    /// `place`: of the instruction that is looked up, which for return addresses is one byte before.
    pub fn step(
        &mut self,
        maps: &ProcessMaps,
        place: &Place,
        registers: &mut Registers,
        stack: &CopiedStack<'_>,
        effort: &mut Effort,
    ) -> Result<Stepped, End> {
        let without_tables = &mut self.without_tables;
        let (module, address) = match place {
            Place::Module { module, address } => (module, *address),
            Place::Generated { .. } => {
                return without_tables.in_generated(maps, registers, stack, effort);
            }
            Place::Unknown => {
                return without_tables.out_of_nowhere(maps, registers, stack, effort);
            }
        };
        match self.rule(module, address, registers, effort)? {
            Rule::Compact(rule) => match rule.apply(registers, stack) {
                Ok(()) => Ok(called(FoundBy::UnwindInfo)),
                Err(Some(at)) => Err(not_copied(at, stack)),
                Err(None) => Err(End::NoUnwindInfo),
            },
            Rule::Complex(rule) => {
                if !effort.allows(module.id()) {
                    return Err(End::TooCostly);
                }
                effort.spend(module.id(), rule.units());
                let (caller, is_signal) = match rule.apply(rule.tables(module), registers, stack) {
                    Ok(found) => found,
                    Err(Failure::NotCopied(at)) => return Err(not_copied(at, stack)),
                    Err(Failure::Other) => return Err(End::NoUnwindInfo),
                };
                *registers = caller;
                Ok(Stepped {
                    is_signal,
                    ..called(FoundBy::UnwindInfo)
                })
            }
            Rule::Complete => Err(End::Complete),
            Rule::SignalFrame => {
                let found = signal_frame::interrupted(registers, stack);
                *registers = found.map_err(|at| not_copied(at, stack))?;
                Ok(Stepped {
                    is_signal: true,
                    ..called(FoundBy::UnwindInfo)
                })
            }
            Rule::Broken => Err(End::NoUnwindInfo),
            Rule::NoEntry(_) if is_entry(maps, module, address, registers.pc) => Err(End::Complete),
            Rule::NoEntry(way_out) => {
                let way_out = *way_out;
                self.without_tables
                    .step(maps, module, way_out, registers, stack, effort)
            }
            Rule::TooCostly => Err(End::TooCostly),
        }
    }

    /// Whether nothing has called the function there.
    pub fn is_first(
        &mut self,
        maps: &ProcessMaps,
        place: &Place,
        registers: &Registers,
        effort: &mut Effort,
    ) -> bool {
        let Place::Module { module, address } = place else {
            return false;
        };
        match self.rule(module, *address, registers, effort) {
            Ok(Rule::Complete) => true,
            Ok(Rule::NoEntry(_)) => is_entry(maps, module, *address, registers.pc),
            _ => false,
        }
    }

    /// Fails where it is not known, and nothing may be spent on finding it.
    fn rule(
        &mut self,
        module: &Module,
        address: u64,
        registers: &Registers,
        effort: &mut Effort,
    ) -> Result<&Rule, End> {
        let context = &mut self.context;
        let make = || {
            let id = module.id();
            if !effort.allows(id) {
                return None;
            }
            if !module.has_tables() {
                if !effort.allows_tables() {
                    return None;
                }
                effort.spend_tables(id, module.tables().worked_bytes());
            }
            let mut units = 0;
            let is_known = module.has_debug_file_tables();
            let may_read = is_known || effort.allows_tables();
            let rule = rule(module, context, registers, address, may_read, &mut units);
            effort.spend(id, units);
            if !is_known && module.has_debug_file_tables() {
                effort.spend_tables(id, module.debug_file_tables().worked_bytes());
            }
            rule
        };
        let found = self.rules.get_or(module.id(), address, make);
        found.ok_or(End::TooCostly)
    }
}

/// `may_read`: the tables of the module's debug file. `None`: they are needed, and that may not be.
fn rule(
    module: &Module,
    context: &mut Context,
    registers: &Registers,
    address: u64,
    may_read: bool,
    units: &mut u64,
) -> Option<Rule> {
    let tables = module.tables();
    if tables.arch.is_some_and(|arch| arch != registers.arch) {
        return Some(Rule::Broken);
    }
    let found = match cfi::rule(tables, context, address, units) {
        Rule::NoEntry(_) if !may_read => return None,
        Rule::NoEntry(_) => cfi::rule(module.debug_file_tables(), context, address, units),
        found => found,
    };
    Some(match found {
        Rule::NoEntry(_) if is_trampoline(module, registers, address) => {
            *units += 2 * READ_UNITS;
            Rule::SignalFrame
        }
        Rule::NoEntry(_) => {
            *units += 3 * READ_UNITS;
            // What runs next: of a return address, the byte before it was looked up.
            let next = address.wrapping_add(registers.pc.wrapping_sub(address) & 1);
            match way_out::is_thread_exit(registers.arch, module, next) {
                true => Rule::Complete,
                false => {
                    let code = Code::File(module);
                    let way_out = way_out::follow(registers.arch, code, next, units);
                    Rule::NoEntry(way_out.rule)
                }
            }
        }
        rule => rule,
    })
}

/// It is returned to, at its beginning: the address looked up is one byte before, except in the first frame.
fn is_trampoline(module: &Module, registers: &Registers, address: u64) -> bool {
    let Ok(elf) = module.object().elf() else {
        return false;
    };
    [address.wrapping_add(1), address].iter().any(|&at| {
        let offset = elf.code_offset(at);
        let code = offset.and_then(|at| module.object().bytes_at(at, signal_frame::LONGEST).ok());
        code.is_some_and(|code| signal_frame::is_trampoline(registers.arch, &code))
    })
}
