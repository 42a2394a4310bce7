use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

use crate::wait::Waiters;

/// The connections that there are, each on a seat of its own, and whether they are to end.
pub(super) struct Live {
    seats: RefCell<Seats>,
    most: usize,
    stopping: Cell<bool>,
}

#[derive(Default)]
struct Seats {
    /// Who sits there, for when it is idle and is to stop. As many as were ever taken at once.
    idle: Vec<Option<Waker>>,
    free: Vec<usize>,
    /// Who waits for a seat to become free.
    waiters: Waiters,
}

/// A connection's place among those there may be; dropping it frees it.
pub(super) struct Seat {
    live: Rc<Live>,
    number: usize,
}

impl Live {
    pub fn new(most: usize) -> Rc<Self> {
        Rc::new(Self { seats: RefCell::default(), most, stopping: Cell::new(false) })
    }

    pub fn taken(&self) -> usize {
        let seats = self.seats.borrow();
        seats.idle.len() - seats.free.len()
    }

    /// Waits for a free seat.
    pub async fn seat(self: &Rc<Self>) -> Seat {
        poll_fn(|cx| {
            let mut seats = self.seats.borrow_mut();
            let number = match seats.free.pop() {
                Some(number) => number,
                None if seats.idle.len() < self.most => {
                    seats.idle.push(None);
                    seats.idle.len() - 1
                }
                None => {
                    seats.waiters.add(cx.waker());
                    return Poll::Pending;
                }
            };
            Poll::Ready(Seat { live: self.clone(), number })
        })
        .await
    }

    /// Waits until another seat is freed.
    pub async fn freed(&self) {
        let before = self.taken();
        self.until(|| self.taken() < before).await;
    }

    /// Waits until no seat is taken.
    pub async fn empty(&self) {
        self.until(|| self.taken() == 0).await;
    }

    async fn until(&self, done: impl Fn() -> bool) {
        poll_fn(|cx| {
            if done() {
                return Poll::Ready(());
            }
            self.seats.borrow_mut().waiters.add(cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// Tells all connections to end after what they are doing.
    pub fn stop(&self) {
        self.stopping.set(true);
        let idle: Vec<_> = self.seats.borrow_mut().idle.iter_mut().filter_map(Option::take).collect();
        idle.into_iter().for_each(Waker::wake);
    }
}

impl Seat {
    pub fn is_stopping(&self) -> bool {
        self.live.stopping.get()
    }

    /// Ready when the connection is to end. It waits for nothing else meanwhile that would not wake it anyway.
    pub fn poll_stop(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_stopping() {
            return Poll::Ready(());
        }
        if let Some(place) = self.live.seats.borrow_mut().idle.get_mut(self.number)
            && !place.as_ref().is_some_and(|known| known.will_wake(cx.waker()))
        {
            *place = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.live.seats.borrow_mut();
        if let Some(place) = seats.idle.get_mut(self.number) {
            *place = None;
        }
        seats.free.push(self.number);
        let waiters = seats.waiters.take();
        drop(seats);
        waiters.wake();
    }
}
