//! The TCP/IP stack on every network that the browser has, under the suites of `mirage-conformance`.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use mirage_conformance::network::NetworkRig;
use mirage_conformance::stack::{StackRig, serve_name};
use mirage_conformance::{Verdict, flow, stack, udp};
use mirage_sig::{Failure, Flow as _, Listener, Platform, Read, Runtime, Spawn, Stack, Write};
use mirage_tcpip::{Config, Flow, Tcpip};
use platform_js::{Browser, Interface};

use super::page::Cables;
use super::suites::{Lan, Relay};
use super::switch::Switched;
use super::{Domain, holds, nonce};

const LEFT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const RIGHT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const NOBODY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 99);
const NAME: &str = "web.example";
const NAMED: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);

/// Two stacks at the ends of a cable. Each asks the other for names.
struct Stacks<G> {
    platform: Browser,
    cables: G,
}

impl<G: NetworkRig<Network = Interface, Error = Failure>> StackRig for Stacks<G> {
    type Stack = Tcpip;
    type Error = Failure;

    async fn stacks(&self) -> Result<(Tcpip, Tcpip), Failure> {
        let (left, right) = self.cables.cable().await?;
        let stack = |network, own, other: Ipv4Addr| {
            let mut config = Config::fixed(own, 24);
            config.dns.push(other.into());
            // The suites wait for five seconds at most.
            config.tcp.connect_timeout = Duration::from_secs(2);
            Tcpip::new(network, &self.platform, config)
        };
        let (left, right) = (stack(left, LEFT, RIGHT)?, stack(right, RIGHT, LEFT)?);
        for stack in [&left, &right] {
            let socket = stack.bind(53)?;
            self.platform.spawn_boxed(Box::pin(async move { serve_name(socket, NAME, &[NAMED.into()]).await }));
        }
        Ok((left, right))
    }

    async fn break_up(&self, left: &Flow, _right: &Flow) -> bool {
        left.abort();
        true
    }

    fn nobody(&self) -> Option<IpAddr> {
        Some(NOBODY.into())
    }

    fn name(&self) -> Option<(&str, IpAddr)> {
        Some((NAME, NAMED.into()))
    }

    fn group(&self) -> Option<IpAddr> {
        Some(Ipv4Addr::new(239, 1, 2, 3).into())
    }
}

async fn of_a_port() -> Option<Stacks<Cables>> {
    let platform = Domain::idle().platform();
    Some(Stacks { cables: Cables::messages(), platform })
}

async fn of_a_ring() -> Option<Stacks<Cables>> {
    let platform = Domain::idle().platform();
    Some(Stacks { cables: Cables::rings("stacks").await?, platform })
}

async fn of_a_switch() -> Option<Stacks<Switched>> {
    let platform = Domain::idle().platform();
    Some(Stacks { cables: Switched::new(), platform })
}

async fn of_tabs() -> Option<Stacks<Lan>> {
    let platform = Domain::idle().platform();
    Some(Stacks { cables: Lan::new(&platform), platform })
}

async fn of_a_relay() -> Option<Stacks<Relay>> {
    let platform = Domain::idle().platform();
    Some(Stacks { cables: Relay::new(&platform)?, platform })
}

/// Four suites for each network.
macro_rules! suites {
    ($rig:ident: $stack:ident, $flows:ident, $listeners:ident, $udp:ident) => {
        pub async fn $stack() {
            let Some(rig) = $rig().await else { return };
            holds(stack::suite(&rig.platform, &rig).await);
        }

        pub async fn $flows() {
            let Some(rig) = $rig().await else { return };
            let verdict: Verdict = async {
                let pairs = flow::TcpPairs::new(&rig.platform, &rig).await?;
                flow::suite(&rig.platform, &pairs).await
            }
            .await;
            holds(verdict);
        }

        pub async fn $listeners() {
            let Some(rig) = $rig().await else { return };
            holds(flow::listener_suite(&rig.platform, &rig).await);
        }

        pub async fn $udp() {
            let Some(rig) = $rig().await else { return };
            holds(udp::suite(&rig.platform, &rig).await);
        }
    };
}

suites!(of_a_port: stack_of_a_port, flows_of_a_port, listeners_of_a_port, udp_of_a_port);
suites!(of_a_ring: stack_of_a_ring, flows_of_a_ring, listeners_of_a_ring, udp_of_a_ring);
suites!(of_a_switch: stack_of_a_switch, flows_of_a_switch, listeners_of_a_switch, udp_of_a_switch);
suites!(of_tabs: stack_of_tabs, flows_of_tabs, listeners_of_tabs, udp_of_tabs);
suites!(of_a_relay: stack_of_a_relay, flows_of_a_relay, listeners_of_a_relay, udp_of_a_relay);

/// A unikernel asks for its stack as an application does, and talks to another one.
pub async fn the_stack_of_a_platform() {
    let lan = nonce() as u16;
    let boot = |address| Domain::boot(super::IDLE, &format!("net=lan:{lan}&ipv4={address}/24"));
    let (server, client) = (boot(LEFT), boot(RIGHT));
    let stack = server.platform().stack().await.unwrap();
    stack.configured().await.unwrap();
    assert_eq!(stack.addresses()[0].to_string(), "10.0.0.1/24");
    let mut listener = server.platform().stack().await.unwrap().listen(80, 4).unwrap();
    let greet = server.platform().spawn(async move {
        let mut flow = listener.accept().await.unwrap();
        flow.write_all(b"hello").await.unwrap();
        flow.shutdown().await.unwrap();
    });
    let mut flow = client.platform().stack().await.unwrap().connect((LEFT, 80).into()).await.unwrap();
    let mut text = [0; 5];
    assert!(flow.read_exact(&mut text).await.is_ok() && &text == b"hello");
    greet.await.unwrap();
    // It ends with its domain, and the port is silent from then on.
    server.embedded.destroy();
    let again = client.platform().stack().await.unwrap();
    assert!(client.platform().timeout(Duration::from_secs(1), again.connect((LEFT, 80).into())).await.is_err());
}
