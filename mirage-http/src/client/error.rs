use alloc::string::String;
use core::fmt;

use mirage_sig::{HttpError, HttpErrorKind, io};

use crate::wire::Refusal;

/// Why a request failed. Its text names the address and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientError {
    pub(super) url: String,
    pub(super) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The request cannot be sent.
    Invalid(&'static str),
    /// The stack could not reach the server; what it said of that.
    Net(String),
    /// The server did not answer in time.
    Late,
    /// It ended the connection instead of answering.
    NoAnswer,
    /// What it answered is not understood.
    Malformed(Refusal),
    /// The body broke off, for this reason.
    Broken(&'static str),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, why) = match &self.what {
            What::Invalid(why) => ("", *why),
            What::Net(error) => ("the server cannot be reached: ", error.as_str()),
            What::Late => ("", "the server did not answer in time: ask again, or give it more"),
            What::NoAnswer => ("", "the server ended the connection without an answer: ask again"),
            What::Malformed(refusal) => ("", refusal.why),
            What::Broken(why) => ("the answer broke off: ", *why),
        };
        [&self.url, ": ", what, why].into_iter().try_for_each(|part| f.write_str(part))
    }
}

impl core::error::Error for ClientError {}

impl io::Error for ClientError {
    fn kind(&self) -> io::ErrorKind {
        match self.what {
            What::Invalid(_) => io::ErrorKind::InvalidInput,
            What::Net(_) => io::ErrorKind::ConnectionRefused,
            What::Late => io::ErrorKind::TimedOut,
            What::NoAnswer | What::Broken(_) => io::ErrorKind::ConnectionReset,
            What::Malformed(_) => io::ErrorKind::InvalidData,
        }
    }
}

impl HttpError for ClientError {
    fn http_kind(&self) -> HttpErrorKind {
        match self.what {
            What::Invalid(_) => HttpErrorKind::Invalid,
            What::Broken(_) => HttpErrorKind::Broken,
            _ => HttpErrorKind::Unreachable,
        }
    }
}
