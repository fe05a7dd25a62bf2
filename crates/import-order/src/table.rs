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
    ("abi", &[
        &["placeholder"],
        &["config"],
        &["recorder"],
        &["event", "thread"],
        &["irq", "syscall", "waits"],
        &["control", "durations", "histogram", "off_cpu", "upcall"],
        &["calls", "jump", "jumpless", "stack", "task_name"],
    ]),
    ("bpf-probes", &[
        &["programs"],
        &["event", "off_cpu"],
        &["calls", "record", "recorder", "stacks"],
        &["arguments", "window"],
        &["kernel", "rows"],
        &["losses", "targets"],
        &["maps"],
    ]),
    ("import-order", &[
        &["floors"],
        &["arrows", "circles", "table"],
        &["module_tree"],
        &["paths", "sources"],
    ]),
    ("loader", &[
        &["node"],
        &["session"],
        &["timeline_file"],
        &["calls", "doctor", "threads"],
        &["probes", "targets"],
        &["sample"],
        &["kernel"],
        &["error", "names", "options"],
    ]),
    ("probe-points", &[
        &["resolve"],
        &["code", "kernel"],
        &["files"],
        &["trigger"],
        &["error"],
    ]),
    ("recorder", &[
        &["window"],
        &["chain", "path"],
        &["walk"],
        &["machine"],
        &["cpu", "order", "task"],
        &["event", "from_end"],
        &["tree"],
    ]),
    ("stacks", &[
        &["symbols", "unwind"],
        &["mapped"],
    ]),
    ("timeline", &[
        &["timeline"],
        &["arrows", "given", "schedule"],
        &["output"],
        &["bundles", "marks", "prev_state", "tasks"],
        &["names", "packets"],
        &["proto"],
    ]),
    ("workload", &[
        &["demo", "modes"],
        &["arguments", "crew"],
        &["calls", "command_line", "light_thread", "numbers", "protocol", "shared_page", "signals", "tasks"],
        &["arena", "clock", "error", "failing", "harmless", "tally"],
    ]),
];
