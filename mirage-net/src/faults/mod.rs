//! Faults: what can happen to frames on their way.

mod control;
mod impairment;
mod pipe;
mod random;
mod state;

use alloc::rc::Rc;
use alloc::vec;
use core::cell::{Cell, RefCell};

use mirage_sig::{Instant, Link, Mac, Network, NetworkStats, Runtime, SendError};

use crate::HEADER;
use crate::wait::{Signal, left_first};
use state::State;

pub use control::Control;
pub use impairment::{Counters, Impairment};

/// A network on which frames are lost, doubled, held back, changed, delayed and throttled, as its [`Control`] says. At
/// first nothing of that happens.
///
/// - All chance is drawn from one seed: on a virtual clock, every run is the same.
/// - Up to [`Control::UNDER_WAY_MAX`] frames may be under way in each direction: sending more is [`SendError::Full`],
///   and more that arrive are dropped. Up to [`Control::READY_MAX`] wait for the stack.
/// - What is lost on purpose is counted as dropped: `tx_dropped` and `rx_dropped` count what the [`Counters`] call lost
///   or overflowed too.
/// - In a direction without faults frames go straight through, and are not copied.
/// - In one with faults a frame begins to arrive when the stack looks for frames or waits for them. Frames that are
///   sent travel by themselves: a task moves them, which ends when none is left.
/// - Dropping it pulls the cable: frames under way are lost.
pub struct Faults<N: Network + 'static, R: Runtime>(Rc<Shared<N, R>>);

struct Shared<N, R> {
    inner: N,
    runtime: R,
    /// What the network behind had counted before.
    before: NetworkStats,
    state: RefCell<State>,
    /// The task that moves what is sent is there.
    pumping: Cell<bool>,
    /// Something has changed for: it, who waits for frames, for room, for the link.
    pump: Signal,
    reader: Signal,
    writer: Signal,
    link_watcher: Signal,
}

impl<N: Network + 'static, R: Runtime> Faults<N, R> {
    /// Puts faults in the way to and from `inner`, by chances drawn from `seed`.
    pub fn new(inner: N, runtime: R, seed: u64) -> Self {
        let mut state = State::new(seed);
        let now = runtime.now();
        // What waits there was counted before.
        while let Some(frame) = inner.try_receive(|frame| frame.to_vec()) {
            state.arrive(now, frame);
        }
        state.settle(now);
        state.taken = (0, 0);
        Self(Rc::new(Shared {
            before: inner.stats(),
            inner,
            runtime,
            state: RefCell::new(state),
            pumping: Cell::new(false),
            pump: Signal::default(),
            reader: Signal::default(),
            writer: Signal::default(),
            link_watcher: Signal::default(),
        }))
    }

    /// A handle for changing what happens, while the network is in use.
    pub fn control(&self) -> Control {
        Control::new(&self.0)
    }
}

impl<N: Network + 'static, R: Runtime> Drop for Faults<N, R> {
    fn drop(&mut self) {
        self.0.state.borrow_mut().cut();
        self.0.pump.raise();
    }
}

impl<N: Network + 'static, R: Runtime> Shared<N, R> {
    /// Frames can go straight from the network behind to the stack, and are left there until they are taken: so
    /// there is one queue, and one that drops.
    fn receives_directly(&self) -> bool {
        self.state.borrow().receives_directly()
    }

    /// Frames can go straight from the stack to the network behind.
    fn sends_directly(&self) -> bool {
        !self.pumping.get() && self.state.borrow().sends_directly()
    }

    /// A frame that is sent and cannot go straight has a place, or will never have one.
    fn has_room(&self) -> bool {
        let state = self.state.borrow();
        state.gone || !state.sent.pipe.is_full()
    }

    /// Takes what the network behind has, and makes ready what has travelled long enough. How many it had.
    fn settle(&self) -> usize {
        let mut taken = 0;
        let now = self.runtime.now();
        while let Some(frame) = self.inner.try_receive(|frame| frame.to_vec()) {
            taken += 1;
            self.state.borrow_mut().arrive(now, frame);
        }
        self.state.borrow_mut().settle(now);
        taken
    }

    /// Gives the network behind what has travelled long enough. `false` if it has no room for the next.
    fn deliver(&self) -> bool {
        loop {
            let now = self.runtime.now();
            let Some(frame) = self.state.borrow_mut().sent.pipe.pop(now) else { return true };
            let sent = self.inner.try_send(frame.len(), |buffer| buffer.copy_from_slice(&frame));
            match sent {
                Ok(()) => {}
                Err(SendError::Full) => {
                    self.state.borrow_mut().sent.pipe.put_back(now, frame);
                    return false;
                }
                // Frames have the right length, and leave as long as they are.
                Err(SendError::Length { .. }) => self.state.borrow_mut().stats.tx_dropped += 1,
                Err(SendError::Gone) => {
                    self.state.borrow_mut().stats.tx_dropped += 1;
                    self.vanish();
                }
            }
        }
    }

    /// The network behind is gone for good.
    fn vanish(&self) {
        {
            let mut state = self.state.borrow_mut();
            state.gone = true;
            state.cut();
        }
        self.changed();
    }

    /// Everybody who waits looks again.
    fn changed(&self) {
        self.pump.raise();
        self.reader.raise();
        self.writer.raise();
        self.link_watcher.raise();
    }

    /// Sees to it that what is under way leaves in time.
    fn start_pump(self: &Rc<Self>) {
        if self.pumping.replace(true) {
            return self.pump.raise();
        }
        let shared = self.clone();
        self.runtime.spawn_boxed(alloc::boxed::Box::pin(async move { shared.run_pump().await }));
    }

    async fn run_pump(&self) {
        loop {
            let Some(due) = self.state.borrow().sent.pipe.next() else { break };
            if due > self.runtime.now() {
                // Or until there is one that is due earlier, or none.
                left_first(self.pump.raised(), self.runtime.sleep_until(due)).await;
            } else if !self.deliver() {
                left_first(self.pump.raised(), self.inner.writable()).await;
            } else {
                self.writer.raise();
            }
        }
        self.pumping.set(false);
        self.writer.raise();
    }
}

impl<N: Network + 'static, R: Runtime> Network for Faults<N, R> {
    fn mac(&self) -> Mac {
        self.0.inner.mac()
    }

    fn mtu(&self) -> usize {
        self.0.inner.mtu()
    }

    fn link(&self) -> Link {
        let state = self.0.state.borrow();
        if state.link == Link::Down || state.gone { Link::Down } else { self.0.inner.link() }
    }

    fn try_send<R2>(&self, length: usize, fill: impl FnOnce(&mut [u8]) -> R2) -> Result<R2, SendError> {
        let shared = &self.0;
        if shared.state.borrow().gone {
            return Err(SendError::Gone);
        }
        if shared.sends_directly() {
            let filled = shared.inner.try_send(length, fill)?;
            shared.state.borrow_mut().count_sent(length);
            return Ok(filled);
        }
        let longest = self.mtu() + HEADER;
        if !(HEADER..=longest).contains(&length) {
            return Err(SendError::Length { asked: length, longest });
        }
        // No frame has that length. One that would only be found to be gone later must be so now.
        if shared.inner.try_send(0, |_| ()) == Err(SendError::Gone) {
            shared.vanish();
            return Err(SendError::Gone);
        }
        if shared.state.borrow().sent.pipe.is_full() {
            return Err(SendError::Full);
        }
        let mut frame = vec![0; length];
        let filled = fill(&mut frame);
        let now = shared.runtime.now();
        {
            let mut state = shared.state.borrow_mut();
            state.count_sent(length);
            state.leave(now, frame);
        }
        // While the pump runs, it alone knows whether the network behind has room.
        if shared.pumping.get() || !shared.deliver() || !shared.state.borrow().sent.pipe.is_empty() {
            shared.start_pump();
        }
        Ok(filled)
    }

    fn try_receive<R2>(&self, take: impl FnOnce(&mut [u8]) -> R2) -> Option<R2> {
        let shared = &self.0;
        if shared.receives_directly() {
            return shared.inner.try_receive(|frame| {
                {
                    let mut state = shared.state.borrow_mut();
                    state.count_taken(frame.len());
                    state.count_received(frame.len());
                }
                take(frame)
            });
        }
        shared.settle();
        let mut frame = shared.state.borrow_mut().ready.pop_front()?;
        Some(take(&mut frame))
    }

    async fn readable(&self) {
        let shared = &self.0;
        loop {
            if shared.receives_directly() {
                if left_first(shared.inner.readable(), shared.reader.raised()).await {
                    return;
                }
                continue;
            }
            shared.settle();
            let due = {
                let state = shared.state.borrow();
                if state.gone || !state.ready.is_empty() {
                    return;
                }
                state.received.pipe.next().unwrap_or(Instant::END)
            };
            let ours = async {
                left_first(shared.reader.raised(), shared.runtime.sleep_until(due)).await;
            };
            // A network that has nothing and does not wait is gone.
            if left_first(shared.inner.readable(), ours).await && shared.settle() == 0 {
                return shared.vanish();
            }
        }
    }

    async fn writable(&self) {
        let shared = &self.0;
        loop {
            if shared.sends_directly() {
                // In this order: when frames cannot go straight any more, it is the pump's to wait for room there, and
                // only one can.
                if !left_first(shared.writer.raised(), shared.inner.writable()).await {
                    return;
                }
            } else {
                if shared.has_room() {
                    return;
                }
                shared.writer.raised().await;
            }
        }
    }

    async fn link_change(&self, known: Link) -> Link {
        loop {
            let link = self.link();
            if link != known {
                return link;
            }
            let inner = self.0.inner.link();
            left_first(self.0.inner.link_change(inner), self.0.link_watcher.raised()).await;
        }
    }

    fn stats(&self) -> NetworkStats {
        if !self.0.receives_directly() {
            self.0.settle();
        }
        let (inner, before) = (self.0.inner.stats(), self.0.before);
        let state = self.0.state.borrow();
        let mut stats = state.stats;
        // What waits there.
        stats.rx_frames += inner.rx_frames - before.rx_frames - state.taken.0;
        stats.rx_bytes += inner.rx_bytes - before.rx_bytes - state.taken.1;
        stats.rx_dropped += inner.rx_dropped - before.rx_dropped;
        stats.tx_dropped += inner.tx_dropped - before.tx_dropped;
        stats
    }
}
