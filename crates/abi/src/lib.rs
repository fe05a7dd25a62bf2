//! What the eBPF programs and user space agree on: the `#[repr(C)]` layout of every map value and of the configuration that
//! is injected into the programs before they are loaded, and ([`thread`]) the state machine that turns scheduler, syscall
//! and interrupt events into numbers. No type here has implicit padding, and each one's size is asserted, so that both
//! sides see the same bytes.
//!
//! Everything here is `no_std` and free of kernel helpers, so the same code is compiled into the programs and into the
//! host's tests, which drive it through millions of event orders without a kernel.
#![cfg_attr(not(test), no_std)]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

pub mod calls;
pub mod config;
pub mod control;
pub mod durations;
pub mod event;
pub mod histogram;
pub mod irq;
pub mod jump;
pub mod jumpless;
pub mod off_cpu;
pub mod placeholder;
pub mod recorder;
pub mod stack;
pub mod syscall;
mod task_name;
pub mod thread;
pub mod upcall;
pub mod waits;

pub use task_name::COMM_BYTES;
