#![allow(dead_code, reason = "each test has what it needs of it")]

pub mod named;
pub mod reader;
#[path = "../../../recorder/tests/support/mod.rs"]
pub mod records;
