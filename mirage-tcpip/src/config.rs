use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use mirage_sig::{ArgError, Args, Cidr};

/// How a stack gets its addresses, and how much it may hold.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the DHCP server is told that we are called; nothing if empty.
    pub hostname: String,
    /// Where the IPv4 address comes from.
    pub ipv4: Ipv4,
    /// Where the IPv6 addresses come from.
    pub ipv6: Ipv6,
    /// Servers that resolve names, the first first. Those that DHCP and routers tell of come after them.
    pub dns: Vec<IpAddr>,
    /// Whether checksums of what arrives are looked at.
    pub checksums: Checksums,
    /// Connections: buffers and patience.
    pub tcp: TcpConfig,
    /// Bounds.
    pub limits: Limits,
}

/// Where the IPv4 address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipv4 {
    /// There is none.
    Off,
    /// From a DHCP server (RFC 2131), and if none answers within `patience`, one that nobody else on the link has
    /// (RFC 3927), until a server answers after all.
    Dhcp {
        /// How long to wait for a server before an address is made up.
        patience: Duration,
    },
    /// This one.
    Static {
        /// The address.
        address: Ipv4Addr,
        /// The length of its network's prefix.
        prefix: u8,
        /// The router, which is in that network.
        gateway: Option<Ipv4Addr>,
    },
}

/// Where IPv6 addresses come from. Unless it is off, there is always a link-local one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipv6 {
    /// There are none, not even a link-local one.
    Off,
    /// From what routers announce (RFC 4862).
    Slaac,
    /// This one. Routers are listened to only if `gateway` is not given.
    Static {
        /// The address.
        address: Ipv6Addr,
        /// The length of its network's prefix.
        prefix: u8,
        /// The router.
        gateway: Option<Ipv6Addr>,
    },
}

/// Whether checksums of what arrives are looked at. Those of what is sent are always filled in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksums {
    /// What is damaged is dropped and counted.
    #[default]
    Verify,
    /// The network is memory, or checks frames itself: nothing is summed up on arrival.
    Trusted,
}

/// Connections: buffers and patience.
#[derive(Clone, Copy, Debug)]
pub struct TcpConfig {
    /// Bytes that were received and not read, of each connection, which is also the largest window: 1 to 2^30.
    pub receive_buffer: usize,
    /// Bytes that were written and not acknowledged, of each connection: 1 at least.
    pub send_buffer: usize,
    /// How long `connect` waits.
    pub connect_timeout: Duration,
    /// How long data may go without any answer before the connection is [`TimedOut`](mirage_sig::NetErrorKind::TimedOut):
    /// RFC 9293's user timeout, whose five minutes are the default.
    pub user_timeout: Duration,
    /// After how much silence to ask whether the other side is there; it is given up after four times as much. `None` never
    /// asks, as RFC 1122 4.2.3.6 wants it unless an application decides otherwise.
    pub keep_alive: Option<Duration>,
    /// How long a connection that was dropped here may take to come to its end.
    pub linger: Duration,
    /// How long the addresses and ports of an ended connection are kept out of use, against stray segments.
    pub time_wait: Duration,
    /// Whether small segments wait for others to be acknowledged (RFC 896). What is written in one turn goes out together
    /// in any case.
    pub nagle: bool,
}

/// Bounds. What goes beyond is refused, or takes the place of the oldest, as said at each.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections of all kinds: `connect` is refused with `Exhausted`, and no new ones are answered.
    pub connections: usize,
    /// Connections that were asked for and are not established, of the stack; 136 bytes each. Beyond them, nothing is kept:
    /// SYN cookies.
    pub half_open: usize,
    /// Connections that were dropped here and have not come to their end. The oldest is reset.
    pub orphans: usize,
    /// Ended connections whose ports are kept out of use. The oldest is forgotten.
    pub time_wait: usize,
    /// Stations whose Ethernet addresses are known. The one that was used longest ago is forgotten.
    pub neighbours: usize,
    /// Bytes of datagrams that were received and not taken, of each UDP socket. The newest are dropped.
    pub datagrams: usize,
    /// Names whose addresses are remembered. The oldest is forgotten.
    pub names: usize,
}

impl Config {
    /// How long to wait for a DHCP server before an address is made up.
    pub const DHCP_PATIENCE: Duration = Duration::from_secs(8);

    /// The addresses given by the arguments `name`, `ipv4`, `ipv4-gateway`, `ipv6`, `ipv6-gateway` and `dns`; without them,
    /// DHCP and SLAAC.
    ///
    /// # Errors
    /// An address of the other family than the argument's, or a gateway without an address.
    pub fn from_args(args: &Args) -> Result<Self, ArgError> {
        let wrong = |name: &str, expected: &str| ArgError::Malformed {
            name: name.to_string(),
            value: args.text(name).unwrap_or_default().to_string(),
            expected: expected.to_string(),
            nearest: None,
        };
        let mut config = Self { hostname: args.text("name").unwrap_or_default().to_string(), ..Self::default() };
        let gateway = args.get::<Ipv4Addr>("ipv4-gateway").map_err(|_| wrong("ipv4-gateway", "an IPv4 address"))?;
        match args.get::<Cidr>("ipv4")? {
            None if gateway.is_some() => {
                return Err(wrong("ipv4-gateway", "ipv4 beside it: DHCP finds its own router"));
            }
            None => {}
            Some(Cidr { address: IpAddr::V4(address), prefix }) => {
                config.ipv4 = Ipv4::Static { address, prefix, gateway };
            }
            Some(_) => return Err(wrong("ipv4", "an IPv4 address and its prefix, such as 10.0.0.2/24")),
        }
        let gateway = args.get::<Ipv6Addr>("ipv6-gateway").map_err(|_| wrong("ipv6-gateway", "an IPv6 address"))?;
        match args.get::<Cidr>("ipv6")? {
            None if gateway.is_some() => {
                return Err(wrong("ipv6-gateway", "ipv6 beside it: routers tell of themselves"));
            }
            None => {}
            Some(Cidr { address: IpAddr::V6(address), prefix }) => {
                config.ipv6 = Ipv6::Static { address, prefix, gateway };
            }
            Some(_) => return Err(wrong("ipv6", "an IPv6 address and its prefix, such as fd00::2/64")),
        }
        config.dns.extend(args.get::<IpAddr>("dns")?);
        Ok(config)
    }

    /// One IPv4 address and nothing else: for tests, and for networks of two.
    pub fn fixed(address: Ipv4Addr, prefix: u8) -> Self {
        Self { ipv4: Ipv4::Static { address, prefix, gateway: None }, ipv6: Ipv6::Off, ..Self::default() }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hostname: String::new(),
            ipv4: Ipv4::Dhcp { patience: Self::DHCP_PATIENCE },
            ipv6: Ipv6::Slaac,
            dns: Vec::new(),
            checksums: Checksums::default(),
            tcp: TcpConfig::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for TcpConfig {
    fn default() -> Self {
        Self {
            receive_buffer: 64 << 10,
            send_buffer: 64 << 10,
            connect_timeout: Duration::from_secs(30),
            user_timeout: Duration::from_secs(300),
            keep_alive: None,
            linger: Duration::from_secs(60),
            time_wait: Duration::from_secs(10),
            nagle: false,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            half_open: 256,
            orphans: 1_024,
            time_wait: 4_096,
            neighbours: 256,
            datagrams: 64 << 10,
            names: 64,
        }
    }
}
