#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

mod error;
mod fixed;
mod memory;
mod tree;

pub use error::StoreError;
pub use fixed::{File, Static};
pub use memory::Memory;
