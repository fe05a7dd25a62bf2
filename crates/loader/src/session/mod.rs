//! A capture session, and its windows.

pub mod attached;
pub mod capture;
pub mod harvester;
pub mod reading;
pub mod state;
pub mod triggers;
pub mod window;
