//! The handle of a spawned task, the same on every platform.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::fmt;
use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

/// The task was cancelled before it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task was cancelled before it ended")
    }
}

impl core::error::Error for Cancelled {}

/// The time given to [`Runtime::timeout`](crate::Runtime::timeout) is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not done within the time given")
    }
}

impl core::error::Error for Elapsed {}

/// A task that was spawned. Awaiting it gives its output, or [`Cancelled`], also if the platform has dropped the task at the
/// unikernel's end. Dropping the handle lets the task run on by itself.
///
/// # Cancel safety
/// Awaiting `&mut task` can be dropped and begun again; the output is given once, and [`Cancelled`] after that.
#[must_use = "dropping the handle lets the task run on by itself; say `drop(task)` if that is meant"]
pub struct Task<T>(Rc<RefCell<State<T>>>);

/// The part of a task that the platform polls.
pub(crate) struct Body<T>(Rc<RefCell<State<T>>>);

struct State<T> {
    stage: Stage<T>,
    runner: Option<Waker>,
    waiter: Option<Waker>,
}

enum Stage<T> {
    Waiting(Pin<Box<dyn Future<Output = T>>>),
    /// The future is out of its place while it is polled, so that it may look at its own handle.
    Polling,
    Done(T),
    Cancelled,
}

impl<T: 'static> Task<T> {
    pub(crate) fn new(task: impl Future<Output = T> + 'static) -> (Body<T>, Self) {
        let state = State { stage: Stage::Waiting(Box::pin(task)), runner: None, waiter: None };
        let state = Rc::new(RefCell::new(state));
        (Body(state.clone()), Self(state))
    }

    /// Ends the task where it waits: its future is dropped before this returns, or, for a task that cancels itself, as soon
    /// as it waits. Does nothing to a task that has ended.
    pub fn cancel(&self) {
        // Dropped last, after the borrow: its destructor may well use this handle.
        let _future;
        let mut state = self.0.borrow_mut();
        if matches!(state.stage, Stage::Done(_)) {
            return;
        }
        _future = core::mem::replace(&mut state.stage, Stage::Cancelled);
        let wakers = [state.runner.take(), state.waiter.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Whether the task has ended or was cancelled.
    pub fn is_finished(&self) -> bool {
        matches!(self.0.borrow().stage, Stage::Done(_) | Stage::Cancelled)
    }
}

/// Dropped by the platform before it ended: the unikernel was destroyed.
impl<T> Drop for Body<T> {
    fn drop(&mut self) {
        let mut state = self.0.borrow_mut();
        if matches!(state.stage, Stage::Done(_) | Stage::Cancelled) {
            return;
        }
        let future = core::mem::replace(&mut state.stage, Stage::Cancelled);
        let waiter = state.waiter.take();
        drop(state);
        drop(future);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, Cancelled>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.borrow_mut();
        match core::mem::replace(&mut state.stage, Stage::Cancelled) {
            Stage::Done(output) => Poll::Ready(Ok(output)),
            Stage::Cancelled => Poll::Ready(Err(Cancelled)),
            running => {
                state.stage = running;
                state.waiter = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> Future for Body<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.borrow_mut();
        let mut future = match core::mem::replace(&mut state.stage, Stage::Polling) {
            Stage::Waiting(future) => future,
            ended => {
                state.stage = ended;
                return Poll::Ready(());
            }
        };
        state.runner = Some(cx.waker().clone());
        drop(state);

        let polled = future.as_mut().poll(cx);

        let mut state = self.0.borrow_mut();
        if matches!(state.stage, Stage::Cancelled) {
            drop(state);
            drop(future);
            return Poll::Ready(());
        }
        match polled {
            Poll::Pending => {
                state.stage = Stage::Waiting(future);
                Poll::Pending
            }
            Poll::Ready(output) => {
                state.stage = Stage::Done(output);
                let waiter = state.waiter.take();
                drop(state);
                drop(future);
                if let Some(waiter) = waiter {
                    waiter.wake();
                }
                Poll::Ready(())
            }
        }
    }
}

/// The output of `work` if it comes before `limit` does; `work` has the first turn.
pub(crate) async fn first_of<F: Future>(work: F, limit: impl Future<Output = ()>) -> Option<F::Output> {
    let mut work = pin!(work);
    let mut limit = pin!(limit);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => limit.as_mut().poll(cx).map(|()| None),
    })
    .await
}
