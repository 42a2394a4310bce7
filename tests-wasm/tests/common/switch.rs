//! The page's switch.

use std::cell::RefCell;
use std::time::Duration;

use js_sys::{Array, Uint8Array};
use mirage_conformance::network::NetworkRig;
use mirage_sig::{Failure, Link, Mac, Network, Platform, Runtime, SendError, Sleep, Stack};
use mirage_tcpip::{Config, Tcpip};
use platform_js::{Browser, Interface, Switch};
use wasm_bindgen::JsValue;
use web_sys::MessageChannel;

use super::page::{Peer, TURNS};
use super::{Domain, nonce};

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

/// A worker that is terminated says nothing: its cable is still there until the page takes it away.
pub async fn a_switch_outlives_a_domain_that_is_cut_off() {
    let platform = Domain::idle().platform();
    let (_, switch) = new_switch();
    let (left, right) = (plugged(&switch, 1).await, plugged(&switch, 2).await);
    // One has agreed to frames by messages, and one has not even answered.
    for number in [3, 4] {
        let channel = MessageChannel::new().unwrap();
        switch.plug(number, channel.port1());
        let peer = Peer::new(channel.port2());
        if number == 3 {
            peer.say("port");
            platform.sleep(TURNS).await;
        }
        peer.port.close();
    }
    // Far more than waits for them, to everybody, from an address of its own each: what is known of addresses is bounded.
    for count in 0..4_000_u32 {
        left.writable().await;
        let [a, b, c, d] = count.to_be_bytes();
        let fill = |frame: &mut [u8]| frame[..12].copy_from_slice(&[255, 255, 255, 255, 255, 255, 2, 0, a, b, c, d]);
        left.try_send(1514, fill).unwrap();
        if count % 32 == 31 {
            right.readable().await;
            while right.try_receive(|_| ()).is_some() {}
        }
    }
    switch.remove(3);
    switch.remove(4);
    platform.sleep(TURNS).await;
    while right.try_receive(|_| ()).is_some() {}
    frame(&left, right.mac());
    right.readable().await;
    assert!(right.try_receive(|_| ()).is_some());
}
