//! A cable to a relay: one binary WebSocket message for each frame (WebSockets standard). When the connection breaks, the link
//! is down, and it is dialled again, later each time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use mirage_sig::Link;
use wasm_bindgen::prelude::*;
use web_sys::{BinaryType, Event, MessageEvent, WebSocket};

use super::{Meter, wake};
use crate::describe::describe;
use crate::spawn::detached;
use crate::{random, sleep};

/// The wait before the second attempt. It doubles with every failure, up to [`RETRY_MAX`], and each wait is between half and
/// the whole of that, at random, so that a class that lost its relay does not come back all at once.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// A connection that held that long was a good one: the waits begin anew.
const GOOD_AFTER_MS: f64 = 10_000.0;

/// Bytes that the browser may keep for us before the link counts as full.
const BUFFERED_MAX: u32 = 256 * 1024;

/// How long to wait before looking again whether the browser has sent what it keeps: there is no event for it (WebSockets
/// standard, `bufferedAmount`). It doubles up to the second figure, and only a sender who waits makes it run.
const DRAIN_MIN: Duration = Duration::from_millis(1);
const DRAIN_MAX: Duration = Duration::from_millis(32);

pub(super) struct Relay(Rc<Line>);

struct Line {
    url: String,
    meter: Rc<Meter>,
    socket: RefCell<Option<Socket>>,
    retry: Cell<Duration>,
    opened_ms: Cell<Option<f64>>,
    waiting_for_room: Cell<bool>,
    /// The wait before the next attempt has begun.
    retrying: Cell<bool>,
    hung_up: Cell<bool>,
    /// That the relay is gone has been logged; until it is back, nothing more is.
    silence: Cell<bool>,
}

/// A socket and its handlers, which are taken off when it is dropped.
struct Socket {
    inner: WebSocket,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_event: Closure<dyn FnMut(Event)>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.inner.set_onmessage(None);
        self.inner.set_onopen(None);
        self.inner.set_onclose(None);
        self.inner.set_onerror(None);
        // Only a wrong code or reason would throw.
        let _ = self.inner.close();
    }
}

impl Relay {
    /// Begins to dial. Fails only if `url` is no address of a WebSocket.
    pub fn dial(url: &str, meter: Rc<Meter>) -> Result<Self, String> {
        let line = Rc::new(Line {
            url: url.to_owned(),
            meter,
            socket: RefCell::default(),
            retry: Cell::new(RETRY_MIN),
            opened_ms: Cell::new(None),
            waiting_for_room: Cell::new(false),
            retrying: Cell::new(false),
            hung_up: Cell::new(false),
            silence: Cell::new(false),
        });
        line.connect()?;
        Ok(Self(line))
    }

    pub fn has_room(&self) -> bool {
        self.0.has_room()
    }

    pub fn send(&self, frame: &[u8]) -> bool {
        self.0.socket.borrow().as_ref().is_some_and(|socket| socket.inner.send_with_u8_array(frame).is_ok())
    }

    pub fn wake_when_there_is_room(&self) {
        let line = self.0.clone();
        if line.waiting_for_room.replace(true) {
            return;
        }
        detached(Box::pin(async move {
            let mut wait = DRAIN_MIN;
            while !line.has_room() && !line.hung_up.get() {
                sleep::delay(wait).await;
                wait = (wait * 2).min(DRAIN_MAX);
            }
            line.waiting_for_room.set(false);
            wake(&line.meter.writer);
        }));
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.0.hung_up.set(true);
        self.0.socket.take();
    }
}

impl Line {
    fn has_room(&self) -> bool {
        self.socket.borrow().as_ref().is_none_or(|socket| socket.inner.buffered_amount() < BUFFERED_MAX)
    }

    fn connect(self: &Rc<Self>) -> Result<(), String> {
        let inner = WebSocket::new(&self.url).map_err(|error| describe(&error))?;
        inner.set_binary_type(BinaryType::Arraybuffer);
        let line = Rc::downgrade(self);
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(line) = line.upgrade() {
                line.meter.enter();
                line.meter.arrived(&event.data());
            }
        });
        let line = Rc::downgrade(self);
        let on_event = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
            let Some(line) = line.upgrade() else { return };
            line.meter.enter();
            match event.type_().as_str() {
                "open" => line.opened(),
                _ => line.closed(),
            }
        });
        inner.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        inner.set_onopen(Some(on_event.as_ref().unchecked_ref()));
        inner.set_onclose(Some(on_event.as_ref().unchecked_ref()));
        // A close follows each error (WebSockets standard, section 4), but not in every browser for every reason.
        inner.set_onerror(Some(on_event.as_ref().unchecked_ref()));
        self.socket.replace(Some(Socket { inner, _on_message: on_message, _on_event: on_event }));
        Ok(())
    }

    fn opened(&self) {
        self.opened_ms.set(Some(crate::clock::milliseconds()));
        self.silence.set(false);
        self.meter.set_link(Link::Up);
        log::info!(target: "network", "{}: connected", self.url);
    }

    fn closed(self: &Rc<Self>) {
        if self.retrying.replace(true) {
            return;
        }
        let held_ms = self.opened_ms.take().map_or(0.0, |opened| crate::clock::milliseconds() - opened);
        self.meter.set_link(Link::Down);
        if held_ms > GOOD_AFTER_MS {
            self.retry.set(RETRY_MIN);
        }
        if !self.silence.replace(true) {
            log::warn!(target: "network", "{}: no connection to the relay. Is it running? Trying again until it answers", self.url);
        }
        let line = self.clone();
        detached(Box::pin(async move {
            // The socket's handler is running; it must not be dropped before it has returned.
            let retry = line.retry.get();
            line.retry.set((retry * 2).min(RETRY_MAX));
            sleep::delay(jittered(retry)).await;
            line.retrying.set(false);
            if !line.hung_up.get() && line.connect().is_err() {
                line.meter.enter();
                line.meter.complain("nothing: the relay's address cannot be dialled any more");
            }
        }));
    }
}

/// Between half and the whole of `span`.
fn jittered(span: Duration) -> Duration {
    let mut random = [0; 4];
    random::fill(&mut random);
    span / 2 + (span / 2).mul_f64(f64::from(u32::from_ne_bytes(random)) / f64::from(u32::MAX))
}
