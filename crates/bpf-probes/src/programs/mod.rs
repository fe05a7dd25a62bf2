//! The probes, by subject. Each file holds the logic once, generic over how memory may be read, and under it the two
//! entry points of each probe.

mod entry_points;
mod irq;
mod lifecycle;
mod sched;
mod syscall;
mod trigger;
mod upcall;
