//! What has been found out of other code than the function's own, and how much more of it is looked at: whoever makes a program may
//! make this as much as he likes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::files::unwind_tables::{Heights, UnwindTables};

/// Instructions that are looked at.
const MOST_LOOKS: u64 = 1 << 20;
/// Bytes that take as long to read as an instruction to look at.
const BYTES_OF_LOOK: u64 = 64;
/// Of entries of the unwind tables, the function's own among them.
const MOST_TABLE_BYTES: u64 = 1 << 20;

/// How code without a name looks.
#[derive(Clone, Copy)]
pub enum Looks {
    /// Into the middle of the function that jumps to it.
    LeadsBack,
    /// It returns, or jumps elsewhere.
    Ends,
    NeverEnds,
}

pub struct Others {
    looks_left: Cell<u64>,
    table_bytes_left: Cell<u64>,
    /// By where they begin.
    heights: RefCell<BTreeMap<u64, Heights>>,
    /// By where it is jumped to.
    looks: RefCell<BTreeMap<u64, Looks>>,
}

impl Default for Others {
    fn default() -> Self {
        Self {
            looks_left: Cell::new(MOST_LOOKS),
            table_bytes_left: Cell::new(MOST_TABLE_BYTES),
            heights: RefCell::default(),
            looks: RefCell::default(),
        }
    }
}

impl Others {
    /// Whether something is on the stack there already, which a function does not begin with.
    pub fn is_deeper(&self, tables: &UnwindTables, at: u64) -> Result<bool, String> {
        let Some(range) = tables.holding(at) else {
            return Ok(false);
        };
        let mut heights = self.heights.borrow_mut();
        let found = match heights.entry(range.start) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(place) => {
                self.charge_tables(tables.cost(at))?;
                place.insert(tables.heights(at))
            }
        };
        Ok(found.is_as_at_start(at) == Some(false))
    }

    pub fn charge_tables(&self, bytes: u64) -> Result<(), String> {
        let too_much = "the unwind tables of its code, and of what it jumps to, are too large";
        charge(&self.table_bytes_left, bytes, too_much)
    }

    /// For so many instructions, and bytes that are read for them.
    pub fn charge_looks(&self, instructions: u64, bytes: u64) -> Result<(), String> {
        let cost = instructions + bytes / BYTES_OF_LOOK;
        charge(
            &self.looks_left,
            cost,
            "it jumps to too much code without a name",
        )
    }

    pub fn looks(&self, to: u64) -> Option<Looks> {
        self.looks.borrow().get(&to).copied()
    }

    pub fn remember(&self, to: u64, looks: Looks) {
        self.looks.borrow_mut().insert(to, looks);
    }

    /// What leads back is another matter when there is more of the function.
    pub fn forget_looks(&self) {
        self.looks.borrow_mut().clear();
    }
}

fn charge(left: &Cell<u64>, cost: u64, too_much: &str) -> Result<(), String> {
    let after = left.get().checked_sub(cost);
    left.set(after.unwrap_or(0));
    after.map(|_| ()).ok_or_else(|| too_much.to_owned())
}
