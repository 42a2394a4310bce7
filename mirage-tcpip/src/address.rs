//! Our addresses, and the way to others.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mirage_sig::{Cidr, Instant};

/// Addresses there can be, of both families: as many as smoltcp was built for.
pub(crate) const ADDRESSES_MAX: usize = 8;
/// IPv6 routers that are remembered.
const ROUTERS_MAX: usize = 4;
/// Servers that resolve names and were learned, not configured.
const DNS_MAX: usize = 6;

/// Whom an address is from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Config,
    Dhcp,
    /// Made up: RFC 3927 in IPv4, and IPv6's address for the link.
    Link,
    /// From a router, and good until then.
    Router(Instant),
}

#[derive(Clone, Copy)]
pub(crate) struct Own {
    pub cidr: Cidr,
    pub origin: Origin,
}

#[derive(Default)]
pub(crate) struct Addresses {
    pub list: Vec<Own>,
    pub gateway: Option<Ipv4Addr>,
    /// IPv6 routers, and until when they are.
    pub routers: Vec<(Ipv6Addr, Instant)>,
    /// Servers that DHCP told of.
    pub dns_v4: Vec<IpAddr>,
    /// Servers that routers told of, and until when they serve.
    pub dns_v6: Vec<(IpAddr, Instant)>,
}

/// The way to an address.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    /// Our own address on that way.
    pub source: IpAddr,
    /// The next station.
    pub hop: IpAddr,
}

/// Whether both addresses are in the same network, of which `prefix` bits are given.
fn same_network(a: IpAddr, b: IpAddr, prefix: u8) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            (a.to_bits() ^ b.to_bits()) & mask == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            (a.to_bits() ^ b.to_bits()) & mask == 0
        }
        _ => false,
    }
}

/// Whether the address is good on its own link only.
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

impl Addresses {
    pub fn has(&self, address: IpAddr) -> bool {
        self.list.iter().any(|own| own.cidr.address == address)
    }

    /// Whether one of our networks has that address.
    pub fn on_link(&self, address: IpAddr) -> bool {
        self.list.iter().any(|own| same_network(own.cidr.address, address, own.cidr.prefix))
    }

    /// Whether all stations of one of our IPv4 networks are meant.
    pub fn is_broadcast(&self, address: IpAddr) -> bool {
        let IpAddr::V4(address) = address else { return false };
        address.is_broadcast()
            || self.list.iter().any(|own| match own.cidr.address {
                // Networks of two and of one have none (RFC 3021).
                IpAddr::V4(ours) if own.cidr.prefix < 31 => {
                    let hosts = u32::MAX >> own.cidr.prefix;
                    address.to_bits() == ours.to_bits() | hosts
                }
                _ => false,
            })
    }

    /// The way to `to`, which is one station, a group or all.
    pub fn route(&self, to: IpAddr, now: Instant) -> Option<Route> {
        let hop = if self.on_link(to) || to.is_multicast() || self.is_broadcast(to) || is_link_local(to) {
            to
        } else if to.is_ipv4() {
            self.gateway?.into()
        } else {
            // Those that are good for longest first.
            let alive = self.routers.iter().filter(|(_, until)| *until > now);
            alive.max_by_key(|(_, until)| *until)?.0.into()
        };
        Some(Route { source: self.source(to)?, hop })
    }

    /// Our address for talking to `to`: in its network, or at least good beyond the link if it is (RFC 6724 5).
    fn source(&self, to: IpAddr) -> Option<IpAddr> {
        let link = is_link_local(to) || matches!(to, IpAddr::V6(to) if to.octets()[..2] == [0xff, 2]);
        let ours = self.list.iter().filter(|own| own.cidr.address.is_ipv4() == to.is_ipv4());
        let rank = |own: &&Own| {
            let near = same_network(own.cidr.address, to, own.cidr.prefix);
            let scope = is_link_local(own.cidr.address) == link;
            u8::from(near) * 2 + u8::from(scope)
        };
        // The first of the best.
        let mut best: Option<(&Own, u8)> = None;
        for own in ours {
            let rank = rank(&own);
            if best.is_none_or(|(_, most)| rank > most) {
                best = Some((own, rank));
            }
        }
        best.map(|(own, _)| own.cidr.address)
    }

    /// Adds an address, or gives one that is there its new origin. Whether that changed the list.
    pub fn add(&mut self, cidr: Cidr, origin: Origin) -> bool {
        if let Some(own) = self.list.iter_mut().find(|own| own.cidr.address == cidr.address) {
            own.origin = origin;
            return false;
        }
        if self.list.len() >= ADDRESSES_MAX {
            return false;
        }
        self.list.push(Own { cidr, origin });
        true
    }

    /// Whether there was something that `which` says is to go.
    pub fn remove(&mut self, which: impl Fn(&Own) -> bool) -> bool {
        let before = self.list.len();
        self.list.retain(|own| !which(own));
        self.list.len() != before
    }

    /// Remembers an IPv6 router until then, or forgets it if that is past.
    pub fn router(&mut self, router: Ipv6Addr, until: Instant, now: Instant) {
        self.routers.retain(|(known, until)| *known != router && *until > now);
        if until > now && self.routers.len() < ROUTERS_MAX {
            self.routers.push((router, until));
        }
    }

    /// Remembers a server for names until then.
    pub fn name_server(&mut self, server: IpAddr, until: Instant, now: Instant) {
        self.dns_v6.retain(|(known, until)| *known != server && *until > now);
        if until > now && self.dns_v6.len() < DNS_MAX {
            self.dns_v6.push((server, until));
        }
    }

    /// When the next thing that a router told of is over.
    pub fn next_expiry(&self) -> Instant {
        let own = self.list.iter().map(|own| match own.origin {
            Origin::Router(until) => until,
            _ => Instant::END,
        });
        let routers = self.routers.iter().map(|(_, until)| *until);
        own.chain(routers).min().unwrap_or(Instant::END)
    }

    /// Whether there is an address that is good beyond the link, or one of IPv4.
    pub fn reachable(&self) -> bool {
        self.list.iter().any(|own| own.cidr.address.is_ipv4() || !is_link_local(own.cidr.address))
    }
}
