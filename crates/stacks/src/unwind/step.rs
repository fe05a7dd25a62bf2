//! One step of a walk: from a function's registers to its caller's.

use std::sync::Arc;

use crate::mapped::arch::{Arch, Registers};
use crate::mapped::module::Module;
use crate::mapped::process_maps::{Place, ProcessMaps};
use crate::unwind::cfi::{self, Context};
use crate::unwind::copied_stack::CopiedStack;
use crate::unwind::expression::Failure;
use crate::unwind::rules::{Compact, Rule, Rules};
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

#[derive(Default)]
pub struct Stepper {
    context: Context,
    rules: Rules,
}

impl Stepper {
    /// `place`: of the instruction that is looked up, which for return addresses is one byte before.
    pub fn step(
        &mut self,
        maps: &ProcessMaps,
        place: &Place,
        registers: &mut Registers,
        stack: &CopiedStack<'_>,
    ) -> Result<Stepped, End> {
        let Place::Module { module, address } = place else {
            return by_frame_pointer(registers, stack);
        };
        let address = *address;
        match self.rule(module, address, registers) {
            Rule::Compact(rule) => match rule.apply(registers, stack) {
                Ok(()) => Ok(called(FoundBy::UnwindInfo)),
                Err(Some(at)) => Err(not_copied(at, stack)),
                Err(None) => Err(End::NoUnwindInfo),
            },
            Rule::Complex => self.run(module, address, registers, stack),
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
            Rule::NoEntry(way_out) => without_tables(maps, module, way_out, registers, stack),
        }
    }

    /// Whether nothing has called the function there.
    pub fn is_first(&mut self, place: &Place, registers: &Registers) -> bool {
        let Place::Module { module, address } = place else {
            return false;
        };
        match self.rule(module, *address, registers) {
            Rule::Complete => true,
            Rule::NoEntry(_) => is_entry(module, *address),
            _ => false,
        }
    }

    fn rule(&mut self, module: &Module, address: u64, registers: &Registers) -> Rule {
        let context = &mut self.context;
        let make = || rule(module, context, registers, address);
        self.rules.get_or(module.id(), address, make)
    }

    fn run(
        &mut self,
        module: &Module,
        address: u64,
        registers: &mut Registers,
        stack: &CopiedStack<'_>,
    ) -> Result<Stepped, End> {
        let ran = cfi::run(
            module.tables(),
            &mut self.context,
            address,
            registers,
            stack,
        );
        match ran {
            Ok((caller, is_signal)) => {
                *registers = caller;
                Ok(Stepped {
                    by: FoundBy::UnwindInfo,
                    is_signal,
                })
            }
            Err(Failure::NotCopied(at)) => Err(not_copied(at, stack)),
            Err(Failure::Other) => Err(End::NoUnwindInfo),
        }
    }
}

fn rule(module: &Module, context: &mut Context, registers: &Registers, address: u64) -> Rule {
    let tables = module.tables();
    if tables.arch.is_some_and(|arch| arch != registers.arch) {
        return Rule::Broken;
    }
    match cfi::rule(tables, context, address) {
        Rule::NoEntry(_) if is_trampoline(module, registers, address) => Rule::SignalFrame,
        Rule::NoEntry(_) => {
            // What runs next: of a return address, the byte before it was looked up.
            let next = address.wrapping_add(registers.pc.wrapping_sub(address) & 1);
            match way_out::is_thread_exit(registers.arch, module, next) {
                true => Rule::Complete,
                false => Rule::NoEntry(way_out::rule(registers.arch, module, next)),
            }
        }
        rule => rule,
    }
}

/// What is found is no more than likely, so it has to lead to where something was called.
fn without_tables(
    maps: &ProcessMaps,
    module: &Module,
    way_out: Option<Compact>,
    registers: &mut Registers,
    stack: &CopiedStack<'_>,
) -> Result<Stepped, End> {
    let mut caller = registers.clone();
    if let Some(rule) = way_out {
        match rule.apply(&mut caller, stack) {
            Ok(()) if called_from(maps, registers.arch, caller.pc).is_some() => {
                *registers = caller;
                return Ok(called(FoundBy::Instructions));
            }
            Err(Some(at)) if stack.is_cut_at(at) => return Err(End::CutStack),
            _ => {}
        }
    }
    let mut caller = registers.clone();
    let stepped = by_frame_pointer(&mut caller, stack);
    let is_code = !matches!(maps.find(caller.pc.wrapping_sub(1)), Place::Unknown);
    let has_caller = stepped.is_ok() && is_code;
    if !has_caller
        && !is_go(module)
        && let Some(found) = first_function(maps, registers, stack)
    {
        return Ok(found);
    }
    let stepped = stepped?;
    *registers = caller;
    Ok(stepped)
}

/// Its functions leave their stack for the thread's own, where the program begins, too, but did not call them.
fn is_go(module: &Module) -> bool {
    let elf = module.object().elf();
    elf.is_ok_and(|elf| elf.section(b".note.go.buildid").is_some())
}

/// Where that address is, if a call is before it.
fn called_from(maps: &ProcessMaps, arch: Arch, pc: u64) -> Option<(Arc<Module>, u64)> {
    let Place::Module { module, address } = maps.find(pc.wrapping_sub(1)) else {
        return None;
    };
    way_out::is_after_call(arch, &module, address.wrapping_add(1)).then_some((module, address))
}

/// Of a function that never returns, as that which calls `main` and then `exit`: the place where the program or the thread
/// began is near on the stack.
fn first_function(
    maps: &ProcessMaps,
    registers: &mut Registers,
    stack: &CopiedStack<'_>,
) -> Option<Stepped> {
    const FARTHEST: u64 = 16;
    let sp = registers.sp()?;
    let found = (0..FARTHEST).map_while(|word| {
        let at = sp.checked_add(word * 8)?;
        Some((at, stack.word(at)?))
    });
    let (at, pc) = found.into_iter().find(|(_, pc)| {
        called_from(maps, registers.arch, *pc).is_some_and(|(module, address)| {
            is_entry(&module, address)
                || way_out::is_thread_exit(registers.arch, &module, address.wrapping_add(1))
        })
    })?;
    registers.pc = pc;
    registers.set(registers.arch.sp(), Some(at.wrapping_add(8)));
    registers.set(registers.arch.fp(), None);
    Some(called(FoundBy::FramePointer))
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
    let entry = module.tables().entry;
    entry != 0 && (entry..entry + LONGEST).contains(&address)
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
