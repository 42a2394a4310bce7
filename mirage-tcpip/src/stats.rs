use core::net::{IpAddr, SocketAddr};

use mirage_sig::Mac;

use crate::packet::Dropped;

/// What the stack has done since it was made. Counters never decrease, but for those that say how many there are now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Ethernet.
    pub frames: FrameStats,
    /// ARP and neighbour discovery.
    pub neighbours: NeighbourStats,
    /// IPv4.
    pub ipv4: IpStats,
    /// IPv6.
    pub ipv6: IpStats,
    /// Echo requests and answers.
    pub icmp: IcmpStats,
    /// TCP.
    pub tcp: TcpStats,
    /// UDP.
    pub udp: UdpStats,
    /// Names.
    pub dns: DnsStats,
    /// What arrived and was thrown away, in the order of [`Dropped::ALL`].
    pub drops: [u64; Dropped::ALL.len()],
}

impl Stats {
    /// How much of that kind was thrown away.
    pub const fn dropped(&self, kind: Dropped) -> u64 {
        self.drops[kind as usize]
    }
}

/// Ethernet frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameStats {
    /// That arrived.
    pub received: u64,
    /// That the network took.
    pub sent: u64,
    /// That it did not take, or that did not fit into the queue before it.
    pub unsent: u64,
}

/// ARP and neighbour discovery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NeighbourStats {
    /// Questions for an Ethernet address that were sent.
    pub asked: u64,
    /// Questions that were answered by us.
    pub answered: u64,
    /// Addresses nobody answered for.
    pub failed: u64,
    /// Times that another station claimed an address of ours.
    pub conflicts: u64,
}

/// IP packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IpStats {
    /// That arrived here and are well formed.
    pub received: u64,
    /// That arrived and were thrown away as packets.
    pub bad: u64,
    /// That were made here.
    pub sent: u64,
}

/// Echoes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IcmpStats {
    /// Requests that were answered here.
    pub echoed: u64,
    /// Requests that were sent.
    pub pings: u64,
    /// Answers to them.
    pub answers: u64,
    /// Messages that something cannot be reached, which arrived.
    pub unreachable: u64,
}

/// TCP connections and segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpStats {
    /// Segments that arrived.
    pub received: u64,
    /// Segments that were sent.
    pub sent: u64,
    /// Of those sent, how many had been sent before.
    pub retransmitted: u64,
    /// Resets that were sent.
    pub resets_sent: u64,
    /// Resets that arrived and ended a connection.
    pub resets_received: u64,
    /// Connections that were opened from here.
    pub opened: u64,
    /// Connections that others opened.
    pub accepted: u64,
    /// Connections from here that came to nothing.
    pub failed: u64,
    /// Requests for a connection that were not answered, as the backlog was full.
    pub overflowed: u64,
    /// Requests that were answered with a cookie, as there was no room to remember them.
    pub cookies: u64,
    /// Connections there are now, without those below.
    pub established: usize,
    /// Connections that others have asked for, now.
    pub half_open: usize,
    /// Connections that were dropped here and have not come to their end, now.
    pub orphans: usize,
    /// Ended connections whose ports are kept out of use, now.
    pub time_wait: usize,
}

/// UDP datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UdpStats {
    /// That arrived at a socket.
    pub received: u64,
    /// That were sent.
    pub sent: u64,
    /// That arrived at a port where nobody is.
    pub refused: u64,
    /// That did not fit into a socket's queue.
    pub dropped: u64,
}

/// Names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DnsStats {
    /// Resolved from memory.
    pub hits: u64,
    /// Asked of a server.
    pub misses: u64,
    /// Not resolved, for whatever reason.
    pub failed: u64,
}

/// A station on the same link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its address.
    pub address: IpAddr,
    /// Its Ethernet address, as far as it is known.
    pub mac: Option<Mac>,
    /// Whether that was confirmed within the last minute.
    pub fresh: bool,
}

/// A socket, as a list of them shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// Our end. Unspecified where it is any of our addresses.
    pub local: SocketAddr,
    /// The other end, if there is one.
    pub peer: Option<SocketAddr>,
    /// The state, in RFC 9293's words for TCP; empty for UDP.
    pub state: &'static str,
    /// Bytes that were received and not read.
    pub receive_queue: usize,
    /// Bytes that were written and not acknowledged.
    pub send_queue: usize,
}
