//! Waiting.

use core::cell::Cell;
use core::future::poll_fn;
use core::pin::pin;
use core::task::{Poll, Waker};

/// Something that one task waits for and others make happen. What happens while nobody waits is remembered, once.
#[derive(Default)]
pub struct Signal {
    raised: Cell<bool>,
    waiter: Cell<Option<Waker>>,
}

impl Signal {
    /// It has happened. Call without a borrow of anything: a waker may do as it likes.
    pub fn raise(&self) {
        self.raised.set(true);
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }

    /// Waits until it happens, unless it has since it was last waited for. A second waiter takes the first one's place.
    pub async fn raised(&self) {
        poll_fn(|cx| {
            if self.raised.replace(false) {
                return Poll::Ready(());
            }
            self.waiter.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

/// Waits for the first of two, and drops the other. Whether it was the left one, which is asked first.
pub async fn left_first(left: impl Future, right: impl Future) -> bool {
    let (mut left, mut right) = (pin!(left), pin!(right));
    poll_fn(|cx| {
        if left.as_mut().poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        right.as_mut().poll(cx).map(|_| false)
    })
    .await
}
