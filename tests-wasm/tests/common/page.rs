//! Cables within a page.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use js_sys::{Array, ArrayBuffer, Atomics, Int32Array, Reflect, SharedArrayBuffer, Uint8Array};
use mirage_conformance::network;
use mirage_conformance::network::NetworkRig;
use mirage_sig::{Failure, Link, Network, Runtime, SendError, Sleep};
use platform_js::{Interface, Plug};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{MessageChannel, MessageEvent, MessagePort};

use super::suites::left_out;
use super::{Domain, holds};

/// Bytes behind their length, as a batch has them.
fn record(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_le_bytes(), bytes].concat()
}

fn buffer(bytes: &[u8]) -> ArrayBuffer {
    Uint8Array::from(bytes).buffer()
}

/// Cables from one end to the other, without a switch between.
pub struct Cables {
    rings: bool,
    /// How the left end is pulled out, and its port's other side.
    left: RefCell<Option<(Plug, Plug, MessagePort)>>,
}

impl Cables {
    pub fn messages() -> Self {
        Self { rings: false, left: RefCell::default() }
    }

    /// None where no memory is shared.
    pub async fn rings(test: &str) -> Option<Self> {
        let has = |name: &str| Reflect::get(&js_sys::global(), &name.into()).unwrap().is_truthy();
        if !has("crossOriginIsolated") || !has("SharedArrayBuffer") {
            left_out(&format!("{test}, on a ring: this browser shares no memory here")).await;
            return None;
        }
        Some(Self { rings: true, left: RefCell::default() })
    }
}

impl NetworkRig for Cables {
    type Network = Interface;
    type Error = Failure;

    async fn cable(&self) -> Result<(Interface, Interface), Failure> {
        let channel = MessageChannel::new().unwrap();
        let left = Interface::on_port("left", channel.port1());
        let right = Interface::offer("right", channel.port2(), self.rings);
        left.link_change(Link::Down).await;
        right.link_change(Link::Down).await;
        assert_eq!((left.cable(), right.cable()), if self.rings { ("ring", "ring") } else { ("port", "port") });
        self.left.replace(Some((left.plug().unwrap(), right.plug().unwrap(), channel.port2())));
        Ok((left, right))
    }

    async fn plug(&self, link: Link) -> bool {
        self.left.borrow().as_ref().unwrap().0.plug(link);
        true
    }

    async fn vanish(&self) -> bool {
        self.left.borrow().as_ref().unwrap().1.remove();
        true
    }

    async fn inject(&self, bytes: &[u8]) -> bool {
        // Into a ring, only its own writer can; see `nonsense_in_a_ring`.
        if !self.rings {
            self.left.borrow().as_ref().unwrap().2.post_message(&buffer(&record(bytes))).unwrap();
        }
        !self.rings
    }
}

pub async fn network_of_a_port() {
    holds(network::suite(&Domain::idle().platform(), &Cables::messages()).await);
}

pub async fn network_of_a_ring() {
    let Some(rig) = Cables::rings("network").await else { return };
    holds(network::suite(&Domain::idle().platform(), &rig).await);
}

/// What the other end of a domain's cable is told, by a peer that is played by hand.
pub struct Peer {
    pub port: MessagePort,
    pub heard: Rc<RefCell<Vec<JsValue>>>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

impl Peer {
    pub fn new(port: MessagePort) -> Self {
        let heard = Rc::<RefCell<Vec<JsValue>>>::default();
        let into = heard.clone();
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            into.borrow_mut().push(event.data());
        });
        port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Self { port, heard, _on_message: on_message }
    }

    pub fn say(&self, message: impl Into<JsValue>) {
        self.port.post_message(&message.into()).unwrap();
    }

    pub fn has_heard(&self, text: &str) -> bool {
        self.heard.borrow().iter().any(|message| message.as_string().as_deref() == Some(text))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.port.set_onmessage(None);
    }
}

/// So that what was sent has arrived.
pub const TURNS: Duration = Duration::from_millis(50);

pub async fn nonsense_on_a_port() {
    let domain = Domain::idle();
    let platform = domain.platform();
    let channel = MessageChannel::new().unwrap();
    let interface = Interface::on_port("lan:0", channel.port1());
    let peer = Peer::new(channel.port2());
    // No frames before both ends have agreed, and no rings out of anything.
    peer.say(buffer(&record(&[0; 60])));
    peer.say(Array::of2(&JsValue::NULL, &buffer(&[0; 8])));
    interface.link_change(Link::Down).await;
    platform.sleep(TURNS).await;
    assert!(peer.has_heard("port") && interface.cable() == "port");
    assert_eq!(interface.stats().rx_frames, 0);
    // Cut off: in its length, and in its bytes. Nothing at all is a batch without frames.
    peer.say(buffer(&[60]));
    peer.say(buffer(&record(&[0; 60])[..61]));
    peer.say(buffer(&[]));
    // What was behind one that is none is a frame all the same.
    peer.say(buffer(&[record(&[0; 13]), record(&[1; 14]), record(&[0; 1515])].concat()));
    // No messages of ours, or out of turn, or more taken than was given.
    for message in ["ring", "port", "hello"] {
        peer.say(message);
    }
    for count in [1e300, -1.0, f64::NAN] {
        peer.say(count);
    }
    peer.say(js_sys::Object::new());
    peer.say(Array::new());
    peer.say(buffer(&vec![0; 600_000]));
    peer.say(JsValue::NULL);
    peer.say(buffer(&record(&[2; 60])));
    while interface.stats().rx_frames < 2 {
        platform.sleep(Duration::from_millis(1)).await;
    }
    let stats = interface.stats();
    // Two cut off, two that are none, three words, an object, an offer, and too much of nothing.
    assert_eq!((stats.rx_frames, stats.rx_dropped), (2, 10));
    assert_eq!(domain.screen.borrow().matches("Dropped and counted").count(), 1, "logged once");
    assert_eq!(interface.try_receive(|frame| frame.to_vec()), Some(vec![1; 14]));
    assert_eq!(interface.try_receive(|frame| frame.to_vec()), Some(vec![2; 60]));
    // A peer that takes nothing has the link full, and that is all.
    while interface.try_send(1514, |_| ()).is_ok() {}
    assert_eq!(interface.try_send(14, |_| ()), Err(SendError::Full));
    peer.say("gone");
    interface.writable().await;
    assert_eq!(interface.try_send(14, |_| ()), Err(SendError::Gone));
}

pub async fn nonsense_in_a_ring() {
    let Some(_) = Cables::rings("nonsense").await else { return };
    // The counters of what the peer has written, and of what it has read; each cannot be.
    for (word, counter) in [(0, -1), (0, 600_000), (16, 600_000), (16, -5)] {
        let platform = Domain::idle().platform();
        let channel = MessageChannel::new().unwrap();
        let interface = Interface::on_port("lan:0", channel.port1());
        let peer = Peer::new(channel.port2());
        let (up, down) = (SharedArrayBuffer::new(128 + 512 * 1024), SharedArrayBuffer::new(128 + 512 * 1024));
        peer.say(Array::of2(&up, &down));
        interface.link_change(Link::Down).await;
        platform.sleep(TURNS).await;
        assert!(peer.has_heard("ring") && interface.cable() == "ring");
        // A frame by hand, which goes through.
        let bytes = Uint8Array::new_with_byte_offset(&down, 128);
        bytes.subarray(0, 62).copy_from(&record(&[7; 60]));
        Atomics::store(&Int32Array::new(&down), 0, 62).unwrap();
        peer.say(JsValue::NULL);
        interface.readable().await;
        assert_eq!(interface.try_receive(|frame| frame.to_vec()), Some(vec![7; 60]));

        let ring = if word == 0 { &down } else { &up };
        Atomics::store(&Int32Array::new(ring), word, counter).unwrap();
        if word == 0 {
            peer.say(JsValue::NULL);
        } else {
            // It looks when its own count says that there is no room any more.
            while interface.try_send(1514, |_| ()).is_ok() {}
        }
        interface.readable().await;
        assert_eq!(interface.try_send(60, |_| ()), Err(SendError::Gone), "{word}: {counter}");
        platform.sleep(TURNS).await;
        assert!(peer.has_heard("gone"));
    }
}

/// The other end leaves while frames are on their way, and while somebody waits for room.
pub async fn a_cable_that_ends() {
    let mut rigs = vec![Cables::messages()];
    rigs.extend(Cables::rings("an end").await);
    for rig in rigs {
        let platform = Domain::idle().platform();
        let (left, right) = rig.cable().await.unwrap();
        for _ in 0..100 {
            left.try_send(60, |_| ()).unwrap();
        }
        drop(left);
        let mut received = 0;
        loop {
            right.readable().await;
            match right.try_receive(|_| ()) {
                Some(()) => received += 1,
                None => break,
            }
        }
        assert_eq!(received, 100, "what was sent before the end comes before it, by {}", right.cable());

        let (left, right) = rig.cable().await.unwrap();
        let later = platform.clone();
        spawn_local(async move {
            later.sleep(TURNS).await;
            drop(right);
        });
        let sends_on = async {
            loop {
                left.writable().await;
                if left.try_send(1514, |_| ()) == Err(SendError::Gone) {
                    break;
                }
            }
        };
        platform.timeout(Duration::from_secs(10), sends_on).await.expect("a sender is told of the end");

        // Nobody reads at the other end, so there is no room at last; then it is gone.
        let channel = MessageChannel::new().unwrap();
        let left = Interface::on_port("left", channel.port1());
        let peer = Peer::new(channel.port2());
        peer.say("port");
        left.link_change(Link::Down).await;
        while left.try_send(1514, |_| ()).is_ok() {}
        let (waits, ends) = (left.writable(), async {
            platform.sleep(TURNS).await;
            peer.say("gone");
        });
        platform.timeout(Duration::from_secs(10), join(waits, ends)).await.expect("who waits for room is told");
        assert_eq!(left.try_send(60, |_| ()), Err(SendError::Gone));
    }
}

/// Both.
async fn join(left: impl Future<Output = ()>, right: impl Future<Output = ()>) {
    let (mut left, mut right) = (pin!(left), pin!(right));
    let (mut left_done, mut right_done) = (false, false);
    poll_fn(|cx| {
        left_done = left_done || left.as_mut().poll(cx).is_ready();
        right_done = right_done || right.as_mut().poll(cx).is_ready();
        if left_done && right_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
