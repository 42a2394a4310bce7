//! Copies of the frames that pass, for the page to look at. The page says when it can take more; meanwhile they wait, bounded,
//! and beyond that they are only counted: looking never slows the LAN.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Array, Uint8Array};
use mirage_net::{Direction, Event};
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, MessagePort};

use crate::clock;
use crate::spawn::detached;

/// Bytes of frames that wait for the page: more than half of what it keeps.
const WAITING_MAX: usize = 1 << 20;

#[derive(Default)]
pub struct Mirror {
    viewer: RefCell<Option<Viewer>>,
    /// Frames, each behind its time (milliseconds since 1970, a double) and its length (two bytes), little-endian.
    waiting: RefCell<Vec<u8>>,
    left_out: Cell<u32>,
    /// What monotonic time began at, in milliseconds since 1970.
    origin_ms: Cell<f64>,
    /// A message is at the page, or about to go there.
    busy: Cell<bool>,
}

/// Who looks, and says by any message that it can take more.
struct Viewer {
    port: MessagePort,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.port.set_onmessage(None);
        self.port.close();
    }
}

impl Mirror {
    /// Shows frames to the other end of `port` from now on, instead of whoever looked before.
    pub fn show_to(this: &Rc<Self>, port: Option<MessagePort>) {
        this.waiting.take();
        this.left_out.set(0);
        this.busy.set(false);
        this.origin_ms.set(js_sys::Date::now() - clock::milliseconds());
        let mirror = Rc::downgrade(this);
        this.viewer.replace(port.map(|port| {
            let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |_| {
                if let Some(mirror) = mirror.upgrade() {
                    mirror.busy.set(false);
                    mirror.flush();
                }
            });
            port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
            Viewer { port, _on_message: on_message }
        }));
    }

    /// A frame passes.
    pub fn show(self: &Rc<Self>, event: &Event<'_>) {
        // Once: as it comes in.
        if event.direction == Direction::Received || self.viewer.borrow().is_none() {
            return;
        }
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() + event.frame.len() > WAITING_MAX {
            return self.left_out.set(self.left_out.get() + 1);
        }
        let time_ms = self.origin_ms.get() + event.time.as_nanos() as f64 / 1e6;
        waiting.extend_from_slice(&time_ms.to_le_bytes());
        waiting.extend_from_slice(&(event.frame.len() as u16).to_le_bytes());
        waiting.extend_from_slice(event.frame);
        drop(waiting);
        if !self.busy.replace(true) {
            let mirror = self.clone();
            // Together with what passes in the same turn.
            detached(Box::pin(async move { mirror.flush() }));
        }
    }

    fn flush(&self) {
        let waiting = self.waiting.take();
        let viewer = self.viewer.borrow();
        if let Some(viewer) = viewer.as_ref()
            && !waiting.is_empty()
        {
            self.busy.set(true);
            let bytes = Uint8Array::from(&waiting[..]).buffer();
            let message = Array::of2(&bytes, &self.left_out.get().into());
            // The buffer is new, and so it can be handed over.
            let _ = viewer.port.post_message_with_transferable(&message, &Array::of1(&bytes));
        }
    }
}
