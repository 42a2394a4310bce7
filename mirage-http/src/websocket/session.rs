use alloc::boxed::Box;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use super::frame::{FrameDecoder, Incoming, Opcode, push_frame};
use super::socket::{Shared, SocketError, change};
use crate::body::Body;
use crate::inbox::Inbox;
use crate::response::Pulse;
use crate::source::{Piece, Source};

/// Bytes that are read at once, at most.
const READ_MAX: usize = 16 << 10;

/// Pongs wait among what is to be sent; a client that pings and does not read gets no more of them than this many bytes.
const PONGS_MAX: usize = 4 << 10;

/// A WebSocket as the connection sees it: an answer whose body is the frames to the client, and which reads those of the
/// client as the body of the request. So the connection knows nothing of it.
pub(super) struct Session {
    shared: Shared,
    body: Body,
    inbox: Inbox,
    decoder: FrameDecoder,
    /// Not there any more when it has returned.
    application: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Session {
    pub fn new(shared: Shared, body: Body, application: Pin<Box<dyn Future<Output = ()>>>) -> Self {
        let decoder = FrameDecoder::new(true, shared.borrow().limits.message);
        Self { shared, body, inbox: Inbox::default(), decoder, application: Some(application) }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        loop {
            if let Some(application) = &mut self.application
                && application.as_mut().poll(cx).is_ready()
            {
                // With it goes its WebSocket, if it still has it, which is closed by that.
                self.application = None;
            }
            {
                let mut state = self.shared.borrow_mut();
                if !state.out.is_empty() {
                    let out = core::mem::take(&mut state.out);
                    // There is room again.
                    drop(state);
                    change(&self.shared, |_| ());
                    return Poll::Ready(Ok(Some(out)));
                }
                if state.closing && state.ended.is_some() && self.application.is_none() {
                    return Poll::Ready(Ok(None));
                }
                state.waiters.add(cx.waker());
                // The application sets the pace. Once it has closed, nothing waits for it any more.
                if state.ended.is_some() || (state.message.is_some() && !state.closing) {
                    return Poll::Pending;
                }
            }
            if self.poll_receive(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Takes one step with what the client sends.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (used, incoming) = match self.decoder.decode(self.inbox.bytes()) {
            Ok(decoded) => decoded,
            Err(violation) => {
                change(&self.shared, |state| {
                    state.end(Err(SocketError::Violation(violation)));
                    state.close(violation.code, violation.why);
                });
                return Poll::Ready(());
            }
        };
        self.inbox.consume(used);
        let Some(incoming) = incoming else {
            self.inbox.shrink();
            return self.body.poll_read(cx, self.inbox.room(READ_MAX)).map(|read| match read {
                Ok(count @ 1..) => {
                    self.inbox.filled(count);
                    self.shared.borrow_mut().heard = true;
                }
                _ => change(&self.shared, |state| state.end(Err(SocketError::Gone))),
            });
        };
        change(&self.shared, |state| match incoming {
            Incoming::Message(message) if !state.closing => state.message = Some(message),
            Incoming::Ping(payload) if !state.closing && state.out.len() < PONGS_MAX => {
                push_frame(&mut state.out, true, Opcode::Pong, &payload, None);
            }
            Incoming::Close(code) => {
                state.end(Ok(()));
                // The answer to a close is the same code.
                state.close(code.unwrap_or(1000), "");
            }
            Incoming::Message(_) | Incoming::Ping(_) | Incoming::Pong => {}
        });
        Poll::Ready(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        change(&self.shared, |state| state.end(Err(SocketError::Gone)));
    }
}

impl Source for Session {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Piece> + '_>> {
        Box::pin(poll_fn(|cx| self.poll_next(cx)))
    }
}

impl Pulse for Shared {
    fn span(&self) -> Duration {
        let state = self.borrow();
        if state.closing { state.limits.close_time } else { state.limits.silence }
    }

    fn beat(&self) -> Option<Vec<u8>> {
        let mut state = self.borrow_mut();
        let mut sign = Vec::new();
        if state.closing {
            return None;
        }
        // While a message waits to be taken, nothing is read, so that silence says nothing.
        if core::mem::take(&mut state.heard) || state.message.is_some() {
            state.pinged = false;
        } else if core::mem::replace(&mut state.pinged, true) {
            return None;
        } else {
            push_frame(&mut sign, true, Opcode::Ping, b"", None);
        }
        Some(sign)
    }
}
