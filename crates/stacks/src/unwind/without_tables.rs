//! A step where no unwind table says how: by what instructions do, by frame pointers, or to where the thread began.

use std::ops::Range;
use std::sync::Arc;

use crate::mapped::arch::{Arch, Registers};
use crate::mapped::effort::Effort;
use crate::mapped::module::Module;
use crate::mapped::process_maps::{Place, ProcessMaps};
use crate::unwind::beginnings::{is_entry, is_go};
use crate::unwind::copied_stack::CopiedStack;
use crate::unwind::generated_ways::GeneratedWays;
use crate::unwind::places::Places;
use crate::unwind::rules::Compact;
use crate::unwind::stepped::{READ_UNITS, Stepped, called, not_copied};
use crate::unwind::text::Code;
use crate::unwind::walk::{End, FoundBy};
use crate::unwind::way_out;

#[derive(Default)]
pub struct WithoutTables {
    generated: GeneratedWays,
    /// Places, and whether a call is before them.
    calls: Places<bool>,
}

impl WithoutTables {
    /// By its instructions, if that leads to code; else by frame pointers, which generated code often keeps.
    pub fn in_generated(
        &mut self,
        maps: &ProcessMaps,
        registers: &mut Registers,
        stack: &CopiedStack<'_>,
        effort: &mut Effort,
    ) -> Result<Stepped, End> {
        let (arch, pc) = (registers.arch, registers.pc);
        let way_out = self.generated.rule(maps, arch, pc, effort)?;
        match self.by_way_out(maps, way_out, registers, stack, effort)? {
            Some(stepped) => Ok(stepped),
            None => self.by_frame_pointer(maps, registers, stack, effort),
        }
    }

    /// From where no code is, as after a call through a null pointer, which a signal has interrupted. The function that is not there has done
    /// nothing yet: its caller is where it would return to.
    pub fn out_of_nowhere(
        &mut self,
        maps: &ProcessMaps,
        registers: &mut Registers,
        stack: &CopiedStack<'_>,
        effort: &mut Effort,
    ) -> Result<Stepped, End> {
        let mut caller = registers.clone();
        let (sp, arch) = (registers.sp().ok_or(End::Invalid)?, registers.arch);
        match arch.link() {
            Some(link) => {
                let pc = registers.get(link).ok_or(End::Invalid)?;
                caller.pc = arch.code_address(pc);
            }
            None => {
                caller.pc = stack.word(sp).ok_or_else(|| not_copied(sp, stack))?;
                caller.set(arch.sp(), Some(sp.wrapping_add(8)));
            }
        }
        let from = self.called_from(maps, arch, caller.pc, effort)?;
        from.ok_or(End::Invalid)?;
        *registers = caller;
        Ok(called(FoundBy::Instructions))
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

    pub fn step(
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
        let stepped = self.by_frame_pointer(maps, &mut caller, stack, effort);
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
            Some(way_out::is_after_call(arch, Code::File(&module), after))
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
            if !is_entry(maps, &module, address, pc) && !is_exit() {
                break;
            }
            registers.pc = pc;
            registers.set(registers.arch.sp(), Some(at.wrapping_add(8)));
            registers.set(registers.arch.fp(), None);
            return Ok(Some(called(FoundBy::FramePointer)));
        }
        Ok(None)
    }

    /// Generated code keeps them, and other code that has no unwind information sometimes.
    fn by_frame_pointer(
        &mut self,
        maps: &ProcessMaps,
        registers: &mut Registers,
        stack: &CopiedStack<'_>,
        effort: &mut Effort,
    ) -> Result<Stepped, End> {
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
        let is_certain = self.none_is_called_from(maps, registers.arch, sp..fp, stack, effort)?;
        registers.pc = registers.arch.code_address(pc);
        registers.set(registers.arch.fp(), Some(caller));
        registers.set_sp_above_record(fp);
        Ok(Stepped {
            is_certain,
            ..called(FoundBy::FramePointer)
        })
    }

    /// Whether no word there leads to where something was called. Else the frame pointer may be that of a function further up: one that
    /// was called in between, and keeps none, has its return address there.
    fn none_is_called_from(
        &mut self,
        maps: &ProcessMaps,
        arch: Arch,
        part: Range<u64>,
        stack: &CopiedStack<'_>,
        effort: &mut Effort,
    ) -> Result<bool, End> {
        /// No frame is as large, but of what has an array in it.
        const MOST_WORDS: u64 = 8192;
        if (part.end - part.start) / 8 > MOST_WORDS {
            return Ok(false);
        }
        for at in part.step_by(8) {
            let Some(pc) = stack.word(at) else {
                return Ok(false);
            };
            let is_called_from = match maps.find(pc.wrapping_sub(1)) {
                Place::Unknown => false,
                Place::Module { .. } => self.called_from(maps, arch, pc, effort)?.is_some(),
                Place::Generated { address, .. } => maps
                    .generated(address)
                    .is_none_or(|code| way_out::is_after_call(arch, Code::Memory(code), pc)),
            };
            if is_called_from {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
