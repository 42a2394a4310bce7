use core::fmt;
use core::net::SocketAddr;

use mirage_sig::io::ErrorKind;
use mirage_sig::{NetError, NetErrorKind, io};

/// What went wrong in the stack: a sentence, and the address or port it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    kind: NetErrorKind,
    what: &'static str,
    about: About,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Nothing,
    Address(SocketAddr),
    Number(usize),
}

impl Error {
    pub(crate) const fn new(kind: NetErrorKind, what: &'static str) -> Self {
        Self { kind, what, about: About::Nothing }
    }

    /// The same, about this address. Port 0 is not shown.
    pub(crate) const fn at(self, address: SocketAddr) -> Self {
        Self { about: About::Address(address), ..self }
    }

    /// The same, about this number, which ends the sentence.
    pub(crate) const fn number(self, number: usize) -> Self {
        Self { about: About::Number(number), ..self }
    }

    pub(crate) const fn closed() -> Self {
        Self::new(NetErrorKind::Closed, "the stack is gone: its network interface is, or the stack was dropped")
    }

    pub(crate) const fn port_taken(port: u16) -> Self {
        Self::new(
            NetErrorKind::AddressInUse,
            "somebody here uses that port already: choose another, or 0 for any; port",
        )
        .number(port as usize)
    }

    pub(crate) const fn no_ports() -> Self {
        Self::new(NetErrorKind::Exhausted, "all ports are in use: close some sockets")
    }

    pub(crate) const fn no_route() -> Self {
        Self::new(
            NetErrorKind::Unreachable,
            "no way there: it is in none of our networks, and no router is known, or we have no address yet",
        )
    }

    pub(crate) const fn nobody() -> Self {
        Self::new(NetErrorKind::Unreachable, "nobody on this network answers to that address")
    }

    pub(crate) const fn no_dns() -> Self {
        Self::new(NetErrorKind::Unreachable, "no server to resolve names is known: name one with the argument dns")
    }

    /// Of a connection, by what ended it.
    pub(crate) const fn connection(kind: NetErrorKind) -> Self {
        let what = match kind {
            NetErrorKind::Refused => "the connection was refused: nobody listens there",
            NetErrorKind::Reset => "the connection was reset",
            NetErrorKind::TimedOut => "no answer any more: the connection timed out",
            NetErrorKind::Closed => "this side of the connection is shut down",
            NetErrorKind::Unreachable => "the other side cannot be reached",
            _ => "the connection failed",
        };
        Self::new(kind, what)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        match self.about {
            About::Nothing => Ok(()),
            About::Address(address) if address.port() == 0 => write!(f, ": {}", address.ip()),
            About::Address(address) => write!(f, ": {address}"),
            About::Number(number) => write!(f, " {number}"),
        }
    }
}

impl core::error::Error for Error {}

impl NetError for Error {
    fn kind(&self) -> NetErrorKind {
        self.kind
    }
}

impl io::Error for Error {
    fn kind(&self) -> ErrorKind {
        match self.kind {
            NetErrorKind::Refused => ErrorKind::ConnectionRefused,
            NetErrorKind::Reset => ErrorKind::ConnectionReset,
            NetErrorKind::TimedOut => ErrorKind::TimedOut,
            NetErrorKind::AddressInUse => ErrorKind::AddrInUse,
            NetErrorKind::NotFound => ErrorKind::NotFound,
            NetErrorKind::Closed => ErrorKind::NotConnected,
            NetErrorKind::Exhausted => ErrorKind::OutOfMemory,
            _ => ErrorKind::Other,
        }
    }
}
