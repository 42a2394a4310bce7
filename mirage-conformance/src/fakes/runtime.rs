use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use mirage_sig::{Instant, MonotonicClock, Random, Sleep, Spawn, WallClock};

use super::random::FakeRandom;
use crate::poll::yield_now;

/// A runtime whose clock moves only when every task waits, and then to when the next sleep ends: an hour takes no time.
///
/// Tasks have their turns in the order in which they were woken. Sleeps end up to 2 ms late. Every run is the same.
#[derive(Clone)]
pub struct FakeRuntime(Rc<Inner>);

struct Inner {
    now: Cell<Instant>,
    /// The date at the clock's start.
    date: Cell<Duration>,
    /// The next turn to be given out, to whoever is woken.
    turns: Arc<AtomicUsize>,
    tasks: RefCell<Vec<Slot>>,
    timers: RefCell<BTreeMap<(Instant, usize), Waker>>,
    timers_made: Cell<usize>,
    random: FakeRandom,
}

/// A task, and its place in the queue.
struct Slot {
    /// Not there while it is polled.
    task: Option<Pin<Box<dyn Future<Output = ()>>>>,
    turn: Arc<Turn>,
}

/// When a task has its turn: 0 if it waits. A waker must be `Sync`, which this is without a lock.
struct Turn {
    number: AtomicUsize,
    next: Arc<AtomicUsize>,
}

impl Turn {
    fn new(next: &Arc<AtomicUsize>) -> Arc<Self> {
        let turn = Arc::new(Self { number: AtomicUsize::new(0), next: next.clone() });
        turn.wake_by_ref();
        turn
    }
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.number.load(Ordering::Relaxed) == 0 {
            self.number.store(self.next.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

/// Why a run came to no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// Every task waits, and no sleep will end.
    Deadlock,
    /// Tasks wake one another without end, while no time passes.
    Spinning,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deadlock => "every task waits, and nothing is left that could wake one",
            Self::Spinning => "tasks wake one another without end: none of them waits for time to pass",
        })
    }
}

impl core::error::Error for Stuck {}

impl Default for FakeRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeRuntime {
    /// Turns without time passing, after which nobody believes that they will end.
    const TURNS_MAX: usize = 1_000_000;
    /// 2026-01-01T00:00:00 UTC.
    const BOOT_DATE: Duration = Duration::from_secs(1_767_225_600);

    /// A runtime without tasks.
    pub fn new() -> Self {
        Self(Rc::new(Inner {
            now: Cell::new(Instant::from_nanos(1_000_000_000)),
            date: Cell::new(Self::BOOT_DATE),
            turns: Arc::new(AtomicUsize::new(1)),
            tasks: RefCell::default(),
            timers: RefCell::default(),
            timers_made: Cell::new(0),
            random: FakeRandom::default(),
        }))
    }

    /// Runs `work`, and all tasks beside it, until it is done. Then the others are dropped, as those of a process are when
    /// it ends.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> Result<T, Stuck> {
        let result = self.run_until_done(pin!(work));
        // Dropping a task may spawn another.
        while !self.0.tasks.borrow().is_empty() {
            drop(self.0.tasks.take());
        }
        result
    }

    fn run_until_done<T>(&self, mut work: Pin<&mut impl Future<Output = T>>) -> Result<T, Stuck> {
        let main = Turn::new(&self.0.turns);
        let mut turns = 0;
        loop {
            let next = self.next_task();
            let main_turn = main.number.load(Ordering::Relaxed);
            turns += 1;
            if turns > Self::TURNS_MAX {
                return Err(Stuck::Spinning);
            }
            if main_turn != 0 && next.is_none_or(|(turn, _)| main_turn < turn) {
                main.number.store(0, Ordering::Relaxed);
                let waker = Waker::from(main.clone());
                if let Poll::Ready(output) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return Ok(output);
                }
            } else if let Some((_, index)) = next {
                self.poll_task(index);
            } else if self.pass_time() {
                turns = 0;
            } else {
                return Err(Stuck::Deadlock);
            }
        }
    }

    /// Sets the date, as somebody at the wall clock would. Monotonic time knows nothing of it.
    pub fn set_unix_time(&self, date: Duration) {
        self.0.date.set(date.saturating_sub(self.0.now.get() - Instant::START));
    }

    /// The number of tasks that have not ended, without the one that [`run`](Self::run) was given.
    pub fn tasks(&self) -> usize {
        self.0.tasks.borrow().len()
    }

    /// The number of sleeps that wait.
    pub fn timers(&self) -> usize {
        self.0.timers.borrow().len()
    }

    /// The task that was woken first: its turn, and where it is.
    fn next_task(&self) -> Option<(usize, usize)> {
        let tasks = self.0.tasks.borrow();
        let turns = tasks.iter().enumerate().map(|(index, slot)| (slot.turn.number.load(Ordering::Relaxed), index));
        turns.filter(|(turn, _)| *turn != 0).min()
    }

    fn poll_task(&self, index: usize) {
        let mut tasks = self.0.tasks.borrow_mut();
        let slot = &mut tasks[index];
        slot.turn.number.store(0, Ordering::Relaxed);
        let waker = Waker::from(slot.turn.clone());
        let mut task = slot.task.take();
        drop(tasks);

        let polled = task.as_mut().map(|task| task.as_mut().poll(&mut Context::from_waker(&waker)));

        if polled == Some(Poll::Pending) {
            self.0.tasks.borrow_mut()[index].task = task;
        } else {
            let slot = self.0.tasks.borrow_mut().remove(index);
            // After the borrow: their destructors may use this runtime.
            drop((slot, task));
        }
    }

    /// Moves the clock to the next sleep's end, or a little behind it. Whether there is one.
    fn pass_time(&self) -> bool {
        let mut timers = self.0.timers.borrow_mut();
        let Some((&(deadline, _), _)) = timers.first_key_value() else { return false };
        let late = u64::from(u16::from_ne_bytes(self.0.random.random())) * 30;
        self.0.now.set(self.0.now.get().max(deadline) + Duration::from_nanos(late));
        let waiting = timers.split_off(&(self.0.now.get() + Duration::from_nanos(1), 0));
        let due = core::mem::replace(&mut *timers, waiting);
        drop(timers);
        due.into_values().for_each(Waker::wake);
        true
    }
}

impl MonotonicClock for FakeRuntime {
    fn now(&self) -> Instant {
        self.0.now.get()
    }
}

impl WallClock for FakeRuntime {
    fn unix_time(&self) -> Duration {
        self.0.date.get() + (self.0.now.get() - Instant::START)
    }
}

/// A timer that is freed when it is dropped.
struct Timer<'a> {
    runtime: &'a Inner,
    key: (Instant, usize),
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.runtime.timers.borrow_mut().remove(&self.key);
    }
}

impl Sleep for FakeRuntime {
    async fn sleep_until(&self, deadline: Instant) {
        if deadline <= self.now() {
            return yield_now().await;
        }
        let number = self.0.timers_made.get();
        self.0.timers_made.set(number + 1);
        let timer = Timer { runtime: &self.0, key: (deadline, number) };
        poll_fn(|cx| {
            if self.now() >= deadline {
                return Poll::Ready(());
            }
            // The end of time does not come.
            if deadline < Instant::END {
                self.0.timers.borrow_mut().insert(timer.key, cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

impl Random for FakeRuntime {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.random.fill(bytes);
    }
}

impl Spawn for FakeRuntime {
    fn spawn_boxed(&self, task: Pin<Box<dyn Future<Output = ()>>>) {
        let turn = Turn::new(&self.0.turns);
        self.0.tasks.borrow_mut().push(Slot { task: Some(task), turn });
    }
}
