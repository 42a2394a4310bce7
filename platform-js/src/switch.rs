//! The page's own Ethernet switch: a LAN in memory, with a cable to each domain of the page and one to the other tabs.
//!
//! It is put together from parts: the LAN and what disturbs its frames are mirage-net's, each cable ends in an
//! [`Interface`], and a task carries frames from one to the other. What the page does to the LAN (loses, delays, throttles)
//! happens to a frame once: as it comes in. Unicast frames between two domains of the page never leave it.

mod mirror;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use mirage_net::{Control, Direction, Event, Faults, Impairment, Lan, Tap};
use mirage_sig::{Link, Network, Platform, Random, SendError, Spawn};
use wasm_bindgen::prelude::*;
use web_sys::MessagePort;

use crate::console::{Screen, Terminal};
use crate::domain::{App, Domain};
use crate::network::{Interface, Plug};
use crate::platform::Browser;
use mirror::Mirror;

/// Its tasks are a domain's, so that they end with it.
const SWITCH: App = App {
    name: "switch",
    args: &[],
    start: |p| {
        Box::pin(async move {
            p.shutdown_requested().await;
            Ok(())
        })
    },
};

/// Frames that are carried before others have their turn; fewer than wait at a port of the LAN ([`Lan::RECEIVE_QUEUE_MAX`]), so
/// that what comes in one batch is taken away in time.
const TURN_MAX: usize = 64;

/// The cable to other tabs. The page numbers its own.
const UPLINK: u32 = 0;

/// An Ethernet switch for domains of one page. In a worker of its own a busy page does not slow the LAN.
#[wasm_bindgen]
pub struct Switch(Rc<Inner>);

struct Inner {
    domain: Rc<Domain>,
    net: String,
    lan: Lan,
    rings: bool,
    cables: RefCell<Vec<Cable>>,
    impairment: Cell<Impairment>,
    mirror: Rc<Mirror>,
}

struct Cable {
    number: u32,
    /// None for the uplink.
    plug: Option<Plug>,
    control: Control,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.domain.destroy();
    }
}

#[wasm_bindgen]
impl Switch {
    /// A switch for the LAN `net`, as in `lan:0`, which it joins to that LAN in other tabs. With `rings`, and where the page is
    /// cross-origin isolated, frames go through shared memory; else by messages.
    #[wasm_bindgen(constructor)]
    pub fn new(net: &str, rings: bool) -> Result<Self, JsError> {
        // It says nothing that its page would not see elsewhere.
        let domain = Domain::boot(SWITCH, "", None, Terminal::new(Screen::Page(Box::new(|_| ()))), Box::new(|_| ()));
        let uplink = Interface::plug_in(net).map_err(|failure| JsError::new(&failure.to_string()))?;
        let switch = Rc::new(Inner {
            domain,
            net: net.to_owned(),
            lan: Lan::switch(),
            rings,
            cables: RefCell::default(),
            impairment: Cell::new(Impairment::NONE),
            mirror: Rc::default(),
        });
        switch.carry(UPLINK, uplink);
        Ok(Self(switch))
    }

    /// Plugs in a cable whose other end a domain has; `number` names it, from 1.
    pub fn plug(&self, number: u32, port: MessagePort) {
        self.0.carry(number, Interface::offer(&self.0.net, port, self.0.rings));
    }

    /// Pulls a cable out, or plugs it in again: the domain sees its link go down, or come up.
    pub fn pull(&self, number: u32, out: bool) {
        if let Some(plug) = self.0.plug(number) {
            plug.plug(if out { Link::Down } else { Link::Up });
        }
    }

    /// Takes a cable away, as the domain at its other end cannot do any more.
    pub fn remove(&self, number: u32) {
        if let Some(plug) = self.0.plug(number) {
            plug.remove();
        }
    }

    /// What happens from now on to each frame that comes in: the chance that it is lost, from 0 to 1; how long it travels, in
    /// milliseconds; and how much each cable carries, in Mbit/s, 0 for no bound.
    #[wasm_bindgen(js_name = setFaults)]
    pub fn set_faults(&self, loss: f64, delay_ms: f64, rate_mbps: f64) {
        let impairment = Impairment {
            loss_ppm: (loss.clamp(0.0, 1.0) * 1e6) as u32,
            // To the microsecond; a cast of what is no number gives 0.
            delay: Duration::from_micros((delay_ms * 1e3) as u64).min(DELAY_MAX),
            rate_bps: (rate_mbps * 1e6) as u64,
            ..Impairment::NONE
        };
        self.0.impairment.set(impairment);
        for cable in self.0.cables.borrow().iter() {
            cable.control.set(Direction::Sent, impairment);
        }
    }

    /// Copies each frame that passes to `port`, as messages of frames and how many were left out so far; see `MirroredFrames`.
    /// None ends that.
    pub fn mirror(&self, port: Option<MessagePort>) {
        Mirror::show_to(&self.0.mirror, port);
    }
}

/// The longest delay.
const DELAY_MAX: Duration = Duration::from_secs(10);

impl Inner {
    fn plug(&self, number: u32) -> Option<Plug> {
        let cables = self.cables.borrow();
        cables.iter().find(|cable| cable.number == number).and_then(|cable| cable.plug.clone())
    }

    /// Joins a cable to the LAN, for as long as its other end is there.
    fn carry(self: &Rc<Self>, number: u32, interface: Interface) {
        let platform = Browser::new(self.domain.clone());
        let mirror = self.mirror.clone();
        let tap = Tap::with(self.lan.port(), platform.clone(), move |event: &Event<'_>| mirror.show(event));
        let port = Faults::new(tap, platform.clone(), u64::from_ne_bytes(platform.random()));
        let control = port.control();
        control.set(Direction::Sent, self.impairment.get());
        self.cables.borrow_mut().push(Cable { number, plug: interface.plug(), control });
        let switch = Rc::downgrade(self);
        platform.spawn_boxed(Box::pin(async move {
            {
                let (mut up, mut down) = (pin!(carry(&interface, &port)), pin!(carry(&port, &interface)));
                poll_fn(|cx| {
                    let ended = up.as_mut().poll(cx).is_ready() || down.as_mut().poll(cx).is_ready();
                    if ended { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
            }
            if let Some(switch) = switch.upgrade() {
                switch.cables.borrow_mut().retain(|cable| cable.number != number);
            }
        }));
    }
}

/// Carries frames from one network to the other, until one of them is gone.
async fn carry(from: &impl Network, to: &impl Network) {
    loop {
        from.readable().await;
        for count in 0..TURN_MAX {
            // What has no room waits where it came from, which drops the newest when that is full too.
            to.writable().await;
            match from.try_receive(|frame| to.try_send(frame.len(), |room| room.copy_from_slice(frame))) {
                None if count == 0 => return,
                Some(Err(SendError::Gone)) => return,
                None => break,
                Some(_) => {}
            }
        }
        yield_now().await;
    }
}

/// Lets the tasks run that are ready.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
