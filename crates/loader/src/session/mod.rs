//! A capture session, and its windows.

pub(crate) mod attached;
pub mod capture;
pub(crate) mod harvest;
pub(crate) mod harvester;
pub(crate) mod living;
pub(crate) mod reading;
pub mod sample;
pub(crate) mod shared;
pub(crate) mod state;
pub(crate) mod steal;
pub mod triggers;
pub mod window;
