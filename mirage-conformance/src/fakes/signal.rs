use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::{Poll, Waker};

use mirage_sig::{Instant, Sleep};

use crate::poll::race;

/// Wakes those who wait for a change of something.
#[derive(Default)]
pub(super) struct Signal {
    changes: Cell<u64>,
    wakers: RefCell<Vec<Waker>>,
}

impl Signal {
    /// Something has changed: all who wait look again.
    pub fn notify(&self) {
        self.changes.set(self.changes.get() + 1);
        // Taken out first: a waker may do as it likes.
        let wakers = self.wakers.take();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Waits for the next change after the first poll.
    async fn changed(&self) {
        let before = self.changes.get();
        poll_fn(|cx| {
            if self.changes.get() != before {
                return Poll::Ready(());
            }
            let mut wakers = self.wakers.borrow_mut();
            if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                wakers.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// Waits until `ready` gives something, looking again at every change.
    pub async fn until<T>(&self, mut ready: impl FnMut() -> Option<T>) -> T {
        loop {
            if let Some(value) = ready() {
                return value;
            }
            self.changed().await;
        }
    }

    /// Waits until `ready` gives something, looking again at every change, and at the time that it says instead.
    pub async fn until_due<T>(&self, clock: &impl Sleep, mut ready: impl FnMut() -> Result<T, Instant>) -> T {
        loop {
            match ready() {
                Ok(value) => return value,
                Err(next) => race(self.changed(), clock.sleep_until(next)).await,
            }
        }
    }
}
