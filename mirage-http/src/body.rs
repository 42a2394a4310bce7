//! A request's body: what a handler reads, and the connection's side of it.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

use mirage_sig::{ErrorType, Read, io};

use crate::inbox::Inbox;
use crate::wire::{BodyDecoder, Framing, Refusal};

/// Why a request's body cannot be read. Given back by a handler it is the answer with its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// It is longer than the server's limit, or than the handler asked for.
    TooLong,
    /// It did not come in time.
    Late,
    /// It is not well-formed.
    Malformed(Refusal),
    /// The client has gone.
    Gone,
    /// The request is over, and the connection has gone on.
    Over,
    /// It is not UTF-8, where text was asked for.
    NoText,
}

impl BodyError {
    /// The status of an answer that says so.
    pub const fn status(self) -> u16 {
        match self {
            Self::TooLong => 413,
            Self::Late => 408,
            Self::Malformed(refusal) => refusal.status,
            Self::NoText => 415,
            Self::Gone | Self::Over => 400,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the body is too long: send less, or raise the limit",
            Self::Late => "the body did not come in time: send it again",
            Self::Malformed(refusal) => refusal.why,
            Self::Gone => "the client went away before the body's end",
            Self::Over => "the request is over: read its body before the answer ends",
            Self::NoText => "the body is not UTF-8 text",
        })
    }
}

impl core::error::Error for BodyError {}

impl io::Error for BodyError {
    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::TooLong => io::ErrorKind::OutOfMemory,
            Self::Late => io::ErrorKind::TimedOut,
            Self::Malformed(_) | Self::NoText => io::ErrorKind::InvalidData,
            Self::Gone => io::ErrorKind::ConnectionAborted,
            Self::Over => io::ErrorKind::NotConnected,
        }
    }
}

/// What a connection and the body of the request on it share. Whoever reads the body has no flow in hand: it takes from the
/// inbox, and asks the connection for more.
pub(crate) struct Exchange {
    pub inbox: Inbox,
    pub decoder: BodyDecoder,
    /// Bytes that the body may still have.
    pub allowed: u64,
    /// Which request it is, so that a body that is kept too long does not read the next one's.
    number: u32,
    failure: Option<BodyError>,
    /// Who waits for more of the body.
    wants: Option<Waker>,
    /// The connection's task.
    owner: Option<Waker>,
    /// The connection itself polls right now, and will look whether somebody wants more.
    pub attended: bool,
}

pub(crate) type Shared = Rc<RefCell<Exchange>>;

impl Exchange {
    pub fn new() -> Shared {
        Rc::new(RefCell::new(Self {
            inbox: Inbox::default(),
            decoder: BodyDecoder::Length(0),
            allowed: 0,
            number: 0,
            failure: None,
            wants: None,
            owner: None,
            attended: false,
        }))
    }

    /// A request begins, with a body that is framed so.
    pub fn begin(&mut self, framing: Framing, allowed: u64) {
        self.number = self.number.wrapping_add(1);
        (self.decoder, self.allowed, self.failure) = (BodyDecoder::new(framing), allowed, None);
    }

    /// All that comes from now on is the body, whatever there was before.
    pub fn go_raw(&mut self) {
        (self.decoder, self.allowed, self.failure) = (BodyDecoder::UntilClose, u64::MAX, None);
    }

    /// The request is over. Gives who still wanted its body.
    #[must_use]
    pub fn end(&mut self) -> Option<Waker> {
        self.number = self.number.wrapping_add(1);
        self.wants.take()
    }

    /// The body cannot be read any further. Gives who is to be told.
    #[must_use]
    pub fn fail(&mut self, error: BodyError) -> Option<Waker> {
        self.failure = Some(error);
        self.wants.take()
    }

    pub fn wants_more(&self) -> bool {
        self.wants.is_some()
    }

    /// More has arrived. Gives who waits for it, if that is another task than the connection's, which looks by itself.
    #[must_use]
    pub fn arrived(&mut self) -> Option<Waker> {
        let owner = self.owner.as_ref();
        self.wants.take().filter(|waker| !owner.is_some_and(|owner| owner.will_wake(waker)))
    }

    pub fn attend(&mut self, owner: &Waker) {
        if !self.owner.as_ref().is_some_and(|known| known.will_wake(owner)) {
            self.owner = Some(owner.clone());
        }
        self.attended = true;
    }

    /// Takes what has arrived of the body into `buffer`; None if nothing has.
    pub fn take(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, BodyError> {
        if buffer.is_empty() {
            return Ok(Some(0));
        }
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let (used, filled) = match self.decoder.decode(self.inbox.bytes(), buffer) {
            Ok(moved) => moved,
            Err(refusal) => return Err(*self.failure.insert(BodyError::Malformed(refusal))),
        };
        self.inbox.consume(used);
        if filled as u64 > self.allowed {
            return Err(*self.failure.insert(BodyError::TooLong));
        }
        self.allowed -= filled as u64;
        Ok((filled > 0 || self.decoder.is_done()).then_some(filled))
    }

    /// Whether the body cannot be read to its end.
    pub fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Whether the body has been read to its end, so that the next request follows.
    pub fn is_done(&self) -> bool {
        self.failure.is_none() && self.decoder.is_done()
    }
}

/// The body of a request, as it arrives: [`Read`], with end of file after its last byte, and from then on always. An error
/// stays one.
///
/// It can be read also while the answer is under way, and no longer. The first read of a client that expects `100 Continue`
/// sends that.
///
/// # Cancel safety
/// A `read` that is dropped has taken no byte.
pub struct Body {
    exchange: Shared,
    number: u32,
}

impl Body {
    pub(crate) fn new(exchange: &Shared) -> Self {
        Self { exchange: exchange.clone(), number: exchange.borrow().number }
    }

    /// Another handle of the same body.
    pub(crate) fn handle(&self) -> Self {
        Self { exchange: self.exchange.clone(), number: self.number }
    }

    /// As [`read`](Read::read), by hand: the wish for more is kept until there is some.
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, BodyError>> {
        let mut exchange = self.exchange.borrow_mut();
        if exchange.number != self.number {
            return Poll::Ready(Err(BodyError::Over));
        }
        if let Some(result) = exchange.take(buffer).transpose() {
            return Poll::Ready(result);
        }
        exchange.wants = Some(cx.waker().clone());
        let owner = exchange.owner.clone().filter(|_| !exchange.attended);
        drop(exchange);
        if let Some(owner) = owner {
            owner.wake();
        }
        Poll::Pending
    }

    /// All of the body, which has at most `most` bytes, or else is [`BodyError::TooLong`].
    pub async fn all(&mut self, most: usize) -> Result<Vec<u8>, BodyError> {
        let mut all = Vec::new();
        loop {
            let filled = all.len();
            // One byte more than allowed shows that there is too much.
            let room = filled.max(PART).min(most.saturating_sub(filled).saturating_add(1));
            all.resize(filled + room, 0);
            let count = self.read(all.get_mut(filled..).unwrap_or_default()).await?;
            all.truncate(filled + count);
            if count == 0 {
                return Ok(all);
            }
            if all.len() > most {
                return Err(BodyError::TooLong);
            }
        }
    }
}

/// What a body is read in, at first; more as there is more.
const PART: usize = 1_024;

impl ErrorType for Body {
    type Error = BodyError;
}

/// Takes back the wish for more when the read is dropped.
struct Wish<'a>(&'a Body);

impl Drop for Wish<'_> {
    fn drop(&mut self) {
        let mut exchange = self.0.exchange.borrow_mut();
        if exchange.number == self.0.number {
            exchange.wants = None;
        }
    }
}

impl Read for Body {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, BodyError> {
        let wish = Wish(self);
        poll_fn(|cx| wish.0.poll_read(cx, buffer)).await
    }
}
