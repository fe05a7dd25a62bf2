//! Which function an address is in, by the symbols.

use crate::files::symbols::{Function, Functions};

/// Symbols in the order of their addresses.
pub struct ByAddress<'a> {
    pub functions: &'a Functions,
    items: Vec<&'a Function>,
}

impl<'a> ByAddress<'a> {
    pub fn new(functions: &'a Functions) -> Self {
        let mut items: Vec<&Function> = functions.iter().collect();
        items.sort_by_key(|function| function.address);
        Self { functions, items }
    }

    pub fn at(&self, address: u64) -> &[&'a Function] {
        let from = self.items.partition_point(|it| it.address < address);
        let count = self.items[from..].partition_point(|it| it.address == address);
        &self.items[from..from + count]
    }

    /// The last to begin of those near by whose code an address is in.
    pub fn holding(&self, address: u64) -> Option<&'a Function> {
        /// Names of one place, and functions within functions.
        const MOST_BEFORE: usize = 64;
        let after = self.items.partition_point(|it| it.address <= address);
        let before = self.items[..after].iter().rev().take(MOST_BEFORE);
        let mut holding = before.filter(|it| address - it.address < it.bytes.max(1));
        holding.next().copied()
    }
}
