//! The order of each crate's rooms, from the top down. An import points from an upper floor to a lower one.

/// The rooms of a crate, from the top down; those on one floor may import each other, but not both ways.
pub type Floors<'a> = &'a [&'a [&'a str]];

/// Where whoever is refused can look it up.
pub const FILE: &str = "crates/import-order/src/table.rs";

/// `None`: nobody has given the crate an order.
pub fn floors(name: &str) -> Option<Floors<'static>> {
    let (_, floors) = ORDERS.iter().find(|(it, _)| *it == name)?;
    Some(floors)
}

#[rustfmt::skip]
const ORDERS: &[(&str, Floors<'static>)] = &[
    ("import-order", &[&["floors"], &["arrows", "circles", "table"], &["module_tree"], &["paths", "sources"]]),
    ("probe-points", &[&["resolve"], &["kernel"], &["files"], &["trigger"], &["error"]]),
    ("stacks", &[&["symbols", "unwind"], &["mapped"]]),
];
