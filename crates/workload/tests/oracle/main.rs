//! `kdelay-oracle` through its protocol: every mode, and the counts it states against those that strace sees.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where something is not as expected"
)]

mod modes;
mod strace;
mod support;
