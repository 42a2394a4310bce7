//! What a relay is told before it starts.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::door::{Origin, Token};
use crate::lan::LanName;
use crate::nat::{Forward, Nat, Reach};

/// The port where tabs look for a relay.
pub const PORT: u16 = 8086;

/// All settings. [`Config::default`] is a relay for the pages of this host, on 127.0.0.1:[`PORT`], with a gateway on each LAN.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen. Port 0 is any free one.
    pub listen: SocketAddr,
    /// Pages that may connect.
    pub origins: Vec<Origin>,
    /// LANs that ask for a secret. Beyond loopback, there are no others.
    pub tokens: Vec<(LanName, Token)>,
    /// The bounds.
    pub limits: Limits,
    /// Which LANs have a gateway.
    pub nat: Nat,
    /// What the gateway's clients may reach.
    pub reach: Reach,
    /// The resolvers that are asked. If there are none, those of `/etc/resolv.conf`.
    pub resolvers: Vec<SocketAddr>,
    /// Ports of this host that lead into a LAN.
    pub forwards: Vec<Forward>,
    /// Kernel interfaces that are plugged into a LAN.
    pub taps: Vec<(LanName, String)>,
    /// Where all frames are written, as pcapng.
    pub capture: Option<PathBuf>,
}

/// The bounds of a relay. Its memory is at most about
/// `clients * (queue * (mtu + 14) + 64 KiB)`, and 256 KiB for each TCP flow of a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Clients in all.
    pub clients: usize,
    /// Clients in one LAN.
    pub clients_per_lan: usize,
    /// Bytes of a frame after its 14 bytes of header.
    pub mtu: usize,
    /// Frames for each client and second, a flooded one counted once for each copy; 0 is no limit.
    pub frames_per_second: u64,
    /// Bytes from each client and second; 0 is no limit.
    pub bytes_per_second: u64,
    /// Frames that wait for a client at most. Two full TCP windows of 64 KiB and as much again for the rest.
    pub queue: usize,
    /// Frames that wait for a gateway or a TAP at most, which serve everybody.
    pub gateway_queue: usize,
    /// The time between two pings.
    pub ping_every: Duration,
    /// How long a client may leave pings unanswered.
    pub silence_max: Duration,
    /// Text messages that are borne before the client is hung up on.
    pub texts_max: u32,
    /// TCP connections of one LAN's gateway.
    pub tcp_flows: usize,
    /// UDP ports of clients that one LAN's gateway serves at a time.
    pub udp_flows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 1024,
            clients_per_lan: 1024,
            mtu: 1500,
            frames_per_second: 200_000,
            bytes_per_second: 250_000_000,
            queue: 256,
            gateway_queue: 1024,
            ping_every: Duration::from_secs(20),
            silence_max: Duration::from_secs(60),
            texts_max: 16,
            tcp_flows: 256,
            udp_flows: 256,
        }
    }
}

impl Limits {
    /// Bytes of the longest frame.
    pub fn frame_max(&self) -> usize {
        self.mtu + crate::lan::switch::HEADER_LEN
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)),
            origins: Origin::local(),
            tokens: Vec::new(),
            limits: Limits::default(),
            nat: Nat::All,
            reach: Reach::default(),
            resolvers: Vec::new(),
            forwards: Vec::new(),
            taps: Vec::new(),
            capture: None,
        }
    }
}

impl Config {
    /// Whether others than this host's own programs can connect.
    pub fn exposed(&self) -> bool {
        !self.listen.ip().is_loopback()
    }
}
