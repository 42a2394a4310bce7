//! Connections. The state machine is smoltcp's; whose a segment is, when a connection is looked after, and how many there may
//! be is decided here.
//!
//! smoltcp goes through all sockets of a set for every packet. So each connection has a set of its own, is found by its
//! addresses and ports in a hash table, and is looked after when a segment, a call or its timer asks for it. The cost of a
//! packet does not grow with the number of connections.

pub(crate) mod connection;
mod device;
mod egress;
mod half_open;
mod ingress;
mod isn;
mod open;
mod time_wait;
mod timers;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::net::{IpAddr, SocketAddr};
use core::task::Waker;

use hashbrown::HashMap;
use mirage_sig::{Cidr, Instant};
use smoltcp::iface::{self, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp as smol;
use smoltcp::wire::{HardwareAddress, IpCidr};

use crate::config::TcpConfig;
use crate::hash::Key;
use crate::stats::TcpStats;
use connection::{Connection, Owner};
use device::{Port, Way};
use half_open::HalfOpen;
use time_wait::TimeWait;
use timers::Timers;

/// Both ends of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tuple {
    pub local: IpAddr,
    pub remote: IpAddr,
    pub local_port: u16,
    pub remote_port: u16,
}

impl Tuple {
    pub fn local(&self) -> SocketAddr {
        SocketAddr::new(self.local, self.local_port)
    }

    pub fn peer(&self) -> SocketAddr {
        SocketAddr::new(self.remote, self.remote_port)
    }
}

impl Hash for Tuple {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from(self.local_port) << 16 | u64::from(self.remote_port));
        match (self.local, self.remote) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => {
                state.write_u64(u64::from(local.to_bits()) << 32 | u64::from(remote.to_bits()));
            }
            (local, remote) => {
                for address in [local, remote] {
                    let bits = match address {
                        IpAddr::V4(address) => address.to_bits().into(),
                        IpAddr::V6(address) => address.to_bits(),
                    };
                    state.write_u64(bits as u64);
                    state.write_u64((bits >> 64) as u64);
                }
            }
        }
    }
}

/// What a pair of ends stands for.
enum Held {
    Connection(u32),
    HalfOpen(HalfOpen),
    TimeWait(TimeWait),
}

/// A port on which others can connect.
pub(crate) struct Listener {
    backlog: usize,
    /// Established, and not accepted.
    pub ready: VecDeque<u32>,
    pub waker: Option<Waker>,
}

pub(crate) struct Tcp {
    iface: Interface,
    connections: Vec<Option<Box<Connection>>>,
    free: Vec<u32>,
    tuples: HashMap<Tuple, Held, Key>,
    pub listeners: HashMap<u16, Listener, Key>,
    /// Connections that are to be looked after.
    dirty: VecDeque<u32>,
    timers: Timers,
    /// Made so far: the next one's serial number.
    made: u64,
    /// Those that were dropped by the application, oldest first, by number and serial number.
    orphans: VecDeque<(u32, u64)>,
    orphan_count: usize,
    /// When to look after half-open connections again.
    half_open: VecDeque<(Instant, Tuple)>,
    half_open_count: usize,
    /// The ended ones, oldest first.
    time_wait: VecDeque<(Instant, Tuple)>,
    /// A socket that answers requests for a connection, one after the other.
    answerer: (SocketSet<'static>, SocketHandle),
    /// Until when acknowledgements may have a cookie in them.
    cookies_until: Instant,
    key: Key,
    mtu: usize,
    /// Where smoltcp writes its answers.
    reply: Vec<u8>,
}

/// smoltcp's time.
pub(crate) fn smol_time(at: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_micros((at.as_nanos() / 1_000) as i64)
}

/// The first instant at which smoltcp's clock shows that time.
pub(crate) fn our_time(at: smoltcp::time::Instant) -> Instant {
    Instant::from_nanos(u64::try_from(at.total_micros()).unwrap_or(0).saturating_mul(1_000))
}

/// An interface that draws its sequence numbers from `seed`.
fn interface(seed: u64, mtu: usize, now: Instant) -> Interface {
    let mut config = iface::Config::new(HardwareAddress::Ip);
    config.random_seed = seed;
    Interface::new(config, &mut Port { packet: None, way: Way::Reply(&mut Vec::new()), mtu }, smol_time(now))
}

/// A socket in a set of its own.
fn socket(config: &TcpConfig) -> (SocketSet<'static>, SocketHandle) {
    let buffer = |size: usize| smol::SocketBuffer::new(vec![0; size.clamp(1, 1 << 30)]);
    let mut socket = smol::Socket::new(buffer(config.receive_buffer), buffer(config.send_buffer));
    socket.set_nagle_enabled(config.nagle);
    let mut set = SocketSet::new(Vec::with_capacity(1));
    let handle = set.add(socket);
    (set, handle)
}

impl Tcp {
    pub fn new(config: &TcpConfig, mtu: usize, key: Key) -> Self {
        let answers = TcpConfig { send_buffer: 1, ..*config };
        Self {
            iface: interface(0, mtu, Instant::START),
            connections: Vec::new(),
            free: Vec::new(),
            tuples: HashMap::with_hasher(key),
            listeners: HashMap::with_hasher(key),
            dirty: VecDeque::new(),
            timers: Timers::default(),
            made: 0,
            orphans: VecDeque::new(),
            orphan_count: 0,
            half_open: VecDeque::new(),
            half_open_count: 0,
            time_wait: VecDeque::new(),
            answerer: socket(&answers),
            cookies_until: Instant::START,
            key,
            mtu,
            reply: Vec::new(),
        }
    }

    /// The addresses that smoltcp may send from.
    pub fn set_addresses(&mut self, addresses: impl Iterator<Item = Cidr>) {
        self.iface.update_ip_addrs(|list| {
            list.clear();
            for cidr in addresses {
                // There is room for as many as we have at most.
                let _ = list.push(IpCidr::new(cidr.address.into(), cidr.prefix));
            }
        });
    }

    /// An interface for the one moment in which a socket draws its first sequence number, which `seed` decides.
    fn seeded(&self, seed: u64, local: IpAddr, now: Instant) -> Interface {
        let mut iface = interface(seed, self.mtu, now);
        iface.update_ip_addrs(|list| {
            let _ = list.push(IpCidr::new(local.into(), if local.is_ipv4() { 32 } else { 128 }));
        });
        iface
    }

    pub fn get(&mut self, id: u32) -> Option<&mut Connection> {
        self.connections.get_mut(id as usize)?.as_deref_mut()
    }

    /// Connections of all kinds that have a socket.
    fn live(&self) -> usize {
        self.connections.len() - self.free.len()
    }

    fn insert(&mut self, connection: Connection) -> u32 {
        let connection = Some(Box::new(connection));
        match self.free.pop() {
            Some(id) => {
                self.connections[id as usize] = connection;
                id
            }
            None => {
                self.connections.push(connection);
                (self.connections.len() - 1) as u32
            }
        }
    }

    fn remove(&mut self, id: u32) {
        let Some(connection) = self.connections.get_mut(id as usize).and_then(Option::take) else { return };
        self.orphan_count -= usize::from(connection.owner == Owner::Nobody);
        self.timers.set(id, Instant::END);
        self.free.push(id);
    }

    pub fn next_deadline(&self) -> Instant {
        let timer = self.timers.first().map_or(Instant::END, |(at, _)| at);
        self.half_open.front().map_or(timer, |(at, _)| timer.min(*at))
    }

    /// Whether all that anybody was promised is done.
    pub fn is_idle(&self) -> bool {
        self.live() == 0
    }

    pub fn count(&self, stats: &mut TcpStats, now: Instant) {
        stats.orphans = self.orphan_count;
        stats.established = self.live() - self.orphan_count;
        stats.half_open = self.half_open_count;
        let waits = |(until, tuple): &&(Instant, Tuple)| {
            *until > now && matches!(self.tuples.get(tuple), Some(Held::TimeWait(held)) if held.is_until(*until))
        };
        stats.time_wait = self.time_wait.iter().filter(waits).count();
    }

    pub fn list(&self) -> impl Iterator<Item = crate::Socket> {
        let listeners = self.listeners.iter().map(|(port, listener)| crate::Socket {
            protocol: "tcp",
            local: crate::udp::any(*port),
            peer: None,
            state: "listen",
            receive_queue: listener.ready.len(),
            send_queue: 0,
        });
        let pairs = self.tuples.iter().map(|(tuple, held)| {
            let (mut state, mut queues) = ("syn-received", (0, 0));
            match held {
                Held::HalfOpen(_) => {}
                Held::TimeWait(_) => state = "time-wait",
                Held::Connection(id) => {
                    if let Some(connection) = self.connections.get(*id as usize).and_then(Option::as_deref) {
                        let socket = connection.socket();
                        state = connection::state_name(socket.state());
                        queues = (socket.recv_queue(), socket.send_queue());
                    }
                }
            }
            crate::Socket {
                protocol: "tcp",
                local: tuple.local(),
                peer: Some(tuple.peer()),
                state,
                receive_queue: queues.0,
                send_queue: queues.1,
            }
        });
        listeners.chain(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_as_the_readme_says() {
        assert_eq!(size_of::<(Tuple, Held)>(), 88);
        assert_eq!(size_of::<(Instant, Tuple)>(), 48);
        assert!(size_of::<Connection>() < 1_000);
    }
}
