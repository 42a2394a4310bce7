//! Two things at once: what a handler does, and reading what it needs, or learning that its client has gone.

use core::cell::RefCell;
use core::future::{pending, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll};
use core::time::Duration;

use mirage_sig::{Flow, Instant, Runtime};

use super::connection::{Connection, INBOX_MIN};
use super::write::{CONTINUE, send};
use crate::body::{BodyError, Exchange};
use crate::inbox::Inbox;
use crate::wait::at;

/// Bytes of a body for which the client has [`Limits::body_time`](crate::Limits::body_time), so that one that sends single
/// bytes is not there for days.
const BODY_PROGRESS: usize = 512;

/// A client that has ended its side may be gone, or wait for its answer: nobody can tell. That answer, or the next piece of
/// it, must be there so soon, or is dropped.
const HALF_TIME: Duration = Duration::from_secs(2);

/// What came of work that a handler does.
pub(super) enum Driven {
    Done,
    /// It has not, up to the time that was given.
    Late,
    Gone,
}

/// The inbox, taken out of its place while bytes are read into it.
struct Taken<'a> {
    exchange: &'a RefCell<Exchange>,
    inbox: Inbox,
}

impl<'a> Taken<'a> {
    fn new(exchange: &'a RefCell<Exchange>) -> Self {
        Self { exchange, inbox: core::mem::take(&mut exchange.borrow_mut().inbox) }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.exchange.borrow_mut().inbox = core::mem::take(&mut self.inbox);
    }
}

/// Reads what has arrived, at least a byte, into the inbox, or nothing at the end of the client's side. `None` is a connection
/// that broke. Dropped, it has read nothing.
pub(super) async fn read<F: Flow>(flow: &mut F, exchange: &RefCell<Exchange>, most: usize) -> Option<usize> {
    let mut taken = Taken::new(exchange);
    let count = flow.read(taken.inbox.room(most)).await.ok()?;
    taken.inbox.filled(count);
    Some(count)
}

impl<R: Runtime, F: Flow> Connection<R, F> {
    /// Does work that a handler gave us, and meanwhile reads what its request's body needs, or learns that the client has
    /// gone. If it is not to wait, work that is not done at once is late.
    ///
    /// The work is a `dyn`, so that there is one such loop in the image.
    pub async fn drive(
        &mut self,
        work: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>,
        wait: bool,
        until: Option<Instant>,
    ) -> Driven {
        enum Event {
            Done,
            Changed,
            Read(Option<usize>),
            Late,
        }
        loop {
            let wants = self.exchange.borrow().wants_more();
            if wants
                && core::mem::take(&mut self.expects_continue)
                && send(&self.runtime, &mut self.flow, CONTINUE, self.server.limits.write_time).await.is_err()
            {
                return Driven::Gone;
            }
            let begun = self.runtime.now();
            let body_deadline = (wants && !self.is_raw).then(|| begun + self.body_time);
            let half_deadline = self.has_ended.then(|| begun + HALF_TIME);
            let deadline = [until, body_deadline, half_deadline].into_iter().flatten().min();
            let most = self.server.limits.head.max(INBOX_MIN);
            let (flow, exchange, has_ended) = (&mut self.flow, &self.exchange, self.has_ended);
            let event = {
                // What is there already is used first. Until then nothing is read, and nobody needs to know more.
                let mut reading = pin!(async {
                    if has_ended || !exchange.borrow().inbox.is_empty() {
                        pending::<()>().await;
                    }
                    read(flow, exchange, most).await
                });
                let mut timer = pin!(at(&self.runtime, deadline));
                poll_fn(|cx| {
                    exchange.borrow_mut().attend(cx.waker());
                    let polled = work(cx);
                    exchange.borrow_mut().attended = false;
                    if polled.is_ready() {
                        return Poll::Ready(Event::Done);
                    }
                    if !wait {
                        return Poll::Ready(Event::Late);
                    }
                    if exchange.borrow().wants_more() != wants {
                        return Poll::Ready(Event::Changed);
                    }
                    if let Poll::Ready(count) = reading.as_mut().poll(cx) {
                        return Poll::Ready(Event::Read(count));
                    }
                    timer.as_mut().poll(cx).map(|()| Event::Late)
                })
                .await
            };
            if wants {
                self.body_time = self.body_time.saturating_sub(self.runtime.now() - begun);
            }
            let told = match event {
                Event::Done => return Driven::Done,
                Event::Changed => None,
                Event::Read(Some(count @ 1..)) => {
                    self.body_progress += count;
                    if self.body_progress >= BODY_PROGRESS {
                        (self.body_time, self.body_progress) = (self.server.limits.body_time, 0);
                    }
                    self.exchange.borrow_mut().arrived()
                }
                // It may wait for its answer, if it has sent all of its request.
                Event::Read(Some(_)) if !wants => {
                    self.has_ended = true;
                    None
                }
                Event::Read(_) => return Driven::Gone,
                Event::Late if wait && body_deadline.is_some_and(|deadline| deadline <= self.runtime.now()) => {
                    self.exchange.borrow_mut().fail(BodyError::Late)
                }
                Event::Late if half_deadline.is_some_and(|deadline| deadline <= self.runtime.now()) => {
                    return Driven::Gone;
                }
                Event::Late => return Driven::Late,
            };
            if let Some(waiter) = told {
                waiter.wake();
            }
        }
    }
}
