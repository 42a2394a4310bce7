//! The conformance suites, with what each needs to see a device from both sides.

use std::cell::RefCell;
use std::time::Duration;

use js_sys::Uint8Array;
use mirage_conformance::console::ConsoleRig;
use mirage_conformance::http::HttpServer;
use mirage_conformance::network::NetworkRig;
use mirage_conformance::platform::PlatformRig;
use mirage_conformance::{clock, console, http, kv, network, platform, random, spawn};
use mirage_sig::{Failure, HttpClient, HttpRequest, Link, Method, Network, Platform, Random, Shutdown, Sleep};
use platform_js::{App, BROADCAST_PREFIX, Browser, Interface, PageConsole};

use super::{Domain, holds, nonce};

pub async fn clocks_and_sleep() {
    holds(clock::suite(&Domain::idle().platform()).await);
}

pub async fn randomness() {
    holds(random::suite(&Domain::idle().platform()));
}

pub async fn tasks() {
    holds(spawn::suite(&Domain::idle().platform()).await);
}

impl ConsoleRig for Domain {
    type Console = PageConsole;

    fn console(&self) -> PageConsole {
        self.platform().console()
    }

    async fn type_text(&self, text: &str) {
        self.embedded.input(text);
    }

    async fn screen(&self) -> String {
        self.screen.borrow().clone()
    }

    async fn close(&self) -> bool {
        self.embedded.close_input();
        true
    }

    fn input_bound(&self) -> Option<usize> {
        Some(64 * 1024)
    }
}

pub async fn console_of_the_page() {
    let domain = Domain::idle();
    holds(console::suite(&domain.platform(), &domain).await);
}

pub async fn store() {
    let platform = Domain::idle().platform();
    holds(kv::rw_suite(&platform, &async || platform.kv("suite").await).await);
}

pub async fn store_of_two() {
    let platform = Domain::idle().platform();
    holds(kv::shared_suite(&async || platform.kv("suite").await).await);
}

/// A LAN of this origin's tabs.
pub struct Lan {
    platform: Browser,
    number: RefCell<u16>,
}

impl Lan {
    pub fn new(platform: &Browser) -> Self {
        Self { platform: platform.clone(), number: RefCell::new(0) }
    }
}

impl NetworkRig for Lan {
    type Network = Interface;
    type Error = Failure;

    async fn cable(&self) -> Result<(Interface, Interface), Failure> {
        let number = u16::from_ne_bytes(self.platform.random());
        self.number.replace(number);
        let name = format!("lan:{number}");
        Ok((self.platform.network(&name).await?, self.platform.network(&name).await?))
    }

    async fn inject(&self, bytes: &[u8]) -> bool {
        let channel = web_sys::BroadcastChannel::new(&format!("{BROADCAST_PREFIX}{}", self.number.borrow())).unwrap();
        channel.post_message(&Uint8Array::from(bytes)).unwrap();
        true
    }
}

pub async fn network_of_tabs() {
    let platform = Domain::idle().platform();
    let rig = Lan::new(&platform);
    holds(network::suite(&platform, &rig).await);
}

/// The server of `tests-wasm/peer.mjs`, as in `http://127.0.0.1:8731`; `npm test` starts it. Without it, what needs it is
/// left out, and says so.
pub fn peer() -> Option<&'static str> {
    let peer = option_env!("MIRAGE_TEST_PEER");
    if peer.is_none() {
        wasm_bindgen_test::console_log!("left out: no MIRAGE_TEST_PEER; `npm test` starts one");
    }
    peer
}

/// Says that a test does not run here, and why. The harness shows nothing that a passing test prints; `npm test` does what the
/// peer is told.
pub async fn left_out(why: &str) {
    let Some(base) = peer() else { return };
    let url = format!("{base}/left-out");
    let request = HttpRequest { method: Method::Post, url: &url, body: why.as_bytes(), ..HttpRequest::default() };
    // It is only about telling.
    let _ = Domain::idle().platform().http().request(request).await;
}

pub async fn web_client() {
    let Some(base) = peer() else { return };
    let platform = Domain::idle().platform();
    // No browser connects to port 1 at all (Fetch standard, "bad port"), so this fails at once.
    let server = HttpServer { base, nobody: Some("http://127.0.0.1:1/") };
    holds(http::suite(&platform, &platform.http(), server).await);
}

/// A cable through a relay.
pub struct Relay {
    platform: Browser,
    base: &'static str,
    key: RefCell<String>,
}

impl Relay {
    /// None without the peer.
    pub fn new(platform: &Browser) -> Option<Self> {
        Some(Self { platform: platform.clone(), base: peer()?, key: RefCell::default() })
    }

    async fn order(&self, order: &str, body: &[u8]) {
        let url = format!("{}/cable/{}/{order}", self.base, self.key.borrow());
        let request = HttpRequest { method: Method::Post, url: &url, headers: &[], body };
        assert_eq!(self.platform.http().request(request).await.unwrap().status, 204);
    }
}

impl NetworkRig for Relay {
    type Network = Interface;
    type Error = Failure;

    async fn cable(&self) -> Result<(Interface, Interface), Failure> {
        let key = nonce().to_string();
        let url = |end: &str| format!("{}/cable/{key}/{end}", self.base.replace("http:", "ws:"));
        let left = self.platform.network(&url("left")).await?;
        let right = self.platform.network(&url("right")).await?;
        left.link_change(Link::Down).await;
        right.link_change(Link::Down).await;
        self.key.replace(key);
        Ok((left, right))
    }

    async fn plug(&self, link: Link) -> bool {
        self.order(if link == Link::Up { "mend" } else { "cut" }, &[]).await;
        true
    }

    async fn inject(&self, bytes: &[u8]) -> bool {
        self.order("inject", bytes).await;
        true
    }
}

pub async fn network_of_a_relay() {
    let platform = Domain::idle().platform();
    let Some(rig) = Relay::new(&platform) else { return };
    holds(network::suite(&platform, &rig).await);
}

pub async fn nonsense_from_a_relay() {
    let domain = Domain::idle();
    let Some(rig) = Relay::new(&domain.platform()) else { return };
    let (left, _right) = rig.cable().await.unwrap();
    rig.order("inject?text", b"hello").await;
    rig.order("inject", &[]).await;
    rig.order("inject", &[0; 900_000]).await;
    rig.order("inject", &[0; 60]).await;
    left.readable().await;
    assert_eq!((left.stats().rx_dropped, left.stats().rx_frames), (3, 1));
    assert_eq!(domain.screen.borrow().matches("Dropped and counted").count(), 1, "logged once");
}

pub async fn a_relay_that_is_gone() {
    let domain = Domain::idle();
    let platform = domain.platform();
    let interface = platform.network("ws://127.0.0.1:1/lan0").await.unwrap();
    // What the relay does is told on the console of the domain whose cable it is, whoever else runs.
    let other = Domain::idle();
    let complaints = || domain.screen.borrow().matches("no connection to the relay").count();
    while complaints() == 0 {
        platform.sleep(Duration::from_millis(10)).await;
    }
    // Time for several attempts.
    platform.sleep(Duration::from_secs(1)).await;
    assert_eq!(complaints(), 1, "logged once");
    assert!(!other.screen.borrow().contains("relay"), "{}", other.screen.borrow());
    assert_eq!(interface.link(), Link::Down);
    interface.try_send(60, |_| ()).unwrap();
    assert_eq!(interface.stats().tx_dropped, 1);
}

/// Who started a domain of the tests.
struct Starter(Domain);

impl PlatformRig for Starter {
    type Platform = Browser;

    fn platform(&self) -> Browser {
        self.0.platform()
    }

    fn given(&self) -> &[(&str, &str)] {
        &[("name", "starter"), ("logs", "debug"), ("ipv4", "10.0.0.2/24")]
    }

    async fn request_shutdown(&self, request: Shutdown) {
        self.0.embedded.request_shutdown(request);
    }
}

pub async fn platform() {
    // One that does not end when it is asked to, so that the suite's own tasks live on.
    const DEAF: App = App { name: "deaf", args: &[], start: |_| Box::pin(std::future::pending()) };
    let starter = Starter(Domain::boot(DEAF, "?name=starter&logs=debug&ipv4=10.0.0.2/24"));
    holds(platform::suite(&starter).await);
}
