//! Fakes of every signature, for tests of unikernels and libraries, and of the suites themselves.
//!
//! They keep the contract to the letter and no further: reads are short, wake-ups come late, queues are small, a disk forgets
//! what was not flushed. What works on them does not lean on luck. Every run is the same.

mod block;
mod console;
mod flow;
mod http;
mod http_server;
mod kv;
mod kv_tree;
mod network;
mod pipe;
mod platform;
mod random;
mod runtime;
mod signal;
mod stack;
mod udp;

pub use block::{FakeBlock, FakeBlockError};
pub use console::FakeConsole;
pub use flow::{FakeFlow, FakeNetError, FakeReader, FakeWriter};
pub use http::{BrokenOff, FakeAnswer, FakeBody, FakeHttp, FakeHttpError, FakeRequest, Piece};
pub use http_server::TEST_SERVER;
pub use kv::{FakeKv, FakeStore};
pub use kv_tree::FakeKvError;
pub use network::{FakeCables, FakeNetwork};
pub use platform::FakePlatform;
pub use random::FakeRandom;
pub use runtime::{FakeRuntime, Stuck};
pub use stack::{FakeInternet, FakeListener, FakeStack};
pub use udp::FakeUdp;
