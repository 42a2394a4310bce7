#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

mod capture;
pub mod decode;
mod faults;
mod lan;
pub mod pcapng;
mod tap;
mod wait;

pub use capture::{Capture, Recorder, Recording};
pub use faults::{Control, Counters, Faults, Impairment};
pub use lan::{Cable, Lan, Port, Wiring};
pub use tap::{Direction, Event, Log, Sink, Tap, Trace};

/// An Ethernet header: two addresses and a type (IEEE 802.3 clause 3.1.1).
const HEADER: usize = 14;
