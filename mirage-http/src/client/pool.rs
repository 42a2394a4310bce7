use alloc::boxed::Box;
use alloc::rc::{Rc, Weak};
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;

use mirage_sig::{Flow, Instant, Runtime};

/// Connections that are open and on which nothing is under way.
pub(super) struct Pool<F> {
    idle: RefCell<Vec<Idle<F>>>,
    /// A task sees to it that they end in time.
    is_watched: Cell<bool>,
    most: usize,
}

struct Idle<F> {
    /// To whom: host and port, as the address had them.
    authority: String,
    flow: F,
    until: Instant,
}

impl<F: Flow + 'static> Pool<F> {
    pub fn new(most: usize) -> Rc<Self> {
        Rc::new(Self { idle: RefCell::default(), is_watched: Cell::new(false), most })
    }

    /// A connection to `authority` that seems to be alive.
    pub async fn take(&self, authority: &str) -> Option<F> {
        loop {
            let mut flow = {
                let mut idle = self.idle.borrow_mut();
                // The one used last is the least likely to have been ended.
                let at = idle.iter().rposition(|idle| idle.authority == authority)?;
                idle.remove(at).flow
            };
            // Neither an end nor bytes that nobody asked for may have come.
            let mut byte = [0];
            let is_quiet = {
                let mut read = pin!(flow.read(&mut byte));
                poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx).is_pending())).await
            };
            if is_quiet {
                return Some(flow);
            }
        }
    }

    /// Keeps a connection until then, in the place of the oldest if there are too many.
    pub fn put<R: Runtime>(self: &Rc<Self>, runtime: &R, authority: &str, flow: F, until: Instant) {
        if self.most == 0 {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let oldest = (idle.len() >= self.most).then(|| idle.remove(0));
        idle.push(Idle { authority: authority.into(), flow, until });
        drop(idle);
        // After the borrow: to drop a connection may wake somebody.
        drop(oldest);
        if !self.is_watched.replace(true) {
            runtime.spawn_boxed(Box::pin(watch(runtime.clone(), Rc::downgrade(self))));
        }
    }

    /// Ends what is over its time: when the next one is.
    fn sweep(&self, now: Instant) -> Option<Instant> {
        let mut idle = self.idle.borrow_mut();
        // In the order in which they came, which is that of their ends.
        let over = idle.iter().position(|idle| idle.until > now).unwrap_or(idle.len());
        let over: Vec<_> = idle.drain(..over).collect();
        let next = idle.first().map(|idle| idle.until);
        self.is_watched.set(next.is_some());
        drop(idle);
        drop(over);
        next
    }
}

/// Runs as long as there are connections to end.
async fn watch<R: Runtime, F: Flow + 'static>(runtime: R, pool: Weak<Pool<F>>) {
    while let Some(next) = pool.upgrade().and_then(|pool| pool.sweep(runtime.now())) {
        runtime.sleep_until(next).await;
    }
}
