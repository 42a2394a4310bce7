#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

mod absent;
mod args;
mod failure;
mod http;
mod instant;
mod key;
mod logs;
mod net;
mod task;

pub use absent::Absent;
pub use args::{Arg, ArgError, ArgKind, Args, STANDARD_ARGS};
pub use embedded_io_async::{BufRead, ErrorType, Read, Write};
pub use failure::{Context, Failure};
pub use http::{HttpRequest, HttpResponse, Method};
pub use instant::Instant;
pub use key::{Entry, Key, KeyError};
pub use logs::LogFilter;
pub use net::{Cidr, Mac, ParseAddressError};
pub use task::{Cancelled, Elapsed, Task};

/// Byte streams' errors: `kind()` and its values, from embedded-io.
pub mod io {
    pub use embedded_io_async::{Error, ErrorKind, ReadExactError};
}

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::error::Error;
use core::net::{IpAddr, SocketAddr};
use core::pin::Pin;
use core::time::Duration;

// ---------------------------------------------------------------------------------------------------------------------
// The runtime: what a process has one of.
// ---------------------------------------------------------------------------------------------------------------------

/// Time that only goes forward.
pub trait MonotonicClock {
    /// The time since an arbitrary start, at or before the unikernel's boot.
    ///
    /// - Never less than an earlier answer of any clone of this platform; two calls in a row may give the same.
    /// - Goes on while the unikernel is paused, as a watch on the wall would.
    fn now(&self) -> Instant;
}

/// The date, as well as the platform knows it.
pub trait WallClock {
    /// The time since 1970-01-01T00:00:00 UTC, without leap seconds.
    ///
    /// - May jump, also backwards, when somebody sets the clock: measure spans with [`MonotonicClock`].
    fn unix_time(&self) -> Duration;
}

/// Waiting for a point in time.
pub trait Sleep: MonotonicClock {
    /// Waits until the clock shows `deadline` or later.
    ///
    /// - Never resolves early: after it, `now() >= deadline`. How late it may be is the platform's to state.
    /// - A deadline that has passed still lets every task that is ready now have its turn first.
    /// - Several sleeps end in the order of their deadlines.
    ///
    /// # Cancel safety
    /// Dropping the future frees its timer; nothing else changes.
    async fn sleep_until(&self, deadline: Instant);

    /// Waits for `span`, counted from the first poll. As [`sleep_until`](Self::sleep_until) in every other way; a span
    /// beyond the clock's end waits for ever.
    async fn sleep(&self, span: Duration) {
        self.sleep_until(self.now().saturating_add(span)).await;
    }
}

/// Random bytes that are fit for keys.
///
/// There is no insecure fallback: a platform without a secure source refuses to boot, so this cannot fail.
pub trait Random {
    /// Fills all of `bytes`, however many they are. An empty slice is left alone.
    fn fill(&self, bytes: &mut [u8]);

    /// An array of random bytes, for use as `u64::from_ne_bytes(p.random())`.
    fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// Tasks beside the one that runs. One thread, cooperative: a task runs until it waits.
pub trait Spawn {
    /// Starts `task`. This is what a platform implements; applications call [`spawn`](Self::spawn).
    ///
    /// - Returns before `task` is polled for the first time.
    /// - Tasks get their first turn in the order in which they were spawned.
    /// - A task that waits for nothing but others' wakers costs nothing until one of them is woken.
    fn spawn_boxed(&self, task: Pin<Box<dyn Future<Output = ()>>>);

    /// Starts `task` and gives a handle, which can be awaited for its output or told to [`cancel`](Task::cancel) it.
    /// Dropping the handle lets the task run on by itself.
    fn spawn<F>(&self, task: F) -> Task<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let (body, handle) = Task::new(task);
        self.spawn_boxed(Box::pin(body));
        handle
    }
}

/// All that a unikernel has one of. A library that needs any of these takes one parameter, `R: Runtime`.
///
/// Clones are handles to the same thing: cheap, and good for moving into a task.
pub trait Runtime: Sleep + WallClock + Random + Spawn + Clone + 'static {
    /// Runs `work`, for at most `span`: its output, or [`Elapsed`] after `work` was dropped where it stood.
    ///
    /// - `work` gets the first turn: if it is ready at once, a `span` of zero suffices.
    ///
    /// # Cancel safety
    /// That of `work`.
    async fn timeout<F: Future>(&self, span: Duration, work: F) -> Result<F::Output, Elapsed> {
        task::first_of(work, self.sleep(span)).await.ok_or(Elapsed)
    }
}

impl<T: Sleep + WallClock + Random + Spawn + Clone + 'static> Runtime for T {}

/// What the one outside (the toolstack, the page, the terminal) asks of a unikernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Come to an end, and stay so.
    Poweroff,
    /// Come to an end, to be started again.
    Reboot,
}

/// The platform: the runtime, and the place where an application gets its devices.
///
/// Devices are made when asked for; what is not asked for is neither set up nor linked. Where a platform cannot have a
/// device, its type is [`Absent`] and asking for it is a [`Failure`] that says so.
///
/// # Cancel safety
/// Dropping a future that makes a device leaves no device behind.
pub trait Platform: Runtime {
    /// The console's handle. Clones write to the same console; each byte that is typed goes to one reader.
    type Console: Console + Clone + 'static;
    /// An Ethernet interface.
    type Network: Network + 'static;
    /// A TCP/IP stack.
    type Stack: Stack + Clone + 'static;
    /// A key-value store. Clones are the same store.
    type Kv: KvRw + Clone + 'static;
    /// A disk.
    type Block: Block + 'static;
    /// A client for the web.
    type Http: HttpClient + Clone + 'static;

    /// This unikernel's name: the argument `name`, or what the image is called.
    fn name(&self) -> &str;

    /// The arguments it was started with, already checked against the list of those it knows.
    fn args(&self) -> &Args;

    /// Waits for a request to end. Asked again after one came, it answers at once.
    ///
    /// # Cancel safety
    /// A request is not lost by dropping the future.
    async fn shutdown_requested(&self) -> Shutdown;

    /// The console. Can be asked for as often as is convenient.
    fn console(&self) -> Self::Console;

    /// The network of that name; the empty name is the one that the argument `net` chose.
    async fn network(&self, name: &str) -> Result<Self::Network, Failure>;

    /// The TCP/IP stack, with addresses from the arguments `ipv4` and alike, or by itself.
    async fn stack(&self) -> Result<Self::Stack, Failure>;

    /// The key-value store of that name, which is this unikernel's own; made empty where there was none.
    async fn kv(&self, name: &str) -> Result<Self::Kv, Failure>;

    /// The disk of that name.
    async fn block(&self, name: &str) -> Result<Self::Block, Failure>;

    /// The client for the web.
    fn http(&self) -> Self::Http;
}

// ---------------------------------------------------------------------------------------------------------------------
// Console
// ---------------------------------------------------------------------------------------------------------------------

/// A place to print to and to read from, for people. Text is UTF-8, lines end in `\n`.
///
/// Reading, as [`Read`] and [`BufRead`] say, with these points settled:
/// - Waits for at least one byte. What is typed arrives in whole lines where the platform has an input line.
/// - Bytes arrive in the order in which they were typed, each to one reader: what a reader has not consumed is there for the
///   next, whichever handle that has. What comes while nobody reads is kept, up to a bound that the platform states, beyond
///   which the newest is dropped.
/// - End of file when the console is gone; after it every read is end of file.
/// - An empty buffer gives `Ok(0)` at once, also when there is something to read.
///
/// Writing, as [`Write`] says, with these:
/// - Never waits for a person or for the network: a console that cannot keep up drops its oldest output.
/// - All of `buf` is taken by one call, and calls from several tasks are not mixed within one buffer.
/// - Bytes that are not UTF-8 are shown as U+FFFD; a character may be split between two writes.
/// - `flush` resolves when all that was written has been handed to the screen.
///
/// # Cancel safety
/// A `read` or `fill_buf` that is dropped has taken no byte. A `write` that is dropped before it was polled has written
/// none.
pub trait Console: BufRead + Write {
    /// Prints `text` and ends the line.
    async fn line(&mut self, text: &str) -> Result<(), Self::Error> {
        let mut line = String::with_capacity(text.len() + 1);
        line.push_str(text);
        line.push('\n');
        self.write_all(line.as_bytes()).await
    }

    /// The next line, without its `\n` or `\r\n`; `None` at end of file. A last line without an end counts as one.
    ///
    /// - A line of which more than `max` bytes were typed is cut there, and its rest is thrown away.
    /// - Bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Cancel safety
    /// Not cancel safe: what was read of an unfinished line is lost.
    async fn read_line(&mut self, max: usize) -> Result<Option<String>, Self::Error> {
        let mut line = Vec::new();
        loop {
            let chunk = self.fill_buf().await?;
            if chunk.is_empty() && line.is_empty() {
                return Ok(None);
            }
            let end = chunk.iter().position(|&byte| byte == b'\n');
            let text = &chunk[..end.unwrap_or(chunk.len())];
            line.extend_from_slice(&text[..text.len().min(max.saturating_add(1) - line.len())]);
            let taken = end.map_or(chunk.len(), |at| at + 1);
            self.consume(taken);
            if end.is_some() || taken == 0 {
                break;
            }
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        line.truncate(max);
        Ok(Some(String::from_utf8_lossy(&line).into_owned()))
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Network: Ethernet frames
// ---------------------------------------------------------------------------------------------------------------------

/// Whether a cable is in the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Frames pass.
    Up,
    /// Frames sent are lost, and none arrive.
    Down,
}

/// What has passed through an interface since it was made. Counters never decrease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkStats {
    /// Frames that were handed to the stack, or wait for it.
    pub rx_frames: u64,
    /// Their bytes, Ethernet headers included.
    pub rx_bytes: u64,
    /// Frames that arrived and were thrown away: too long, too short, not a frame, or the queue was full.
    pub rx_dropped: u64,
    /// Frames that were taken for sending.
    pub tx_frames: u64,
    /// Their bytes, Ethernet headers included.
    pub tx_bytes: u64,
    /// Frames that were taken for sending and then lost here, because the link went down.
    pub tx_dropped: u64,
}

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The queue is full; wait with [`Network::writable`].
    Full,
    /// Shorter than an Ethernet header (14 bytes) or longer than the MTU allows.
    Length {
        /// What was asked for, in bytes.
        asked: usize,
        /// The longest frame there may be: MTU + 14.
        longest: usize,
    },
    /// The interface is gone for good.
    Gone,
}

/// An Ethernet interface: whole frames, without the frame check sequence.
///
/// A driver hands out the frame where it lies, so no method waits while a frame is in hand, and many frames are moved per
/// wake-up: take frames until there are none, then wait.
pub trait Network {
    /// The interface's own address: unicast, and the same as long as it lives.
    fn mac(&self) -> Mac;

    /// The longest payload of a frame, in bytes. The Ethernet header of 14 bytes is not counted, as Linux has it: the
    /// longest frame is `mtu() + 14`.
    fn mtu(&self) -> usize;

    /// Whether the cable is in, now.
    fn link(&self) -> Link;

    /// Sends one frame of `length` bytes: calls `fill` with a zeroed buffer of just that size, then takes it.
    ///
    /// - `fill` is not called if the frame is not taken, and the error says why.
    /// - Frames leave in the order in which they were taken, and do not come back to this interface. Whether they arrive is
    ///   not known.
    /// - While the link is down, frames are taken, lost, and counted in `tx_dropped`.
    fn try_send<R>(&self, length: usize, fill: impl FnOnce(&mut [u8]) -> R) -> Result<R, SendError>;

    /// Takes the oldest frame that has arrived: calls `take` with it, and frees it afterwards. `None` if there is none.
    ///
    /// - The frame is at least 14 and at most `mtu() + 14` bytes, and the caller's to change in place.
    /// - Frames come in the order of arrival. When the queue is full, the newest are dropped and counted.
    fn try_receive<R>(&self, take: impl FnOnce(&mut [u8]) -> R) -> Option<R>;

    /// Waits until [`try_receive`](Self::try_receive) has a frame, or the interface is gone.
    ///
    /// # Cancel safety
    /// Safe. A frame that arrives between two waits makes the second one resolve at once. One waiter at a time: a second
    /// one takes the first one's place.
    async fn readable(&self);

    /// Waits until [`try_send`](Self::try_send) has room, or the interface is gone.
    ///
    /// # Cancel safety
    /// Safe; one waiter at a time, as for [`readable`](Self::readable).
    async fn writable(&self);

    /// Waits until the link is not `known` any more, and tells what it is now. At once if it is not. The link of an interface
    /// that is gone is down.
    ///
    /// # Cancel safety
    /// Safe; one waiter at a time, as for [`readable`](Self::readable).
    async fn link_change(&self, known: Link) -> Link;

    /// What has passed so far.
    fn stats(&self) -> NetworkStats;
}

// ---------------------------------------------------------------------------------------------------------------------
// Flows, and the stack that makes them
// ---------------------------------------------------------------------------------------------------------------------

/// What went wrong in the stack, for code that wants to act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetErrorKind {
    /// The other side answered that nobody listens there.
    Refused,
    /// The other side, or the network, ended the connection without a proper end.
    Reset,
    /// No answer within the stack's patience.
    TimedOut,
    /// There is no way to that address from here, or no address of our own yet.
    Unreachable,
    /// The local port is taken.
    AddressInUse,
    /// The name has no address.
    NotFound,
    /// This side has shut the flow down, or the stack is gone.
    Closed,
    /// A bound was reached: sockets, ports, or the size of a datagram.
    Exhausted,
}

/// An error of the stack.
pub trait NetError: Error + 'static {
    /// What went wrong.
    fn kind(&self) -> NetErrorKind;
}

/// A two-way stream of bytes, such as a TCP connection.
///
/// Reading, as [`Read`] says, with these points settled:
/// - Bytes arrive in order, once each, unchanged. End of file after the other side's last byte, and from then on always.
/// - An empty buffer gives `Ok(0)` at once.
/// - After an error, every later read is an error.
///
/// Writing, as [`Write`] says, with these:
/// - `write` resolves when at least one byte was *accepted*: copied, to be sent. It waits while there is no room.
/// - `flush` resolves when all that was accepted has been acknowledged by the other side.
/// - After [`shutdown`](Self::shutdown) or an error, every write is an error.
///
/// Dropping a flow lets what was accepted be sent, then ends it; nothing is received any more.
///
/// # Cancel safety
/// A `read` that is dropped has taken no byte, a `write` that is dropped has given none.
pub trait Flow: Read + Write {
    /// The reading half.
    type Reader<'a>: Read<Error = Self::Error>
    where
        Self: 'a;
    /// The writing half.
    type Writer<'a>: Write<Error = Self::Error>
    where
        Self: 'a;

    /// Both halves, for use at the same time.
    fn split(&mut self) -> (Self::Reader<'_>, Self::Writer<'_>);

    /// Ends our side after all that was accepted: the other side reads it and then end of file. We can still read. A
    /// second call changes nothing.
    ///
    /// # Cancel safety
    /// The end is sent once the future has been polled.
    async fn shutdown(&mut self) -> Result<(), Self::Error>;

    /// The other side's address.
    fn peer(&self) -> SocketAddr;

    /// Our own address.
    fn local(&self) -> SocketAddr;
}

/// A port on which others can connect. Dropping it frees the port and refuses further connections; those accepted live on,
/// those not yet accepted are reset.
pub trait Listener {
    /// The connections it gives.
    type Flow: Flow + 'static;
    /// Its errors.
    type Error: NetError;

    /// Waits for the next connection that is established.
    ///
    /// - Connections come in the order in which they were established. Up to the backlog are kept while nobody accepts;
    ///   beyond it new ones are not answered, and get through when there is room again.
    /// - Bytes that arrived before `accept` are there to read.
    ///
    /// # Cancel safety
    /// Safe: no connection is lost.
    async fn accept(&mut self) -> Result<Self::Flow, Self::Error>;

    /// The address it listens on.
    fn local(&self) -> SocketAddr;
}

/// A UDP port. Datagrams may be lost, repeated or come in another order; each that comes is whole.
pub trait UdpSocket {
    /// Its errors.
    type Error: NetError;

    /// Sends one datagram, which may be empty. Waits while the queue is full.
    ///
    /// - A datagram that is longer than the stack can send is [`NetErrorKind::Exhausted`], and nothing is sent.
    ///
    /// # Cancel safety
    /// Dropped while waiting, nothing was sent.
    async fn send_to(&self, datagram: &[u8], to: SocketAddr) -> Result<(), Self::Error>;

    /// Waits for the next datagram: its length, and who sent it.
    ///
    /// - What does not fit in `buffer` is thrown away; the length is that of the part in `buffer`.
    /// - The queue is bounded; when it is full, the newest are dropped.
    ///
    /// # Cancel safety
    /// Safe: no datagram is lost.
    async fn receive_from(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr), Self::Error>;

    /// Also receives what is sent to this multicast group. Twice is as good as once.
    fn join(&self, group: IpAddr) -> Result<(), Self::Error>;

    /// The address it is bound to.
    fn local(&self) -> SocketAddr;
}

/// A TCP/IP stack.
pub trait Stack {
    /// Its TCP connections.
    type Flow: Flow + 'static;
    /// Its TCP listeners.
    type Listener: Listener<Flow = Self::Flow> + 'static;
    /// Its UDP sockets.
    type Udp: UdpSocket + 'static;
    /// Its errors.
    type Error: NetError;

    /// Waits until the stack has an address that others can reach. At once if it has one.
    ///
    /// # Cancel safety
    /// Safe.
    async fn configured(&self) -> Result<(), Self::Error>;

    /// The addresses it has now, with the length of their networks' prefixes.
    fn addresses(&self) -> Vec<Cidr>;

    /// Opens a TCP connection: [`NetErrorKind::Refused`], [`TimedOut`](NetErrorKind::TimedOut) or
    /// [`Unreachable`](NetErrorKind::Unreachable) if nobody is there.
    ///
    /// # Cancel safety
    /// Dropped, the attempt is given up.
    async fn connect(&self, to: SocketAddr) -> Result<Self::Flow, Self::Error>;

    /// Listens for TCP connections on `port`, keeping at most `backlog` (at least 1) that were not accepted. Port 0 is any
    /// that is free; one that is taken is [`NetErrorKind::AddressInUse`].
    fn listen(&self, port: u16, backlog: usize) -> Result<Self::Listener, Self::Error>;

    /// Binds a UDP port. Port 0 is any that is free; one that is taken is [`NetErrorKind::AddressInUse`].
    fn bind(&self, port: u16) -> Result<Self::Udp, Self::Error>;

    /// The addresses of a name, best first, never none. An address in text form is its own.
    ///
    /// # Cancel safety
    /// Safe.
    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Self::Error>;

    /// Sends an ICMP echo request with `length` bytes of data and waits for its answer: the time it took.
    ///
    /// # Cancel safety
    /// Safe: a late answer is ignored.
    async fn ping(&self, to: IpAddr, length: usize) -> Result<Duration, Self::Error>;
}

// ---------------------------------------------------------------------------------------------------------------------
// Key-value stores
// ---------------------------------------------------------------------------------------------------------------------

/// What went wrong in a key-value store, for code that wants to act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KvErrorKind {
    /// Nothing has that key.
    NotFound,
    /// The key, or one on the way to it, is a value where a dictionary was needed.
    DictionaryExpected,
    /// The key is a dictionary where a value was needed.
    ValueExpected,
    /// A dictionary cannot be renamed into itself.
    RenameIntoItself,
    /// Somebody else has changed the key since it was last read here. Nothing was written: read it again.
    Conflict,
    /// The store is full. Nothing was written.
    NoSpace,
    /// The store can only be read.
    ReadOnly,
    /// Access to the store was refused.
    Refused,
    /// Another user of the store is in the way.
    Blocked,
    /// The store was closed or deleted under us.
    Gone,
    /// The store holds something that it should not, or failed in a way of its own.
    Corrupt,
}

/// An error of a key-value store. Its text names the key, where one was spoken of, and the remedy.
pub trait KvError: Error + 'static {
    /// What went wrong.
    fn kind(&self) -> KvErrorKind;
}

/// A key-value store that can be read.
///
/// Keys are paths ([`Key`]). A key has a value, or is a dictionary of longer keys, or is nothing. A dictionary is there as
/// long as it has something in it; the root, the empty key, is always one.
///
/// Reads see all writes that had resolved before, and never part of a write.
///
/// # Cancel safety
/// Reading changes nothing, and can be dropped at any time.
pub trait KvRo {
    /// Its errors.
    type Error: KvError;

    /// What `key` is, if anything.
    async fn exists(&self, key: &Key) -> Result<Option<Entry>, Self::Error>;

    /// The value of `key`: a buffer of the caller's own, possibly empty.
    ///
    /// # Errors
    /// [`NotFound`](KvErrorKind::NotFound); [`ValueExpected`](KvErrorKind::ValueExpected) for a dictionary.
    async fn get(&self, key: &Key) -> Result<Vec<u8>, Self::Error>;

    /// At most `length` bytes of the value, from `offset` on. Fewer, or none, where the value ends before. Errors as
    /// [`get`](Self::get).
    async fn get_partial(&self, key: &Key, offset: u64, length: usize) -> Result<Vec<u8>, Self::Error>;

    /// What is directly in a dictionary: whole keys, each once, in the order of `str`, which is that of the bytes.
    ///
    /// # Errors
    /// [`NotFound`](KvErrorKind::NotFound); [`DictionaryExpected`](KvErrorKind::DictionaryExpected) for a value.
    async fn list(&self, dictionary: &Key) -> Result<Vec<(Key, Entry)>, Self::Error>;

    /// The value's length in bytes. Errors as [`get`](Self::get).
    async fn size(&self, key: &Key) -> Result<u64, Self::Error>;

    /// When the value was last written, as time since 1970. Errors as [`get`](Self::get).
    async fn last_modified(&self, key: &Key) -> Result<Duration, Self::Error>;

    /// The value's SHA-256 (FIPS 180-4). Errors as [`get`](Self::get).
    async fn digest(&self, key: &Key) -> Result<[u8; 32], Self::Error>;
}

/// One step of a [`batch`](KvRw::batch).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// Gives the key this value, as [`KvRw::set`].
    Set(&'a Key, &'a [u8]),
    /// Removes the key, as [`KvRw::remove`].
    Remove(&'a Key),
}

/// A key-value store that can be written.
///
/// - **Durable**: when a write resolves, it survives a crash of the unikernel and of the machine, as far as what the store is
///   kept in does.
/// - **Whole**: each write is there completely or not at all, also after a crash, an error, or a dropped future.
/// - **In order**: writes to one key take effect in the order in which their futures were first polled.
/// - **Not silently over another's**: where several programs can open one store, a write to a key that another of them has
///   changed since this store last read it, by [`get`](KvRo::get), or wrote it, is [`Conflict`](KvErrorKind::Conflict); to
///   have found nothing there counts as well. A key not seen here before is written in any case.
/// - The root has no value and cannot be written: [`ValueExpected`](KvErrorKind::ValueExpected).
///
/// # Cancel safety
/// A write that is dropped after its first poll may still take effect, as a whole.
pub trait KvRw: KvRo {
    /// Gives `key` a value, new or instead of the old one. Dictionaries on the way to it are made as needed.
    ///
    /// # Errors
    /// [`ValueExpected`](KvErrorKind::ValueExpected) if `key` is a dictionary,
    /// [`DictionaryExpected`](KvErrorKind::DictionaryExpected) if a key on the way to it has a value,
    /// [`NoSpace`](KvErrorKind::NoSpace). The store is as it was.
    async fn set(&self, key: &Key, value: &[u8]) -> Result<(), Self::Error>;

    /// Writes `bytes` over part of the value, from `offset` on, which grows as needed and never shrinks. A gap that this
    /// would leave is filled with zeros; a key that is not there starts out empty. No bytes make nothing grow. Errors as
    /// [`set`](Self::set).
    async fn set_partial(&self, key: &Key, offset: u64, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Reads, changes and writes a value in one step that nobody else's write comes between. `change` gets the value, or
    /// `None` where there is none, and gives the new one, or `None` to remove it; what it gave is the result.
    ///
    /// - Never a [`Conflict`](KvErrorKind::Conflict). Other errors as [`set`](Self::set); `change` may not have been called then.
    async fn update<F>(&self, key: &Key, change: F) -> Result<Option<Vec<u8>>, Self::Error>
    where
        F: FnOnce(Option<Vec<u8>>) -> Option<Vec<u8>> + 'static;

    /// Removes `key`; a dictionary with all that is in it, the root too. A key that is not there is no error.
    async fn remove(&self, key: &Key) -> Result<(), Self::Error>;

    /// Gives the value, or the whole dictionary, of `source` the key `dest`, in one step.
    ///
    /// - A value at `dest` is replaced by a value. To rename a key to itself changes nothing.
    /// - The time at which a value was last written goes with it.
    ///
    /// # Errors
    /// [`NotFound`](KvErrorKind::NotFound) if `source` is nothing; [`RenameIntoItself`](KvErrorKind::RenameIntoItself) if
    /// `dest` lies inside `source`, be that a dictionary or a value; [`ValueExpected`](KvErrorKind::ValueExpected) if `dest`
    /// is a dictionary; [`DictionaryExpected`](KvErrorKind::DictionaryExpected) if `source` is a dictionary and `dest` a value, or
    /// a key on the way to `dest` has a value; [`NoSpace`](KvErrorKind::NoSpace) if a key within would become too long.
    async fn rename(&self, source: &Key, dest: &Key) -> Result<(), Self::Error>;

    /// Makes all changes, in their order, or none: nobody sees some of them. An empty batch does nothing.
    ///
    /// - The error is that of the first change that failed.
    async fn batch(&self, changes: &[Change<'_>]) -> Result<(), Self::Error>;
}

// ---------------------------------------------------------------------------------------------------------------------
// Block devices
// ---------------------------------------------------------------------------------------------------------------------

/// The shape of a disk. It does not change while the disk is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockInfo {
    /// Bytes in a sector: a power of two, 512 at least.
    pub sector_size: usize,
    /// Sectors on the disk.
    pub sectors: u64,
    /// Whether it can be written.
    pub writable: bool,
}

/// What went wrong on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockErrorKind {
    /// The sectors are not all on the disk. Nothing was read or written.
    OutOfRange,
    /// The buffer is not a whole number of sectors. Nothing was read or written.
    Unaligned,
    /// The disk can only be read.
    ReadOnly,
    /// The disk has no room where one was promised.
    NoSpace,
    /// The disk is gone.
    Gone,
    /// The disk failed at this request.
    Failed,
}

/// An error of a disk. Its text names the sectors.
pub trait BlockError: Error + 'static {
    /// What went wrong.
    fn kind(&self) -> BlockErrorKind;
}

/// A disk: sectors that are read and written whole. Several requests may be under way at once; two that overlap, one of
/// which writes, have no order until one has resolved.
pub trait Block {
    /// Its errors.
    type Error: BlockError;

    /// Its shape.
    fn info(&self) -> BlockInfo;

    /// Reads the sectors from `first` on into all of `buffer`. Sectors never written read as zeros or as whatever the disk
    /// came with. An empty buffer reads nothing, wherever `first` is on the disk or just behind its end.
    ///
    /// # Cancel safety
    /// Dropped, the content of `buffer` is not known.
    async fn read(&self, first: u64, buffer: &mut [u8]) -> Result<(), Self::Error>;

    /// Writes all of `buffer` to the sectors from `first` on; an empty one nothing. When it resolves, reads see it; a crash may still lose it,
    /// sector by sector, until a [`flush`](Self::flush).
    ///
    /// # Cancel safety
    /// Dropped, each of the sectors is the old one or the new one.
    async fn write(&self, first: u64, buffer: &[u8]) -> Result<(), Self::Error>;

    /// Waits until every write that had resolved survives a crash of the machine.
    ///
    /// # Cancel safety
    /// Safe; nothing can be said about the writes then.
    async fn flush(&self) -> Result<(), Self::Error>;
}

// ---------------------------------------------------------------------------------------------------------------------
// HTTP
// ---------------------------------------------------------------------------------------------------------------------

/// What went wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpErrorKind {
    /// The request itself is not valid: its address or a header.
    Invalid,
    /// No answer from the server, or none that we may see.
    Unreachable,
    /// The answer's body broke off.
    Broken,
}

/// An error of a request. Its text names the address.
pub trait HttpError: io::Error + 'static {
    /// What went wrong.
    fn http_kind(&self) -> HttpErrorKind;
}

/// A client for the web.
pub trait HttpClient {
    /// Its errors.
    type Error: HttpError;
    /// The answer's body, as it arrives: [`Read`], with end of file after its last byte, and from then on always; an empty
    /// buffer gives `Ok(0)` at once; a body that breaks off is [`Broken`](HttpErrorKind::Broken), and from then on always.
    /// Dropping it gives up the rest and frees the connection. A `read` that is dropped has taken no byte.
    type Body: Read<Error = Self::Error> + 'static;

    /// Sends a request and waits for the head of its answer. Any status is an answer, not an error. Names of the answer's
    /// headers are in lower case.
    ///
    /// # Errors
    /// [`Invalid`](HttpErrorKind::Invalid) before anything is sent; [`Unreachable`](HttpErrorKind::Unreachable).
    ///
    /// # Cancel safety
    /// Dropped, the request is aborted; the server may have seen it.
    async fn request(&self, request: HttpRequest<'_>) -> Result<HttpResponse<Self::Body>, Self::Error>;
}
