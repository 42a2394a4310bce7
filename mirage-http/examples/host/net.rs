//! As much of a platform as a server needs, out of tokio: runtime, listener, and flow. Loopback only.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant as StdInstant, SystemTime};

use mirage_sig::{
    ErrorType, Flow, Instant, Listener, MonotonicClock, NetError, NetErrorKind, Random, Read, Sleep, Spawn, WallClock,
    Write,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, tcp};

/// The runtime: tokio's tasks and timers on one thread.
#[derive(Clone)]
pub struct Host(Rc<StdInstant>);

/// Runs `work` and the tasks beside it.
pub fn run<T>(work: impl AsyncFnOnce(Host) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("the system lets us wait");
    tokio::task::LocalSet::new().block_on(&runtime, work(Host(Rc::new(StdInstant::now()))))
}

impl MonotonicClock for Host {
    fn now(&self) -> Instant {
        Instant::START + self.0.elapsed()
    }
}

impl WallClock for Host {
    fn unix_time(&self) -> Duration {
        SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
    }
}

impl Sleep for Host {
    async fn sleep_until(&self, deadline: Instant) {
        match self.0.checked_add(deadline - Instant::START) {
            Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
            None => std::future::pending().await,
        }
    }
}

impl Random for Host {
    fn fill(&self, bytes: &mut [u8]) {
        use std::io::Read;
        let urandom = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(bytes));
        urandom.expect("the system has random bytes");
    }
}

impl Spawn for Host {
    fn spawn_boxed(&self, task: Pin<Box<dyn Future<Output = ()>>>) {
        tokio::task::spawn_local(task);
    }
}

/// An error of the system's.
#[derive(Debug)]
pub struct HostError(io::Error);

impl std::fmt::Display for HostError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for HostError {}

impl NetError for HostError {
    fn kind(&self) -> NetErrorKind {
        match self.0.kind() {
            io::ErrorKind::ConnectionRefused => NetErrorKind::Refused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => NetErrorKind::Reset,
            io::ErrorKind::AddrInUse => NetErrorKind::AddressInUse,
            io::ErrorKind::TimedOut => NetErrorKind::TimedOut,
            _ => NetErrorKind::Exhausted,
        }
    }
}

impl mirage_sig::io::Error for HostError {
    fn kind(&self) -> mirage_sig::io::ErrorKind {
        match NetError::kind(self) {
            NetErrorKind::Refused => mirage_sig::io::ErrorKind::ConnectionRefused,
            NetErrorKind::Reset => mirage_sig::io::ErrorKind::ConnectionReset,
            NetErrorKind::TimedOut => mirage_sig::io::ErrorKind::TimedOut,
            _ => mirage_sig::io::ErrorKind::Other,
        }
    }
}

/// A port of this machine.
pub struct HostListener(TcpListener);

impl HostListener {
    /// Listens on a port of the loopback interface; 0 is any that is free.
    pub async fn bind(port: u16) -> io::Result<Self> {
        TcpListener::bind(("127.0.0.1", port)).await.map(Self)
    }
}

impl Listener for HostListener {
    type Flow = HostFlow;
    type Error = HostError;

    async fn accept(&mut self) -> Result<HostFlow, HostError> {
        let (stream, _) = self.0.accept().await.map_err(HostError)?;
        stream.set_nodelay(true).map_err(HostError)?;
        Ok(HostFlow(stream))
    }

    fn local(&self) -> SocketAddr {
        self.0.local_addr().expect("a port that is bound has an address")
    }
}

/// A TCP connection of this machine. `flush` does not wait for acknowledgements, of which the system says nothing.
pub struct HostFlow(TcpStream);

impl ErrorType for HostFlow {
    type Error = HostError;
}

impl Read for HostFlow {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, HostError> {
        self.0.read(buffer).await.map_err(HostError)
    }
}

impl Write for HostFlow {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, HostError> {
        self.0.write(buffer).await.map_err(HostError)
    }

    async fn flush(&mut self) -> Result<(), HostError> {
        self.0.flush().await.map_err(HostError)
    }
}

impl Flow for HostFlow {
    type Reader<'a> = HostReader<'a>;
    type Writer<'a> = HostWriter<'a>;

    fn split(&mut self) -> (HostReader<'_>, HostWriter<'_>) {
        let (reader, writer) = self.0.split();
        (HostReader(reader), HostWriter(writer))
    }

    async fn shutdown(&mut self) -> Result<(), HostError> {
        self.0.shutdown().await.map_err(HostError)
    }

    fn peer(&self) -> SocketAddr {
        self.0.peer_addr().unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    fn local(&self) -> SocketAddr {
        self.0.local_addr().unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)))
    }
}

/// The reading half.
pub struct HostReader<'a>(tcp::ReadHalf<'a>);

impl ErrorType for HostReader<'_> {
    type Error = HostError;
}

impl Read for HostReader<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, HostError> {
        self.0.read(buffer).await.map_err(HostError)
    }
}

/// The writing half.
pub struct HostWriter<'a>(tcp::WriteHalf<'a>);

impl ErrorType for HostWriter<'_> {
    type Error = HostError;
}

impl Write for HostWriter<'_> {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, HostError> {
        self.0.write(buffer).await.map_err(HostError)
    }

    async fn flush(&mut self) -> Result<(), HostError> {
        self.0.flush().await.map_err(HostError)
    }
}
