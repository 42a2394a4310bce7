//! Port forwards: a port of the host's that leads to a client in a LAN.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::sleep;

use super::packet::Flow;
use super::{GATEWAY, arp, udp};
use crate::error::StartError;
use crate::lan::{Hub, LanName};

/// Ports of the gateway that connections into the LAN come from (RFC 6335, section 6).
const FIRST_PORT: u16 = 49152;
/// UDP peers of the forwards of one LAN at a time.
const PEERS_MAX: usize = 256;
/// How long to wait before accepting again when the host has no more sockets.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);
/// The longest datagram.
const DATAGRAM_MAX: usize = 65_535;

/// `[udp:][LAN/][ADDRESS:]PORT:GUEST:PORT`, as in `8080:10.0.2.15:80`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// UDP instead of TCP.
    pub udp: bool,
    /// The LAN it leads into; `0` if none is named.
    pub lan: LanName,
    /// Where the host listens; on loopback if no address is named.
    pub listen: SocketAddr,
    /// The client in the LAN, and its port.
    pub guest: SocketAddrV4,
}

impl FromStr for Forward {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = |what: &str| format!("{what}: write [udp:][LAN/][ADDRESS:]PORT:GUEST:PORT, as in 8080:10.0.2.15:80");
        let (udp, rest) = text.strip_prefix("udp:").map_or((false, text), |rest| (true, rest));
        let (lan, rest) = match rest.split_once('/') {
            Some((lan, rest)) => (lan.parse().map_err(|error| format!("{error}"))?, rest),
            None => (LanName::default(), rest),
        };
        let mut parts = rest.rsplitn(3, ':');
        let (Some(port), Some(guest), Some(listen)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad("a part is missing"));
        };
        let port_of = |text: &str| text.parse::<u16>().map_err(|_| bad(&format!("{text:?} is no port")));
        let guest: Ipv4Addr = guest.parse().map_err(|_| bad(&format!("{guest:?} is no IPv4 address")))?;
        if !arp::is_client(guest) {
            return Err(format!(
                "{guest} is no address that a client of the LAN can have: those are in 10.0.2.0/24, from 10.0.2.4"
            ));
        }
        let port = port_of(port)?;
        if port == 0 {
            return Err(bad("the client's port cannot be 0"));
        }
        let listen = match listen.rsplit_once(':') {
            None => SocketAddr::from((Ipv4Addr::LOCALHOST, port_of(listen)?)),
            Some((address, port)) => {
                let address = address.trim_start_matches('[').trim_end_matches(']');
                let address: IpAddr = address.parse().map_err(|_| bad(&format!("{address:?} is no address")))?;
                SocketAddr::from((address, port_of(port)?))
            }
        };
        Ok(Self { udp, lan, listen, guest: SocketAddrV4::new(guest, port) })
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}/{}:{}", if self.udp { "udp:" } else { "" }, self.lan, self.listen, self.guest)
    }
}

/// A forward whose port is open.
pub struct Open {
    forward: Forward,
    socket: Socket,
}

enum Socket {
    Tcp(TcpListener),
    Udp(Arc<UdpSocket>),
}

/// What a gateway is asked to do.
pub enum Order {
    /// Connect to the client, and carry this connection on.
    Open { stream: TcpStream, guest: SocketAddrV4 },
    /// Bring the client a datagram; answers go back to `peer` by `socket`.
    Datagram { socket: Arc<UdpSocket>, peer: SocketAddr, guest: SocketAddrV4, payload: Vec<u8> },
}

/// Opens the ports.
///
/// # Errors
/// One of them cannot be had.
pub async fn listen(forwards: &[Forward]) -> Result<Vec<Open>, StartError> {
    let mut open = Vec::new();
    for forward in forwards {
        let failed = |error| StartError::Forward(forward.listen, error);
        let socket = if forward.udp {
            Socket::Udp(Arc::new(UdpSocket::bind(forward.listen).await.map_err(failed)?))
        } else {
            Socket::Tcp(TcpListener::bind(forward.listen).await.map_err(failed)?)
        };
        open.push(Open { forward: forward.clone(), socket });
    }
    Ok(open)
}

impl Open {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        let address = match &self.socket {
            Socket::Tcp(listener) => listener.local_addr(),
            Socket::Udp(socket) => socket.local_addr(),
        };
        address.unwrap_or(self.forward.listen)
    }

    /// Hands what comes to the LAN's gateway, for as long as the relay runs. Without anybody in the LAN it is refused.
    pub async fn run(self, hub: Arc<Hub>) {
        let Forward { guest, lan, .. } = &self.forward;
        match &self.socket {
            Socket::Tcp(listener) => loop {
                let Ok((stream, _)) = listener.accept().await else {
                    sleep(ACCEPT_RETRY).await;
                    continue;
                };
                // What is not taken is closed.
                if let Some(gateway) = hub.gateway(lan) {
                    let _ = gateway.try_send(Order::Open { stream, guest: *guest });
                }
            },
            Socket::Udp(socket) => {
                let mut buffer = vec![0; DATAGRAM_MAX];
                loop {
                    // An error is an old datagram's, that did not arrive.
                    let Ok((length, peer)) = socket.recv_from(&mut buffer).await else {
                        sleep(ACCEPT_RETRY).await;
                        continue;
                    };
                    if let Some(gateway) = hub.gateway(lan) {
                        let (socket, payload) = (socket.clone(), buffer[..length].to_vec());
                        let _ = gateway.try_send(Order::Datagram { socket, peer, guest: *guest, payload });
                    }
                }
            }
        }
    }
}

impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = if self.forward.udp { "UDP" } else { "TCP" };
        write!(f, "{protocol} {} leads to {} in {}", self.address(), self.forward.guest, self.forward.lan)
    }
}

/// The gateway's ports that connections and datagrams into the LAN come from.
#[derive(Default)]
pub struct Ports {
    next: u16,
    peers: HashMap<u16, Peer>,
}

struct Peer {
    guest: SocketAddrV4,
    address: SocketAddr,
    socket: Arc<UdpSocket>,
    heard: Instant,
}

impl Ports {
    /// A port that is `free`, another one each time.
    pub fn unused(&mut self, free: impl Fn(u16) -> bool) -> Option<u16> {
        (0..=u16::MAX - FIRST_PORT)
            .map(|_| {
                self.next = self.next.wrapping_add(1) | FIRST_PORT;
                self.next
            })
            .find(|port| free(*port))
    }

    /// The port that datagrams of `peer` come from: always the same, until it is idle.
    pub fn for_peer(
        &mut self,
        guest: SocketAddrV4,
        peer: SocketAddr,
        socket: Arc<UdpSocket>,
        now: Instant,
    ) -> Option<u16> {
        let same = |other: &&mut Peer| other.guest == guest && other.address == peer;
        if let Some((port, known)) = self.peers.iter_mut().find(|(_, other)| same(other)) {
            known.heard = now;
            return Some(*port);
        }
        if self.peers.len() >= PEERS_MAX {
            self.peers.retain(|_, peer| now.saturating_duration_since(peer.heard) < udp::IDLE);
        }
        if self.peers.len() >= PEERS_MAX {
            return None;
        }
        let taken: Vec<u16> = self.peers.keys().copied().collect();
        let port = self.unused(|port| !taken.contains(&port))?;
        self.peers.insert(port, Peer { guest, address: peer, socket, heard: now });
        Some(port)
    }

    /// Sends a client's datagram back to whom it answers. Whether there is one.
    pub fn answer(&mut self, flow: Flow, payload: &[u8]) -> bool {
        if *flow.remote.ip() != GATEWAY {
            return false;
        }
        let Some(peer) = self.peers.get_mut(&flow.remote.port()).filter(|peer| peer.guest == flow.guest) else {
            return false;
        };
        peer.heard = Instant::now();
        // A datagram may be lost, and is when the host's queue is full.
        let _ = peer.socket.try_send_to(payload, peer.address);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forward_is_read_as_it_is_written() {
        let read = |text: &str| text.parse::<Forward>();
        let plain = read("8080:10.0.2.15:80").unwrap();
        assert_eq!((plain.udp, plain.lan.as_str(), plain.listen), (false, "0", "127.0.0.1:8080".parse().unwrap()));
        assert_eq!(plain.guest, "10.0.2.15:80".parse().unwrap());
        let full = read("udp:lab/[::1]:5353:10.0.2.20:53").unwrap();
        assert_eq!((full.udp, full.lan.as_str(), full.listen), (true, "lab", "[::1]:5353".parse().unwrap()));
        assert_eq!(read("0.0.0.0:80:10.0.2.15:80").unwrap().listen, "0.0.0.0:80".parse().unwrap());
        assert_eq!(read(&full.to_string()).unwrap(), full);
        for bad in [
            "",
            "80",
            "80:10.0.2.15",
            "x:10.0.2.15:80",
            "80:10.0.2.2:80",
            "80:192.168.0.1:80",
            "80:10.0.2.15:0",
            "a b/80:10.0.2.15:80",
            "70000:10.0.2.15:80",
            "host:80:10.0.2.15:80",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn peers_have_ports_of_their_own_and_there_are_not_endlessly_many() {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let guest = "10.0.2.15:53".parse().unwrap();
        let (mut ports, now) = (Ports::default(), Instant::now());
        let mut port = |peer: usize, now| {
            ports.for_peer(guest, SocketAddr::from(([127, 0, 0, 1], peer as u16)), socket.clone(), now)
        };
        let first = port(1, now).unwrap();
        assert!(first >= FIRST_PORT);
        assert_eq!(port(1, now), Some(first));
        let others: std::collections::HashSet<_> = (1..=PEERS_MAX).map(|peer| port(peer, now).unwrap()).collect();
        assert_eq!(others.len(), PEERS_MAX);
        assert_eq!(port(PEERS_MAX + 1, now), None);
        assert!(port(PEERS_MAX + 1, now + udp::IDLE).is_some());
    }
}
