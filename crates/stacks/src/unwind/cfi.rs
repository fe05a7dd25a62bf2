//! What the unwind tables say about an instruction: as a short rule if they can, else by running them.

use gimli::{BaseAddresses, CfaRule, Register, RegisterRule, UnwindContext, UnwindSection};

use crate::mapped::arch::{Arch, MOST_REGISTERS, Registers};
use crate::mapped::tables::{Bytes, Fde, Tables};
use crate::unwind::copied_stack::CopiedStack;
use crate::unwind::expression::{Failure, evaluate};
use crate::unwind::rules::{Compact, Rule};

pub type Context = UnwindContext<usize>;
type Row = gimli::UnwindTableRow<usize>;

/// Of the function that holds an address.
pub fn rule(tables: &Tables, context: &mut Context, address: u64) -> Rule {
    let Some(arch) = tables.arch else {
        return Rule::NoEntry(None);
    };
    let bases = tables.bases();
    if let Some(fde) = tables.eh_entry(address) {
        return rule_of_entry(arch, &tables.eh_frame(), bases, &fde, context, address);
    }
    if let Some(fde) = tables.debug_entry(address) {
        return rule_of_entry(arch, &tables.debug_frame(), bases, &fde, context, address);
    }
    Rule::NoEntry(None)
}

/// The caller's registers, where [`Rule::Complex`] says that it takes this; whether the caller was interrupted, and did
/// not call.
pub fn run(
    tables: &Tables,
    context: &mut Context,
    address: u64,
    registers: &Registers,
    stack: &CopiedStack<'_>,
) -> Result<(Registers, bool), Failure> {
    let bases = tables.bases();
    if let Some(fde) = tables.eh_entry(address) {
        let section = tables.eh_frame();
        return run_entry(&section, bases, &fde, context, address, registers, stack);
    }
    let fde = tables.debug_entry(address).ok_or(Failure::Other)?;
    let section = tables.debug_frame();
    run_entry(&section, bases, &fde, context, address, registers, stack)
}

fn rule_of_entry<'a, S: UnwindSection<Bytes<'a>>>(
    arch: Arch,
    section: &S,
    bases: &BaseAddresses,
    fde: &Fde<'a>,
    context: &mut Context,
    address: u64,
) -> Rule {
    let Ok(row) = fde.unwind_info_for_address(section, bases, context, address) else {
        return Rule::Broken;
    };
    let ra = fde.cie().return_address_register();
    match row.register(ra) {
        Some(RegisterRule::Undefined) => return Rule::Complete,
        Some(_) => {}
        // The link register keeps it until something is called.
        None if arch.link() == Some(ra) => {}
        None => return Rule::Broken,
    }
    let compact = (!fde.is_signal_trampoline()).then(|| compact(row, ra));
    compact.flatten().map_or(Rule::Complex, Rule::Compact)
}

fn compact(row: &Row, ra: Register) -> Option<Compact> {
    let CfaRule::RegisterAndOffset { register, offset } = row.cfa() else {
        return None;
    };
    let mut compact = Compact::new(*register, *offset, ra)?;
    for (register, rule) in row.registers() {
        match rule {
            RegisterRule::Offset(offset) => compact.push(*register, *offset)?,
            RegisterRule::SameValue => {}
            // Not one that is kept: a signature's state, or a vector.
            _ if usize::from(register.0) >= MOST_REGISTERS => {}
            _ => return None,
        }
    }
    Some(compact)
}

fn run_entry<'a, S: UnwindSection<Bytes<'a>>>(
    section: &S,
    bases: &BaseAddresses,
    fde: &Fde<'a>,
    context: &mut Context,
    address: u64,
    registers: &Registers,
    stack: &CopiedStack<'_>,
) -> Result<(Registers, bool), Failure> {
    let row = fde.unwind_info_for_address(section, bases, context, address);
    let row = row.map_err(|_| Failure::Other)?;
    let cfa = match row.cfa() {
        CfaRule::RegisterAndOffset { register, offset } => {
            let record = registers.record(|register| match row.register(register)? {
                RegisterRule::Offset(offset) => Some(offset),
                _ => None,
            });
            let cfa = registers.cfa(*register, *offset, record);
            cfa.ok_or(Failure::Other)?
        }
        CfaRule::Expression(expression) => {
            let expression = expression.get(section).map_err(|_| Failure::Other)?;
            evaluate(expression, None, registers, stack)?
        }
    };
    let mut caller = registers.clone();
    caller.set(registers.arch.sp(), Some(cfa));
    let ra = fde.cie().return_address_register();
    let mut pc = registers.arch.link().and_then(|link| registers.get(link));
    for (register, rule) in row.registers() {
        if usize::from(register.0) >= MOST_REGISTERS && *register != ra {
            continue;
        }
        let value = value(section, *register, rule, cfa, registers, stack);
        if *register == ra {
            pc = Some(value?);
        }
        // Few are needed further up: what cannot be read is not known.
        caller.set(*register, value.ok());
    }
    caller.pc = registers.arch.code_address(pc.ok_or(Failure::Other)?);
    Ok((caller, fde.is_signal_trampoline()))
}

fn value<'a, S: UnwindSection<Bytes<'a>>>(
    section: &S,
    register: Register,
    rule: &RegisterRule<usize>,
    cfa: u64,
    registers: &Registers,
    stack: &CopiedStack<'_>,
) -> Result<u64, Failure> {
    let word = |address| stack.word(address).ok_or(Failure::NotCopied(address));
    let run = |expression: &gimli::UnwindExpression<usize>| {
        let expression = expression.get(section).map_err(|_| Failure::Other)?;
        evaluate(expression, Some(cfa), registers, stack)
    };
    match rule {
        RegisterRule::SameValue => registers.get(register).ok_or(Failure::Other),
        RegisterRule::Offset(offset) => word(cfa.wrapping_add_signed(*offset)),
        RegisterRule::ValOffset(offset) => Ok(cfa.wrapping_add_signed(*offset)),
        RegisterRule::Register(other) => registers.get(*other).ok_or(Failure::Other),
        RegisterRule::Expression(expression) => word(run(expression)?),
        RegisterRule::ValExpression(expression) => run(expression),
        RegisterRule::Constant(value) => Ok(*value),
        RegisterRule::Undefined | RegisterRule::Architectural => Err(Failure::Other),
    }
}
