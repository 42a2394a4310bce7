//! The server: accepts connections, bounded, and ends them when it is told to.

mod connection;
mod drive;
mod live;
mod write;

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::Poll;
use core::time::Duration;

use mirage_sig::{Flow, Listener, NetError, NetErrorKind, Runtime, Task};

use crate::response::Handler;
use crate::wait::{Either, Waiters, either};
use crate::{Limits, date};
use connection::Connection;
use live::{Live, Seat};
pub(crate) use write::send;

/// How long a listener that is out of something is left alone, if no connection ends before.
const RECOVERY: Duration = Duration::from_secs(1);

/// Tells servers to stop. A clone tells the same ones.
#[derive(Clone, Default)]
pub struct Stop(Rc<StopState>);

#[derive(Default)]
struct StopState {
    told: Cell<bool>,
    waiters: RefCell<Waiters>,
}

impl Stop {
    /// A handle that has not told anybody to stop.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops every server that was given this handle: no further connections, idle ones end, requests that are under way are
    /// finished within [`Limits::stop_time`].
    pub fn stop(&self) {
        self.0.told.set(true);
        let waiters = self.0.waiters.borrow_mut().take();
        waiters.wake();
    }

    /// Waits until somebody has said stop.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn stopped(&self) {
        poll_fn(|cx| {
            if self.0.told.get() {
                return Poll::Ready(());
            }
            self.0.waiters.borrow_mut().add(cx.waker());
            Poll::Pending
        })
        .await;
    }
}

/// What all connections of a server share.
pub(crate) struct Server {
    limits: Limits,
    handler: Box<dyn Handler>,
    live: Rc<Live>,
    /// The date in words, and the second that it is for.
    date: Cell<(u64, [u8; 29])>,
}

impl Server {
    fn new(limits: Limits, handler: Box<dyn Handler>) -> Rc<Self> {
        let live = Live::new(limits.connections.max(1));
        Rc::new(Self { limits, handler, live, date: Cell::new((0, date::http_date(Duration::ZERO))) })
    }

    /// The date in words, made once a second.
    fn date(&self, now: Duration) -> [u8; 29] {
        let (second, text) = self.date.get();
        if second == now.as_secs() {
            return text;
        }
        let text = date::http_date(now);
        self.date.set((now.as_secs(), text));
        text
    }
}

/// Answers what comes to `listener`, for as long as it gives connections: each in a task of its own, at most
/// [`Limits::connections`] of them at a time.
///
/// # Errors
/// The listener's, when it will give no further connection. That one was reset, or that there is no memory for another now, is
/// no such error.
///
/// # Cancel safety
/// Dropped, all connections end where they are.
pub async fn serve<R: Runtime, L: Listener>(
    runtime: &R,
    listener: L,
    limits: Limits,
    handler: impl Handler + 'static,
) -> Result<(), L::Error> {
    accept(runtime, listener, limits, Box::new(handler), &Stop::new()).await
}

/// As [`serve`], until somebody says stop.
///
/// The listener is dropped then, idle connections are ended, and what is under way has [`Limits::stop_time`] to come to its
/// end, before it is cut off. Returns when nothing is left.
pub async fn serve_until<R: Runtime, L: Listener>(
    runtime: &R,
    listener: L,
    limits: Limits,
    handler: impl Handler + 'static,
    stop: &Stop,
) -> Result<(), L::Error> {
    accept(runtime, listener, limits, Box::new(handler), stop).await
}

/// Answers the requests on one connection, however it was made, until it ends.
///
/// # Cancel safety
/// Dropped, the connection ends where it is.
pub async fn serve_flow<R: Runtime, F: Flow>(runtime: &R, flow: F, limits: Limits, handler: impl Handler + 'static) {
    let server = Server::new(limits, Box::new(handler));
    let seat = server.live.seat().await;
    Connection::new(runtime.clone(), flow, server, seat).run().await;
}

/// The tasks of a server, which end with it.
#[derive(Default)]
struct Tasks(Vec<Task<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(Task::cancel);
    }
}

impl Tasks {
    fn add(&mut self, task: Task<()>, live: usize) {
        // So seldom that it costs nothing for each connection.
        if self.0.len() > 2 * live {
            self.0.retain(|task| !task.is_finished());
        }
        self.0.push(task);
    }
}

async fn accept<R: Runtime, L: Listener>(
    runtime: &R,
    mut listener: L,
    limits: Limits,
    handler: Box<dyn Handler>,
    stop: &Stop,
) -> Result<(), L::Error> {
    let server = Server::new(limits, handler);
    let mut tasks = Tasks::default();
    let result = loop {
        let next = async {
            let seat = server.live.seat().await;
            (seat, listener.accept().await)
        };
        let (seat, accepted): (Seat, _) = match either(stop.stopped(), next).await {
            Either::Left(()) => break Ok(()),
            Either::Right(next) => next,
        };
        match accepted {
            Ok(flow) => {
                let connection = Connection::new(runtime.clone(), flow, server.clone(), seat);
                tasks.add(runtime.spawn(connection.run()), server.live.taken());
            }
            Err(error) => match error.kind() {
                NetErrorKind::Reset | NetErrorKind::TimedOut | NetErrorKind::Refused => {}
                NetErrorKind::Exhausted => {
                    log::warn!("http: no connection can be accepted: {error}");
                    drop(seat);
                    either(either(stop.stopped(), server.live.freed()), runtime.sleep(RECOVERY)).await;
                }
                _ => break Err(error),
            },
        }
    };
    // Those who come from now on find nobody.
    drop(listener);
    server.live.stop();
    if runtime.timeout(server.limits.stop_time, server.live.empty()).await.is_err() {
        log::warn!("http: requests were cut off, as they did not come to their end in time");
    }
    result
}
