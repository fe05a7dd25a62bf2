//! What the unwind tables say about an instruction: as a short rule if they can, else with their expressions. To find it may be
//! costly; it is kept.

use std::sync::Arc;

use gimli::{CfaRule, Register, RegisterRule, UnwindContext, UnwindSection};

use crate::mapped::arch::MOST_REGISTERS;
use crate::mapped::table_entries::{Bytes, Fde};
use crate::mapped::tables::Tables;
use crate::unwind::complex::{Complex, From};
use crate::unwind::cost::{Cost, cost};
use crate::unwind::rules::{Compact, Rule};

pub type Context = UnwindContext<usize>;
type Row = gimli::UnwindTableRow<usize>;

/// Of the function that holds an address. `units`: what it took is added to them.
pub fn rule(tables: &Tables, context: &mut Context, address: u64, units: &mut u64) -> Rule {
    if tables.arch.is_none() {
        return Rule::NoEntry(None);
    }
    if let Some(fde) = tables.eh_entry(address, units) {
        let section = tables.eh_frame();
        return rule_of_entry(
            tables,
            &section,
            From::EhFrame,
            &fde,
            context,
            address,
            units,
        );
    }
    if let Some(fde) = tables.debug_entry(address, units) {
        let section = tables.debug_frame();
        let from = match tables.is_of_debug_file() {
            true => From::DebugFile,
            false => From::DebugFrame,
        };
        return rule_of_entry(tables, &section, from, &fde, context, address, units);
    }
    Rule::NoEntry(None)
}

fn rule_of_entry<'a, S: UnwindSection<Bytes<'a>>>(
    tables: &Tables,
    section: &S,
    from: From,
    fde: &Fde<'a>,
    context: &mut Context,
    address: u64,
    units: &mut u64,
) -> Rule {
    let bases = tables.bases();
    match cost(section, bases, fde) {
        Cost::Units(own) => *units += own,
        Cost::TooMuch(own) => {
            *units += own;
            return Rule::TooCostly;
        }
    }
    let Ok(row) = fde.unwind_info_for_address(section, bases, context, address) else {
        return Rule::Broken;
    };
    let ra = fde.cie().return_address_register();
    match row.register(ra) {
        Some(RegisterRule::Undefined) => return Rule::Complete,
        Some(_) => {}
        // The link register keeps it until something is called.
        None if tables.arch.is_some_and(|arch| arch.link() == Some(ra)) => {}
        None => return Rule::Broken,
    }
    let is_signal = fde.is_signal_trampoline();
    let compact = (!is_signal).then(|| compact(row, ra));
    compact.flatten().map_or_else(
        || Rule::Complex(Arc::new(Complex::new(section, from, row, ra, is_signal))),
        Rule::Compact,
    )
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
