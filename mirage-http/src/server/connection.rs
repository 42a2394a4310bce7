//! One connection: requests are read, handed over, and answered, one after the other.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::{pending, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll};
use core::time::Duration;

use mirage_sig::{Flow, Instant, Method, Runtime};

use super::live::Seat;
use super::write::{Gone, send};
use super::{Server, write};
use crate::body::{Body, BodyError, Exchange, Shared};
use crate::inbox::Inbox;
use crate::request::Request;
use crate::response::{Content, Response};
use crate::wait::{Either, at, either};
use crate::wire::{Framing, Refusal, RequestHead, RequestParser};

/// Bytes of a body for which the client has [`Limits::body_time`](crate::Limits::body_time), so that one that sends single bytes
/// is not there for days.
const BODY_PROGRESS: usize = 512;

/// What is read of a body that the handler did not want, to keep the connection. More is cut off.
const DRAIN_MAX: u64 = 64 << 10;

/// A client that has ended its side may be gone, or wait for its answer: nobody can tell. That answer, or the next piece of it, must
/// be there so soon, or is dropped.
const HALF_TIME: Duration = Duration::from_secs(2);

/// After the last answer the client has so long to end its side: to cut a connection on which it still sends may destroy the
/// answer on its way (RFC 9112, section 9.6).
const LINGER: Duration = Duration::from_secs(2);

/// What of the buffer for answers is kept from one to the next, in bytes.
const OUT_KEPT: usize = 2 << 10;

/// The least that may arrive at once, whatever the limit of a head is.
const INBOX_MIN: usize = 16 << 10;

pub(super) struct Connection<R, F> {
    pub runtime: R,
    pub flow: F,
    pub server: Rc<Server>,
    pub exchange: Shared,
    seat: Seat,
    /// What is to be sent next: reused from answer to answer.
    pub out: Vec<u8>,
    served: u32,
    /// The client waits for `100 Continue`.
    expects_continue: bool,
    is_raw: bool,
    /// The client has ended its side.
    has_ended: bool,
    /// What is left of the time for the next bytes of a body, and how many have come.
    body_time: Duration,
    body_progress: usize,
}

/// How a connection ends.
enum End {
    /// Nobody is there any more.
    Gone,
    /// Nothing was promised, and nothing is under way.
    Idle,
    /// An answer is on its way to a client that may be sending.
    Answered,
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// What came of waiting for bytes.
enum Fill {
    More,
    End,
    Late,
    Stop,
}

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
async fn read<F: Flow>(flow: &mut F, exchange: &RefCell<Exchange>, most: usize) -> Option<usize> {
    let mut taken = Taken::new(exchange);
    let count = flow.read(taken.inbox.room(most)).await.ok()?;
    taken.inbox.filled(count);
    Some(count)
}

impl<R: Runtime, F: Flow> Connection<R, F> {
    pub fn new(runtime: R, flow: F, server: Rc<Server>, seat: Seat) -> Self {
        let body_time = server.limits.body_time;
        Self {
            runtime,
            flow,
            server,
            exchange: Exchange::new(),
            seat,
            out: Vec::new(),
            served: 0,
            expects_continue: false,
            is_raw: false,
            has_ended: false,
            body_time,
            body_progress: 0,
        }
    }

    /// Answers requests until the connection ends.
    pub async fn run(mut self) {
        let end = self.requests().await;
        if let End::Gone = end {
            return;
        }
        let runtime = self.runtime.clone();
        let _ = runtime.timeout(LINGER, Box::pin(self.linger(end))).await;
    }

    /// Ends our side, and reads what the client still sends; None when there is no more to do.
    async fn linger(&mut self, end: End) -> Option<()> {
        self.flow.shutdown().await.ok()?;
        let mut left = match end {
            End::Answered => DRAIN_MAX,
            End::Idle | End::Gone => return None,
        };
        loop {
            self.exchange.borrow_mut().inbox = Inbox::default();
            let count = read(&mut self.flow, &self.exchange, INBOX_MIN).await.filter(|&count| count > 0)?;
            left = left.checked_sub(count as u64)?;
        }
    }

    async fn requests(&mut self) -> End {
        loop {
            let head = match self.head().await {
                Ok(Ok(head)) => head,
                Ok(Err(refusal)) => return Box::pin(self.refuse(refusal, false)).await,
                Err(end) => return end,
            };
            self.served += 1;
            // On the heap while there is a request, so that an idle connection is small.
            match Box::pin(self.answer(head)).await {
                Ok(true) => {}
                Ok(false) => return End::Answered,
                Err(Gone) => return End::Gone,
            }
            if self.out.capacity() > OUT_KEPT {
                self.out = Vec::new();
            }
        }
    }

    /// Waits for the head of a request.
    async fn head(&mut self) -> Result<Result<RequestHead, Refusal>, End> {
        let mut parser = RequestParser::default();
        let server = self.server.clone();
        let limits = &server.limits;
        self.exchange.borrow_mut().inbox.shrink();
        let mut begun = self.served == 0 || !self.exchange.borrow().inbox.is_empty();
        let mut deadline = self.runtime.now() + if begun { limits.head_time } else { limits.idle_time };
        loop {
            {
                let mut exchange = self.exchange.borrow_mut();
                match parser.advance(exchange.inbox.bytes(), limits) {
                    Err(refusal) => return Ok(Err(refusal)),
                    Ok(None) => {}
                    Ok(Some(length)) => {
                        let bytes = exchange.inbox.bytes().get(..length).unwrap_or_default().to_vec();
                        exchange.inbox.consume(length);
                        exchange.inbox.shrink();
                        return Ok(parser.finish(bytes).ok_or(Refusal::bad("")));
                    }
                }
            }
            let is_empty = self.exchange.borrow().inbox.is_empty();
            if !begun && !is_empty {
                begun = true;
                deadline = self.runtime.now() + limits.head_time;
            }
            match self.fill(deadline, is_empty).await {
                Fill::More => {}
                // Half a request is none, and nobody is there to be told.
                Fill::End if !is_empty => return Err(End::Gone),
                Fill::Late if !is_empty => return Ok(Err(Refusal::new(408, "the head did not come in time"))),
                Fill::End | Fill::Late | Fill::Stop => return Err(End::Idle),
            }
        }
    }

    /// Waits for bytes until `deadline`, and, if it may be stopped, until the server is told to.
    async fn fill(&mut self, deadline: Instant, may_stop: bool) -> Fill {
        let (flow, exchange, seat) = (&mut self.flow, &self.exchange, &self.seat);
        let most = self.server.limits.head.max(INBOX_MIN);
        let arrival =
            either(read(flow, exchange, most), poll_fn(|cx| if may_stop { seat.poll_stop(cx) } else { Poll::Pending }));
        match either(arrival, self.runtime.sleep_until(deadline)).await {
            Either::Left(Either::Left(Some(1..))) => Fill::More,
            Either::Left(Either::Left(_)) => Fill::End,
            Either::Left(Either::Right(())) => Fill::Stop,
            Either::Right(()) => Fill::Late,
        }
    }

    /// Answers what cannot be understood. The connection's further bytes cannot be either.
    async fn refuse(&mut self, refusal: Refusal, bodiless: bool) -> End {
        log::debug!("http: {} {}", refusal.status, refusal.why);
        self.out.clear();
        let response = Response::error(refusal.status, refusal.why);
        let framing = write::Framed { chunked: false, persists: false, minor: 1 };
        self.push_head(&response, framing);
        if let (Content::Bytes(bytes), false) = (&response.content, bodiless) {
            self.out.extend_from_slice(bytes);
        }
        match self.send_out(&[]).await {
            Ok(()) => End::Answered,
            Err(gone) => gone.into(),
        }
    }

    /// Hands a request over and sends the answer. Whether the connection goes on.
    async fn answer(&mut self, head: RequestHead) -> Result<bool, Gone> {
        let limit = self.server.limits.body;
        let too_long = matches!(head.framing, Framing::Length(length) if length > limit);
        if too_long {
            let refusal = Refusal::new(413, "the body is too long");
            return match Box::pin(self.refuse(refusal, head.method == Method::Head)).await {
                End::Gone => Err(Gone),
                _ => Ok(false),
            };
        }
        self.exchange.borrow_mut().begin(head.framing, limit);
        self.expects_continue = head.expects_continue && head.framing != Framing::Length(0);
        (self.body_time, self.body_progress) = (self.server.limits.body_time, 0);

        let asked = write::Asked {
            bodiless: head.method == Method::Head,
            minor: head.minor,
            persists: head.persists && self.served < self.server.limits.requests,
        };
        let request = Request::new(head, self.flow.peer(), Body::new(&self.exchange));
        let server = self.server.clone();
        let mut answering = server.handler.handle(request);
        let mut response = None;
        let mut work = |cx: &mut Context<'_>| answering.as_mut().poll(cx).map(|output| response = Some(output));
        self.drive(&mut work, true, None).await;
        drop(answering);
        let result = match response {
            Some(response) => self.respond(asked, response).await,
            None => Err(Gone),
        };
        // A body that is still wanted is told that the request is over.
        if let Some(waiter) = self.exchange.borrow_mut().end() {
            waiter.wake();
        }
        result
    }

    pub fn is_stopping(&self) -> bool {
        self.seat.is_stopping()
    }

    /// Whether the body will not be read, as the client sends it only when asked.
    pub fn is_body_held_back(&self) -> bool {
        self.expects_continue
    }

    /// From now on bytes are bytes, both ways: the connection goes on in another protocol.
    pub fn go_raw(&mut self) {
        self.is_raw = true;
        self.exchange.borrow_mut().go_raw();
    }

    /// Does work that a handler gave us, and meanwhile reads what its request's body needs, or learns that the client has gone.
    /// If it is not to wait, work that is not done at once is late.
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
            if wants && core::mem::take(&mut self.expects_continue) {
                let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
                if send(&self.runtime, &mut self.flow, go_on, self.server.limits.write_time).await.is_err() {
                    return Driven::Gone;
                }
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

    /// Reads the rest of a body that nobody wanted. Whether its end has come within reason.
    pub async fn drain(&mut self) -> bool {
        let deadline = self.runtime.now() + self.server.limits.body_time;
        let mut left = DRAIN_MAX;
        let mut waste = [0; 256];
        loop {
            let taken = self.exchange.borrow_mut().take(&mut waste);
            match taken {
                Ok(Some(count)) if count as u64 <= left => left -= count as u64,
                Ok(None) => match self.fill(deadline, false).await {
                    Fill::More => continue,
                    _ => return false,
                },
                _ => return false,
            }
            if self.exchange.borrow().is_done() {
                return true;
            }
        }
    }
}
