//! Records written as one reads them, and what comes out of them written likewise.
#![allow(dead_code, reason = "each test has what it needs of it")]

pub mod simulated;
pub mod text;
