//! What this machine allows, and what it lacks.

pub mod check;
pub mod diagnosis;
pub(crate) mod features;
pub(crate) mod rights;
