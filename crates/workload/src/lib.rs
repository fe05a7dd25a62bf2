//! Workloads with known truth.
//!
//! `kdelay-demo` keeps a handful of threads busy in every way a report can show. `kdelay-oracle` does exactly what its
//! mode says and then states, per thread, which system calls it made and how long it really ran or slept. It stands on
//! raw system calls: a C library call that quietly adds one would make the stated truth a lie.

pub mod arena;
pub mod arguments;
mod calls;
pub mod clock;
mod command_line;
pub mod crew;
pub mod demo;
pub mod error;
mod failing;
mod harmless;
pub mod light_thread;
pub mod modes;
mod numbers;
pub mod protocol;
pub mod shared_page;
pub mod signals;
pub mod tally;
pub mod tasks;
