//! One step of a walk: from a function's registers to its caller's.

use std::sync::Arc;

use crate::mapped::arch::{Arch, Registers};
use crate::mapped::effort::Effort;
use crate::mapped::module::Module;
use crate::mapped::process_maps::{Place, ProcessMaps};
use crate::unwind::cfi::{self, Context};
use crate::unwind::copied_stack::CopiedStack;
use crate::unwind::expression::Failure;
use crate::unwind::generated_ways::GeneratedWays;
use crate::unwind::places::Places;
use crate::unwind::rules::{Compact, Rule, Rules};
use crate::unwind::text::Code;
use crate::unwind::walk::{End, FoundBy};
use crate::unwind::{signal_frame, way_out};

/// How the caller's registers were found.
pub struct Stepped {
    pub by: FoundBy,
    /// The function was a signal trampoline: the caller was interrupted, and did not call.
    pub is_signal: bool,
}

const fn called(by: FoundBy) -> Stepped {
    Stepped {
        by,
        is_signal: false,
    }
}

/// To read a few bytes of a mapped file, in units of effort.
const READ_UNITS: u64 = 64;

#[derive(Default)]
pub struct Stepper {
    context: Context,
    rules: Rules,
    generated: GeneratedWays,
    /// Places, and whether a call is before them.
    calls: Places<bool>,
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
        let Place::Module { module, address } = place else {
            return self.in_generated(maps, registers, stack, effort);
        };
        let address = *address;
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
                    by: FoundBy::UnwindInfo,
                    is_signal,
                })
            }
            Rule::Complete => Err(End::Complete),
            Rule::SignalFrame => {
                let found = signal_frame::interrupted(registers, stack);
                *registers = found.map_err(|at| not_copied(at, stack))?;
                Ok(Stepped {
                    by: FoundBy::UnwindInfo,
                    is_signal: true,
                })
            }
            Rule::Broken => Err(End::NoUnwindInfo),
            Rule::NoEntry(_) if is_entry(module, address) => Err(End::Complete),
            Rule::NoEntry(way_out) => {
                let way_out = *way_out;
                self.without_tables(maps, module, way_out, registers, stack, effort)
            }
            Rule::TooCostly => Err(End::TooCostly),
        }
    }

    /// Whether nothing has called the function there.
    pub fn is_first(&mut self, place: &Place, registers: &Registers, effort: &mut Effort) -> bool {
        let Place::Module { module, address } = place else {
            return false;
        };
        match self.rule(module, *address, registers, effort) {
            Ok(Rule::Complete) => true,
            Ok(Rule::NoEntry(_)) => is_entry(module, *address),
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
            let rule = rule(module, context, registers, address, &mut units);
            effort.spend(id, units);
            if !is_known && module.has_debug_file_tables() {
                effort.spend_tables(id, module.debug_file_tables().worked_bytes());
            }
            Some(rule)
        };
        let found = self.rules.get_or(module.id(), address, make);
        found.ok_or(End::TooCostly)
    }

    /// By its instructions, if that leads to code; else by frame pointers, which generated code often keeps.
    fn in_generated(
        &mut self,
        maps: &ProcessMaps,
        registers: &mut Registers,
        stack: &CopiedStack<'_>,
        effort: &mut Effort,
    ) -> Result<Stepped, End> {
        let way_out = self
            .generated
            .rule(maps, registers.arch, registers.pc, effort);
        match self.by_way_out(maps, way_out, registers, stack, effort)? {
            Some(stepped) => Ok(stepped),
            None => by_frame_pointer(registers, stack),
        }
    }

    /// What is found is no more than likely, so it has to lead to where something was called. Generated code may be called in ways of its
    /// own.
    fn by_way_out(
        &mut self,
        maps: &ProcessMaps,
        way_out: Option<Compact>,
        registers: &mut Registers,
        stack: &CopiedStack<'_>,
        effort: &mut Effort,
    ) -> Result<Option<Stepped>, End> {
        let Some(rule) = way_out else {
            return Ok(None);
        };
        let mut caller = registers.clone();
        match rule.apply(&mut caller, stack) {
            Ok(()) => {
                let is_code = match maps.find(caller.pc.wrapping_sub(1)) {
                    Place::Module { .. } => {
                        let from = self.called_from(maps, registers.arch, caller.pc, effort)?;
                        from.is_some()
                    }
                    Place::Generated { .. } => true,
                    Place::Unknown => false,
                };
                if is_code {
                    *registers = caller;
                }
                Ok(is_code.then_some(called(FoundBy::Instructions)))
            }
            Err(Some(at)) if stack.is_cut_at(at) => Err(End::CutStack),
            Err(_) => Ok(None),
        }
    }

    fn without_tables(
        &mut self,
        maps: &ProcessMaps,
        module: &Module,
        way_out: Option<Compact>,
        registers: &mut Registers,
        stack: &CopiedStack<'_>,
        effort: &mut Effort,
    ) -> Result<Stepped, End> {
        if let Some(stepped) = self.by_way_out(maps, way_out, registers, stack, effort)? {
            return Ok(stepped);
        }
        let mut caller = registers.clone();
        let stepped = by_frame_pointer(&mut caller, stack);
        let is_code = !matches!(maps.find(caller.pc.wrapping_sub(1)), Place::Unknown);
        let has_caller = stepped.is_ok() && is_code;
        if !has_caller
            && !is_go(module)
            && let Some(found) = self.first_function(maps, registers, stack, effort)?
        {
            return Ok(found);
        }
        let stepped = stepped?;
        *registers = caller;
        Ok(stepped)
    }

    /// Where that address is, if a call is before it.
    fn called_from(
        &mut self,
        maps: &ProcessMaps,
        arch: Arch,
        pc: u64,
        effort: &mut Effort,
    ) -> Result<Option<(Arc<Module>, u64)>, End> {
        let Place::Module { module, address } = maps.find(pc.wrapping_sub(1)) else {
            return Ok(None);
        };
        let look = || {
            if !effort.allows(module.id()) {
                return None;
            }
            effort.spend(module.id(), READ_UNITS);
            let after = address.wrapping_add(1);
            Some(way_out::is_after_call(arch, &module, after))
        };
        let is_after_call = self.calls.get_or(module.id(), address, look);
        Ok(is_after_call
            .ok_or(End::TooCostly)?
            .then_some((module, address)))
    }

    /// Of a function that never returns, as that which calls `main` and then `exit`: the first return address on the stack leads to where
    /// the program or the thread began. If it leads elsewhere, that may be its caller, or a word that was left there.
    fn first_function(
        &mut self,
        maps: &ProcessMaps,
        registers: &mut Registers,
        stack: &CopiedStack<'_>,
        effort: &mut Effort,
    ) -> Result<Option<Stepped>, End> {
        const FARTHEST: u64 = 16;
        let Some(sp) = registers.sp() else {
            return Ok(None);
        };
        for word in 0..FARTHEST {
            let Some(at) = sp.checked_add(word * 8) else {
                break;
            };
            let Some(pc) = stack.word(at) else {
                break;
            };
            let Some((module, address)) = self.called_from(maps, registers.arch, pc, effort)?
            else {
                continue;
            };
            let mut is_exit = || {
                effort.spend(module.id(), READ_UNITS);
                way_out::is_thread_exit(registers.arch, &module, address.wrapping_add(1))
            };
            if !is_entry(&module, address) && !is_exit() {
                break;
            }
            registers.pc = pc;
            registers.set(registers.arch.sp(), Some(at.wrapping_add(8)));
            registers.set(registers.arch.fp(), None);
            return Ok(Some(called(FoundBy::FramePointer)));
        }
        Ok(None)
    }
}

fn rule(
    module: &Module,
    context: &mut Context,
    registers: &Registers,
    address: u64,
    units: &mut u64,
) -> Rule {
    let tables = module.tables();
    if tables.arch.is_some_and(|arch| arch != registers.arch) {
        return Rule::Broken;
    }
    let found = match cfi::rule(tables, context, address, units) {
        Rule::NoEntry(_) => cfi::rule(module.debug_file_tables(), context, address, units),
        found => found,
    };
    match found {
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
                false => Rule::NoEntry(way_out::rule(
                    registers.arch,
                    Code::File(module),
                    next,
                    units,
                )),
            }
        }
        rule => rule,
    }
}

pub fn is_in_go(place: &Place) -> bool {
    matches!(place, Place::Module { module, .. } if is_go(module))
}

/// Its functions leave their stack for the thread's own, where the program begins, too, but did not call them.
fn is_go(module: &Module) -> bool {
    let elf = module.object().elf();
    elf.is_ok_and(|elf| elf.section(b".note.go.buildid").is_some())
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

/// Where a program begins, which C libraries often leave without unwind information.
fn is_entry(module: &Module, address: u64) -> bool {
    /// In bytes.
    const LONGEST: u64 = 80;
    let elf = module.object().elf();
    let elf = elf.ok().filter(|elf| elf.is_64 && elf.entry != 0);
    elf.is_some_and(|elf| {
        let arch = Arch::of_machine(elf.machine);
        let within = address.checked_sub(elf.entry);
        arch.is_some() && within.is_some_and(|within| within < LONGEST)
    })
}

/// Generated code keeps them, and other code that has no unwind information sometimes.
fn by_frame_pointer(registers: &mut Registers, stack: &CopiedStack<'_>) -> Result<Stepped, End> {
    let (sp, fp) = (registers.sp(), registers.get(registers.arch.fp()));
    let (Some(sp), Some(fp)) = (sp, fp) else {
        return Err(End::NoUnwindInfo);
    };
    if fp < sp || fp % 8 != 0 {
        return Err(End::NoUnwindInfo);
    }
    let (Some(caller), Some(pc)) = (stack.word(fp), stack.word(fp.wrapping_add(8))) else {
        return Err(match stack.is_cut_at(fp.wrapping_add(8)) {
            true => End::CutStack,
            false => End::NoUnwindInfo,
        });
    };
    registers.pc = registers.arch.code_address(pc);
    registers.set(registers.arch.fp(), Some(caller));
    registers.set_sp_above_record(fp);
    Ok(called(FoundBy::FramePointer))
}

fn not_copied(address: u64, stack: &CopiedStack<'_>) -> End {
    match stack.is_cut_at(address) {
        true => End::CutStack,
        false => End::Invalid,
    }
}
