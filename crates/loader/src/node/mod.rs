//! What Node.js sees: the session, the command and the look-ups of this crate, behind names that start with `Binding`.
//!
//! What takes time runs on libuv's threads. An error crosses as JSON (`error.rs`). A panic is caught by napi and becomes an error
//! that is none.

mod command;
mod debug_files;
mod doctor;
mod error;
mod probes;
mod processes;
mod sample;
mod session;
