//! HTTP/1.1 as bytes (RFC 9112), without any input or output: heads, and the framing of bodies.
//!
//! The parsers take what has arrived so far and give the same answer however it was split. They are strict, as two readers of
//! one stream must not disagree about where a message ends: a line ends in CR LF and nothing else, and a message with two
//! lengths is none.

mod body;
mod chunked;
mod framing;
mod head;
mod lines;
mod request;
mod response;

pub use body::BodyDecoder;
pub use chunked::{Chunked, LAST_CHUNK, push_chunk};
pub use framing::Framing;
pub(crate) use framing::has_item;
pub use head::Head;
pub use request::{RequestHead, RequestParser};
pub use response::{ResponseHead, ResponseParser};

/// Why a message was refused, as a status and in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status that a server answers.
    pub status: u16,
    /// What is wrong with the message.
    pub why: &'static str,
}

impl Refusal {
    pub(crate) const fn new(status: u16, why: &'static str) -> Self {
        Self { status, why }
    }

    pub(crate) const fn bad(why: &'static str) -> Self {
        Self::new(400, why)
    }
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.why)
    }
}

impl core::error::Error for Refusal {}
