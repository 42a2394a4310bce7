use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::time::Duration;

use mirage_sig::{Instant, Link, Mac, MonotonicClock, Network, NetworkStats, SendError};

use super::runtime::FakeRuntime;
use super::signal::Signal;
use crate::network::NetworkRig;

/// An Ethernet header: two addresses and a type.
const HEADER: usize = 14;

/// An Ethernet interface at one end of a cable, the other end of which is another one.
///
/// - A frame takes 12 µs to leave, and 50 µs more to arrive. 32 can wait to leave, 64 to be taken.
/// - Every frame lies in a buffer of its own, of just its size, which is freed once it was taken.
/// - A clone is the same interface.
#[derive(Clone)]
pub struct FakeNetwork {
    cable: Rc<Cable>,
    /// Which end: 0 or 1.
    end: usize,
}

struct Cable {
    clock: FakeRuntime,
    mtu: usize,
    link: Cell<Link>,
    ends: [End; 2],
    /// Something was sent, taken or plugged.
    changed: Signal,
}

#[derive(Default)]
struct End {
    gone: Cell<bool>,
    /// On their way to this end: when they have left the other, and when they are here.
    coming: RefCell<VecDeque<(Instant, Instant, Vec<u8>)>>,
    arrived: RefCell<VecDeque<Vec<u8>>>,
    stats: Cell<NetworkStats>,
}

impl FakeNetwork {
    const SEND_MAX: usize = 32;
    const RECEIVE_MAX: usize = 64;
    const LEAVING: Duration = Duration::from_micros(12);
    const TRAVEL: Duration = Duration::from_micros(50);

    /// The two ends of a new cable. Payloads are up to `mtu` bytes long.
    pub fn pair(runtime: &FakeRuntime, mtu: usize) -> (Self, Self) {
        let clock = runtime.clone();
        let ends = Default::default();
        let cable = Rc::new(Cable { clock, mtu, link: Cell::new(Link::Up), ends, changed: Signal::default() });
        (Self { cable: cable.clone(), end: 0 }, Self { cable, end: 1 })
    }

    /// Pulls the cable out, or plugs it in again. Frames that are on their way are lost.
    pub fn plug(&self, link: Link) {
        self.settle();
        if link == Link::Down {
            for (end, other) in [(0, 1), (1, 0)] {
                let lost = self.cable.ends[end].coming.take().len() as u64;
                self.cable.ends[other].count(|stats| stats.tx_dropped += lost);
            }
        }
        self.cable.link.set(link);
        self.cable.changed.notify();
    }

    /// Takes this interface away for good.
    pub fn vanish(&self) {
        self.own().gone.set(true);
        self.cable.changed.notify();
    }

    /// Puts bytes on the cable that arrive here, whether they are a frame or not.
    pub fn inject(&self, bytes: &[u8]) {
        let now = self.cable.clock.now();
        self.own().coming.borrow_mut().push_back((now, now, bytes.to_vec()));
        self.cable.changed.notify();
    }

    fn own(&self) -> &End {
        &self.cable.ends[self.end]
    }

    fn other(&self) -> &End {
        &self.cable.ends[1 - self.end]
    }

    fn longest(&self) -> usize {
        self.cable.mtu + HEADER
    }

    /// Lets arrive what has had the time for it, at both ends.
    fn settle(&self) {
        let now = self.cable.clock.now();
        for end in &self.cable.ends {
            let mut coming = end.coming.borrow_mut();
            let mut arrived = end.arrived.borrow_mut();
            while let Some((_, _, frame)) = coming.pop_front_if(|(_, here, _)| *here <= now) {
                let length = frame.len();
                let fits = (HEADER..=self.longest()).contains(&length) && arrived.len() < Self::RECEIVE_MAX;
                end.count(|stats| {
                    if fits {
                        stats.rx_frames += 1;
                        stats.rx_bytes += length as u64;
                    } else {
                        stats.rx_dropped += 1;
                    }
                });
                if fits {
                    arrived.push_back(frame);
                }
            }
        }
    }

    /// When the oldest frame that waits to leave will have left; `None` if there is room for another.
    fn full_until(&self) -> Option<Instant> {
        let now = self.cable.clock.now();
        let coming = self.other().coming.borrow();
        let leaving = coming.iter().filter(|(left, _, _)| *left > now).count();
        if leaving < Self::SEND_MAX {
            return None;
        }
        coming.iter().map(|(left, _, _)| *left).find(|left| *left > now)
    }
}

impl End {
    fn count(&self, change: impl FnOnce(&mut NetworkStats)) {
        let mut stats = self.stats.get();
        change(&mut stats);
        self.stats.set(stats);
    }
}

impl Network for FakeNetwork {
    fn mac(&self) -> Mac {
        Mac::local([0, 0, 0, 0, 0, self.end as u8 + 1])
    }

    fn mtu(&self) -> usize {
        self.cable.mtu
    }

    fn link(&self) -> Link {
        self.cable.link.get()
    }

    fn try_send<R>(&self, length: usize, fill: impl FnOnce(&mut [u8]) -> R) -> Result<R, SendError> {
        if self.own().gone.get() {
            return Err(SendError::Gone);
        }
        let longest = self.longest();
        if !(HEADER..=longest).contains(&length) {
            return Err(SendError::Length { asked: length, longest });
        }
        self.settle();
        if self.full_until().is_some() {
            return Err(SendError::Full);
        }
        let mut frame = vec![0; length];
        let result = fill(&mut frame);
        let up = self.link() == Link::Up;
        self.own().count(|stats| {
            stats.tx_frames += 1;
            stats.tx_bytes += length as u64;
            stats.tx_dropped += u64::from(!up);
        });
        if up {
            let mut coming = self.other().coming.borrow_mut();
            let now = self.cable.clock.now();
            let before = coming.back().map_or(now, |(left, _, _)| now.max(*left));
            let left = before + Self::LEAVING;
            coming.push_back((left, left + Self::TRAVEL, frame));
            drop(coming);
            self.cable.changed.notify();
        }
        Ok(result)
    }

    fn try_receive<R>(&self, take: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        self.settle();
        let mut frame = self.own().arrived.borrow_mut().pop_front()?;
        Some(take(&mut frame))
    }

    async fn readable(&self) {
        let ready = || {
            self.settle();
            let own = self.own();
            if own.gone.get() || !own.arrived.borrow().is_empty() {
                return Ok(());
            }
            Err(own.coming.borrow().front().map_or(Instant::END, |(_, here, _)| *here))
        };
        self.cable.changed.until_due(&self.cable.clock, ready).await;
    }

    async fn writable(&self) {
        let ready = || match self.full_until() {
            Some(left) if !self.own().gone.get() => Err(left),
            _ => Ok(()),
        };
        self.cable.changed.until_due(&self.cable.clock, ready).await;
    }

    async fn link_change(&self, known: Link) -> Link {
        self.cable.changed.until(|| Some(self.link()).filter(|link| *link != known)).await
    }

    fn stats(&self) -> NetworkStats {
        self.settle();
        self.own().stats.get()
    }
}

/// Cables for the suite. Their payloads are of 1,500 bytes.
pub struct FakeCables {
    runtime: FakeRuntime,
    left: RefCell<Option<FakeNetwork>>,
}

impl FakeCables {
    /// No cable yet.
    pub fn new(runtime: &FakeRuntime) -> Self {
        Self { runtime: runtime.clone(), left: RefCell::default() }
    }

    fn with_left(&self, act: impl FnOnce(&FakeNetwork)) -> bool {
        self.left.borrow().as_ref().map(act).is_some()
    }
}

impl NetworkRig for FakeCables {
    type Network = FakeNetwork;
    type Error = Infallible;

    async fn cable(&self) -> Result<(FakeNetwork, FakeNetwork), Infallible> {
        let (left, right) = FakeNetwork::pair(&self.runtime, 1_500);
        self.left.replace(Some(left.clone()));
        Ok((left, right))
    }

    async fn plug(&self, link: Link) -> bool {
        self.with_left(|left| left.plug(link))
    }

    async fn vanish(&self) -> bool {
        self.with_left(FakeNetwork::vanish)
    }

    async fn inject(&self, bytes: &[u8]) -> bool {
        self.with_left(|left| left.inject(bytes))
    }
}
