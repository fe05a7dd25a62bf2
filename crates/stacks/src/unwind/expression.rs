//! DWARF expressions of unwind tables, over registers and a copied stack.

use gimli::{Encoding, EvaluationResult, Expression, Format, Value};

use crate::mapped::arch::Registers;
use crate::mapped::table_entries::Bytes;
use crate::unwind::copied_stack::CopiedStack;

/// Operations of one expression. Those of compilers have up to some 20.
pub const MOST_OPERATIONS: u32 = 1000;
/// Reads of memory and registers.
const MOST_REQUESTS: usize = 1000;

pub const ENCODING: Encoding = Encoding {
    address_size: 8,
    format: Format::Dwarf32,
    version: 5,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It reads memory that is not in the copy.
    NotCopied(u64),
    /// It needs a register that is not known, or makes no sense.
    Other,
}

/// `initial`: what the stack of values begins with.
pub fn evaluate(
    expression: Expression<Bytes<'_>>,
    initial: Option<u64>,
    registers: &Registers,
    stack: &CopiedStack<'_>,
) -> Result<u64, Failure> {
    let mut evaluation = expression.evaluation(ENCODING);
    evaluation.set_max_iterations(MOST_OPERATIONS);
    if let Some(initial) = initial {
        evaluation.set_initial_value(initial);
    }
    let other = |_| Failure::Other;
    let mut result = evaluation.evaluate().map_err(other)?;
    for _ in 0..MOST_REQUESTS {
        result = match result {
            EvaluationResult::Complete => {
                let value = evaluation.value_result().ok_or(Failure::Other)?;
                return value.to_u64(u64::MAX).map_err(other);
            }
            EvaluationResult::RequiresMemory {
                address,
                size,
                space: None,
                ..
            } => {
                let word = stack.read(address, size);
                let word = word.ok_or(Failure::NotCopied(address))?;
                evaluation.resume_with_memory(Value::Generic(word))
            }
            EvaluationResult::RequiresRegister { register, .. } => {
                let value = registers.get(register).ok_or(Failure::Other)?;
                evaluation.resume_with_register(Value::Generic(value))
            }
            _ => return Err(Failure::Other),
        }
        .map_err(other)?;
    }
    Err(Failure::Other)
}
