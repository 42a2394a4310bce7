//! A small runtime on the machine's own clock, and a cable in memory: what the measurements run on.
#![allow(dead_code)]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use mirage_conformance::fakes::FakeRandom;
use mirage_sig::{
    Instant, Link, Mac, MonotonicClock, Network, NetworkStats, Random, SendError, Sleep, Spawn, WallClock,
};

/// One thread; tasks are polled in the order in which they were spawned.
#[derive(Clone)]
pub struct Native(Rc<Inner>);

struct Inner {
    begun: std::time::Instant,
    random: FakeRandom,
    tasks: RefCell<Vec<Task>>,
    timers: RefCell<BTreeMap<(Instant, u64), Waker>>,
    made: Cell<u64>,
}

struct Task {
    body: Pin<Box<dyn Future<Output = ()>>>,
    ready: Arc<Ready>,
}

struct Ready(AtomicBool);

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Native {
    pub fn new() -> Self {
        Self(Rc::new(Inner {
            begun: std::time::Instant::now(),
            random: FakeRandom::new(seed()),
            tasks: RefCell::default(),
            timers: RefCell::default(),
            made: Cell::new(0),
        }))
    }

    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.run_with(work, |wait| std::thread::sleep(wait.min(Duration::from_millis(1))))
    }

    /// Runs `work`; when nothing is ready, `idle` may wait so long, and should return early when something outside happens.
    pub fn run_with<T>(&self, work: impl Future<Output = T>, mut idle: impl FnMut(Duration)) -> T {
        let mut work = pin!(work);
        let main = Arc::new(Ready(AtomicBool::new(true)));
        let waker = Waker::from(main.clone());
        let mut tasks: Vec<Task> = Vec::new();
        loop {
            let mut busy = false;
            if main.0.swap(false, Ordering::Relaxed) {
                busy = true;
                if let Poll::Ready(output) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return output;
                }
            }
            tasks.append(&mut self.0.tasks.borrow_mut());
            tasks.retain_mut(|task| {
                if !task.ready.0.swap(false, Ordering::Relaxed) {
                    return true;
                }
                busy = true;
                let waker = Waker::from(task.ready.clone());
                task.body.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
            });
            let now = self.now();
            let mut timers = self.0.timers.borrow_mut();
            while let Some(first) = timers.first_entry().filter(|first| first.key().0 <= now) {
                first.remove().wake();
                busy = true;
            }
            let next = timers.first_key_value().map_or(Instant::END, |((at, _), _)| *at);
            drop(timers);
            if !busy {
                idle(next.since(now));
            }
        }
    }
}

/// Another one each time, so that ports do not come again; good enough for a measurement.
fn seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.as_nanos() as u64 ^ u64::from(std::process::id()) << 40
}

impl MonotonicClock for Native {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.0.begun.elapsed().as_nanos() as u64)
    }
}

impl WallClock for Native {
    fn unix_time(&self) -> Duration {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
    }
}

impl Sleep for Native {
    async fn sleep_until(&self, deadline: Instant) {
        let number = self.0.made.get();
        self.0.made.set(number + 1);
        let timer = Timer { runtime: self, key: (deadline, number) };
        let mut first = true;
        std::future::poll_fn(|cx| {
            if !first && self.now() >= deadline {
                return Poll::Ready(());
            }
            first = false;
            self.0.timers.borrow_mut().insert(timer.key, cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// A timer that is freed when it is dropped.
struct Timer<'a> {
    runtime: &'a Native,
    key: (Instant, u64),
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.runtime.0.timers.borrow_mut().remove(&self.key);
    }
}

impl Random for Native {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.random.fill(bytes);
    }
}

impl Spawn for Native {
    fn spawn_boxed(&self, body: Pin<Box<dyn Future<Output = ()>>>) {
        self.0.tasks.borrow_mut().push(Task { body, ready: Arc::new(Ready(AtomicBool::new(true))) });
    }
}

/// Frames under way in one direction.
#[derive(Default)]
struct Lane {
    frames: RefCell<VecDeque<Vec<u8>>>,
    spare: RefCell<Vec<Vec<u8>>>,
    reader: Cell<Option<Waker>>,
    writer: Cell<Option<Waker>>,
}

/// One end of a cable in memory.
pub struct Cable {
    number: u8,
    mtu: usize,
    coming: Rc<Lane>,
    going: Rc<Lane>,
    sent: Cell<u64>,
}

/// Frames that a direction holds.
const LANE: usize = 256;

impl Cable {
    pub fn pair(mtu: usize) -> (Self, Self) {
        let (there, back) = (Rc::new(Lane::default()), Rc::new(Lane::default()));
        let end = |number, coming: &Rc<Lane>, going: &Rc<Lane>| Self {
            number,
            mtu,
            coming: coming.clone(),
            going: going.clone(),
            sent: Cell::new(0),
        };
        (end(1, &back, &there), end(2, &there, &back))
    }
}

fn wait(place: &Cell<Option<Waker>>, ready: impl Fn() -> bool) -> impl Future<Output = ()> {
    std::future::poll_fn(move |cx| {
        if ready() {
            return Poll::Ready(());
        }
        place.set(Some(cx.waker().clone()));
        Poll::Pending
    })
}

fn wake(place: &Cell<Option<Waker>>) {
    if let Some(waker) = place.take() {
        waker.wake();
    }
}

impl Network for Cable {
    fn mac(&self) -> Mac {
        Mac([2, 0, 0, 0, 0, self.number])
    }

    fn mtu(&self) -> usize {
        self.mtu
    }

    fn link(&self) -> Link {
        Link::Up
    }

    fn try_send<R>(&self, length: usize, fill: impl FnOnce(&mut [u8]) -> R) -> Result<R, SendError> {
        if length < 14 || length > self.mtu + 14 {
            return Err(SendError::Length { asked: length, longest: self.mtu + 14 });
        }
        if self.going.frames.borrow().len() >= LANE {
            return Err(SendError::Full);
        }
        let mut frame = self.going.spare.borrow_mut().pop().unwrap_or_default();
        frame.clear();
        frame.resize(length, 0);
        let result = fill(&mut frame);
        self.going.frames.borrow_mut().push_back(frame);
        self.sent.set(self.sent.get() + 1);
        wake(&self.going.reader);
        Ok(result)
    }

    fn try_receive<R>(&self, take: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        let mut frame = self.coming.frames.borrow_mut().pop_front()?;
        let result = take(&mut frame);
        self.coming.spare.borrow_mut().push(frame);
        wake(&self.coming.writer);
        Some(result)
    }

    async fn readable(&self) {
        wait(&self.coming.reader, || !self.coming.frames.borrow().is_empty()).await;
    }

    async fn writable(&self) {
        wait(&self.going.writer, || self.going.frames.borrow().len() < LANE).await;
    }

    async fn link_change(&self, _known: Link) -> Link {
        std::future::pending().await
    }

    fn stats(&self) -> NetworkStats {
        NetworkStats { tx_frames: self.sent.get(), ..NetworkStats::default() }
    }
}
