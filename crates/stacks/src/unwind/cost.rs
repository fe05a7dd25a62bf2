//! What it takes to run an entry of the unwind tables, counted before it is run: few bytes may mean much work.

use gimli::{
    BaseAddresses, CallFrameInstruction, EndianSlice, Expression, LittleEndian, Operation,
    UnwindSection,
};

use crate::mapped::table_entries::{Bytes, Fde};
use crate::unwind::expression::{ENCODING, MOST_OPERATIONS};

/// Of one entry, in units of effort: some ten milliseconds. The longest function of Node.js takes 16,000.
const MOST_UNITS: u64 = 1 << 20;
/// A rule is looked for among up to 192.
const RULE_UNITS: u64 = 4;
/// The whole row is copied, with as many rules.
const REMEMBER_UNITS: u64 = 32;

/// What an entry takes, together with what it has in common with others.
pub enum Cost {
    Units(u64),
    /// More than any compiler writes; so much it took to find that out.
    TooMuch(u64),
}

pub fn cost<'a, S>(section: &S, bases: &BaseAddresses, fde: &Fde<'a>) -> Cost
where
    S: UnwindSection<Bytes<'a>>,
{
    let (mut units, mut count) = (0, 0);
    let common = fde.cie().instructions(section, bases);
    for mut instructions in [common, fde.instructions(section, bases)] {
        // Where they make no sense, to run them ends as well.
        while let Ok(Some(instruction)) = instructions.next() {
            units += units_of(&instruction);
            count += 1;
            if units > MOST_UNITS {
                return Cost::TooMuch(count);
            }
        }
    }
    Cost::Units(units)
}

fn units_of(instruction: &CallFrameInstruction<usize>) -> u64 {
    match instruction {
        CallFrameInstruction::RememberState => REMEMBER_UNITS,
        CallFrameInstruction::SetLoc { .. }
        | CallFrameInstruction::AdvanceLoc { .. }
        | CallFrameInstruction::DefCfa { .. }
        | CallFrameInstruction::DefCfaSf { .. }
        | CallFrameInstruction::DefCfaRegister { .. }
        | CallFrameInstruction::DefCfaOffset { .. }
        | CallFrameInstruction::DefCfaOffsetSf { .. }
        | CallFrameInstruction::DefCfaExpression { .. }
        | CallFrameInstruction::RestoreState
        | CallFrameInstruction::ArgsSize { .. }
        | CallFrameInstruction::Nop => 1,
        _ => RULE_UNITS,
    }
}

/// Of an expression, each time that it is evaluated: its operations, or as many as are done at most if it goes back and forth.
pub fn expression_cost(expression: Expression<EndianSlice<'_, LittleEndian>>) -> u64 {
    let most = u64::from(MOST_OPERATIONS);
    let mut operations = expression.operations(ENCODING);
    let mut count = 0;
    while count < most
        && let Ok(Some(operation)) = operations.next()
    {
        count += 1;
        if matches!(operation, Operation::Bra { .. } | Operation::Skip { .. }) {
            return most;
        }
    }
    count
}
