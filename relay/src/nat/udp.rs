//! UDP through the gateway: one socket of the host's for each port of a client's, whatever it talks to (RFC 4787, REQ-1), and
//! answers only from where it has sent to (REQ-8).

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::packet::{self, IPV4_HEADER_LEN, UDP_HEADER_LEN};
use super::{GATEWAY, Wire};

/// How long a port is kept that is silent (RFC 4787, REQ-5: at least two minutes).
pub const IDLE: Duration = Duration::from_secs(120);
/// Others that one port talks to at most. Who comes after them takes the place of the one that was sent to the longest ago.
const PEERS_MAX: usize = 64;

/// What a client sends, and where it goes.
pub struct Datagram {
    /// Where to.
    pub to: SocketAddr,
    /// What.
    pub payload: Vec<u8>,
}

/// Serves one port of a client's, until it is idle.
pub async fn run(guest: SocketAddrV4, mut datagrams: mpsc::Receiver<Datagram>, wire: Arc<Wire>) -> SocketAddrV4 {
    wire.metrics.udp_opened.up();
    let _open = wire.metrics.udp_flows.while_alive();
    let Ok(socket) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await else {
        wire.metrics.nat_unreachable.up();
        return guest;
    };
    let mut peers: HashMap<SocketAddr, Instant> = HashMap::new();
    let mut idle = Instant::now() + IDLE;
    // One byte more than what fits, so that a longer one shows.
    let mut buffer = vec![0; wire.mtu - IPV4_HEADER_LEN - UDP_HEADER_LEN + 1];
    loop {
        tokio::select! {
            datagram = datagrams.recv() => {
                let Some(Datagram { to, payload }) = datagram else { return guest };
                let now = Instant::now();
                if peers.len() >= PEERS_MAX && !peers.contains_key(&to)
                    && let Some(oldest) = peers.iter().min_by_key(|(_, at)| **at).map(|(peer, _)| *peer)
                {
                    peers.remove(&oldest);
                }
                peers.insert(to, now);
                idle = now + IDLE;
                // A datagram may be lost; that it cannot be sent is one way.
                if socket.send_to(&payload, to).await.is_err() {
                    wire.metrics.nat_unreachable.up();
                }
            }
            received = socket.recv_from(&mut buffer) => {
                // An error is an old datagram's, that did not arrive.
                let Ok((length, from)) = received else { continue };
                let (true, SocketAddr::V4(peer)) = (peers.contains_key(&from), from) else { continue };
                idle = Instant::now() + IDLE;
                // The host's loopback is seen as the gateway.
                let address = if peer.ip().is_loopback() { GATEWAY } else { *peer.ip() };
                match packet::udp(SocketAddrV4::new(address, peer.port()), guest, &buffer[..length], wire.mtu) {
                    Some(packet) => wire.send(&packet),
                    None => wire.metrics.nat_large.up(),
                }
            }
            () = sleep_until(idle) => return guest,
        }
    }
}
