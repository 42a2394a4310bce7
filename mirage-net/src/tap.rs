//! Looking on: every frame that passes is shown to somebody, and goes on unchanged.

use core::fmt;

use mirage_sig::{Instant, Link, Mac, MonotonicClock, Network, NetworkStats, SendError};

use crate::decode::Summary;

/// Which way a frame goes, as the interface sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Out of the network, to the stack.
    Received,
    /// From the stack, into the network.
    Sent,
}

/// A frame passes an interface.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// When it was taken by the stack, or for sending. Not when it was on the wire, of which an interface knows
    /// nothing.
    pub time: Instant,
    /// The interface's own address.
    pub mac: Mac,
    /// Which way.
    pub direction: Direction,
    /// The frame, from its Ethernet header on.
    pub frame: &'a [u8],
}

/// One line: seconds, interface, direction, and what the frame says.
impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = match self.direction {
            Direction::Received => "<-",
            Direction::Sent => "->",
        };
        write!(f, "{} {} {arrow} {}", self.time, self.mac, Summary(self.frame))
    }
}

/// Whoever is shown the frames: any closure, the log, a recorder.
pub trait Sink {
    /// A frame passes. It has been taken; whether it arrives, or is lost while the link is down, is not known.
    fn frame(&self, event: &Event<'_>);
}

impl<F: Fn(&Event<'_>)> Sink for F {
    fn frame(&self, event: &Event<'_>) {
        self(event);
    }
}

/// A network that shows every frame to a [`Sink`].
///
/// - Frames are shown in the order in which the stack takes and gives them, before `take`, and after `fill`.
/// - What the inner network drops is not shown.
pub struct Tap<N, C, S> {
    inner: N,
    clock: C,
    sink: S,
}

impl<N: Network, C: MonotonicClock, S: Sink> Tap<N, C, S> {
    /// Shows the frames of `inner` to `sink`, with the time on `clock`.
    pub const fn with(inner: N, clock: C, sink: S) -> Self {
        Self { inner, clock, sink }
    }

    /// The network behind it.
    pub const fn inner(&self) -> &N {
        &self.inner
    }

    fn show(&self, direction: Direction, frame: &[u8]) {
        self.sink.frame(&Event { time: self.clock.now(), mac: self.inner.mac(), direction, frame });
    }
}

impl<N: Network, C: MonotonicClock, S: Sink> Network for Tap<N, C, S> {
    fn mac(&self) -> Mac {
        self.inner.mac()
    }

    fn mtu(&self) -> usize {
        self.inner.mtu()
    }

    fn link(&self) -> Link {
        self.inner.link()
    }

    fn try_send<R>(&self, length: usize, fill: impl FnOnce(&mut [u8]) -> R) -> Result<R, SendError> {
        self.inner.try_send(length, |frame| {
            let filled = fill(frame);
            self.show(Direction::Sent, frame);
            filled
        })
    }

    fn try_receive<R>(&self, take: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        self.inner.try_receive(|frame| {
            self.show(Direction::Received, frame);
            take(frame)
        })
    }

    async fn readable(&self) {
        self.inner.readable().await;
    }

    async fn writable(&self) {
        self.inner.writable().await;
    }

    async fn link_change(&self, known: Link) -> Link {
        self.inner.link_change(known).await
    }

    fn stats(&self) -> NetworkStats {
        self.inner.stats()
    }
}

/// The log, as a [`Sink`]: level trace, target [`TARGET`](Self::TARGET). Nothing is decoded unless it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Log;

impl Log {
    /// What the argument `logs` calls it: `logs=*:info,frames:trace`.
    pub const TARGET: &str = "frames";
}

impl Sink for Log {
    fn frame(&self, event: &Event<'_>) {
        log::trace!(target: Self::TARGET, "{event}");
    }
}

/// A network that logs a line for every frame. For lines that go elsewhere give [`Tap::with`] a closure that writes
/// its [`Event`].
pub type Trace<N, C> = Tap<N, C, Log>;

impl<N: Network, C: MonotonicClock> Trace<N, C> {
    /// Logs the frames of `inner`, with the time on `clock`.
    pub const fn new(inner: N, clock: C) -> Self {
        Self::with(inner, clock, Log)
    }
}
