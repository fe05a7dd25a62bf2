//! A capture session, and its windows.

pub(crate) mod attached;
pub mod capture;
pub(crate) mod harvest;
pub(crate) mod harvester;
pub(crate) mod reading;
pub mod sample;
pub(crate) mod state;
mod trigger_errors;
pub mod triggers;
pub(crate) mod user_probes;
pub mod window;
