//! What this machine allows, and what it lacks.

pub mod diagnosis;
pub mod features;
