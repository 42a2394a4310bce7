use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mirage_conformance::fakes::FakeRuntime;
use mirage_conformance::poll::race;
use mirage_conformance::{clock, spawn};
use mirage_sig::{Instant, MonotonicClock, Random, Sleep, Spawn, WallClock};

use crate::{all_are_found, mistakes};

mistakes! {
    GoesBackNowAndThen => "The clock never shows less than before, in any clone",
    DateCountsFromBoot => "`unix_time` is the time since 1970-01-01T00:00:00 UTC",
    WakesEarly => "A sleep never resolves early",
    /// As timers of JavaScript do beyond 2^31 ms.
    LongSleepsEndAtOnce => "A sleep whose time has not come waits, however long",
    PastDeadlineTakesNoTurn => "A deadline that has passed still lets every task that is ready have its turn first",
    ShortSleepsEndLast => "Several sleeps end in the order of their deadlines",
    CountsFromTheCall => "`sleep` waits for the span, counted from the first poll",
    DroppedSleepStopsOthers => "Dropping a sleep frees its timer; nothing else changes",
}

mod tasks {
    use crate::mistakes;

    mistakes! {
        PollsInsideSpawn => "`spawn` returns before the task is polled for the first time",
        NewestFirst => "Tasks get their first turn in the order in which they were spawned",
        ForgetsInnerTasks => "`spawn` starts the task, whoever spawns it",
        ForgetsWhoWaits => "A task whose waker is woken has its turn again",
        PollsAllTheTime => "A task that waits for others' wakers costs nothing until one of them is woken",
        TimesOutEarly => "`timeout` gives Elapsed after the span, once the work was dropped",
    }
}

use tasks::Mistake as Tasks;

#[derive(Clone)]
struct Broken {
    inner: FakeRuntime,
    mistake: Option<Mistake>,
    tasks: Option<Tasks>,
    shared: Rc<Shared>,
}

#[derive(Default)]
struct Shared {
    calls: Cell<u64>,
    dropped: Cell<u64>,
    new: RefCell<Vec<Pin<Box<dyn Future<Output = ()>>>>>,
    inside: Cell<bool>,
}

impl Broken {
    fn new(runtime: &FakeRuntime) -> Self {
        Self { inner: runtime.clone(), mistake: None, tasks: None, shared: Rc::default() }
    }
}

impl MonotonicClock for Broken {
    fn now(&self) -> Instant {
        let calls = self.shared.calls.get() + 1;
        self.shared.calls.set(calls);
        let back = self.mistake == Some(Mistake::GoesBackNowAndThen) && calls.is_multiple_of(5);
        Instant::from_nanos(self.inner.now().as_nanos() - if back { 1_000_000 } else { 0 })
    }
}

impl WallClock for Broken {
    fn unix_time(&self) -> Duration {
        match self.mistake {
            Some(Mistake::DateCountsFromBoot) => self.inner.now() - Instant::START,
            _ => self.inner.unix_time(),
        }
    }
}

/// Notes that a sleep was dropped before its end.
struct Sleeping<'a>(&'a Shared, bool);

impl Drop for Sleeping<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.dropped.set(self.0.dropped.get() + 1);
        }
    }
}

impl Sleep for Broken {
    async fn sleep_until(&self, deadline: Instant) {
        let now = self.inner.now();
        let early = Duration::from_micros(1_900);
        let deadline = match self.mistake {
            _ if self.tasks == Some(Tasks::TimesOutEarly) => {
                Instant::START + (deadline - Instant::START).saturating_sub(early)
            }
            Some(Mistake::WakesEarly) => Instant::START + (deadline - Instant::START).saturating_sub(early),
            Some(Mistake::LongSleepsEndAtOnce) if deadline - now > Duration::from_millis(1 << 31) => now,
            Some(Mistake::PastDeadlineTakesNoTurn) if deadline <= now => return,
            Some(Mistake::ShortSleepsEndLast) => {
                deadline.max(now + Duration::from_millis(20).saturating_sub(deadline - now))
            }
            _ => deadline,
        };
        let mut sleeping = Sleeping(&self.shared, false);
        let dropped = self.shared.dropped.get();
        self.inner.sleep_until(deadline).await;
        sleeping.1 = true;
        if self.mistake == Some(Mistake::DroppedSleepStopsOthers) && self.shared.dropped.get() > dropped {
            // Only the sleeps of 3 ms, so that the suite's patience comes to an end.
            if deadline < now + Duration::from_secs(1) {
                pending::<()>().await;
            }
        }
    }

    fn sleep(&self, span: Duration) -> impl Future<Output = ()> {
        let called = self.inner.now();
        async move {
            let counts_from_call = self.mistake == Some(Mistake::CountsFromTheCall);
            let from = if counts_from_call { called } else { self.inner.now() };
            self.sleep_until(from + span).await;
        }
    }
}

impl Random for Broken {
    fn fill(&self, bytes: &mut [u8]) {
        self.inner.fill(bytes);
    }
}

impl Spawn for Broken {
    fn spawn_boxed(&self, mut task: Pin<Box<dyn Future<Output = ()>>>) {
        let shared = self.shared.clone();
        match self.tasks {
            Some(Tasks::PollsInsideSpawn) => {
                if task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                    self.inner.spawn_boxed(task);
                }
            }
            Some(Tasks::NewestFirst) => {
                self.shared.new.borrow_mut().push(task);
                let inner = self.inner.clone();
                self.inner.spawn_boxed(Box::pin(async move {
                    let new = shared.new.take();
                    new.into_iter().rev().for_each(|task| inner.spawn_boxed(task));
                }));
            }
            Some(Tasks::ForgetsInnerTasks) => {
                if !shared.inside.get() {
                    self.inner.spawn_boxed(Box::pin(poll_fn(move |cx| {
                        shared.inside.set(true);
                        let polled = task.as_mut().poll(cx);
                        shared.inside.set(false);
                        polled
                    })));
                }
            }
            Some(Tasks::ForgetsWhoWaits) => self.inner.spawn_boxed(Box::pin(poll_fn(move |cx| {
                let _ = task.as_mut().poll(cx);
                Poll::Ready(())
            }))),
            Some(Tasks::PollsAllTheTime) => {
                let inner = self.inner.clone();
                self.inner.spawn_boxed(Box::pin(async move {
                    let done = Cell::new(false);
                    while !done.get() {
                        let work = poll_fn(|cx| task.as_mut().poll(cx).map(|()| done.set(true)));
                        race(work, inner.sleep(Duration::from_millis(1))).await;
                    }
                }));
            }
            _ => self.inner.spawn_boxed(task),
        }
    }
}

#[test]
fn clock_and_sleep() {
    all_are_found(MISTAKES, |runtime, mistake| runtime.run(clock::suite(&Broken { mistake, ..Broken::new(runtime) })));
}

#[test]
fn spawned_tasks() {
    all_are_found(tasks::MISTAKES, |runtime, tasks| {
        runtime.run(spawn::suite(&Broken { tasks, ..Broken::new(runtime) }))
    });
}
