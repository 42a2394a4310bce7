//! Cables within a page, and the switch that they lead to.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use js_sys::{Array, ArrayBuffer, Atomics, Int32Array, Reflect, SharedArrayBuffer, Uint8Array};
use mirage_conformance::network;
use mirage_conformance::network::NetworkRig;
use mirage_sig::{Failure, Link, Mac, Network, Platform, Runtime, SendError, Sleep, Stack};
use mirage_tcpip::{Config, Tcpip};
use platform_js::{Browser, Interface, Plug, Switch};
use wasm_bindgen::prelude::*;
use web_sys::{MessageChannel, MessageEvent, MessagePort};

use super::suites::left_out;
use super::{Domain, holds, nonce};

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
        let isolated = Reflect::get(&js_sys::global(), &"crossOriginIsolated".into()).unwrap();
        if !isolated.is_truthy() {
            left_out(&format!("{test}, on a ring: this realm is not cross-origin isolated")).await;
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
struct Peer {
    port: MessagePort,
    heard: Rc<RefCell<Vec<JsValue>>>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

impl Peer {
    fn new(port: MessagePort) -> Self {
        let heard = Rc::<RefCell<Vec<JsValue>>>::default();
        let into = heard.clone();
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            into.borrow_mut().push(event.data());
        });
        port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Self { port, heard, _on_message: on_message }
    }

    fn say(&self, message: impl Into<JsValue>) {
        self.port.post_message(&message.into()).unwrap();
    }

    fn has_heard(&self, text: &str) -> bool {
        self.heard.borrow().iter().any(|message| message.as_string().as_deref() == Some(text))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.port.set_onmessage(None);
    }
}

const TURNS: Duration = Duration::from_millis(50);

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

/// Cables to a switch of its own.
pub struct Switched {
    switch: RefCell<Option<Switch>>,
}

impl Switched {
    pub fn new() -> Self {
        Self { switch: RefCell::default() }
    }
}

/// A new cable to a switch, with its link up.
async fn plugged(switch: &Switch, number: u32) -> Interface {
    let channel = MessageChannel::new().unwrap();
    switch.plug(number, channel.port1());
    let interface = Interface::on_port("lan", channel.port2());
    interface.link_change(Link::Down).await;
    interface
}

fn new_switch() -> (String, Switch) {
    let net = format!("lan:{}", nonce() as u16);
    let switch = Switch::new(&net, true).unwrap_or_else(|_| panic!("a LAN can always be joined"));
    (net, switch)
}

impl NetworkRig for Switched {
    type Network = Interface;
    type Error = Failure;

    async fn cable(&self) -> Result<(Interface, Interface), Failure> {
        let (_, switch) = new_switch();
        let ends = (plugged(&switch, 1).await, plugged(&switch, 2).await);
        self.switch.replace(Some(switch));
        Ok(ends)
    }
}

fn stack(platform: &Browser, network: Interface, number: u8) -> Tcpip {
    Tcpip::new(network, platform, Config::fixed([10, 0, 0, number].into(), 24)).unwrap()
}

pub async fn a_switch_disturbs_frames() {
    let platform = Domain::idle().platform();
    let (_, switch) = new_switch();
    let left = stack(&platform, plugged(&switch, 1).await, 1);
    let _right = stack(&platform, plugged(&switch, 2).await, 2);
    let ping = async || left.ping([10, 0, 0, 2].into(), 56).await;
    ping().await.unwrap();
    // Once on the way there, and once on the way back.
    switch.set_faults(0.0, 100.0, 0.0);
    let took = ping().await.unwrap();
    assert!(took >= Duration::from_millis(200), "{took:?}");
    switch.set_faults(1.0, 0.0, 0.0);
    let answer = platform.timeout(Duration::from_millis(500), ping()).await;
    assert!(!matches!(answer, Ok(Ok(_))), "{answer:?}");
    switch.set_faults(0.0, 0.0, 0.0);
    ping().await.unwrap();
    // What is no number is no fault.
    switch.set_faults(f64::NAN, f64::NAN, f64::NAN);
    ping().await.unwrap();
}

pub async fn a_switch_pulls_cables() {
    let platform = Domain::idle().platform();
    let (_, switch) = new_switch();
    let (left, right) = (plugged(&switch, 1).await, plugged(&switch, 2).await);
    switch.pull(1, true);
    assert_eq!(left.link_change(Link::Up).await, Link::Down);
    assert_eq!(right.link(), Link::Up);
    frame(&right, left.mac());
    platform.sleep(TURNS).await;
    assert!(left.try_receive(|_| ()).is_none());
    switch.pull(1, false);
    assert_eq!(left.link_change(Link::Down).await, Link::Up);
    frame(&right, left.mac());
    left.readable().await;
    assert!(left.try_receive(|_| ()).is_some());
    switch.remove(2);
    right.readable().await;
    assert_eq!(right.try_send(60, |_| ()), Err(SendError::Gone));
    // One that is not there, or not any more.
    switch.pull(2, false);
    switch.remove(7);
    drop(switch);
    left.readable().await;
    assert_eq!(left.try_send(60, |_| ()), Err(SendError::Gone));
}

/// Sends a frame of 60 bytes.
fn frame(from: &Interface, to: Mac) {
    let source = from.mac().0;
    let sent = from.try_send(60, |frame| {
        frame[..6].copy_from_slice(&to.0);
        frame[6..12].copy_from_slice(&source);
    });
    sent.unwrap();
}

pub async fn a_switch_mirrors_frames() {
    let platform = Domain::idle().platform();
    let (_, switch) = new_switch();
    let (left, right) = (plugged(&switch, 1).await, plugged(&switch, 2).await);
    frame(&left, Mac::BROADCAST);
    platform.sleep(TURNS).await;
    let channel = MessageChannel::new().unwrap();
    switch.mirror(Some(channel.port1()));
    let viewer = Peer::new(channel.port2());
    frame(&left, Mac::BROADCAST);
    frame(&right, left.mac());
    platform.sleep(TURNS).await;
    let bytes = |message: &JsValue| Uint8Array::new(&Array::from(message).get(0)).length();
    let seen = || viewer.heard.borrow().iter().map(bytes).sum::<u32>();
    let one = 60 + 10;
    // The first comes at once, what passes meanwhile once it was looked at.
    viewer.say(JsValue::NULL);
    platform.sleep(TURNS).await;
    assert_eq!(seen(), 2 * one, "each once, and none from before");

    // Who does not look is not sent without end, and slows nobody.
    viewer.heard.borrow_mut().clear();
    for count in 0..20_000 {
        left.writable().await;
        frame(&left, right.mac());
        if count % 32 == 31 {
            right.readable().await;
            while right.try_receive(|_| ()).is_some() {}
        }
    }
    platform.sleep(TURNS).await;
    assert!(viewer.heard.borrow().len() <= 1);
    viewer.say(JsValue::NULL);
    platform.sleep(TURNS).await;
    assert!(seen() < 1_200_000, "{}", seen());
    let left_out = Array::from(viewer.heard.borrow().last().unwrap()).get(1).as_f64().unwrap();
    assert_eq!(f64::from(seen() / one) + left_out, 20_000.0);
    switch.mirror(None);
    frame(&left, Mac::BROADCAST);
    platform.sleep(TURNS).await;
    assert_eq!(f64::from(seen() / one) + left_out, 20_000.0);
}

/// A domain of another tab is on the same LAN.
pub async fn a_switch_reaches_the_tabs() {
    let platform = Domain::idle().platform();
    let (net, switch) = new_switch();
    let elsewhere = stack(&platform, platform.network(&net).await.unwrap(), 9);
    let here = stack(&platform, plugged(&switch, 1).await, 1);
    here.ping([10, 0, 0, 9].into(), 56).await.unwrap();
    elsewhere.ping([10, 0, 0, 1].into(), 1_000).await.unwrap();
}
