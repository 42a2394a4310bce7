//! Tasks: [`Spawn`], the handle [`Task`], and [`Runtime::timeout`].
//!
//! The handle and the timeout are `mirage-sig`'s own code; they are asserted here too, as they lean on the platform's tasks
//! and sleeps. Not asserted, as it cannot be seen from outside: that a task which waits costs nothing at all, only that it is
//! not polled.
//!
//! [`Spawn`]: mirage_sig::Spawn
//! [`Task`]: mirage_sig::Task

use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::{pending, poll_fn, ready};
use core::pin::{Pin, pin};
use core::task::{Poll, Waker};
use core::time::Duration;

use mirage_sig::{Cancelled, Elapsed, Runtime};

use crate::patience::{waits, within};
use crate::poll::{peek, poll_once, yield_now};
use crate::{Verdict, ensure, equal};

const LATER: &str = "`spawn` returns before the task is polled for the first time";
const ORDER: &str = "Tasks get their first turn in the order in which they were spawned";
const STARTS: &str = "`spawn` starts the task, whoever spawns it";
const WOKEN: &str = "A task whose waker is woken has its turn again";
const COSTS: &str = "A task that waits for others' wakers costs nothing until one of them is woken";
const OUTPUT: &str = "Awaiting a task gives its output once, and Cancelled after that";
const DETACHED: &str = "Dropping the handle lets the task run on by itself";
const FINISHED: &str = "`is_finished` tells whether the task has ended or was cancelled";
const CANCEL: &str = "`cancel` drops the task's future before it returns; awaiting the task gives Cancelled";
const CANCEL_ENDED: &str = "`cancel` does nothing to a task that has ended";
const CANCEL_ITSELF: &str = "A task that cancels itself is dropped as soon as it waits";
const AWAIT_AGAIN: &str = "Awaiting a task can be dropped and begun again";
const TIMEOUT: &str = "`timeout` gives the output of the work if it comes in time";
const ELAPSED: &str = "`timeout` gives Elapsed after the span, once the work was dropped";
const FIRST_TURN: &str = "The work has the first turn: if it is ready at once, a span of zero suffices";

/// Asserts the contract of tasks.
pub async fn suite<R: Runtime>(runtime: &R) -> Verdict {
    first_turns(runtime).await?;
    wakes(runtime).await?;
    inner_tasks(runtime).await?;
    costs_nothing(runtime).await?;
    handles(runtime).await?;
    cancel(runtime).await?;
    cancel_itself(runtime).await?;
    timeout(runtime).await
}

async fn first_turns<R: Runtime>(runtime: &R) -> Verdict {
    let turns = Rc::new(RefCell::new(Vec::new()));
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let turns = turns.clone();
            runtime.spawn(async move { turns.borrow_mut().push(number) })
        })
        .collect();
    let early = turns.borrow().len();
    ensure(early == 0, LATER, || format!("{early} of 20 tasks had a turn while they were spawned"))?;
    for task in tasks {
        equal(within(runtime, STARTS, task).await?, Ok(()), STARTS)?;
    }
    ensure(turns.borrow().is_sorted(), ORDER, || format!("turns were taken in this order: {:?}", turns.borrow()))
}

/// A task spawns a task that spawns a task.
async fn inner_tasks<R: Runtime>(runtime: &R) -> Verdict {
    let (outer, deep) = (runtime.clone(), Rc::new(Cell::new(false)));
    let inner = deep.clone();
    let task = runtime.spawn(async move {
        let middle = outer.clone();
        let task = outer.spawn(async move { middle.spawn(async move { inner.set(true) }).await });
        let _ = task.await;
    });
    equal(within(runtime, STARTS, task).await?, Ok(()), STARTS)?;
    ensure(deep.get(), STARTS, || "a task that a task spawned did not run".into())
}

/// Two tasks that wake each other in turn, and one that wakes itself.
async fn wakes<R: Runtime>(runtime: &R) -> Verdict {
    let ball = Rc::new(Cell::new(0_u32));
    let waker = Rc::new(RefCell::new(None::<Waker>));
    let players = [0, 1].map(|side| {
        let (ball, waker) = (ball.clone(), waker.clone());
        runtime.spawn(poll_fn(move |cx| {
            if ball.get() % 2 == side {
                ball.set(ball.get() + 1);
            }
            let other = waker.replace(Some(cx.waker().clone()));
            if let Some(other) = other {
                other.wake();
            }
            if ball.get() > 100 { Poll::Ready(()) } else { Poll::Pending }
        }))
    });
    for task in players {
        equal(within(runtime, WOKEN, task).await?, Ok(()), WOKEN)?;
    }
    let alone = runtime.spawn(async {
        for _ in 0..100 {
            yield_now().await;
        }
    });
    equal(within(runtime, WOKEN, alone).await?, Ok(()), WOKEN)
}

async fn costs_nothing<R: Runtime>(runtime: &R) -> Verdict {
    let polls = Rc::new(Cell::new(0));
    let (waker, count) = (Rc::new(RefCell::new(None::<Waker>)), polls.clone());
    let shared = waker.clone();
    let task = runtime.spawn(poll_fn(move |cx| {
        count.set(count.get() + 1);
        *shared.borrow_mut() = Some(cx.waker().clone());
        if count.get() >= 2 { Poll::Ready(()) } else { Poll::Pending }
    }));
    let begun = async {
        while polls.get() == 0 {
            runtime.sleep(Duration::from_millis(1)).await;
        }
    };
    within(runtime, STARTS, begun).await?;
    for _ in 0..4 {
        runtime.sleep(Duration::from_millis(1)).await;
    }
    equal(polls.get(), 1, COSTS)?;
    waker.take().into_iter().for_each(Waker::wake);
    equal(within(runtime, WOKEN, task).await?, Ok(()), WOKEN)?;
    equal(polls.get(), 2, WOKEN)
}

async fn handles<R: Runtime>(runtime: &R) -> Verdict {
    let slow = runtime.clone();
    let mut task = runtime.spawn(async move {
        slow.sleep(Duration::from_millis(2)).await;
        42
    });
    ensure(!task.is_finished(), FINISHED, || "finished before its first turn".into())?;
    for _ in 0..2 {
        equal(poll_once(&mut task).await, None, AWAIT_AGAIN)?;
    }
    equal(within(runtime, AWAIT_AGAIN, &mut task).await?, Ok(42), OUTPUT)?;
    equal(within(runtime, OUTPUT, &mut task).await?, Err(Cancelled), OUTPUT)?;

    let ended = runtime.spawn(ready("output"));
    let finished = async {
        while !ended.is_finished() {
            runtime.sleep(Duration::from_millis(1)).await;
        }
    };
    within(runtime, FINISHED, finished).await?;
    ended.cancel();
    equal(within(runtime, CANCEL_ENDED, ended).await?, Ok("output"), CANCEL_ENDED)?;

    let (detached, ran) = (runtime.clone(), Rc::new(Cell::new(false)));
    let inside = ran.clone();
    drop(runtime.spawn(async move {
        detached.sleep(Duration::from_millis(1)).await;
        inside.set(true);
    }));
    let done = async {
        while !ran.get() {
            runtime.sleep(Duration::from_millis(1)).await;
        }
    };
    within(runtime, DETACHED, done).await
}

/// Sets a flag when it is dropped.
struct Flag(Rc<Cell<bool>>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

async fn cancel<R: Runtime>(runtime: &R) -> Verdict {
    for turns in [0, 1] {
        let dropped = Rc::new(Cell::new(false));
        let flag = Flag(dropped.clone());
        let mut task = runtime.spawn(async move {
            let _flag = flag;
            pending::<()>().await;
        });
        for _ in 0..turns {
            runtime.sleep(Duration::from_millis(1)).await;
        }
        waits(runtime, CANCEL, pin!(&mut task)).await?;
        task.cancel();
        ensure(dropped.get(), CANCEL, || "the future was not dropped when cancel returned".into())?;
        ensure(task.is_finished(), FINISHED, || "not finished after it was cancelled".into())?;
        equal(within(runtime, CANCEL, task).await?, Err(Cancelled), CANCEL)?;
    }

    // One who waits for the task is woken.
    let victim = Rc::new(RefCell::new(runtime.spawn(pending::<()>())));
    let (killer, clock) = (victim.clone(), runtime.clone());
    drop(runtime.spawn(async move {
        clock.sleep(Duration::from_millis(1)).await;
        killer.borrow().cancel();
    }));
    let gone = poll_fn(|cx| Pin::new(&mut *victim.borrow_mut()).poll(cx));
    equal(within(runtime, CANCEL, gone).await?, Err(Cancelled), CANCEL)
}

async fn cancel_itself<R: Runtime>(runtime: &R) -> Verdict {
    let handle = Rc::new(RefCell::new(None::<mirage_sig::Task<()>>));
    let (own, dropped, went_on) = (handle.clone(), Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
    let (flag, after) = (Flag(dropped.clone()), went_on.clone());
    let task = runtime.spawn(async move {
        let _flag = flag;
        if let Some(task) = &*own.borrow() {
            task.cancel();
        }
        yield_now().await;
        after.set(true);
    });
    *handle.borrow_mut() = Some(task);
    let gone = async {
        while !dropped.get() {
            runtime.sleep(Duration::from_millis(1)).await;
        }
    };
    within(runtime, CANCEL_ITSELF, gone).await?;
    ensure(!went_on.get(), CANCEL_ITSELF, || "it went on after it waited".into())
}

async fn timeout<R: Runtime>(runtime: &R) -> Verdict {
    equal(runtime.timeout(Duration::ZERO, ready(1)).await, Ok(1), FIRST_TURN)?;
    let work = async {
        runtime.sleep(Duration::from_millis(1)).await;
        2
    };
    equal(runtime.timeout(Duration::from_secs(60), work).await, Ok(2), TIMEOUT)?;
    equal(runtime.timeout(Duration::MAX, ready(3)).await, Ok(3), TIMEOUT)?;

    let (span, dropped) = (Duration::from_millis(3), Rc::new(Cell::new(false)));
    let flag = Flag(dropped.clone());
    let work = async move {
        let _flag = flag;
        pending::<()>().await;
    };
    let start = runtime.now();
    let mut limited = pin!(runtime.timeout(span, work));
    equal(peek(limited.as_mut()).await, None, ELAPSED)?;
    equal(limited.await, Err(Elapsed), ELAPSED)?;
    let took = runtime.now() - start;
    ensure(took >= span, ELAPSED, || format!("gave up after {took:?}, where {span:?} were given"))?;
    ensure(dropped.get(), ELAPSED, || "the work was not dropped".into())
}
