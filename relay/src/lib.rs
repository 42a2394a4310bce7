#![doc = include_str!("../README.md")]

mod capture;
mod client;
mod config;
mod door;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod lan;
mod metrics;
mod nat;
pub mod options;
mod pace;
mod server;
mod tap;

pub use config::{Config, Limits, PORT};
pub use door::{BadRule, Origin, Token};
pub use error::StartError;
pub use lan::{BadName, LanName};
pub use nat::{Forward, Nat, Network, Reach};
pub use server::Relay;
