//! A LAN of all tabs and workers of this origin: a BroadcastChannel (HTML standard, section 9.5), named as v86 names it, so
//! that its machines are on the same LAN.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, MessageEvent};

use super::{Meter, wake};
use crate::spawn::detached;
use crate::{clock, sleep};

/// What a LAN's number is put behind to name its channel.
pub const PREFIX: &str = "v86-inbrowser-";

/// Frames that may be sent in one turn of the event loop. The channel itself takes any number and keeps them all in memory,
/// so that a sender who never yields would fill it.
const BURST_MAX: usize = 256;

pub(super) struct Lan {
    channel: BroadcastChannel,
    burst: Rc<Cell<usize>>,
    turn_requested: Rc<Cell<bool>>,
    meter: Rc<Meter>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

impl Lan {
    pub fn join(number: u16, meter: Rc<Meter>) -> Result<Self, JsValue> {
        let channel = BroadcastChannel::new(&format!("{PREFIX}{number}"))?;
        let receiver = meter.clone();
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            receiver.enter();
            receiver.arrived(&event.data());
        });
        channel.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Ok(Self { channel, burst: Rc::default(), turn_requested: Rc::default(), meter, _on_message: on_message })
    }

    pub fn has_room(&self) -> bool {
        self.burst.get() < BURST_MAX
    }

    pub fn send(&self, frame: &[u8]) -> bool {
        let sent = self.channel.post_message(&Uint8Array::from(frame)).is_ok();
        self.burst.set(self.burst.get() + 1);
        self.request_turn();
        sent
    }

    /// The next turn of the event loop, which has been asked for by the frame that filled the burst, does it.
    pub fn wake_when_there_is_room(&self) {
        self.request_turn();
    }

    fn request_turn(&self) {
        if self.turn_requested.replace(true) {
            return;
        }
        let (burst, requested, meter) = (self.burst.clone(), self.turn_requested.clone(), self.meter.clone());
        detached(Box::pin(async move {
            sleep::until(clock::now()).await;
            burst.set(0);
            requested.set(false);
            wake(&meter.writer);
        }));
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        self.channel.set_onmessage(None);
        self.channel.close();
    }
}
