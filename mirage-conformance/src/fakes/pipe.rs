use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::time::Duration;

use mirage_sig::{Instant, MonotonicClock, NetErrorKind};

use super::runtime::FakeRuntime;
use super::signal::Signal;
use crate::poll::yield_now;

/// How long anything takes from one host to another.
pub(super) const TRAVEL: Duration = Duration::from_micros(100);

/// One direction of a flow: bytes that were accepted, that travel, and that have arrived.
pub(super) struct Pipe {
    clock: FakeRuntime,
    state: RefCell<State>,
    changed: Signal,
}

#[derive(Default)]
struct State {
    /// Accepted and not arrived, which is when they are acknowledged.
    coming: VecDeque<u8>,
    /// How many of them can arrive when.
    segments: VecDeque<(Instant, usize)>,
    arrived: VecDeque<u8>,
    /// When the end can arrive, behind the last byte.
    end: Option<Instant>,
    reset: bool,
    /// Nobody will read what arrives.
    unread: bool,
}

impl Pipe {
    /// Bytes that are accepted and have not arrived; and bytes that have, and were not read.
    const ROOM: usize = 2_000;
    /// Bytes that one `write` accepts, at most.
    const WRITE_MAX: usize = 536;
    /// Bytes that one `read` gives, at most.
    const READ_MAX: usize = 211;

    pub fn new(clock: &FakeRuntime) -> Self {
        Self { clock: clock.clone(), state: RefCell::default(), changed: Signal::default() }
    }

    /// Lets arrive what has had the time for it, as far as there is room.
    fn settle(&self) {
        let mut guard = self.state.borrow_mut();
        let state = &mut *guard;
        let now = self.clock.now();
        let mut moved = false;
        while let Some((here, count)) = state.segments.front_mut()
            && *here <= now
        {
            let room = if state.unread { *count } else { Self::ROOM - state.arrived.len() };
            let some = room.min(*count);
            let bytes: Vec<u8> = state.coming.drain(..some).collect();
            state.arrived.extend(bytes.into_iter().filter(|_| !state.unread));
            // An answer to bytes that nobody wants.
            state.reset |= state.unread;
            moved |= some > 0;
            *count -= some;
            if *count > 0 {
                break;
            }
            state.segments.pop_front();
        }
        drop(guard);
        if moved {
            self.changed.notify();
        }
    }

    /// When time alone will change something.
    fn next(&self) -> Instant {
        let state = self.state.borrow();
        let now = self.clock.now();
        let segment = state.segments.front().map(|(here, _)| *here);
        segment.into_iter().chain(state.end).filter(|due| *due > now).min().unwrap_or(Instant::END)
    }

    pub async fn read(&self, buffer: &mut [u8]) -> Result<usize, NetErrorKind> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let ready = || {
            self.settle();
            let mut state = self.state.borrow_mut();
            if state.reset {
                return Ok(Err(NetErrorKind::Reset));
            }
            let count = state.arrived.len().min(buffer.len()).min(Self::READ_MAX);
            let ended = state.coming.is_empty() && state.end.is_some_and(|end| end <= self.clock.now());
            if count == 0 && !ended {
                drop(state);
                return Err(self.next());
            }
            for (to, byte) in buffer.iter_mut().zip(state.arrived.drain(..count)) {
                *to = byte;
            }
            Ok(Ok(count))
        };
        let result = self.changed.until_due(&self.clock, ready).await;
        // There is room for more now.
        self.changed.notify();
        result
    }

    pub async fn write(&self, buffer: &[u8]) -> Result<usize, NetErrorKind> {
        let ready = || {
            self.settle();
            let mut state = self.state.borrow_mut();
            if state.reset {
                return Ok(Err(NetErrorKind::Reset));
            }
            if state.end.is_some() {
                return Ok(Err(NetErrorKind::Closed));
            }
            let count = (Self::ROOM - state.coming.len()).min(buffer.len()).min(Self::WRITE_MAX);
            if count == 0 && !buffer.is_empty() {
                drop(state);
                return Err(self.next());
            }
            state.coming.extend(&buffer[..count]);
            state.segments.push_back((self.clock.now() + TRAVEL, count));
            Ok(Ok(count))
        };
        let result = self.changed.until_due(&self.clock, ready).await;
        self.changed.notify();
        result
    }

    pub async fn flush(&self) -> Result<(), NetErrorKind> {
        let ready = || {
            self.settle();
            let state = self.state.borrow();
            if state.reset {
                return Ok(Err(NetErrorKind::Reset));
            }
            if state.coming.is_empty() { Ok(Ok(())) } else { Err(self.next()) }
        };
        self.changed.until_due(&self.clock, ready).await
    }

    pub async fn shutdown(&self) -> Result<(), NetErrorKind> {
        self.end();
        yield_now().await;
        if self.state.borrow().reset { Err(NetErrorKind::Reset) } else { Ok(()) }
    }

    /// Nothing more will be written.
    pub fn end(&self) {
        let mut state = self.state.borrow_mut();
        state.end.get_or_insert(self.clock.now() + TRAVEL);
        drop(state);
        self.changed.notify();
    }

    /// Nothing more will be read.
    pub fn ignore(&self) {
        let mut state = self.state.borrow_mut();
        state.unread = true;
        state.arrived.clear();
        drop(state);
        self.changed.notify();
    }

    pub fn reset(&self) {
        self.state.borrow_mut().reset = true;
        self.changed.notify();
    }
}
