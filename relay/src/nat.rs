//! The gateway of a LAN: user-mode NAT (what slirp is to QEMU), which needs no rights. One task for each LAN takes its frames
//! ([`gateway`] decides what each is), and one task for each flow holds a socket of the host's.

mod arp;
mod dhcp;
mod dns;
pub mod forward;
pub mod gateway;
mod icmp;
pub mod packet;
mod reach;
pub mod tcp;
mod udp;

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

pub use forward::Forward;
pub use reach::{Network, Reach};

use crate::config::{Config, Limits};
use crate::lan::{Cable, LanName};
use crate::metrics::Metrics;
pub use arp::Neighbours;
pub use dns::fuzz as fuzz_query;
use forward::Order;
use gateway::{Action, Gateway};
use packet::Flow;

/// The gateway, and by `--allow-host` the host's own loopback.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// The DNS forwarder.
pub const DNS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);
/// All of the LAN.
pub const BROADCAST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 255);
/// The LAN's network is 10.0.2.0/24, as with QEMU's user networking.
pub const PREFIX: u8 = 24;
/// The gateway's Ethernet address: locally administered, with its IP address in it.
pub const MAC: [u8; 6] = [0x52, 0x55, 10, 0, 2, 2];

/// Packets that wait for a flow's task at most: more than the 64 KiB window that it offers.
const FLOW_QUEUE: usize = 128;

/// Orders that wait for a gateway at most.
const ORDER_QUEUE: usize = 64;

/// The way to a gateway, for port forwards.
pub type Orders = mpsc::Sender<Order>;

/// Which LANs have a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nat {
    /// Every LAN.
    All,
    /// None.
    None,
    /// These.
    Only(Vec<LanName>),
}

impl Nat {
    /// Whether that LAN has one.
    pub fn serves(&self, lan: &LanName) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Only(lans) => lans.contains(lan),
        }
    }
}

impl fmt::Display for Nat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("every LAN"),
            Self::None => f.write_str("none"),
            Self::Only(lans) => lans.iter().enumerate().try_for_each(|(n, lan)| {
                f.write_str(if n == 0 { "" } else { ", " })?;
                lan.fmt(f)
            }),
        }
    }
}

/// What all gateways of a relay have in common.
pub struct Plan {
    nat: Nat,
    reach: Reach,
    resolvers: Vec<SocketAddr>,
    limits: Limits,
}

impl Plan {
    /// `None` if no LAN has a gateway.
    pub fn new(config: &Config) -> Option<Self> {
        if config.nat == Nat::None {
            return None;
        }
        let resolvers = if config.resolvers.is_empty() { dns::system_resolvers() } else { config.resolvers.clone() };
        Some(Self { nat: config.nat.clone(), reach: config.reach.clone(), resolvers, limits: config.limits.clone() })
    }

    /// Whether that LAN has a gateway.
    pub fn serves(&self, lan: &LanName) -> bool {
        self.nat.serves(lan)
    }
}

/// The gateway's end of its cable, which its flows share.
pub struct Wire {
    cable: Cable,
    neighbours: Mutex<Neighbours>,
    /// Bytes of an IP packet at most.
    mtu: usize,
    metrics: Arc<Metrics>,
}

impl Wire {
    /// Sends an IP packet to a client. Who is not known yet is asked for first (RFC 826), with one packet waiting.
    pub fn send(&self, packet: &[u8]) {
        let mut neighbours = self.neighbours.lock().unwrap_or_else(PoisonError::into_inner);
        let frame = neighbours.address(packet);
        drop(neighbours);
        if let Some(frame) = frame {
            self.put(frame);
        }
    }

    fn put(&self, frame: Vec<u8>) {
        self.cable.send(&Bytes::from(frame));
    }
}

/// Starts the gateway of a LAN. It ends, with all its flows, when it is aborted.
pub fn spawn(
    cable: Cable,
    frames: mpsc::Receiver<Bytes>,
    plan: Arc<Plan>,
    metrics: Arc<Metrics>,
) -> (AbortHandle, Orders) {
    let (orders, inbox) = mpsc::channel(ORDER_QUEUE);
    let wire = Wire { cable, neighbours: Mutex::default(), mtu: plan.limits.mtu, metrics };
    let switchboard = Switchboard {
        wire: Arc::new(wire),
        plan,
        gateway: Gateway::default(),
        tcp: HashMap::new(),
        tcp_tasks: JoinSet::new(),
        udp: HashMap::new(),
        udp_tasks: JoinSet::new(),
        queries: JoinSet::new(),
        pings: JoinSet::new(),
        ports: forward::Ports::default(),
        told: false,
    };
    (tokio::spawn(switchboard.run(frames, inbox)).abort_handle(), orders)
}

/// The gateway's task: which flow does a packet belong to?
struct Switchboard {
    wire: Arc<Wire>,
    plan: Arc<Plan>,
    gateway: Gateway,
    tcp: HashMap<Flow, mpsc::Sender<Vec<u8>>>,
    tcp_tasks: JoinSet<Flow>,
    /// One for each port of a client's, whatever it talks to (RFC 4787, REQ-1).
    udp: HashMap<SocketAddrV4, mpsc::Sender<udp::Datagram>>,
    udp_tasks: JoinSet<SocketAddrV4>,
    queries: JoinSet<()>,
    pings: JoinSet<()>,
    ports: forward::Ports,
    /// That something may not be reached was told.
    told: bool,
}

impl Switchboard {
    async fn run(mut self, mut frames: mpsc::Receiver<Bytes>, mut inbox: mpsc::Receiver<Order>) {
        loop {
            tokio::select! {
                frame = frames.recv() => match frame {
                    Some(frame) => self.receive(&frame),
                    None => return,
                },
                Some(order) = inbox.recv() => self.obey(order),
                // A task that panicked ended the process; one that was aborted ended with this one.
                Some(Ok(flow)) = self.tcp_tasks.join_next() => { self.tcp.remove(&flow); }
                Some(Ok(client)) = self.udp_tasks.join_next() => { self.udp.remove(&client); }
                Some(_) = self.queries.join_next() => {}
                Some(_) = self.pings.join_next() => {}
            }
        }
    }

    fn receive(&mut self, frame: &[u8]) {
        let metrics = &self.wire.metrics;
        let mut neighbours = self.wire.neighbours.lock().unwrap_or_else(PoisonError::into_inner);
        let action = self.gateway.receive(frame, &mut neighbours, Instant::now());
        drop(neighbours);
        match action {
            Action::None => {}
            Action::Malformed => metrics.nat_malformed.up(),
            Action::Fragment => metrics.nat_fragment.up(),
            Action::Frame(frame) => self.wire.put(frame),
            Action::Lease(packet) => {
                metrics.dhcp_answers.up();
                self.wire.put(packet);
            }
            Action::Tcp { flow, packet, opens } => self.tcp(flow, packet, opens),
            Action::Udp { flow, packet } => self.udp(flow, packet),
            Action::Ping(ping) => self.ping(ping),
        }
    }

    fn tcp(&mut self, flow: Flow, packet: Vec<u8>, opens: bool) {
        if let Some(task) = self.tcp.get(&flow) {
            if task.try_send(packet).is_err() {
                self.wire.metrics.nat_queue.up();
            }
            return;
        }
        // What belongs to no flow is answered by a reset (RFC 9293, section 3.10.7.1), as is what may not pass: a client
        // then knows at once, which a silence or an ICMP message does not tell all of them.
        let refuse = |packet| tcp::refuse(packet, flow).into_iter().for_each(|reset| self.wire.send(&reset));
        if !opens {
            return refuse(packet);
        }
        let Some(destination) = self.plan.reach.tcp(flow.remote, &self.plan.resolvers) else {
            refuse(packet);
            return self.denied(flow.guest.ip(), flow.remote.ip());
        };
        if self.tcp.len() >= self.plan.limits.tcp_flows {
            self.wire.metrics.nat_full.up();
            return refuse(packet);
        }
        let (sender, packets) = mpsc::channel(FLOW_QUEUE);
        self.tcp.insert(flow, sender);
        self.tcp_tasks.spawn(tcp::outward(flow, packet, destination, packets, self.wire.clone()));
    }

    fn udp(&mut self, flow: Flow, packet: Vec<u8>) {
        let metrics = &self.wire.metrics;
        let Some(payload) = packet::udp_payload(&packet) else { return metrics.nat_malformed.up() };
        if flow.remote == SocketAddrV4::new(DNS, dns::PORT) {
            if self.queries.len() >= dns::QUERIES_MAX {
                return metrics.nat_full.up();
            }
            let (wire, plan, query) = (self.wire.clone(), self.plan.clone(), payload.to_vec());
            self.queries.spawn(async move { dns::forward(flow, query, &plan.resolvers, &wire).await });
            return;
        }
        if self.ports.answer(flow, payload) {
            return;
        }
        let Some(destination) = self.plan.reach.udp(flow.remote) else {
            if let Some(unreachable) = packet::prohibited(&packet) {
                self.wire.send(&unreachable);
            }
            return self.denied(flow.guest.ip(), flow.remote.ip());
        };
        if !self.udp.contains_key(&flow.guest) {
            if self.udp.len() >= self.plan.limits.udp_flows {
                return metrics.nat_full.up();
            }
            let (sender, datagrams) = mpsc::channel(FLOW_QUEUE);
            self.udp.insert(flow.guest, sender);
            self.udp_tasks.spawn(udp::run(flow.guest, datagrams, self.wire.clone()));
        }
        if let Some(task) = self.udp.get(&flow.guest)
            && task.try_send(udp::Datagram { to: destination, payload: payload.to_vec() }).is_err()
        {
            metrics.nat_queue.up();
        }
    }

    fn ping(&mut self, ping: packet::Echo) {
        let Some(destination) = self.plan.reach.ping(ping.to) else { return self.denied(&ping.from, &ping.to) };
        if self.pings.len() >= icmp::PINGS_MAX {
            return self.wire.metrics.nat_full.up();
        }
        let wire = self.wire.clone();
        self.pings.spawn(async move { icmp::ping(ping, destination, &wire).await });
    }

    fn denied(&mut self, guest: &Ipv4Addr, remote: &Ipv4Addr) {
        self.wire.metrics.nat_denied.up();
        if !std::mem::replace(&mut self.told, true) {
            let (lan, hint) = (self.wire.cable.lan(), reach::hint(*remote));
            log::info!(target: "nat", "{guest} in {lan} may not reach {remote}: {hint} (told once)");
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Open { stream, guest } => {
                let free = |port| !self.tcp.contains_key(&Flow { guest, remote: SocketAddrV4::new(GATEWAY, port) });
                let Some(port) = self.ports.unused(free).filter(|_| self.tcp.len() < self.plan.limits.tcp_flows) else {
                    // Dropping the stream closes it.
                    return self.wire.metrics.nat_full.up();
                };
                let flow = Flow { guest, remote: SocketAddrV4::new(GATEWAY, port) };
                let (sender, packets) = mpsc::channel(FLOW_QUEUE);
                self.tcp.insert(flow, sender);
                self.tcp_tasks.spawn(tcp::inward(flow, stream, packets, self.wire.clone()));
            }
            Order::Datagram { socket, peer, guest, payload } => {
                let Some(port) = self.ports.for_peer(guest, peer, socket, Instant::now()) else {
                    return self.wire.metrics.nat_full.up();
                };
                match packet::udp(SocketAddrV4::new(GATEWAY, port), guest, &payload, self.wire.mtu) {
                    Some(packet) => self.wire.send(&packet),
                    None => self.wire.metrics.nat_large.up(),
                }
            }
        }
    }
}

/// A number that others cannot guess, for initial sequence numbers and query identifiers.
fn unguessable() -> u64 {
    RandomState::new().hash_one(0)
}
