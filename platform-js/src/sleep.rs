//! Sleep: one queue of deadlines, and one browser timer for the earliest of them.
//!
//! Browsers stretch a timer that was set from within a timer, five deep, to 4 ms (HTML standard, "timer initialization steps",
//! step 11), and whoever sleeps in a loop sets each timer from within the last. So when the timer has fired, the sleepers are
//! woken one turn of the event loop later, by a message: timers that they set are not nested in one. A turn costs some
//! 10 µs. A sleep until now needs no timer at all, just the turn.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use gloo_timers::callback::Timeout;
use mirage_sig::{Instant, Sleep};
use wasm_bindgen::prelude::*;
use web_sys::{MessageChannel, MessagePort};

use crate::{Browser, clock};

/// The longest time one browser timer can be set for: 2^31 - 1 ms. Longer sleeps take several.
const TIMER_MS_MAX: u32 = i32::MAX as u32;

impl Sleep for Browser {
    /// At most a turn of the event loop late where `deadline` has passed; else up to 1 ms and a turn, as browser timers count
    /// whole milliseconds, and much more in a background window (not in a worker), where they are throttled.
    async fn sleep_until(&self, deadline: Instant) {
        Sleeper::until(deadline).await;
    }
}

/// Waits until `deadline`, outside any domain.
pub(crate) async fn until(deadline: Instant) {
    Sleeper::until(deadline).await;
}

/// Waits for `span`, outside any domain.
pub(crate) async fn delay(span: Duration) {
    until(clock::now() + span).await;
}

thread_local! {
    static TIMERS: Rc<Timers> = Timers::new();
}

struct Timers {
    /// The earliest first. Those that were given up stay until their time, or until they are half of all.
    sleepers: RefCell<BinaryHeap<Place>>,
    given_up: Cell<usize>,
    next: Cell<u64>,
    armed: RefCell<Option<(Instant, Timeout)>>,
    /// A message to ourselves is under way.
    turning: Cell<bool>,
    port: MessagePort,
    _on_turn: Closure<dyn FnMut()>,
}

struct Place {
    deadline: Instant,
    number: u64,
    sleep: Rc<Sleeping>,
}

/// What a sleeper and its place share.
struct Sleeping {
    over: Cell<bool>,
    /// None once the sleeper is gone.
    waker: RefCell<Option<Waker>>,
}

/// The greatest is the earliest, as a heap gives its greatest first.
impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.deadline, other.number).cmp(&(self.deadline, self.number))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Place {}

impl Timers {
    fn new() -> Rc<Self> {
        let on_turn = Closure::<dyn FnMut()>::new(|| TIMERS.with(|timers| timers.turn()));
        // The constructor takes no arguments that could be wrong.
        #[allow(clippy::expect_used)]
        let channel = MessageChannel::new().expect("every browser has MessageChannel");
        channel.port1().set_onmessage(Some(on_turn.as_ref().unchecked_ref()));
        Rc::new(Self {
            sleepers: RefCell::default(),
            given_up: Cell::new(0),
            next: Cell::new(0),
            armed: RefCell::default(),
            turning: Cell::new(false),
            port: channel.port2(),
            _on_turn: on_turn,
        })
    }

    fn enter(&self, deadline: Instant, sleep: Rc<Sleeping>) {
        let number = self.next.replace(self.next.get() + 1);
        self.sleepers.borrow_mut().push(Place { deadline, number, sleep });
        self.arm();
    }

    /// A sleeper is gone before its time.
    fn give_up(&self) {
        self.given_up.set(self.given_up.get() + 1);
        let mut sleepers = self.sleepers.borrow_mut();
        if self.given_up.get() * 2 > sleepers.len() {
            sleepers.retain(|place| place.sleep.waker.borrow().is_some());
            self.given_up.set(0);
            if sleepers.is_empty() {
                self.armed.take();
            }
        }
    }

    /// Sees to it that the earliest sleeper is woken in time.
    fn arm(&self) {
        let Some(earliest) = self.sleepers.borrow().peek().map(|place| place.deadline) else {
            self.armed.take();
            return;
        };
        let now = clock::now();
        if earliest <= now {
            self.request_turn();
            return;
        }
        let mut armed = self.armed.borrow_mut();
        if armed.as_ref().is_some_and(|(deadline, _)| *deadline == earliest) {
            return;
        }
        let wait = earliest.since(now).as_nanos().div_ceil(1_000_000).min(u128::from(TIMER_MS_MAX)) as u32;
        *armed = Some((earliest, Timeout::new(wait, || TIMERS.with(|timers| timers.fired()))));
    }

    fn fired(&self) {
        if let Some((_, timeout)) = self.armed.take() {
            // It has fired: there is nothing to clear, and its callback is running.
            timeout.forget();
        }
        self.request_turn();
    }

    fn request_turn(&self) {
        // Posting throws only for what cannot be cloned.
        if !self.turning.replace(true) && self.port.post_message(&JsValue::NULL).is_err() {
            self.turning.set(false);
        }
    }

    fn turn(&self) {
        self.turning.set(false);
        let now = clock::now();
        loop {
            let mut sleepers = self.sleepers.borrow_mut();
            if sleepers.peek().is_none_or(|place| place.deadline > now) {
                break;
            }
            let Some(place) = sleepers.pop() else { break };
            drop(sleepers);
            place.sleep.over.set(true);
            match place.sleep.waker.take() {
                Some(waker) => waker.wake(),
                None => self.given_up.set(self.given_up.get().saturating_sub(1)),
            }
        }
        self.arm();
    }
}

/// A sleep. Its place is taken at the first poll.
struct Sleeper {
    deadline: Instant,
    sleep: Option<Rc<Sleeping>>,
}

impl Sleeper {
    fn until(deadline: Instant) -> Self {
        Self { deadline, sleep: None }
    }
}

impl Future for Sleeper {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waker = Some(cx.waker().clone());
        if let Some(sleep) = &self.sleep {
            if sleep.over.get() {
                return Poll::Ready(());
            }
            sleep.waker.replace(waker);
        } else if self.deadline < Instant::END {
            let sleep = Rc::new(Sleeping { over: Cell::new(false), waker: RefCell::new(waker) });
            self.sleep = Some(sleep.clone());
            TIMERS.with(|timers| timers.enter(self.deadline, sleep));
        }
        Poll::Pending
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        if let Some(sleep) = &self.sleep {
            let waiting = sleep.waker.take().is_some();
            if waiting && !sleep.over.get() {
                TIMERS.with(|timers| timers.give_up());
            }
        }
    }
}
