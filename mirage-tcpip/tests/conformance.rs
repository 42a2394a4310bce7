//! The stack under the suites of `mirage-conformance`: two of them on an Ethernet in memory, over IPv4 and over IPv6, on one
//! that loses nothing and on one that does.
#![allow(clippy::unwrap_used)]

mod common;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use common::{Faults, Hub, address, run, stack_with};
use mirage_conformance::fakes::FakeRuntime;
use mirage_conformance::stack::{StackRig, serve_name};
use mirage_conformance::{Verdict, flow, stack, udp};
use mirage_sig::{Sleep, Stack};
use mirage_tcpip::{Config, Flow, Ipv4, Ipv6, Tcpip};

struct Lan {
    runtime: FakeRuntime,
    faults: Faults,
    ipv6: bool,
}

impl Lan {
    fn config(&self, number: u8) -> Config {
        let mut config = Config::fixed(address(number), 24);
        if self.ipv6 {
            let address = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number.into());
            (config.ipv4, config.ipv6) = (Ipv4::Off, Ipv6::Static { address, prefix: 64, gateway: None });
        }
        config.dns = vec![if self.ipv6 { "fd00::3".parse().unwrap() } else { address(3).into() }];
        config
    }
}

impl StackRig for Lan {
    type Stack = Tcpip;
    type Error = Infallible;

    async fn stacks(&self) -> Result<(Tcpip, Tcpip), Infallible> {
        let hub = Hub::new(&self.runtime);
        hub.set_faults(self.faults);
        let [left, right, server] =
            [1, 2, 3].map(|number| stack_with(&self.runtime, &hub, number, |config| *config = self.config(number)));
        let socket = server.bind(53).unwrap();
        let addresses = [Ipv4Addr::new(192, 0, 2, 80).into(), "2001:db8::80".parse().unwrap()];
        let names = async move { serve_name(socket, "web.example", &addresses).await };
        mirage_sig::Spawn::spawn_boxed(&self.runtime, Box::pin(names));
        Ok((left, right))
    }

    async fn break_up(&self, left: &Flow, _right: &Flow) -> bool {
        left.abort();
        self.runtime.sleep(common::SECOND).await;
        self.faults.lost == 0
    }

    fn nobody(&self) -> Option<IpAddr> {
        Some(if self.ipv6 { "fd00::99".parse().unwrap() } else { address(99).into() })
    }

    fn name(&self) -> Option<(&str, IpAddr)> {
        Some(("web.example", Ipv4Addr::new(192, 0, 2, 80).into()))
    }

    fn group(&self) -> Option<IpAddr> {
        Some(if self.ipv6 { "ff05::1:99".parse().unwrap() } else { Ipv4Addr::new(239, 1, 2, 3).into() })
    }
}

fn accepted<F: Future<Output = Verdict>>(faults: Faults, suite: impl Fn(FakeRuntime, Lan) -> F) {
    for ipv6 in [false, true] {
        let runtime = FakeRuntime::new();
        let lan = Lan { runtime: runtime.clone(), faults, ipv6 };
        if let Err(violation) = run(&runtime, suite(runtime.clone(), lan)) {
            panic!("IPv{}: {violation}", if ipv6 { 6 } else { 4 });
        }
    }
}

#[test]
fn is_a_stack() {
    accepted(Faults::default(), async |runtime, lan| stack::suite(&runtime, &lan).await);
}

#[test]
fn has_listeners() {
    accepted(Faults::default(), async |runtime, lan| flow::listener_suite(&runtime, &lan).await);
}

#[test]
fn has_udp_sockets() {
    accepted(Faults::default(), async |runtime, lan| udp::suite(&runtime, &lan).await);
}

#[test]
fn has_flows() {
    accepted(Faults::default(), async |runtime, lan| {
        let pairs = flow::TcpPairs::new(&runtime, &lan).await?;
        flow::suite(&runtime, &pairs).await
    });
}

#[test]
fn has_udp_sockets_where_frames_come_late_and_twice() {
    let faults = Faults { lost: 0, repeated: 0, late: 200 };
    accepted(faults, async |runtime, lan| udp::suite(&runtime, &lan).await);
}
