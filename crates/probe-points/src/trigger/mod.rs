//! What a trigger says, and its text.

pub mod parse;
pub mod spelling;
pub mod syntax;
#[cfg(test)]
mod tests;
pub mod text;
