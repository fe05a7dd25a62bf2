//! What Node.js sees: the session, the command and the look-ups of this crate, behind names that start with `Binding`.
//!
//! Node's event loop waits for nothing: what may take time, as to look into another process or a file, runs on libuv's threads, and
//! what waits for a process or for probes on one of its own. An error crosses as JSON (`error.rs`). A panic is caught by napi and
//! becomes an error that is none.

mod command;
mod debug_files;
mod doctor;
mod error;
mod probes;
mod processes;
mod sample;
mod session;
mod signals;
mod threads;
