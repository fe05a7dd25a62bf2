//! System calls that are recorded one by one, and time off the CPU by stack: from the ring buffers to a sample.

pub mod drain;
pub mod efforts;
pub mod kept;
pub mod longest;
pub mod means;
pub mod namer;
pub mod naming;
pub mod of_sample;
pub mod off_cpu;
pub mod recorded;
pub mod recorded_call;
pub mod ring;
pub mod selection;
pub mod stack_reader;
pub mod stack_table;
pub mod syscall_event;
