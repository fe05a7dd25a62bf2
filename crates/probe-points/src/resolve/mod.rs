//! From triggers to places, from places to triggers, and what is near a name that was not found.

pub mod dispatch;
pub mod in_kernel;
pub mod list;
pub mod locate;
pub mod named;
pub mod pattern;
pub mod point;
pub mod suggest;
mod unlocated;
pub mod usdt;
pub mod user;
