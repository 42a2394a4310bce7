//! The network and the runtime as one object, so that the stack is compiled once, here, and not again for every platform.

use alloc::boxed::Box;
use core::pin::Pin;

use mirage_sig::{Instant, Network, Runtime, SendError};

/// A future on the heap.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

pub(crate) trait World {
    fn send(&self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), SendError>;
    /// Whether there was a frame.
    fn receive(&self, take: &mut dyn FnMut(&mut [u8])) -> bool;
    fn now(&self) -> Instant;
    fn sleep_until(&self, deadline: Instant) -> Boxed<'_, ()>;
    fn spawn(&self, task: Boxed<'static, ()>);
}

/// What the stack stands on.
pub(crate) struct Ground<N, R> {
    pub network: N,
    pub runtime: R,
}

impl<N: Network, R: Runtime> World for Ground<N, R> {
    fn send(&self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), SendError> {
        self.network.try_send(length, fill)
    }

    fn receive(&self, take: &mut dyn FnMut(&mut [u8])) -> bool {
        self.network.try_receive(take).is_some()
    }

    fn now(&self) -> Instant {
        self.runtime.now()
    }

    fn sleep_until(&self, deadline: Instant) -> Boxed<'_, ()> {
        Box::pin(self.runtime.sleep_until(deadline))
    }

    fn spawn(&self, task: Boxed<'static, ()>) {
        self.runtime.spawn_boxed(task);
    }
}
