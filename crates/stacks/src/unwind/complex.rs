//! What the unwind tables say about an instruction where that takes expressions: kept as it is once it was found, so that the
//! tables are not run again for each stack.

use gimli::{CfaRule, Register, RegisterRule, UnwindExpression, UnwindSection};

use crate::mapped::arch::{MOST_REGISTERS, Registers};
use crate::mapped::module::Module;
use crate::mapped::table_entries::Bytes;
use crate::mapped::tables::Tables;
use crate::unwind::copied_stack::CopiedStack;
use crate::unwind::cost::expression_cost;
use crate::unwind::expression::{Failure, evaluate};

type Row = gimli::UnwindTableRow<usize>;

/// Which section the expressions are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    EhFrame,
    DebugFrame,
    /// `.debug_frame`, too, of the debug file.
    DebugFile,
}

#[derive(Debug)]
pub struct Complex {
    from: From,
    cfa: CfaRule<usize>,
    /// Of registers that a walk keeps, and of the return address.
    rules: Box<[(Register, RegisterRule<usize>)]>,
    return_address: Register,
    is_signal: bool,
    units: u64,
}

impl Complex {
    pub fn new<'a, S: UnwindSection<Bytes<'a>>>(
        section: &S,
        from: From,
        row: &Row,
        return_address: Register,
        is_signal: bool,
    ) -> Self {
        let kept = row.registers().filter(|(register, _)| {
            usize::from(register.0) < MOST_REGISTERS || *register == return_address
        });
        let rules: Box<[_]> = kept.cloned().collect();
        let cfa = row.cfa().clone();
        let of_cfa = match &cfa {
            CfaRule::Expression(expression) => Some(expression),
            CfaRule::RegisterAndOffset { .. } => None,
        };
        let of_rules = rules.iter().filter_map(|(_, rule)| match rule {
            RegisterRule::Expression(expression) | RegisterRule::ValExpression(expression) => {
                Some(expression)
            }
            _ => None,
        });
        let units = of_cfa.into_iter().chain(of_rules).map(|expression| {
            let expression = expression.get(section);
            expression.map_or(0, expression_cost)
        });
        Self {
            from,
            units: units.sum(),
            cfa,
            rules,
            return_address,
            is_signal,
        }
    }

    /// What it takes to apply it, in units of effort.
    pub fn units(&self) -> u64 {
        self.units
    }

    /// The tables that it is from.
    pub fn tables<'m>(&self, module: &'m Module) -> &'m Tables {
        match self.from {
            From::EhFrame | From::DebugFrame => module.tables(),
            From::DebugFile => module.debug_file_tables(),
        }
    }

    /// The caller's registers; whether the caller was interrupted, and did not call. `tables`: those that it is from.
    pub fn apply(
        &self,
        tables: &Tables,
        registers: &Registers,
        stack: &CopiedStack<'_>,
    ) -> Result<(Registers, bool), Failure> {
        match self.from {
            From::EhFrame => self.apply_from(&tables.eh_frame(), registers, stack),
            From::DebugFrame | From::DebugFile => {
                self.apply_from(&tables.debug_frame(), registers, stack)
            }
        }
    }

    fn apply_from<'a, S: UnwindSection<Bytes<'a>>>(
        &self,
        section: &S,
        registers: &Registers,
        stack: &CopiedStack<'_>,
    ) -> Result<(Registers, bool), Failure> {
        let run = |expression: &UnwindExpression<usize>, initial| {
            let expression = expression.get(section).map_err(|_| Failure::Other)?;
            evaluate(expression, initial, registers, stack)
        };
        let cfa = match &self.cfa {
            CfaRule::RegisterAndOffset { register, offset } => {
                let record = registers.record(|register| match self.rule(register)? {
                    RegisterRule::Offset(offset) => Some(*offset),
                    _ => None,
                });
                let cfa = registers.cfa(*register, *offset, record);
                cfa.ok_or(Failure::Other)?
            }
            CfaRule::Expression(expression) => run(expression, None)?,
        };
        let mut caller = registers.clone();
        caller.set(registers.arch.sp(), Some(cfa));
        let ra = self.return_address;
        let mut pc = registers.arch.link().and_then(|link| registers.get(link));
        let word = |address| stack.word(address).ok_or(Failure::NotCopied(address));
        for (register, rule) in &self.rules {
            let value = match rule {
                RegisterRule::SameValue => registers.get(*register).ok_or(Failure::Other),
                RegisterRule::Offset(offset) => word(cfa.wrapping_add_signed(*offset)),
                RegisterRule::ValOffset(offset) => Ok(cfa.wrapping_add_signed(*offset)),
                RegisterRule::Register(other) => registers.get(*other).ok_or(Failure::Other),
                RegisterRule::Expression(expression) => run(expression, Some(cfa)).and_then(word),
                RegisterRule::ValExpression(expression) => run(expression, Some(cfa)),
                RegisterRule::Constant(value) => Ok(*value),
                RegisterRule::Undefined | RegisterRule::Architectural => Err(Failure::Other),
            };
            if *register == ra {
                pc = Some(value?);
            }
            // Few are needed further up: what cannot be read is not known.
            caller.set(*register, value.ok());
        }
        caller.pc = registers.arch.code_address(pc.ok_or(Failure::Other)?);
        Ok((caller, self.is_signal))
    }

    fn rule(&self, register: Register) -> Option<&RegisterRule<usize>> {
        let mut rules = self.rules.iter();
        let found = rules.find(|(other, _)| *other == register);
        found.map(|(_, rule)| rule)
    }
}
