//! Clocks and sleep: [`MonotonicClock`], [`WallClock`], [`Sleep`].
//!
//! Not asserted, as it cannot be seen from outside: that time goes on while the unikernel is paused, that the date is the
//! right one, how late a sleep may be, and that the timer of a dropped sleep is freed.
//!
//! [`MonotonicClock`]: mirage_sig::MonotonicClock
//! [`WallClock`]: mirage_sig::WallClock
//! [`Sleep`]: mirage_sig::Sleep

use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::pin::pin;
use core::time::Duration;

use mirage_sig::{Instant, Runtime};

use crate::patience::{waits, within};
use crate::poll::{join, poll_once, yield_now};
use crate::{Verdict, ensure};

const FORWARD: &str = "The clock never shows less than before, in any clone";
const DATE: &str = "`unix_time` is the time since 1970-01-01T00:00:00 UTC";
const EARLY: &str = "A sleep never resolves early";
const TURN: &str = "A deadline that has passed still lets every task that is ready have its turn first";
const ORDER: &str = "Several sleeps end in the order of their deadlines";
const FIRST_POLL: &str = "`sleep` waits for the span, counted from the first poll";
const FOR_EVER: &str = "A sleep whose time has not come waits, however long";
const DROPPED: &str = "Dropping a sleep frees its timer; nothing else changes";

/// Asserts the contract of clocks and sleep.
pub async fn suite<R: Runtime>(runtime: &R) -> Verdict {
    forward(runtime).await?;
    date(runtime)?;
    never_early(runtime).await?;
    passed_deadlines(runtime).await?;
    first_poll(runtime).await?;
    for_ever(runtime).await?;
    dropped(runtime).await?;
    order(runtime).await
}

async fn forward<R: Runtime>(runtime: &R) -> Verdict {
    let clone = runtime.clone();
    let mut last = Instant::START;
    for step in 0..300 {
        let now = if step % 2 == 0 { runtime.now() } else { clone.now() };
        ensure(now >= last, FORWARD, || format!("showed {last}, then {now}"))?;
        last = now;
        if step % 100 == 99 {
            runtime.sleep(Duration::from_millis(1)).await;
        }
    }
    Ok(())
}

fn date<R: Runtime>(runtime: &R) -> Verdict {
    const YEAR: u64 = 31_556_952;
    let seconds = runtime.unix_time().as_secs();
    let plausible = (2020 - 1970) * YEAR..(2120 - 1970) * YEAR;
    ensure(plausible.contains(&seconds), DATE, || format!("{seconds} s is not within a century of 2020"))
}

async fn never_early<R: Runtime>(runtime: &R) -> Verdict {
    for micros in [1, 500, 1_000, 1_001, 3_300, 7_000] {
        let span = Duration::from_micros(micros);
        let deadline = runtime.now() + span;
        within(runtime, EARLY, runtime.sleep_until(deadline)).await?;
        let now = runtime.now();
        ensure(now >= deadline, EARLY, || format!("slept until {deadline}, woke at {now}"))?;
    }
    Ok(())
}

/// Spawns a task that is ready, and sleeps for no time: the task must have run.
async fn passed_deadlines<R: Runtime>(runtime: &R) -> Verdict {
    let now = runtime.now();
    for deadline in [now, Instant::START] {
        let ran = Rc::new(Cell::new(0));
        for _ in 0..3 {
            let ran = ran.clone();
            drop(runtime.spawn(async move { ran.set(ran.get() + 1) }));
        }
        within(runtime, TURN, runtime.sleep_until(deadline)).await?;
        ensure(ran.get() == 3, TURN, || format!("{} of 3 ready tasks had their turn", ran.get()))?;
    }
    let ran = Rc::new(Cell::new(false));
    let theirs = ran.clone();
    drop(runtime.spawn(async move { theirs.set(true) }));
    within(runtime, TURN, runtime.sleep(Duration::ZERO)).await?;
    ensure(ran.get(), TURN, || "sleep(0) took no turn".into())
}

async fn first_poll<R: Runtime>(runtime: &R) -> Verdict {
    let span = Duration::from_millis(4);
    let sleep = runtime.sleep(span);
    runtime.sleep(Duration::from_millis(6)).await;
    let polled = runtime.now();
    within(runtime, FIRST_POLL, sleep).await?;
    let slept = runtime.now() - polled;
    ensure(slept >= span, FIRST_POLL, || format!("slept for {slept:?}, not {span:?}, after the first poll"))
}

/// Sleeps beyond what a timer of 31 or 32 bits of milliseconds, or 64 of nanoseconds, can hold.
async fn for_ever<R: Runtime>(runtime: &R) -> Verdict {
    const DAY: Duration = Duration::from_secs(86_400);
    for span in [DAY, 25 * DAY, 50 * DAY, 365 * DAY, Duration::MAX] {
        waits(runtime, FOR_EVER, pin!(runtime.sleep(span))).await?;
    }
    waits(runtime, FOR_EVER, pin!(runtime.sleep_until(Instant::END))).await
}

async fn dropped<R: Runtime>(runtime: &R) -> Verdict {
    let span = Duration::from_millis(3);
    let stays = async {
        let deadline = runtime.now() + span;
        within(runtime, DROPPED, runtime.sleep_until(deadline)).await?;
        let now = runtime.now();
        ensure(now >= deadline, DROPPED, || format!("a sleep until {deadline} ended at {now} as another was dropped"))
    };
    let goes = async {
        for _ in 0..3 {
            poll_once(runtime.sleep(span)).await;
            yield_now().await;
        }
    };
    join(stays, goes).await.0
}

/// Tasks that sleep, in an order other than that of their deadlines, note when they wake.
async fn order<R: Runtime>(runtime: &R) -> Verdict {
    const MILLIS: [u64; 6] = [12, 4, 8, 14, 6, 10];
    // A machine that stops for a while before all tasks sleep makes an attempt worthless.
    for _ in 0..10 {
        let woken = Rc::new(RefCell::new(Vec::new()));
        let asleep = Rc::new(Cell::new(None));
        let base = runtime.now();
        let tasks = MILLIS.map(|millis| {
            let (runtime, woken, asleep) = (runtime.clone(), woken.clone(), asleep.clone());
            let task = runtime.clone();
            runtime.spawn(async move {
                asleep.set(Some(task.now()));
                task.sleep_until(base + Duration::from_millis(millis)).await;
                woken.borrow_mut().push(millis);
            })
        });
        for task in tasks {
            let _ = within(runtime, ORDER, task).await?;
        }
        let first = base + Duration::from_millis(4);
        if asleep.get().is_some_and(|last| last < first) {
            let woken = woken.borrow();
            return ensure(woken.is_sorted(), ORDER, || format!("woken in this order: {woken:?} (ms)"));
        }
    }
    Ok(())
}
