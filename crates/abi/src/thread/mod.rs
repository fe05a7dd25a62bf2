//! One thread in one window: its record, and the state machine that writes it.

pub mod close;
mod interrupts;
pub mod record;
pub mod state;
mod switches;
mod syscalls;

#[cfg(test)]
mod tests;
