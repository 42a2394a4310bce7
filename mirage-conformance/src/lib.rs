#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

pub mod block;
pub mod clock;
pub mod console;
pub mod fakes;
pub mod flow;
pub mod http;
pub mod kv;
pub mod network;
mod patience;
pub mod platform;
pub mod poll;
pub mod random;
pub mod spawn;
pub mod stack;
pub mod udp;
mod verdict;

pub use verdict::{Holds, Verdict, Violation, ensure, equal};
