//! The running kernel: where it keeps things, what it allows, and the calls that speak to it.

pub(crate) mod bpf;
pub mod btf;
pub(crate) mod capability;
pub mod clock;
pub(crate) mod instructions;
pub(crate) mod kallsyms;
pub mod kept_file;
pub(crate) mod machine;
pub mod offsets;
pub mod own_thread;
pub(crate) mod page;
pub(crate) mod perf_event;
pub(crate) mod pid_namespace;
pub(crate) mod privileges;
pub(crate) mod refusal;
pub mod second_signal;
