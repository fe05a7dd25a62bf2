//! A capture session, and its windows.

pub(crate) mod attached;
pub mod capture;
pub(crate) mod earlier;
pub(crate) mod edge_looks;
pub(crate) mod forgetting;
pub(crate) mod harvest;
pub(crate) mod harvester;
pub(crate) mod living;
pub(crate) mod news;
pub(crate) mod pair;
pub(crate) mod reading;
pub(crate) mod recording;
pub mod sample;
pub(crate) mod sealing;
pub(crate) mod shared;
pub(crate) mod state;
pub(crate) mod steal;
pub(crate) mod strangers;
pub(crate) mod trigger_errors;
pub mod triggers;
pub(crate) mod user_probes;
pub mod window;
