//! A cable within a page: a MessagePort, between a domain and the page's switch as a rule. Frames go in batches, all that one
//! turn sends in one message; where the page is cross-origin isolated they go through two rings of shared memory instead
//! ([`ring`]), and messages only wake who sleeps.
//!
//! What the ends say to each other:
//!
//! | message | means |
//! |---|---|
//! | an array of two `SharedArrayBuffer`s | the offer of rings: the first is for the other end to write, the second to read |
//! | `"port"` | the offer to do without; as an answer, that it has to be so |
//! | `"ring"` | the answer to an offer of rings: taken |
//! | `true`, `false` | this end is plugged in, or pulled out |
//! | an `ArrayBuffer` | a batch of frames |
//! | a number | so many bytes of batches were taken |
//! | `null` | look at the rings |
//! | `"gone"` | the last message |
//!
//! The switch's end offers and the domain's answers; then the link is up. Bounds: [`IN_FLIGHT_MAX`] and [`ring::SIZE`].

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};

use js_sys::{Array, ArrayBuffer, SharedArrayBuffer, Uint8Array};
use mirage_sig::Link;
use wasm_bindgen::prelude::*;
use web_sys::{Event, MessageEvent, MessagePort};

use super::{HEADER, MTU, Meter, batch, ring, wake};
use crate::spawn::detached;
use crate::{clock, sleep};

/// Bytes that may be on their way in messages, or wait to be: what was not yet taken at the other end. Eight windows of TCP's.
const IN_FLIGHT_MAX: usize = 512 * 1024;

/// A batch goes when its turn is over, or when it has so many bytes: so the other end begins while this one goes on.
const BATCH_MAX: usize = 32 * 1024;

/// What a frame takes at most.
const FRAME_MAX: usize = batch::PREFIX + HEADER + MTU;

/// Who made the cable.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The switch's end; with rings, or not.
    Offers { rings: bool },
    /// The domain's end.
    Answers,
}

/// One end.
pub struct End(Rc<Wire>);

struct Wire {
    port: MessagePort,
    meter: Rc<Meter>,
    role: Role,
    /// Rings that were offered, and not yet taken.
    offered: RefCell<Option<Rings>>,
    rings: OnceCell<Rings>,
    /// Both ends know how frames go.
    agreed: Cell<bool>,
    plugged: Cell<bool>,
    peer_plugged: Cell<bool>,
    /// Frames of this turn, and how many.
    batch: RefCell<Vec<u8>>,
    waiting: Cell<u64>,
    in_flight: Cell<usize>,
    /// Where frames are put that come out of a ring.
    arrived: RefCell<Vec<u8>>,
    looking_again: Cell<bool>,
    handlers: OnceCell<Handlers>,
}

struct Rings {
    writer: ring::Writer,
    reader: ring::Reader,
}

impl Rings {
    fn over(to_write: &JsValue, to_read: &JsValue) -> Option<Self> {
        let shared = |memory: &JsValue| memory.dyn_ref::<SharedArrayBuffer>().cloned();
        Some(Self { writer: ring::Writer::over(&shared(to_write)?)?, reader: ring::Reader::over(&shared(to_read)?)? })
    }
}

struct Handlers {
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_unreadable: Closure<dyn FnMut(Event)>,
}

/// A hand on a cable within a page, for pulling it. It does not keep the cable.
#[derive(Clone)]
pub struct Plug(Weak<Wire>);

impl Plug {
    /// Pulls this end out, or plugs it in again. Both ends see it.
    pub fn plug(&self, link: Link) {
        if let Some(wire) = self.0.upgrade() {
            let plugged = link == Link::Up;
            if wire.plugged.replace(plugged) != plugged {
                wire.post(&plugged.into());
                wire.show_link();
            }
        }
    }

    /// Takes the cable away for good.
    pub fn remove(&self) {
        if let Some(wire) = self.0.upgrade() {
            wire.hang_up();
        }
    }
}

impl End {
    pub fn new(port: MessagePort, role: Role, meter: Rc<Meter>) -> Self {
        let wire = Rc::new(Wire {
            port,
            meter,
            role,
            offered: RefCell::default(),
            rings: OnceCell::new(),
            agreed: Cell::new(false),
            plugged: Cell::new(true),
            peer_plugged: Cell::new(true),
            batch: RefCell::default(),
            waiting: Cell::new(0),
            in_flight: Cell::new(0),
            arrived: RefCell::default(),
            looking_again: Cell::new(false),
            handlers: OnceCell::new(),
        });
        wire.listen();
        if let Role::Offers { rings } = role {
            wire.offer(rings);
        }
        Self(wire)
    }

    pub fn plug(&self) -> Plug {
        Plug(Rc::downgrade(&self.0))
    }

    pub fn has_room(&self) -> bool {
        self.0.has_room()
    }

    /// Sends a frame that has room.
    pub fn send(&self, frame: &[u8]) -> bool {
        let wire = &self.0;
        if wire.meter.gone.get() {
            return false;
        }
        let mut waiting = wire.batch.borrow_mut();
        let first = waiting.is_empty();
        batch::push(&mut waiting, frame);
        wire.waiting.set(wire.waiting.get() + 1);
        let full = waiting.len() >= BATCH_MAX;
        drop(waiting);
        if full {
            wire.flush();
        } else if first {
            // After the task that sends, and those that are ready now.
            let wire = Rc::downgrade(wire);
            detached(Box::pin(async move {
                if let Some(wire) = wire.upgrade() {
                    wire.flush();
                }
            }));
        }
        true
    }

    /// The message that says that something was taken does it.
    pub fn wake_when_there_is_room(&self) {
        let wire = &self.0;
        if let Some(rings) = wire.rings.get() {
            rings.writer.wait();
            if wire.has_room() {
                wake(&wire.meter.writer);
            }
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.0.flush();
        self.0.hang_up();
    }
}

impl Wire {
    fn listen(self: &Rc<Self>) {
        let wire = Rc::downgrade(self);
        let message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(wire) = wire.upgrade() {
                wire.meter.enter();
                wire.heard(&event.data());
            }
        });
        let wire = Rc::downgrade(self);
        // Shared memory that cannot be had here: the other end is not of this page.
        let unreadable = Closure::<dyn FnMut(Event)>::new(move |_| {
            if let Some(wire) = wire.upgrade() {
                wire.meter.enter();
                wire.answer(None);
            }
        });
        self.port.set_onmessage(Some(message.as_ref().unchecked_ref()));
        self.port.set_onmessageerror(Some(unreadable.as_ref().unchecked_ref()));
        // New, so there were none.
        let _ = self.handlers.set(Handlers { _on_message: message, _on_unreadable: unreadable });
    }

    fn post(&self, message: &JsValue) -> bool {
        self.port.post_message(message).is_ok()
    }

    fn offer(&self, rings: bool) {
        if rings && let (Some(down), Some(up)) = (ring::memory(), ring::memory()) {
            self.offered.replace(Rings::over(&down, &up));
            if self.post(&Array::of2(&up, &down)) {
                return;
            }
            // It can be had, and not be sent: the page is not cross-origin isolated.
            self.offered.take();
        }
        self.post(&"port".into());
    }

    /// Answers an offer, with rings if there are any.
    fn answer(&self, rings: Option<Rings>) {
        if self.agreed.get() || self.role != Role::Answers {
            return self.meter.drop_received("an offer out of turn");
        }
        self.post(&if rings.is_some() { "ring" } else { "port" }.into());
        self.agree(rings);
    }

    fn agree(&self, rings: Option<Rings>) {
        self.meter.cable.set(if rings.is_some() { "ring" } else { "port" });
        if let Some(rings) = rings {
            // There were none before: this happens once.
            let _ = self.rings.set(rings);
            // From now on it sleeps, or knows what there is.
            self.post(&JsValue::NULL);
        }
        self.agreed.set(true);
        self.show_link();
    }

    fn heard(self: &Rc<Self>, message: &JsValue) {
        if message.is_null() {
            self.look();
        } else if let Some(buffer) = message.dyn_ref::<ArrayBuffer>() {
            if buffer.byte_length() as usize > IN_FLIGHT_MAX {
                return self.meter.drop_received("a batch that is longer than all that may be under way");
            }
            let bytes = Uint8Array::new(buffer).to_vec();
            self.take(&bytes);
            self.post(&(bytes.len() as f64).into());
        } else if let Some(taken) = message.as_f64() {
            self.in_flight.set(self.in_flight.get().saturating_sub(taken as usize));
            wake(&self.meter.writer);
        } else if let Some(plugged) = message.as_bool() {
            self.peer_plugged.set(plugged);
            self.show_link();
        } else if let Some(offer) = message.dyn_ref::<Array>() {
            self.answer(Rings::over(&offer.get(0), &offer.get(1)));
        } else {
            match (message.as_string().as_deref(), self.role) {
                (Some("gone"), _) => {
                    // What it wrote before comes first, as it does in messages.
                    self.look();
                    self.hang_up();
                }
                (Some("port"), Role::Answers) => self.answer(None),
                (Some("port"), _) if !self.agreed.get() => self.agree(None),
                (Some("ring"), Role::Offers { .. }) if !self.agreed.get() => self.agree(self.offered.take()),
                _ => self.meter.drop_received("a message that is none of a cable's"),
            }
        }
    }

    fn show_link(&self) {
        let up = self.agreed.get() && self.plugged.get() && self.peer_plugged.get() && !self.meter.gone.get();
        if !up {
            self.lose_batch();
        }
        self.meter.set_link(if up { Link::Up } else { Link::Down });
    }

    fn lose_batch(&self) {
        self.batch.borrow_mut().clear();
        let lost = self.waiting.take();
        self.meter.count(|stats| stats.tx_dropped += lost);
    }

    fn hang_up(&self) {
        if self.meter.gone.get() {
            return;
        }
        self.post(&"gone".into());
        self.port.set_onmessage(None);
        self.port.set_onmessageerror(None);
        self.port.close();
        self.lose_batch();
        self.meter.vanish();
    }

    fn has_room(&self) -> bool {
        let waiting = self.batch.borrow().len();
        match self.rings.get() {
            None => waiting + self.in_flight.get() + FRAME_MAX <= IN_FLIGHT_MAX,
            Some(rings) => match rings.writer.has_room(waiting + FRAME_MAX) {
                Ok(room) => room,
                // The next frame that is sent finds it gone.
                Err(ring::Broken) => {
                    self.broken();
                    true
                }
            },
        }
    }

    fn broken(&self) {
        self.meter.complain("counters of a ring that cannot be, so its cable is taken away");
        self.hang_up();
    }

    /// Sends what waits.
    fn flush(&self) {
        let mut waiting = self.batch.borrow_mut();
        if waiting.is_empty() {
            return;
        }
        match self.rings.get() {
            Some(rings) => {
                if rings.writer.write(&waiting) {
                    self.post(&JsValue::NULL);
                }
            }
            None => {
                let bytes = Uint8Array::from(&waiting[..]).buffer();
                // The buffer is new, and so it can be handed over.
                let _ = self.port.post_message_with_transferable(&bytes, &Array::of1(&bytes));
                self.in_flight.set(self.in_flight.get() + waiting.len());
            }
        }
        waiting.clear();
        self.waiting.set(0);
    }

    fn take(&self, bytes: &[u8]) {
        if self.meter.link() == Link::Up {
            batch::frames(bytes).for_each(|frame| self.meter.take(frame));
        }
    }

    /// Takes what is in the ring, and sleeps if that was all.
    fn look(self: &Rc<Self>) {
        let Some(rings) = self.rings.get() else { return };
        let mut bytes = self.arrived.take();
        match rings.reader.read(&mut bytes) {
            Err(ring::Broken) => return self.broken(),
            Ok(writer_waits) => {
                self.take(&bytes);
                if writer_waits {
                    self.post(&JsValue::NULL);
                }
            }
        }
        self.arrived.replace(bytes);
        if !rings.reader.sleep() && !self.looking_again.replace(true) {
            // A turn later: a peer that writes without end does not keep this realm from everything else.
            let wire = self.clone();
            detached(Box::pin(async move {
                sleep::until(clock::now()).await;
                wire.looking_again.set(false);
                if !wire.meter.gone.get() {
                    wire.meter.enter();
                    wire.look();
                }
            }));
        }
        if self.has_room() {
            wake(&self.meter.writer);
        }
    }
}
