//! What several of the tests need.
#![allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    reason = "each test uses some of it; a test that fails should say where"
)]

pub mod frames;
pub mod fuzz;
pub mod pcapng;
pub mod rigs;
