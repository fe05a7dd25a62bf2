//! How to get from a function's registers to its caller's, in a form that is quick to apply.

use std::sync::Arc;

use gimli::Register;

use crate::mapped::arch::{MOST_REGISTERS, Registers};
use crate::unwind::complex::Complex;
use crate::unwind::copied_stack::CopiedStack;
use crate::unwind::places::Places;

/// x86-64 has six that functions save, and the return address; AArch64 twelve, of which few functions save more.
const MOST_SAVED: usize = 10;

#[derive(Clone, Debug)]
pub enum Rule {
    Compact(Compact),
    /// It takes expressions.
    Complex(Arc<Complex>),
    /// Nothing has called it.
    Complete,
    /// It is a signal trampoline without unwind information.
    SignalFrame,
    /// No unwind information; this is what its instructions do until it returns, if that can be told.
    NoEntry(Option<Compact>),
    /// Unwind information that makes no sense.
    Broken,
    /// Unwind information that takes more than any compiler writes.
    TooCostly,
}

/// The CFA is a register's value and an offset; the others lie at offsets from it.
#[derive(Clone, Copy, Debug)]
pub struct Compact {
    cfa_offset: i32,
    offsets: [i16; MOST_SAVED],
    registers: [u8; MOST_SAVED],
    count: u8,
    cfa_register: u8,
    return_address: u8,
}

impl Compact {
    /// `None`: a number is too large.
    pub fn new(cfa_register: Register, cfa_offset: i64, return_address: Register) -> Option<Self> {
        Some(Self {
            cfa_offset: cfa_offset.try_into().ok()?,
            offsets: [0; MOST_SAVED],
            registers: [0; MOST_SAVED],
            count: 0,
            cfa_register: number(cfa_register)?,
            return_address: number(return_address)?,
        })
    }

    /// `None`: it does not fit. Registers that a walk does not keep are left out.
    pub fn push(&mut self, register: Register, offset: i64) -> Option<()> {
        if usize::from(register.0) >= MOST_REGISTERS {
            return Some(());
        }
        let index = usize::from(self.count);
        *self.offsets.get_mut(index)? = offset.try_into().ok()?;
        self.registers[index] = number(register)?;
        self.count += 1;
        Some(())
    }

    /// Turns a function's registers into its caller's; the address that cannot be read, if the return address is there.
    pub fn apply(
        &self,
        registers: &mut Registers,
        stack: &CopiedStack<'_>,
    ) -> Result<(), Option<u64>> {
        let record = registers.record(|register| self.offset(register));
        let register = Register(self.cfa_register.into());
        let cfa = registers
            .cfa(register, self.cfa_offset.into(), record)
            .ok_or(None)?;
        let link = registers.arch.link();
        let mut pc = link.and_then(|link| registers.get(link)).ok_or(None);
        for (register, offset) in self
            .registers
            .iter()
            .zip(self.offsets)
            .take(self.count.into())
        {
            let address = cfa.wrapping_add_signed(offset.into());
            let value = stack.word(address);
            if *register == self.return_address {
                pc = value.ok_or(Some(address));
            }
            registers.set(Register((*register).into()), value);
        }
        registers.pc = registers.arch.code_address(pc?);
        registers.set(registers.arch.sp(), Some(cfa));
        Ok(())
    }

    fn offset(&self, register: Register) -> Option<i64> {
        let saved = &self.registers[..usize::from(self.count)];
        let index = saved
            .iter()
            .position(|&saved| u16::from(saved) == register.0)?;
        Some(self.offsets[index].into())
    }
}

fn number(register: Register) -> Option<u8> {
    let number = u8::try_from(register.0).ok()?;
    (usize::from(number) < MOST_REGISTERS).then_some(number)
}

pub type Rules = Places<Rule>;
