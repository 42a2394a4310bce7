//! Waiting: for one of two things, or until a time.

use core::future::{pending, poll_fn};
use core::pin::pin;
use core::task::{Poll, Waker};

use alloc::vec::Vec;
use mirage_sig::{Instant, Sleep};

/// The one of two futures that was ready first.
pub(crate) enum Either<L, R> {
    Left(L),
    Right(R),
}

/// Polls both, `left` first, until one is ready, and drops the other.
pub(crate) async fn either<L: Future, R: Future>(left: L, right: R) -> Either<L::Output, R::Output> {
    let (mut left, mut right) = (pin!(left), pin!(right));
    poll_fn(|cx| {
        if let Poll::Ready(output) = left.as_mut().poll(cx) {
            return Poll::Ready(Either::Left(output));
        }
        right.as_mut().poll(cx).map(Either::Right)
    })
    .await
}

/// Waits until `deadline`, or for ever.
pub(crate) async fn at(clock: &impl Sleep, deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => clock.sleep_until(deadline).await,
        None => pending().await,
    }
}

/// Those who wait for the same thing; each looks again when it is woken.
#[derive(Default)]
pub(crate) struct Waiters(Vec<Waker>);

impl Waiters {
    pub fn add(&mut self, waker: &Waker) {
        if !self.0.iter().any(|known| known.will_wake(waker)) {
            self.0.push(waker.clone());
        }
    }

    /// Takes them out, to be woken when nothing is borrowed: a waker may do as it likes.
    #[must_use]
    pub fn take(&mut self) -> Self {
        core::mem::take(self)
    }

    pub fn wake(self) {
        self.0.into_iter().for_each(Waker::wake);
    }
}
