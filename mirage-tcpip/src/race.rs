//! The first of several things to happen.

use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;

use mirage_sig::Instant;

use crate::world::World;

/// The output of `work`, if it comes until then. `work` has the first turn.
pub(crate) async fn until<T>(world: &dyn World, deadline: Instant, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut limit = world.sleep_until(deadline);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => limit.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// The output of the one that is ready first; `left` has the first turn.
pub(crate) async fn first<T>(left: impl Future<Output = T>, right: impl Future<Output = T>) -> T {
    let (mut left, mut right) = (pin!(left), pin!(right));
    poll_fn(|cx| match left.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(output),
        Poll::Pending => right.as_mut().poll(cx),
    })
    .await
}
