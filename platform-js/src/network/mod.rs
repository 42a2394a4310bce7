//! Ethernet interfaces. What they are plugged into is a cable: one within the page ([`port`], [`ring`]), a LAN of this origin's
//! tabs ([`broadcast`]), or a relay ([`websocket`]). On the last two, one frame is one message, raw Ethernet, no header, as v86,
//! jor1k and the common relays have it.

mod batch;
mod broadcast;
mod port;
mod ring;
mod websocket;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};

use js_sys::{ArrayBuffer, Uint8Array};
use mirage_sig::{Failure, Link, Mac, Network, NetworkStats, SendError};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::MessagePort;

use crate::describe::describe;
use crate::domain::Domain;
use crate::random;

pub use broadcast::PREFIX as BROADCAST_PREFIX;
pub use port::Plug;

/// The longest payload of a frame, in bytes.
const MTU: usize = 1_500;

/// The length of an Ethernet header (IEEE 802.3 clause 3.1.1): two addresses and a type.
const HEADER: usize = 14;

/// Frames that have arrived and wait for the unikernel. What comes when it is full is dropped, and counted.
pub const RECEIVE_QUEUE_MAX: usize = 1_024;

/// What an interface and its cable share, and the page may look at.
pub(crate) struct Meter {
    name: String,
    /// Whose interface it is.
    owner: OnceCell<Weak<Domain>>,
    /// How frames go, as the page is told.
    cable: Cell<&'static str>,
    mac: Mac,
    link: Cell<Link>,
    /// The other end is gone for good.
    gone: Cell<bool>,
    stats: Cell<NetworkStats>,
    received: RefCell<VecDeque<Vec<u8>>>,
    reader: RefCell<Option<Waker>>,
    writer: RefCell<Option<Waker>>,
    link_watcher: RefCell<Option<Waker>>,
    /// A kind of wrong message has been logged, and is only counted from then on.
    complained: Cell<bool>,
}

impl Meter {
    fn new(name: &str, cable: &'static str, link: Link) -> Rc<Self> {
        let mut random = [0; 6];
        random::fill(&mut random);
        Rc::new(Self {
            name: name.to_owned(),
            owner: OnceCell::new(),
            cable: Cell::new(cable),
            mac: Mac::local(random),
            link: Cell::new(link),
            gone: Cell::new(false),
            stats: Cell::default(),
            received: RefCell::default(),
            reader: RefCell::default(),
            writer: RefCell::default(),
            link_watcher: RefCell::default(),
            complained: Cell::new(false),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn cable(&self) -> &'static str {
        self.cable.get()
    }

    pub fn mac(&self) -> Mac {
        self.mac
    }

    pub fn link(&self) -> Link {
        self.link.get()
    }

    pub fn stats(&self) -> NetworkStats {
        self.stats.get()
    }

    /// To be called first by whatever the browser calls: it runs outside of all tasks, when the domain that ran last, whichever
    /// of the window's that was, would have to answer for what is logged.
    fn enter(&self) {
        if let Some(owner) = self.owner.get().and_then(Weak::upgrade) {
            owner.make_current();
        }
    }

    /// Whose interface it is from now on.
    pub fn belongs_to(&self, domain: &Rc<Domain>) {
        // Only once: an interface stays with who plugged it in.
        let _ = self.owner.set(Rc::downgrade(domain));
    }

    fn count(&self, change: impl FnOnce(&mut NetworkStats)) {
        let mut stats = self.stats.get();
        change(&mut stats);
        self.stats.set(stats);
    }

    /// Takes a message that came in over the cable.
    fn arrived(&self, message: &JsValue) {
        let frame = if let Some(buffer) = message.dyn_ref::<ArrayBuffer>() {
            Uint8Array::new(buffer)
        } else if let Some(bytes) = message.dyn_ref::<Uint8Array>() {
            bytes.clone()
        } else {
            return self.drop_received("a message that is no frame; a peer must send binary messages");
        };
        self.take_if(frame.length() as usize, || frame.to_vec());
    }

    /// Takes a frame that came in over the cable, and may be none.
    fn take(&self, frame: &[u8]) {
        self.take_if(frame.len(), || frame.to_vec());
    }

    /// Takes a frame of that length, unless it is none or there is no room.
    fn take_if(&self, length: usize, frame: impl FnOnce() -> Vec<u8>) {
        if !(HEADER..=HEADER + MTU).contains(&length) {
            return self.drop_received(&format!("a frame of {length} bytes; a frame has {HEADER} to {}", HEADER + MTU));
        }
        if self.received.borrow().len() >= RECEIVE_QUEUE_MAX {
            return self.count(|stats| stats.rx_dropped += 1);
        }
        self.received.borrow_mut().push_back(frame());
        self.count(|stats| {
            stats.rx_frames += 1;
            stats.rx_bytes += length as u64;
        });
        wake(&self.reader);
    }

    fn drop_received(&self, what: &str) {
        self.count(|stats| stats.rx_dropped += 1);
        self.complain(what);
    }

    /// Says what is wrong with the peer, once.
    fn complain(&self, what: &str) {
        if !self.complained.replace(true) {
            log::warn!(target: "network", "{}: received {what}. Dropped and counted; further ones are not logged", self.name);
        }
    }

    fn set_link(&self, link: Link) {
        if self.link.replace(link) != link {
            wake(&self.link_watcher);
            wake(&self.writer);
        }
    }

    /// The other end is gone for good.
    fn vanish(&self) {
        self.gone.set(true);
        self.set_link(Link::Down);
        wake(&self.reader);
        wake(&self.writer);
    }
}

fn wake(place: &RefCell<Option<Waker>>) {
    let waker = place.borrow_mut().take();
    if let Some(waker) = waker {
        waker.wake();
    }
}

enum Cable {
    Page(port::End),
    Broadcast(broadcast::Lan),
    WebSocket(websocket::Relay),
}

/// An Ethernet interface of the browser. MTU 1,500. Dropping it pulls the cable.
pub struct Interface {
    meter: Rc<Meter>,
    cable: Cable,
    /// Where frames are put together.
    buffer: RefCell<Vec<u8>>,
}

impl Interface {
    /// Plugs a new interface in: `lan:0`, or a relay's address (`ws:` or `wss:`).
    pub fn plug_in(cable: &str) -> Result<Self, Failure> {
        let wrong = || {
            Failure::new(format!(
                "network {cable:?}: expected lan:0 (up to lan:65535), or a relay such as ws://127.0.0.1:8086/lan0"
            ))
        };
        let (meter, cable) = match cable.split_once(':') {
            Some(("lan", number)) => {
                let number: u16 = number.parse().map_err(|_| wrong())?;
                let meter = Meter::new(cable, "broadcast", Link::Up);
                let lan = broadcast::Lan::join(number, meter.clone());
                (
                    meter,
                    Cable::Broadcast(
                        lan.map_err(|error| Failure::new(format!("network {cable:?}: {}", describe(&error))))?,
                    ),
                )
            }
            Some(("ws" | "wss", _)) => {
                let meter = Meter::new(cable, "websocket", Link::Down);
                let relay = websocket::Relay::dial(cable, meter.clone());
                (meter, Cable::WebSocket(relay.map_err(|error| Failure::new(format!("network {cable:?}: {error}")))?))
            }
            _ => return Err(wrong()),
        };
        Ok(Self::new(meter, cable))
    }

    fn new(meter: Rc<Meter>, cable: Cable) -> Self {
        Self { meter, cable, buffer: RefCell::new(vec![0; HEADER + MTU]) }
    }

    /// The domain's end of a cable within the page, to the LAN called `name`. Its link comes up when the other end has made
    /// its offer.
    pub fn on_port(name: &str, port: MessagePort) -> Self {
        let meter = Meter::new(name, "port", Link::Down);
        Self::new(meter.clone(), Cable::Page(port::End::new(port, port::Role::Answers, meter)))
    }

    /// The switch's end of such a cable, which offers rings of shared memory if `rings`, and does without if they are not to be
    /// had.
    pub fn offer(name: &str, port: MessagePort, rings: bool) -> Self {
        let meter = Meter::new(name, "port", Link::Down);
        Self::new(meter.clone(), Cable::Page(port::End::new(port, port::Role::Offers { rings }, meter)))
    }

    /// How frames go: `ring`, `port`, `broadcast`, `websocket`.
    pub fn cable(&self) -> &'static str {
        self.meter.cable()
    }

    /// A hand on the cable, if it is one within the page.
    pub fn plug(&self) -> Option<Plug> {
        match &self.cable {
            Cable::Page(end) => Some(end.plug()),
            _ => None,
        }
    }

    pub(crate) fn meter(&self) -> &Rc<Meter> {
        &self.meter
    }

    fn has_room(&self) -> bool {
        match &self.cable {
            Cable::Page(end) => end.has_room(),
            Cable::Broadcast(lan) => lan.has_room(),
            Cable::WebSocket(relay) => relay.has_room(),
        }
    }
}

impl Network for Interface {
    fn mac(&self) -> Mac {
        self.meter.mac
    }

    fn mtu(&self) -> usize {
        MTU
    }

    fn link(&self) -> Link {
        self.meter.link()
    }

    fn try_send<R>(&self, length: usize, fill: impl FnOnce(&mut [u8]) -> R) -> Result<R, SendError> {
        if self.meter.gone.get() {
            return Err(SendError::Gone);
        }
        if !(HEADER..=HEADER + MTU).contains(&length) {
            return Err(SendError::Length { asked: length, longest: HEADER + MTU });
        }
        let up = self.meter.link() == Link::Up;
        if up && !self.has_room() {
            return Err(SendError::Full);
        }
        // Out of its place while `fill` runs, which may use this interface.
        let mut buffer = self.buffer.take();
        buffer.resize(HEADER + MTU, 0);
        let frame = &mut buffer[..length];
        frame.fill(0);
        let filled = fill(frame);
        let sent = up
            && match &self.cable {
                Cable::Page(end) => end.send(frame),
                Cable::Broadcast(lan) => lan.send(frame),
                Cable::WebSocket(relay) => relay.send(frame),
            };
        self.buffer.replace(buffer);
        self.meter.count(|stats| {
            stats.tx_frames += 1;
            stats.tx_bytes += length as u64;
            stats.tx_dropped += u64::from(!sent);
        });
        Ok(filled)
    }

    fn try_receive<R>(&self, take: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        let mut frame = self.meter.received.borrow_mut().pop_front()?;
        Some(take(&mut frame))
    }

    async fn readable(&self) {
        poll_fn(|cx| {
            if !self.meter.received.borrow().is_empty() || self.meter.gone.get() {
                return Poll::Ready(());
            }
            self.meter.reader.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    async fn writable(&self) {
        poll_fn(|cx| {
            if self.meter.link() == Link::Down || self.has_room() {
                return Poll::Ready(());
            }
            self.meter.writer.replace(Some(cx.waker().clone()));
            match &self.cable {
                Cable::Page(end) => end.wake_when_there_is_room(),
                Cable::Broadcast(lan) => lan.wake_when_there_is_room(),
                Cable::WebSocket(relay) => relay.wake_when_there_is_room(),
            }
            Poll::Pending
        })
        .await;
    }

    async fn link_change(&self, known: Link) -> Link {
        poll_fn(|cx| {
            if self.meter.link() != known {
                return Poll::Ready(self.meter.link());
            }
            self.meter.link_watcher.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await
    }

    fn stats(&self) -> NetworkStats {
        self.meter.stats()
    }
}
