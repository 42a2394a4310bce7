//! One connection: requests are read, handed over, and answered, one after the other.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::task::{Context, Poll};
use core::time::Duration;

use mirage_sig::{Flow, Instant, Method, Runtime};

use super::drive::read;
use super::live::Seat;
use super::write::Gone;
use super::{Server, write};
use crate::body::{Body, Exchange, Shared};
use crate::inbox::Inbox;
use crate::request::Request;
use crate::response::{Content, Response};
use crate::wait::{Either, either};
use crate::wire::{Framing, Refusal, RequestHead, RequestParser};

/// What is read of a body that the handler did not want, to keep the connection. More is cut off.
const DRAIN_MAX: u64 = 64 << 10;

/// After the last answer the client has so long to end its side: to cut a connection on which it still sends may destroy the
/// answer on its way (RFC 9112, section 9.6).
const LINGER: Duration = Duration::from_secs(2);

/// What of the buffer for answers is kept from one to the next, in bytes.
const OUT_KEPT: usize = 2 << 10;

/// The least that may arrive at once, whatever the limit of a head is.
pub(super) const INBOX_MIN: usize = 16 << 10;

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
    pub expects_continue: bool,
    pub is_raw: bool,
    /// The client has ended its side.
    pub has_ended: bool,
    /// What is left of the time for the next bytes of a body, and how many have come.
    pub body_time: Duration,
    pub body_progress: usize,
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

    /// From now on bytes are bytes, both ways: the connection goes on in another protocol.
    pub fn go_raw(&mut self) {
        self.is_raw = true;
        self.exchange.borrow_mut().go_raw();
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
