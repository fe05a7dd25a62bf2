//! kdelay's native part. The data flows down this list:
//!
//! [`btf`] and [`offsets`] find where the running kernel keeps things, [`probes`] loads and attaches the programs,
//! [`capture`] opens and closes windows over the processes of [`process`] and [`command`], [`snapshot`] reads what the
//! programs counted, and [`sample`] is what comes out. `node` is the surface that Node.js sees.

mod attached;
pub mod btf;
mod call_events;
pub mod calls;
mod capability;
pub mod capture;
pub mod clock;
pub mod command;
mod control;
mod cpu_mode;
mod describe;
pub mod doctor;
pub mod error;
pub mod event_selection;
mod events;
mod features;
mod harvester;
mod idle_threads;
mod instructions;
mod longest;
mod machine;
mod mapped;
mod maps;
#[cfg(feature = "node")]
mod node;
pub mod offsets;
pub mod options;
mod own_root;
pub mod own_tid;
pub mod pending;
mod perf_event;
mod pid_namespace;
mod pidfd;
mod priority;
mod privileges;
mod probe_list;
pub mod probes;
mod proc_stat;
pub mod process;
pub mod process_search;
mod reading;
mod recorded;
mod recorded_call;
mod refusal;
mod row_map;
pub mod sample;
mod slot_rows;
mod snapshot;
mod stack_reader;
mod stack_table;
mod state;
mod stopped_threads;
mod sys;
mod syscall_names;
pub mod triggers;
mod upcalls;
pub mod user_stacks;
mod who;
