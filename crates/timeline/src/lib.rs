//! A time line in Perfetto's format: what every CPU and every thread of the machine did in windows, what those that are monitored waited in,
//! who woke them, and what opened and closed the windows. Without a kernel and without /proc: events go in, packets come out.
//!
//! Events come as [`recorder`] has put them in order, and packets are written as they come, so that however long a window is, little
//! of it is in memory: per CPU what fits into one packet, and per task what it does now. Packets need not be in the order of time, as
//! readers sort what is in them.

mod arrows;
pub mod bundles;
mod given;
mod marks;
pub mod names;
mod output;
mod packets;
pub mod prev_state;
mod proto;
mod schedule;
pub mod tasks;
mod timeline;

pub use given::{Call, Clocks, Host, Process, Triggers, Who, WindowEdges};
pub use timeline::Timeline;
