//! What the kernel says of its tracepoints, its functions and its probes.

pub mod detached;
pub mod functions;
pub mod probing;
pub mod tracefs;
