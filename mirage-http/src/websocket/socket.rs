use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::future::poll_fn;
use core::task::Poll;

use super::SocketLimits;
use super::frame::{Message, Opcode, Violation, push_frame};
use crate::wait::Waiters;

/// Bytes that wait to be sent, at most, beside a message that alone is longer; then who sends more waits.
const WAITING_MAX: usize = 64 << 10;

/// Why a WebSocket cannot be used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocketError {
    /// It was closed, by either side.
    Closed,
    /// The client broke the protocol.
    Violation(Violation),
    /// The connection broke, or the client has not been heard of for too long.
    Gone,
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the WebSocket was closed: open another one",
            Self::Violation(violation) => violation.why,
            Self::Gone => "the client has gone without a word",
        })
    }
}

impl core::error::Error for SocketError {}

/// What a connection and its WebSocket share.
pub(super) struct State {
    pub limits: SocketLimits,
    /// The next message. There is no other one until it is taken.
    pub message: Option<Message>,
    /// Nothing more comes: after a proper close, or for a reason.
    pub ended: Option<Result<(), SocketError>>,
    /// Frames to be sent.
    pub out: Vec<u8>,
    /// The close frame is among what was to be sent.
    pub closing: bool,
    /// Something has come since the last look.
    pub heard: bool,
    /// Nothing has, and the client was asked whether it is there.
    pub pinged: bool,
    /// Whoever waits for any change: the connection, and the application.
    pub waiters: Waiters,
}

pub(super) type Shared = Rc<RefCell<State>>;

pub(super) fn new(limits: SocketLimits) -> (Shared, WebSocket) {
    let state = State {
        limits,
        message: None,
        ended: None,
        out: Vec::new(),
        closing: false,
        heard: false,
        pinged: false,
        waiters: Waiters::default(),
    };
    let shared = Rc::new(RefCell::new(state));
    (shared.clone(), WebSocket(shared))
}

/// Changes what is shared, and lets all who wait look again.
pub(super) fn change<T>(shared: &Shared, change: impl FnOnce(&mut State) -> T) -> T {
    let mut state = shared.borrow_mut();
    let result = change(&mut state);
    let waiters = state.waiters.take();
    drop(state);
    waiters.wake();
    result
}

/// Waits until `ready` gives something, looking again at every change.
pub(super) async fn until<T>(shared: &Shared, mut ready: impl FnMut(&mut State) -> Option<T>) -> T {
    poll_fn(|cx| {
        let mut state = shared.borrow_mut();
        if let Some(value) = ready(&mut state) {
            return Poll::Ready(value);
        }
        state.waiters.add(cx.waker());
        Poll::Pending
    })
    .await
}

impl State {
    /// Says that this side ends, once.
    pub fn close(&mut self, code: u16, reason: &str) {
        if core::mem::replace(&mut self.closing, true) {
            return;
        }
        let mut payload = Vec::from(code.to_be_bytes());
        // A control frame has 125 bytes at most.
        payload.extend_from_slice(reason.as_bytes().get(..reason.floor_char_boundary(123)).unwrap_or_default());
        push_frame(&mut self.out, true, Opcode::Close, &payload, None);
    }

    /// Nothing more comes. What was told first stays.
    pub fn end(&mut self, how: Result<(), SocketError>) {
        self.ended.get_or_insert(how);
    }
}

/// A WebSocket: whole messages, both ways. Pings are answered and fragments put together on the way. Dropping it closes it.
pub struct WebSocket(Shared);

impl WebSocket {
    /// The next message; None after the client has closed. It is the one who receives that sets the pace: the client's next
    /// message is not read before this one is taken.
    ///
    /// # Errors
    /// [`SocketError::Violation`], which the client was told; [`SocketError::Gone`].
    ///
    /// # Cancel safety
    /// Safe: no message is lost.
    pub async fn receive(&mut self) -> Result<Option<Message>, SocketError> {
        let next = until(&self.0, |state| match (state.message.take(), state.ended) {
            (Some(message), _) => Some(Ok(Some(message))),
            (None, Some(how)) => Some(how.map(|()| None)),
            (None, None) => None,
        });
        let result = next.await;
        change(&self.0, |_| ());
        result
    }

    /// Sends a message; waits while too much does.
    ///
    /// # Errors
    /// [`SocketError::Closed`] or [`SocketError::Gone`], after which nothing can be sent.
    ///
    /// # Cancel safety
    /// Dropped while it waits, nothing was sent.
    pub async fn send(&mut self, message: &Message) -> Result<(), SocketError> {
        match message {
            Message::Text(text) => self.send_text(text).await,
            Message::Binary(bytes) => self.send_binary(bytes).await,
        }
    }

    /// Sends text, as [`send`](Self::send).
    pub async fn send_text(&mut self, text: &str) -> Result<(), SocketError> {
        self.push(Opcode::Text, text.as_bytes()).await
    }

    /// Sends bytes, as [`send`](Self::send).
    pub async fn send_binary(&mut self, bytes: &[u8]) -> Result<(), SocketError> {
        self.push(Opcode::Binary, bytes).await
    }

    async fn push(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), SocketError> {
        let sent = until(&self.0, |state| match state.ended {
            Some(Err(error)) => Some(Err(error)),
            _ if state.closing => Some(Err(SocketError::Closed)),
            _ if !state.out.is_empty() && state.out.len().saturating_add(payload.len()) > WAITING_MAX => None,
            _ => {
                push_frame(&mut state.out, true, opcode, payload, None);
                Some(Ok(()))
            }
        });
        sent.await?;
        change(&self.0, |_| ());
        Ok(())
    }

    /// Closes it, with a code (RFC 6455, section 7.4) and a reason of at most 123 bytes. What comes until the client has
    /// closed as well is thrown away.
    pub fn close(self, code: u16, reason: &str) {
        change(&self.0, |state| state.close(code, reason));
    }
}

impl Drop for WebSocket {
    fn drop(&mut self) {
        change(&self.0, |state| state.close(1000, ""));
    }
}
