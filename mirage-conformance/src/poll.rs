//! Futures taken in hand: polled once, several at a time, or dropped half-way.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::task::Poll;

/// A future on the heap, so that several kinds fit into one list.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Polls `work` once and then drops it: its output if it was ready.
pub async fn poll_once<F: Future>(work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    peek(work.as_mut()).await
}

/// Polls `work` some times, one right after the other, and then drops it: its output if it was ready.
pub async fn poll_times<F: Future>(work: F, times: usize) -> Option<F::Output> {
    let mut work = pin!(work);
    for _ in 0..times {
        let output = peek(work.as_mut()).await;
        if output.is_some() {
            return output;
        }
    }
    None
}

/// Polls `work` once: its output if it was ready. It is not dropped, and can be polled on.
pub async fn peek<F: Future>(mut work: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Runs two futures at the same time; `left` is polled first.
pub async fn join<L: Future, R: Future>(left: L, right: R) -> (L::Output, R::Output) {
    let (mut left, mut right) = (pin!(left), pin!(right));
    let (mut first, mut second) = (None, None);
    poll_fn(move |cx| {
        if first.is_none()
            && let Poll::Ready(output) = left.as_mut().poll(cx)
        {
            first = Some(output);
        }
        if second.is_none()
            && let Poll::Ready(output) = right.as_mut().poll(cx)
        {
            second = Some(output);
        }
        match (first.take(), second.take()) {
            (Some(left), Some(right)) => Poll::Ready((left, right)),
            unfinished => {
                (first, second) = unfinished;
                Poll::Pending
            }
        }
    })
    .await
}

/// Runs two futures until one of them is done, and drops the other.
pub async fn race(left: impl Future<Output = ()>, right: impl Future<Output = ()>) {
    let (mut left, mut right) = (pin!(left), pin!(right));
    poll_fn(move |cx| {
        if left.as_mut().poll(cx).is_ready() || right.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}

/// Runs all at the same time. They are polled for the first time in their order; so are their outputs.
pub async fn join_all<T>(works: Vec<Boxed<'_, T>>) -> Vec<T> {
    let mut works: Vec<_> = works.into_iter().map(|work| (Some(work), None)).collect();
    poll_fn(|cx| {
        for (work, output) in &mut works {
            if let Some(future) = work
                && let Poll::Ready(value) = future.as_mut().poll(cx)
            {
                *output = Some(value);
                *work = None;
            }
        }
        if works.iter().all(|(work, _)| work.is_none()) {
            Poll::Ready(works.drain(..).filter_map(|(_, output)| output).collect())
        } else {
            Poll::Pending
        }
    })
    .await
}

/// Lets every other task that is ready have its turn.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
