//! What may the clients of a gateway reach? Decides, and does no input or output.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::str::FromStr;

use super::{DNS, GATEWAY, dns};

/// An IPv4 network: `192.168.1.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: Ipv4Addr,
    prefix: u8,
}

const fn network(a: u8, b: u8, c: u8, prefix: u8) -> Network {
    Network { address: Ipv4Addr::new(a, b, c, 0), prefix }
}

/// Networks with a special purpose (RFC 6890), which are reached only where they are named.
const SPECIAL: [Network; 7] = [
    // Link-local; on clouds, where machines learn their secrets.
    network(169, 254, 0, 16),
    network(192, 0, 0, 24),
    // Documentation (RFC 5737), and benchmarks (RFC 2544).
    network(192, 0, 2, 24),
    network(198, 51, 100, 24),
    network(203, 0, 113, 24),
    network(198, 18, 0, 15),
    // Once the way to IPv6 (RFC 7526).
    network(192, 88, 99, 24),
];

/// What never leaves the gateway: "this network", loopback, the LAN itself, multicast, reserved and broadcast.
const NEVER: [Network; 5] =
    [network(0, 0, 0, 8), network(127, 0, 0, 8), network(10, 0, 2, 24), network(224, 0, 0, 4), network(240, 0, 0, 4)];

/// What the clients may reach, apart from public addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// The host's own loopback, as 10.0.2.2.
    pub host: bool,
    /// Networks that are not public.
    pub private: Vec<Network>,
}

impl Reach {
    /// Where a TCP connection to `remote` goes, if it may.
    pub fn tcp(&self, remote: SocketAddrV4, resolvers: &[SocketAddr]) -> Option<SocketAddr> {
        if remote == SocketAddrV4::new(DNS, dns::PORT) {
            // Long answers are asked for again by TCP (RFC 7766).
            return resolvers.first().copied();
        }
        self.udp(remote)
    }

    /// Where a datagram to `remote` goes, if it may.
    pub fn udp(&self, remote: SocketAddrV4) -> Option<SocketAddr> {
        let port = remote.port();
        match *remote.ip() {
            _ if port == 0 => None,
            GATEWAY if self.host => Some((Ipv4Addr::LOCALHOST, port).into()),
            address => self.ping(address).map(|address| (address, port).into()),
        }
    }

    /// Where an echo request to `address` goes, if it may. 10.0.2.2 and 10.0.2.3 answer by themselves.
    pub fn ping(&self, address: Ipv4Addr) -> Option<Ipv4Addr> {
        let within = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
        if within(&NEVER) || ((within(&Network::PRIVATE) || within(&SPECIAL)) && !within(&self.private)) {
            return None;
        }
        Some(address)
    }
}

/// What would let clients reach `address`, for the log.
pub fn hint(address: Ipv4Addr) -> &'static str {
    let everything = Reach { host: false, private: vec![network(0, 0, 0, 0)] };
    if address == GATEWAY {
        "--allow-host lets them"
    } else if everything.ping(address).is_some() {
        "--allow-private lets them"
    } else {
        "nobody may"
    }
}

impl Network {
    /// The networks of others than the public: RFC 1918, and the carriers' (RFC 6598).
    pub const PRIVATE: [Self; 4] =
        [network(10, 0, 0, 8), network(172, 16, 0, 12), network(192, 168, 0, 16), network(100, 64, 0, 10)];

    /// Whether the address is one of its own.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
        self.address.to_bits() & mask == address.to_bits() & mask
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) = text.split_once('/').unwrap_or((text, "32"));
        match (address.parse(), prefix.parse()) {
            (Ok(address), Ok(prefix)) if prefix <= 32 => Ok(Self { address, prefix }),
            _ => Err(format!("{text:?} is no IPv4 network: write ADDRESS/BITS, as in 192.168.1.0/24")),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reaches(reach: &Reach, address: &str) -> bool {
        reach.udp(SocketAddrV4::new(address.parse().unwrap(), 80)).is_some()
    }

    #[test]
    fn public_addresses_are_reached_and_others_are_not() {
        let reach = Reach::default();
        for public in
            ["1.1.1.1", "8.8.8.8", "172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0", "223.255.255.255"]
        {
            assert!(reaches(&reach, public), "{public}");
        }
        let others = [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "10.0.2.2",
            "10.0.2.3",
            "10.0.2.77",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "192.0.2.1",
            "198.19.0.1",
            "224.0.0.251",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
        ];
        for other in others {
            assert!(!reaches(&reach, other), "{other}");
        }
    }

    #[test]
    fn what_is_allowed_is_reached_and_loopback_only_as_the_gateway() {
        let private = Reach { private: Network::PRIVATE.to_vec(), host: false };
        assert!(
            reaches(&private, "192.168.0.1") && reaches(&private, "10.0.3.1") && !reaches(&private, "169.254.169.254")
        );
        let all = Reach { private: vec!["0.0.0.0/0".parse().unwrap()], host: false };
        assert!(reaches(&all, "169.254.169.254"));
        for never in ["127.0.0.1", "10.0.2.2", "10.0.2.15", "255.255.255.255", "224.0.0.1", "0.0.0.0"] {
            assert!(!reaches(&all, never), "{never}");
        }
        let host = Reach { host: true, private: Vec::new() };
        let to = |port| host.udp(SocketAddrV4::new(GATEWAY, port));
        assert_eq!(to(8080), Some("127.0.0.1:8080".parse().unwrap()));
        assert_eq!(to(0), None);
        assert!(!reaches(&host, "127.0.0.1"));
    }

    #[test]
    fn dns_by_tcp_goes_to_the_resolver() {
        let resolvers = ["192.168.7.7:53".parse().unwrap()];
        let to = |port| Reach::default().tcp(SocketAddrV4::new(DNS, port), &resolvers);
        assert_eq!((to(53), to(80)), (Some(resolvers[0]), None));
    }

    #[test]
    fn a_refusal_says_what_would_help() {
        assert_eq!(hint(GATEWAY), "--allow-host lets them");
        assert_eq!(hint(Ipv4Addr::new(169, 254, 169, 254)), "--allow-private lets them");
        assert_eq!(hint(Ipv4Addr::LOCALHOST), "nobody may");
    }

    proptest! {
        #[test]
        fn a_network_holds_what_shares_its_first_bits(bits in any::<u32>(), prefix in 0_u8..=32, other in any::<u32>()) {
            let network = Network { address: Ipv4Addr::from_bits(bits), prefix };
            prop_assert_eq!(network.to_string().parse::<Network>(), Ok(network));
            let shared = (bits ^ other).leading_zeros() >= u32::from(prefix);
            prop_assert_eq!(network.contains(Ipv4Addr::from_bits(other)), shared);
        }
    }
}
