//! What has been found out of a function's jumps by tables.

use std::collections::BTreeSet;

/// What is known of jumps by tables.
#[derive(Default)]
pub struct ByTable {
    /// Those that lead inside.
    pub inside: BTreeSet<u64>,
    /// Those that may.
    pub unclear: BTreeSet<u64>,
    /// Where they lead to, and which of them.
    pub edges: BTreeSet<(u64, u64)>,
}
