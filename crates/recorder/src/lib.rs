//! From the flight recorder's records to who ran instead of a thread that waited for a CPU, who woke one that was blocked, chains of
//! waits, and critical paths. Without a kernel and without /proc: records go in, numbers come out.
//!
//! [`order`] brings the CPUs' records into the order of time, [`machine`] makes what each task and each CPU was doing out of them,
//! [`walk`] goes back through that from a wait to what it waited for, and [`window`] is the whole of it for one window.

pub mod chain;
pub mod cpu;
pub mod event;
mod from_end;
pub mod machine;
pub mod order;
pub mod path;
pub mod task;
pub mod tree;
pub mod walk;
pub mod window;
