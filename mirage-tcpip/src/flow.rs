use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Poll, Waker};

use mirage_sig::{ErrorType, NetErrorKind, Read, Write};
use smoltcp::socket::tcp::{RecvError, State};

use crate::Error;
use crate::engine::Engine;
use crate::handle::Handle;
use crate::tcp::connection::Connection;

/// A TCP connection of a [`Tcpip`](crate::Tcpip).
pub struct Flow {
    handle: Handle,
    id: u32,
    local: SocketAddr,
    peer: SocketAddr,
}

/// The reading half of a [`Flow`].
pub struct Reader<'a>(&'a Flow);

/// The writing half of a [`Flow`].
pub struct Writer<'a>(&'a Flow);

fn error_of(connection: &Connection) -> Error {
    let other = if connection.shut { NetErrorKind::Closed } else { NetErrorKind::Reset };
    Error::connection(connection.failure.unwrap_or(other)).at(connection.tuple.peer())
}

impl Flow {
    /// A flow for a connection, whose owner it is from now on.
    pub(crate) fn new(handle: Handle, id: u32) -> Result<Self, Error> {
        let tuple = handle.unclocked().tcp.get(id).map(|connection| connection.tuple).ok_or(Error::closed())?;
        Ok(Self { handle, id, local: tuple.local(), peer: tuple.peer() })
    }

    /// Ends the connection at once, without sending what is left: both sides see it reset.
    pub fn abort(&self) {
        self.handle.engine().abort(self.id);
    }

    /// Ends our side, as [`shutdown`](mirage_sig::Flow::shutdown) does, for whoever shares the flow.
    pub fn end(&self) -> Result<(), Error> {
        let mut engine = self.handle.engine();
        let Some(connection) = engine.tcp.get(self.id) else { return Err(Error::closed()) };
        if connection.shut {
            return Ok(());
        }
        if connection.failure.is_some() {
            return Err(error_of(connection));
        }
        connection.shut = true;
        connection.socket_mut().close();
        engine.mark(self.id);
        Ok(())
    }

    /// Bytes that were written and are not acknowledged.
    pub fn send_queue(&self) -> usize {
        self.handle.unclocked().tcp.get(self.id).map_or(0, |connection| connection.socket().send_queue())
    }

    async fn with<T>(
        &self,
        mut step: impl FnMut(&mut Engine, u32, &Waker) -> Poll<Result<T, Error>>,
    ) -> Result<T, Error> {
        poll_fn(|cx| step(&mut self.handle.unclocked(), self.id, cx.waker())).await
    }

    async fn read_some(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.with(|engine, id, waker| {
            let Some(connection) = engine.tcp.get(id) else { return Poll::Ready(Err(Error::closed())) };
            match connection.socket_mut().recv_slice(buffer) {
                Ok(0) => {
                    connection.socket_mut().register_recv_waker(waker);
                    Poll::Pending
                }
                Ok(count) => {
                    // The other side may be waiting for the room.
                    if connection.linked {
                        engine.mark(id);
                    }
                    Poll::Ready(Ok(count))
                }
                Err(RecvError::Finished) => Poll::Ready(Ok(0)),
                Err(RecvError::InvalidState) => match connection.socket().state() {
                    // Both sides are ending it, and the other's end is still on its way.
                    State::Closing | State::LastAck | State::TimeWait | State::CloseWait => Poll::Ready(Ok(0)),
                    _ => Poll::Ready(Err(error_of(connection))),
                },
            }
        })
        .await
    }

    async fn write_some(&self, bytes: &[u8]) -> Result<usize, Error> {
        self.with(|engine, id, waker| {
            let Some(connection) = engine.tcp.get(id) else { return Poll::Ready(Err(Error::closed())) };
            if connection.shut {
                return Poll::Ready(Err(Error::connection(NetErrorKind::Closed).at(connection.tuple.peer())));
            }
            match connection.socket_mut().send_slice(bytes) {
                Ok(0) if !bytes.is_empty() => {
                    connection.socket_mut().register_send_waker(waker);
                    Poll::Pending
                }
                Ok(count) => {
                    engine.mark(id);
                    Poll::Ready(Ok(count))
                }
                Err(_) => Poll::Ready(Err(error_of(connection))),
            }
        })
        .await
    }

    async fn flush_all(&self) -> Result<(), Error> {
        self.with(|engine, id, waker| {
            let Some(connection) = engine.tcp.get(id) else { return Poll::Ready(Err(Error::closed())) };
            if connection.socket().send_queue() == 0 && connection.failure.is_none() {
                return Poll::Ready(Ok(()));
            }
            if connection.socket().state() == State::Closed {
                return Poll::Ready(Err(error_of(connection)));
            }
            connection.socket_mut().register_send_waker(waker);
            Poll::Pending
        })
        .await
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.handle.engine().orphan(self.id);
    }
}

impl ErrorType for Flow {
    type Error = Error;
}

impl Read for Flow {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        self.read_some(buf).await
    }
}

impl Write for Flow {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Error> {
        self.write_some(buf).await
    }

    async fn flush(&mut self) -> Result<(), Error> {
        self.flush_all().await
    }
}

// Like std's `&TcpStream`: whoever shares a flow may read and write at the same time.

impl ErrorType for &Flow {
    type Error = Error;
}

impl Read for &Flow {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        self.read_some(buf).await
    }
}

impl Write for &Flow {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Error> {
        self.write_some(buf).await
    }

    async fn flush(&mut self) -> Result<(), Error> {
        self.flush_all().await
    }
}

impl ErrorType for Reader<'_> {
    type Error = Error;
}

impl Read for Reader<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        self.0.read_some(buf).await
    }
}

impl ErrorType for Writer<'_> {
    type Error = Error;
}

impl Write for Writer<'_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Error> {
        self.0.write_some(buf).await
    }

    async fn flush(&mut self) -> Result<(), Error> {
        self.0.flush_all().await
    }
}

impl mirage_sig::Flow for Flow {
    type Reader<'a> = Reader<'a>;
    type Writer<'a> = Writer<'a>;

    fn split(&mut self) -> (Reader<'_>, Writer<'_>) {
        (Reader(self), Writer(self))
    }

    async fn shutdown(&mut self) -> Result<(), Error> {
        self.end()
    }

    fn peer(&self) -> SocketAddr {
        self.peer
    }

    fn local(&self) -> SocketAddr {
        self.local
    }
}

/// A port on which others connect to a [`Tcpip`](crate::Tcpip).
pub struct Listener {
    handle: Handle,
    port: u16,
}

impl Listener {
    pub(crate) fn new(handle: Handle, port: u16) -> Self {
        Self { handle, port }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.handle.engine().unlisten(self.port);
    }
}

impl mirage_sig::Listener for Listener {
    type Flow = Flow;
    type Error = Error;

    async fn accept(&mut self) -> Result<Flow, Error> {
        let id = poll_fn(|cx| match self.handle.unclocked().accept(self.port, cx.waker()) {
            None => Poll::Pending,
            Some(result) => Poll::Ready(result),
        })
        .await?;
        Flow::new(self.handle.clone(), id)
    }

    fn local(&self) -> SocketAddr {
        crate::udp::any(self.port)
    }
}
