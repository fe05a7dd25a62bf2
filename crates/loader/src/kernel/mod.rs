//! The running kernel: where it keeps things, what it allows, and the calls that speak to it.

pub mod bpf;
pub mod btf;
pub mod capability;
pub mod clock;
pub mod instructions;
pub mod machine;
pub mod offsets;
pub mod own_root;
pub mod own_tid;
pub mod perf_event;
pub mod pid_namespace;
pub mod priority;
pub mod privileges;
pub mod refusal;
