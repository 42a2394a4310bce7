//! The right to be a store's only writer.
//!
//! All tabs may write to a database of IndexedDB in turn. Whoever will not overwrite what it has not seen must look, in the
//! very transaction that writes, and wait for the answer before the commit: a sixth of the time of a small write. Who knows
//! that nobody else writes need not look. So a store holds a lease from its first write on: a Web Lock with the database's
//! name (W3C, "Web Locks API"), which the browser itself takes back from whoever ends or crashes. It keeps it between writes,
//! and hands it over when another asks, on a BroadcastChannel of that name, at the end of the transaction under way.
//!
//! Where a browser has no Web Locks, as in pages that did not come by HTTPS, nobody there has a lease, and all look.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use js_sys::{Function, Promise, Reflect};
use mirage_sig::KvErrorKind;
use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, MessageEvent};

use super::error::KvFault;
use crate::sleep;

/// How long a write waits for a holder that does not let go, as one that hangs does not.
const PATIENCE: Duration = Duration::from_secs(5);

/// "Whoever has it: let go when you can."
const WANTED: &str = "wanted";
/// "I have it now", to which whoever still waits says again that it is wanted.
const TAKEN: &str = "taken";

/// A store's lease, held or not.
pub(super) struct Lease {
    name: String,
    locks: Option<Locks>,
    state: Rc<State>,
    line: RefCell<Option<Line>>,
    on_lost: Closure<dyn FnMut(JsValue)>,
}

#[derive(Default)]
struct State {
    /// How often it was had, this time included.
    count: Cell<u32>,
    /// Ends the lock, while it is held.
    held: RefCell<Option<Function>>,
    /// Whether a transaction is under way.
    in_use: Cell<bool>,
    /// Whether somebody else waits.
    asked: Cell<bool>,
    waiter: RefCell<Option<Waker>>,
    /// Why it cannot be had.
    failed: RefCell<Option<JsValue>>,
}

/// Where holders and those who wait hear of one another.
struct Line {
    channel: BroadcastChannel,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

impl Lease {
    /// The lease of the database of that name; not held yet.
    pub fn new(name: &str) -> Self {
        let state = Rc::<State>::default();
        let lost = state.clone();
        let on_lost = Closure::new(move |why| lost.lose(why));
        Self { name: name.into(), locks: locks(), state, line: RefCell::default(), on_lost }
    }

    /// The number of the holding that goes on: one number, one time without other writers. 0 while it is not held.
    pub fn holding(&self) -> u32 {
        if self.state.held.borrow().is_some() { self.state.count.get() } else { 0 }
    }

    /// Has it, from before a transaction until [`rest`](Self::rest). Whether others may have written since the last time.
    pub async fn work(&self) -> Result<bool, KvFault> {
        self.state.in_use.set(true);
        let Some(locks) = &self.locks else { return Ok(true) };
        if self.holding() != 0 {
            return Ok(false);
        }
        self.tell(WANTED)?;
        self.obtain(locks).await?;
        self.tell(TAKEN)?;
        Ok(true)
    }

    /// No transaction is under way: whoever waits may have it.
    pub fn rest(&self) {
        self.state.in_use.set(false);
        if self.state.asked.get() {
            self.state.release();
        }
    }

    /// Gives it up, for good.
    pub fn close(&self) {
        self.state.release();
        if let Some(line) = self.line.take() {
            line.channel.set_onmessage(None);
            line.channel.close();
        }
    }

    fn tell(&self, what: &str) -> Result<(), KvFault> {
        let mut line = self.line.borrow_mut();
        let line = match &mut *line {
            Some(line) => line,
            none => none.insert(Line::open(&self.name, &self.state)?),
        };
        line.channel.post_message(&what.into()).map_err(|error| KvFault::from_js(&error))
    }

    async fn obtain(&self, locks: &Locks) -> Result<(), KvFault> {
        let state = &self.state;
        state.failed.take();
        // Set once nobody waits any more: a lock that comes after all is given back at once.
        let given_up = Rc::new(Cell::new(false));
        let granted = {
            let (state, given_up) = (state.clone(), given_up.clone());
            Closure::once_into_js(move || match given_up.get() {
                true => Promise::resolve(&JsValue::UNDEFINED),
                false => Promise::new(&mut |end, _| state.grant(end)),
            })
        };
        let ended = locks.request(&self.name, granted.unchecked_ref()).map_err(|error| KvFault::from_js(&error))?;
        // What `catch` gives is another promise, which nobody needs.
        let _ = ended.catch(&self.on_lost);

        let mut patience = pin!(sleep::delay(PATIENCE));
        let result = poll_fn(|cx| {
            if self.holding() != 0 {
                return Poll::Ready(Ok(()));
            }
            if let Some(why) = state.failed.take() {
                return Poll::Ready(Err(KvFault::from_js(&why)));
            }
            state.waiter.replace(Some(cx.waker().clone()));
            patience.as_mut().poll(cx).map(|()| {
                let text =
                    "another tab or domain writes to this store and does not let go; reset it if it hangs, or close it";
                Err(KvFault::new(KvErrorKind::Blocked).instead(text))
            })
        })
        .await;
        state.waiter.take();
        given_up.set(result.is_err());
        result
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.close();
    }
}

impl State {
    fn grant(&self, end: Function) {
        self.count.set(self.count.get().wrapping_add(1).max(1));
        self.asked.set(false);
        self.held.replace(Some(end));
        self.wake();
    }

    /// The browser has refused the lock, or taken it back.
    fn lose(&self, why: JsValue) {
        self.held.take();
        self.failed.replace(Some(why));
        self.wake();
    }

    fn release(&self) {
        if let Some(end) = self.held.take() {
            // The function that ends a promise does not throw.
            let _ = end.call0(&JsValue::UNDEFINED);
        }
    }

    fn wake(&self) {
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }

    fn wanted(&self) {
        if self.in_use.get() {
            self.asked.set(true);
        } else {
            self.release();
        }
    }
}

impl Line {
    fn open(name: &str, state: &Rc<State>) -> Result<Self, KvFault> {
        let channel = BroadcastChannel::new(name).map_err(|error| KvFault::from_js(&error))?;
        let (state, answer) = (state.clone(), channel.clone());
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let heard = event.data();
            if heard == WANTED {
                state.wanted();
            } else if heard == TAKEN && state.waiter.borrow().is_some() {
                // Fails only if it is closed, and then nobody waits.
                let _ = answer.post_message(&WANTED.into());
            }
        });
        channel.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Ok(Self { channel, _on_message: on_message })
    }
}

fn locks() -> Option<Locks> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into()).ok()?;
    let locks = Reflect::get(&navigator, &"locks".into()).ok()?;
    (!locks.is_undefined()).then(|| locks.unchecked_into())
}

#[wasm_bindgen]
extern "C" {
    /// `navigator.locks`, which web-sys has not among its stable features.
    #[wasm_bindgen(extends = js_sys::Object, js_name = Object)]
    type Locks;
    #[wasm_bindgen(method, catch)]
    fn request(this: &Locks, name: &str, granted: &Function) -> Result<Promise, JsValue>;
}
