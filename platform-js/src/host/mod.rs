//! A host on the LAN for JavaScript: with a TCP/IP stack of its own, beside those of the unikernels.

mod fetch;
mod streams;

use std::cell::OnceCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};

use js_sys::Promise;
use mirage_http::{Client, ClientLimits};
use mirage_sig::{Platform, Stack};
use mirage_tcpip::Tcpip;
use wasm_bindgen::prelude::*;
use web_sys::MessagePort;

use crate::console::{Screen, Terminal};
use crate::domain::{App, Domain};
use crate::messages::to_js;
use crate::platform::Browser;
use crate::promise::promise;
use crate::spawn::detached;

/// A host is a unikernel that does nothing by itself.
const HOST: App = App {
    name: "host",
    args: &[],
    start: |p| {
        Box::pin(async move {
            p.shutdown_requested().await;
            Ok(())
        })
    },
};

/// A host on the LAN, of JavaScript's own: it fetches from unikernels, connects to them and pings them.
#[wasm_bindgen]
pub struct Host(Rc<Inner>);

struct Inner {
    domain: Rc<Domain>,
    stack: Tcpip,
    client: Client<Browser, Tcpip>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.domain.destroy();
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[wasm_bindgen]
impl Host {
    /// Plugs a new host into a network and waits until it has an address. `args` are spelled as a unikernel's: `net=lan:0`,
    /// and `ipv4=10.0.0.1/24` or nothing, for DHCP. What its stack logs goes to `log`; `cable` leads to a `Switch`.
    #[wasm_bindgen(unchecked_return_type = "Promise<Host>")]
    pub fn join(
        args: String,
        #[wasm_bindgen(unchecked_param_type = "((text: string) => void) | undefined")] log: Option<js_sys::Function>,
        cable: Option<MessagePort>,
    ) -> Promise {
        promise(async move {
            let owner = Rc::<OnceCell<Weak<Domain>>>::default();
            let drained = owner.clone();
            let show = move |text: &str| {
                if let Some(log) = &log {
                    // Its owner sees what it throws; nobody here could do anything about it.
                    let _ = log.call1(&JsValue::UNDEFINED, &text.into());
                }
                let owner = drained.clone();
                detached(Box::pin(async move {
                    if let Some(domain) = owner.get().and_then(Weak::upgrade) {
                        domain.terminal.drained();
                    }
                }));
            };
            let domain =
                Domain::boot(HOST, &args, cable, Terminal::new(Screen::Page(Box::new(show))), Box::new(|_| ()));
            owner.get_or_init(|| Rc::downgrade(&domain));
            if let Some(wrong) = domain.status().message {
                return Err(wrong);
            }
            let platform = Browser::new(domain.clone());
            let stack = platform.stack().await.map_err(text)?;
            let client = Client::new(&platform, stack.clone(), ClientLimits::default());
            let host = Self(Rc::new(Inner { domain, stack, client }));
            host.0.stack.configured().await.map_err(text)?;
            Ok(host.into())
        })
    }

    /// Its addresses, each with the length of its network's prefix, as in `10.0.0.1/24`.
    #[wasm_bindgen(unchecked_return_type = "string[]")]
    pub fn addresses(&self) -> JsValue {
        to_js(&self.0.stack.addresses().iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    /// Sends an ICMP echo request and waits for the answer: the milliseconds it took.
    #[wasm_bindgen(unchecked_return_type = "Promise<number>")]
    pub fn ping(&self, address: String, length: Option<usize>) -> Promise {
        let host = self.0.clone();
        promise(async move {
            let to: IpAddr = address.parse().map_err(|_| format!("{address:?} is no IP address"))?;
            let took = host.stack.ping(to, length.unwrap_or(56)).await.map_err(text)?;
            Ok((took.as_secs_f64() * 1000.0).into())
        })
    }

    /// As the browser's own `fetch`, but over this host's stack: `http` only, and redirects are answers.
    #[wasm_bindgen(unchecked_return_type = "Promise<Response>")]
    pub fn fetch(
        &self,
        #[wasm_bindgen(unchecked_param_type = "RequestInfo | URL")] input: JsValue,
        #[wasm_bindgen(unchecked_param_type = "RequestInit | undefined")] init: JsValue,
    ) -> Promise {
        let host = self.0.clone();
        promise(async move { fetch::fetch(&host.client, &input, &init).await })
    }

    /// Opens a TCP connection: its two directions as streams of bytes. To close `writable` ends our side; to cancel
    /// `readable` and abort `writable` ends the connection.
    #[wasm_bindgen(unchecked_return_type = "Promise<HostConnection>")]
    pub fn connect(&self, address: String, port: u16) -> Promise {
        let host = self.0.clone();
        promise(async move {
            let to: IpAddr = address.parse().map_err(|_| format!("{address:?} is no IP address"))?;
            let flow = host.stack.connect(SocketAddr::new(to, port)).await.map_err(text)?;
            streams::connection(flow)
        })
    }

    /// Leaves the network: its connections end.
    pub fn leave(&self) {
        self.0.domain.destroy();
    }
}
