//! What the eBPF programs and user space agree on: the records in the maps, the configuration that is injected into
//! the programs before they are loaded, and the state machine that turns scheduler, syscall and interrupt events into
//! numbers.
//!
//! Everything here is `no_std` and free of kernel helpers, so the same code is compiled into the programs and into the
//! host's tests, which drive it through millions of event orders without a kernel.
#![cfg_attr(not(test), no_std)]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

pub mod abi;
pub mod jumpless;
pub mod thread_close;
mod thread_interrupts;
pub mod thread_state;
mod thread_switches;
mod thread_syscalls;

#[cfg(test)]
mod thread_state_tests;
