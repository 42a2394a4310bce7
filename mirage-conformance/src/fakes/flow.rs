use alloc::rc::Rc;
use core::fmt;
use core::net::SocketAddr;

use mirage_sig::{ErrorType, Flow, NetError, NetErrorKind, Read, Write, io};

use super::pipe::Pipe;
use super::runtime::FakeRuntime;

/// An error of [`FakeStack`](super::FakeStack) and what it makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FakeNetError(pub(super) NetErrorKind);

impl fmt::Display for FakeNetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            NetErrorKind::Refused => "nobody listens there: start the server first",
            NetErrorKind::Reset => "the connection was broken: connect again",
            NetErrorKind::TimedOut => "no answer: see whether the host is there",
            NetErrorKind::Unreachable => "no way to that address: wait until the stack is configured, or add a route",
            NetErrorKind::AddressInUse => "the port is taken: choose another, or 0",
            NetErrorKind::NotFound => "the name has no address",
            NetErrorKind::Closed => "this side was shut down: write before that",
            _ => "a bound was reached: send less",
        })
    }
}

impl core::error::Error for FakeNetError {}

impl NetError for FakeNetError {
    fn kind(&self) -> NetErrorKind {
        self.0
    }
}

impl io::Error for FakeNetError {
    fn kind(&self) -> io::ErrorKind {
        match self.0 {
            NetErrorKind::Refused => io::ErrorKind::ConnectionRefused,
            NetErrorKind::Reset => io::ErrorKind::ConnectionReset,
            NetErrorKind::TimedOut => io::ErrorKind::TimedOut,
            NetErrorKind::Closed => io::ErrorKind::NotConnected,
            _ => io::ErrorKind::Other,
        }
    }
}

/// A connection, one end of it.
///
/// - `read` gives at most 211 bytes, `write` accepts at most 536; 2,000 wait at either end.
/// - Bytes take 100 µs to the other end, and are acknowledged once they lie in its buffer.
/// - To one that was dropped, bytes that arrive are a reason to reset the connection.
pub struct FakeFlow {
    incoming: Rc<Pipe>,
    outgoing: Rc<Pipe>,
    local: SocketAddr,
    peer: SocketAddr,
}

impl FakeFlow {
    /// The two ends of a new connection, which have these addresses.
    pub fn pair(runtime: &FakeRuntime, left: SocketAddr, right: SocketAddr) -> (Self, Self) {
        let (there, back) = (Rc::new(Pipe::new(runtime)), Rc::new(Pipe::new(runtime)));
        (
            Self { incoming: back.clone(), outgoing: there.clone(), local: left, peer: right },
            Self { incoming: there, outgoing: back, local: right, peer: left },
        )
    }

    /// Breaks the connection, for both ends, without a proper end.
    pub fn reset(&self) {
        self.incoming.reset();
        self.outgoing.reset();
    }
}

impl Drop for FakeFlow {
    fn drop(&mut self) {
        self.outgoing.end();
        self.incoming.ignore();
    }
}

impl ErrorType for FakeFlow {
    type Error = FakeNetError;
}

impl Read for FakeFlow {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FakeNetError> {
        self.incoming.read(buffer).await.map_err(FakeNetError)
    }
}

impl Write for FakeFlow {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, FakeNetError> {
        self.outgoing.write(buffer).await.map_err(FakeNetError)
    }

    async fn flush(&mut self) -> Result<(), FakeNetError> {
        self.outgoing.flush().await.map_err(FakeNetError)
    }
}

impl Flow for FakeFlow {
    type Reader<'a> = FakeReader<'a>;
    type Writer<'a> = FakeWriter<'a>;

    fn split(&mut self) -> (FakeReader<'_>, FakeWriter<'_>) {
        (FakeReader(&self.incoming), FakeWriter(&self.outgoing))
    }

    async fn shutdown(&mut self) -> Result<(), FakeNetError> {
        self.outgoing.shutdown().await.map_err(FakeNetError)
    }

    fn peer(&self) -> SocketAddr {
        self.peer
    }

    fn local(&self) -> SocketAddr {
        self.local
    }
}

/// The reading half of a [`FakeFlow`].
pub struct FakeReader<'a>(&'a Pipe);

impl ErrorType for FakeReader<'_> {
    type Error = FakeNetError;
}

impl Read for FakeReader<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FakeNetError> {
        self.0.read(buffer).await.map_err(FakeNetError)
    }
}

/// The writing half of a [`FakeFlow`].
pub struct FakeWriter<'a>(&'a Pipe);

impl ErrorType for FakeWriter<'_> {
    type Error = FakeNetError;
}

impl Write for FakeWriter<'_> {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, FakeNetError> {
        self.0.write(buffer).await.map_err(FakeNetError)
    }

    async fn flush(&mut self) -> Result<(), FakeNetError> {
        self.0.flush().await.map_err(FakeNetError)
    }
}
