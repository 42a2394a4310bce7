//! An Ethernet of any number of stations, in memory and on virtual time, which may lose, repeat, delay and reorder frames.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use mirage_sig::{Instant, Link, Mac, MonotonicClock, Network, NetworkStats, Random, SendError, Sleep};

use mirage_conformance::fakes::{FakeRandom, FakeRuntime};

/// What happens to frames on their way. Parts of 1,000.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    pub lost: u32,
    pub repeated: u32,
    pub late: u32,
}

type Tap = Box<dyn FnMut(&[u8])>;

struct Ether {
    clock: FakeRuntime,
    random: FakeRandom,
    faults: Cell<Faults>,
    stations: RefCell<Vec<Rc<Inbox>>>,
    delay: Duration,
    tap: RefCell<Option<Tap>>,
    carried: Cell<u64>,
}

#[derive(Default)]
struct Inbox {
    /// Frames on their way, by the time at which they are there.
    coming: RefCell<VecDeque<(Instant, Vec<u8>)>>,
    waker: RefCell<Vec<Waker>>,
    /// A frame is in hand.
    in_hand: Cell<bool>,
    gone: Cell<bool>,
    unplugged: Cell<bool>,
    /// Frames that this station has on the way: a queue that can be full.
    sending: RefCell<VecDeque<Instant>>,
    mac: Cell<[u8; 6]>,
    stats: Cell<NetworkStats>,
}

/// An Ethernet.
#[derive(Clone)]
pub struct Hub(Rc<Ether>);

/// A station on it.
#[derive(Clone)]
pub struct Station {
    hub: Hub,
    own: Rc<Inbox>,
    mtu: usize,
}

/// Frames that a station may have under way.
const QUEUE: usize = 64;
const DELAY: Duration = Duration::from_micros(50);

impl Hub {
    pub fn new(clock: &FakeRuntime) -> Self {
        Self::slow(clock, DELAY)
    }

    /// One on which frames take that long.
    pub fn slow(clock: &FakeRuntime, delay: Duration) -> Self {
        Self(Rc::new(Ether {
            clock: clock.clone(),
            random: FakeRandom::new(42),
            faults: Cell::default(),
            stations: RefCell::default(),
            delay,
            tap: RefCell::default(),
            carried: Cell::new(0),
        }))
    }

    pub fn set_faults(&self, faults: Faults) {
        self.0.faults.set(faults);
    }

    /// Shows every frame that is sent.
    pub fn tap(&self, tap: impl FnMut(&[u8]) + 'static) {
        *self.0.tap.borrow_mut() = Some(Box::new(tap));
    }

    /// Frames that were sent so far.
    pub fn carried(&self) -> u64 {
        self.0.carried.get()
    }

    pub fn station(&self, number: u8) -> Station {
        let own = Rc::new(Inbox::default());
        own.mac.set([2, 0, 0, 0, 0, number]);
        self.0.stations.borrow_mut().push(own.clone());
        Station { hub: self.clone(), own, mtu: 1_500 }
    }

    fn one_in_thousand(&self, parts: u32) -> bool {
        parts > 0 && u32::from_le_bytes(self.0.random.random()) % 1_000 < parts
    }
}

impl Station {
    pub fn with_mtu(self, mtu: usize) -> Self {
        Self { mtu, ..self }
    }

    /// Ends it, as an interface that is unplugged from the machine.
    pub fn vanish(&self) {
        self.own.gone.set(true);
        self.own.wake();
    }

    /// Plugs the cable in or out.
    pub fn plug(&self, link: Link) {
        self.own.unplugged.set(link == Link::Down);
        self.own.wake();
    }

    /// Sends a frame that was made by hand.
    pub fn send(&self, frame: &[u8]) {
        self.deliver(frame.to_vec());
    }

    /// The next frame.
    pub async fn receive(&self) -> Vec<u8> {
        loop {
            if let Some(frame) = self.try_receive(|frame| frame.to_vec()) {
                return frame;
            }
            self.readable().await;
        }
    }

    fn deliver(&self, frame: Vec<u8>) {
        let ether = &self.hub.0;
        ether.carried.set(ether.carried.get() + 1);
        if let Some(tap) = &mut *ether.tap.borrow_mut() {
            tap(&frame);
        }
        let faults = ether.faults.get();
        let now = ether.clock.now();
        for station in ether.stations.borrow().iter() {
            if Rc::ptr_eq(station, &self.own) || station.unplugged.get() {
                continue;
            }
            let copies = 1 + usize::from(self.hub.one_in_thousand(faults.repeated));
            for _ in 0..copies {
                if self.hub.one_in_thousand(faults.lost) {
                    continue;
                }
                let late = if self.hub.one_in_thousand(faults.late) { ether.delay * 8 } else { Duration::ZERO };
                let at = now + ether.delay + late;
                let mut coming = station.coming.borrow_mut();
                let place = coming.iter().rposition(|(there, _)| *there <= at).map_or(0, |place| place + 1);
                coming.insert(place, (at, frame.clone()));
            }
            station.wake();
        }
    }
}

impl Inbox {
    fn wake(&self) {
        self.waker.take().into_iter().for_each(Waker::wake);
    }

    fn wait(&self, waker: &Waker) {
        let mut wakers = self.waker.borrow_mut();
        if !wakers.iter().any(|known| known.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }
}

impl Station {
    /// Waits until `ready` says `Ok`, looking again when something happens or at the time that it says.
    async fn until(&self, ready: impl Fn() -> Result<(), Instant>) {
        loop {
            let Err(at) = ready() else { return };
            let mut sleep = pin!(self.hub.0.clock.sleep_until(at));
            let mut polled = false;
            poll_fn(|cx| {
                if polled {
                    return Poll::Ready(());
                }
                if sleep.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                self.own.wait(cx.waker());
                polled = true;
                Poll::Pending
            })
            .await;
        }
    }

    fn full_until(&self) -> Option<Instant> {
        let now = self.hub.0.clock.now();
        let mut sending = self.own.sending.borrow_mut();
        while sending.front().is_some_and(|left| *left <= now) {
            sending.pop_front();
        }
        if sending.len() < QUEUE { None } else { sending.front().copied() }
    }
}

impl Network for Station {
    fn mac(&self) -> Mac {
        Mac(self.own.mac.get())
    }

    fn mtu(&self) -> usize {
        self.mtu
    }

    fn link(&self) -> Link {
        if self.own.unplugged.get() || self.own.gone.get() { Link::Down } else { Link::Up }
    }

    fn try_send<R>(&self, length: usize, fill: impl FnOnce(&mut [u8]) -> R) -> Result<R, SendError> {
        assert!(!self.own.in_hand.get(), "sends while a frame is in hand");
        if self.own.gone.get() {
            return Err(SendError::Gone);
        }
        if !(14..=self.mtu + 14).contains(&length) {
            return Err(SendError::Length { asked: length, longest: self.mtu + 14 });
        }
        if self.full_until().is_some() {
            return Err(SendError::Full);
        }
        let mut frame = vec![0; length];
        let result = fill(&mut frame);
        let now = self.hub.0.clock.now();
        self.own.sending.borrow_mut().push_back(now + Duration::from_micros(12));
        if !self.own.unplugged.get() {
            self.deliver(frame);
        }
        Ok(result)
    }

    fn try_receive<R>(&self, take: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        let now = self.hub.0.clock.now();
        let mut coming = self.own.coming.borrow_mut();
        if coming.front().is_none_or(|(at, _)| *at > now) {
            return None;
        }
        let (_, mut frame) = coming.pop_front()?;
        drop(coming);
        self.own.in_hand.set(true);
        let result = take(&mut frame);
        self.own.in_hand.set(false);
        Some(result)
    }

    async fn readable(&self) {
        self.until(|| {
            let coming = self.own.coming.borrow();
            match coming.front() {
                _ if self.own.gone.get() => Ok(()),
                Some((at, _)) if *at <= self.hub.0.clock.now() => Ok(()),
                Some((at, _)) => Err(*at),
                None => Err(Instant::END),
            }
        })
        .await;
    }

    async fn writable(&self) {
        self.until(|| match self.full_until() {
            Some(at) if !self.own.gone.get() => Err(at),
            _ => Ok(()),
        })
        .await;
    }

    async fn link_change(&self, known: Link) -> Link {
        self.until(|| if self.link() == known { Err(Instant::END) } else { Ok(()) }).await;
        self.link()
    }

    fn stats(&self) -> NetworkStats {
        self.own.stats.get()
    }
}
