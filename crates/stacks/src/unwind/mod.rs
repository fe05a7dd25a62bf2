//! From a thread's registers up to where its stack begins, function by function.

pub mod beginnings;
pub mod cfi;
#[cfg(test)]
mod cfi_tests;
pub mod complex;
pub mod copied_stack;
pub mod cost;
pub mod expression;
pub mod frame_pointers;
pub mod generated_ways;
pub mod places;
pub mod rules;
pub mod signal_frame;
pub mod stack_state;
pub mod step;
pub mod stepped;
pub mod text;
pub mod unwinder;
pub mod walk;
pub mod way_out;
pub mod without_tables;
