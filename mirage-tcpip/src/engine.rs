//! The stack itself, without its tasks: frames and calls go in, frames and wake-ups come out. Nothing here waits.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::task::Waker;
use core::time::Duration;

use mirage_sig::{Cidr, Instant, Mac};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpProtocol, IpRepr};

use crate::address::{Addresses, Origin, is_link_local};
use crate::config::{Checksums, Config};
use crate::dns::Names;
use crate::group::Groups;
use crate::hash::{Key, Source};
use crate::icmp::Echoes;
use crate::neighbour::Neighbours;
use crate::outbox::{Fill, Outbox};
use crate::packet::{self, Dropped, Frame, Packet, is_unicast, kind_of};
use crate::stats::Stats;
use crate::tcp::Tcp;
use crate::udp::Udp;
use crate::world::World;

/// DHCP messages that wait to be read.
const DHCP_QUEUE: usize = 8;

pub(crate) struct Engine {
    pub config: Config,
    /// The longest IP packet.
    pub mtu: usize,
    /// When this turn began.
    pub now: Instant,
    pub addresses: Addresses,
    pub neighbours: Neighbours,
    pub groups: Groups,
    pub tcp: Tcp,
    pub udp: Udp,
    pub echoes: Echoes,
    pub names: Names,
    pub out: Outbox,
    pub random: Source,
    pub stats: Stats,
    pub ipv4: Ipv4Mail,
    pub ipv6: Ipv6Mail,
    /// The network is gone, or the last handle is.
    pub closed: bool,
    /// Who waits for an address.
    pub configured: Vec<Waker>,
    /// Who waits for room in the network.
    pub writers: Vec<Waker>,
    driver: Option<Waker>,
    kicked: bool,
    /// Kinds of what was dropped that the log knows of, a bit for each.
    logged: u16,
}

/// What the task that looks after the IPv4 address is told.
#[derive(Default)]
pub(crate) struct Ipv4Mail {
    pub waker: Option<Waker>,
    /// Messages from DHCP servers. Taken in only while somebody wants them.
    pub messages: VecDeque<Vec<u8>>,
    pub wanted: bool,
    /// The cable was plugged in again.
    pub plugged: bool,
    /// The address that is being tried out, which is not ours yet.
    pub trying: Option<Ipv4Addr>,
    /// The address that somebody else uses as well, for good: it was defended, and they went on.
    pub taken: Option<Ipv4Addr>,
    /// When an address was last defended.
    pub defended: Option<Instant>,
}

/// What the task that looks after the IPv6 addresses is told.
#[derive(Default)]
pub(crate) struct Ipv6Mail {
    pub waker: Option<Waker>,
    /// A router has announced something.
    pub heard: bool,
    /// No router has, and none will be asked any more.
    pub alone: bool,
    pub plugged: bool,
}

pub(crate) fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

pub(crate) fn wake_all(wakers: &mut Vec<Waker>) {
    wakers.drain(..).for_each(Waker::wake);
}

/// Adds a waker that is not among them.
pub(crate) fn register(wakers: &mut Vec<Waker>, waker: &Waker) {
    if !wakers.iter().any(|known| known.will_wake(waker)) {
        wakers.push(waker.clone());
    }
}

impl Engine {
    pub fn new(config: Config, mac: Mac, mtu: usize, now: Instant, seed: [u8; 32]) -> Self {
        let (tables, numbers) = seed.split_at(16);
        let key = |bytes: &[u8]| Key::new(*bytes.first_chunk().unwrap_or(&[0; 16]));
        let (tables, numbers) = (key(tables), key(numbers));
        Self {
            mtu,
            now,
            addresses: Addresses::default(),
            neighbours: Neighbours::new(tables),
            groups: Groups::default(),
            tcp: Tcp::new(&config.tcp, mtu, tables),
            udp: Udp::new(tables),
            echoes: Echoes::default(),
            names: Names::default(),
            out: Outbox::new(mac),
            random: Source::new(numbers),
            stats: Stats::default(),
            ipv4: Ipv4Mail::default(),
            ipv6: Ipv6Mail::default(),
            closed: false,
            configured: Vec::new(),
            writers: Vec::new(),
            driver: None,
            kicked: false,
            logged: 0,
            config,
        }
    }

    pub fn verify(&self) -> bool {
        self.config.checksums == Checksums::Verify
    }

    /// Has the driver look for what there is to do.
    pub fn kick(&mut self) {
        self.kicked = true;
        wake(&mut self.driver);
    }

    /// Whether there was a kick since the last call. If not, the next one wakes `waker`.
    pub fn kicked(&mut self, waker: &Waker) -> bool {
        if core::mem::take(&mut self.kicked) {
            return true;
        }
        if !self.driver.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.driver = Some(waker.clone());
        }
        false
    }

    /// All that there was to do is done: kicks from now on count.
    pub fn rested(&mut self) {
        self.kicked = false;
    }

    /// Counts something that is thrown away, and tells the log of the first of its kind.
    pub fn drop(&mut self, kind: Dropped) {
        self.drop_from(kind, None);
    }

    pub fn drop_from(&mut self, kind: Dropped, source: Option<Mac>) {
        self.stats.drops[kind as usize] += 1;
        let bit = 1 << kind as u8;
        // What is not meant for us is everyday.
        if self.logged & bit == 0 && kind != Dropped::Elsewhere {
            self.logged |= bit;
            match source {
                Some(mac) => log::warn!("dropped a frame from {mac}: {}; further ones are only counted", kind.text()),
                None => log::warn!("dropped a frame: {}; further ones are only counted", kind.text()),
            }
        }
    }

    /// A frame has arrived.
    pub fn ingress(&mut self, bytes: &[u8]) {
        self.stats.frames.received += 1;
        let Some(frame) = Frame::parse(bytes) else { return self.drop(Dropped::Malformed) };
        if frame.source == self.out.mac() {
            return self.drop(Dropped::Looped);
        }
        if frame.source.is_multicast() {
            return self.drop_from(Dropped::Spoofed, Some(frame.source));
        }
        if frame.target != self.out.mac() && !frame.target.is_multicast() {
            return self.drop(Dropped::Elsewhere);
        }
        let result = match frame.kind {
            packet::IPV4 => self.ipv4_ingress(&frame),
            packet::IPV6 => self.ipv6_ingress(&frame),
            packet::ARP => self.arp_ingress(&frame),
            _ => Err(Dropped::Protocol),
        };
        if let Err(kind) = result {
            match frame.kind {
                packet::IPV4 => self.stats.ipv4.bad += 1,
                packet::IPV6 => self.stats.ipv6.bad += 1,
                _ => {}
            }
            self.drop_from(kind, Some(frame.source));
        }
    }

    fn ipv4_ingress(&mut self, frame: &Frame<'_>) -> Result<(), Dropped> {
        let packet = Packet::parse_v4(frame.payload, self.verify())?;
        // A server may send to the address that it has in mind for us.
        if packet.protocol == packet::UDP && packet::be16(packet.payload, 2) == crate::dhcp::CLIENT {
            return self.dhcp_ingress(&packet);
        }
        if self.addresses.has(packet.source) {
            return Err(Dropped::Looped);
        }
        if !is_unicast(packet.source) || self.addresses.is_broadcast(packet.source) {
            return Err(Dropped::Spoofed);
        }
        let all = self.addresses.is_broadcast(packet.target);
        if !all && !self.addresses.has(packet.target) && !self.groups.has(packet.target) {
            return Err(Dropped::Elsewhere);
        }
        self.stats.ipv4.received += 1;
        match packet.protocol {
            packet::TCP => self.tcp_ingress(frame, &packet),
            packet::UDP => self.udp_ingress(frame, &packet),
            packet::ICMP => self.icmp_ingress(frame, &packet),
            packet::IGMP => self.igmp_ingress(&packet),
            _ => Err(Dropped::Protocol),
        }
    }

    fn ipv6_ingress(&mut self, frame: &Frame<'_>) -> Result<(), Dropped> {
        let packet = Packet::parse_v6(frame.payload)?;
        if self.addresses.has(packet.source) {
            return Err(Dropped::Looped);
        }
        // Who looks for an address has none.
        let searching = packet.protocol == packet::ICMPV6 && packet.source.is_unspecified();
        if !is_unicast(packet.source) && !searching {
            return Err(Dropped::Spoofed);
        }
        if !self.addresses.has(packet.target) && !self.groups.has(packet.target) && !self.is_solicited(packet.target) {
            return Err(Dropped::Elsewhere);
        }
        self.stats.ipv6.received += 1;
        match packet.protocol {
            packet::TCP if packet.plain => self.tcp_ingress(frame, &packet),
            packet::UDP => self.udp_ingress(frame, &packet),
            packet::ICMPV6 => self.icmpv6_ingress(frame, &packet),
            _ => Err(Dropped::Protocol),
        }
    }

    fn dhcp_ingress(&mut self, packet: &Packet<'_>) -> Result<(), Dropped> {
        if self.verify() && packet::be16(packet.payload, 6) != 0 && !packet.checksum_holds() {
            return Err(Dropped::Checksum);
        }
        if !self.ipv4.wanted || packet::be16(packet.payload, 0) != crate::dhcp::SERVER {
            return Err(Dropped::Unasked);
        }
        let length = usize::from(packet::be16(packet.payload, 4));
        let message = packet.payload.get(8..length).ok_or(Dropped::Malformed)?;
        if self.ipv4.messages.len() >= DHCP_QUEUE {
            return Err(Dropped::Full);
        }
        self.stats.ipv4.received += 1;
        self.ipv4.messages.push_back(message.into());
        wake(&mut self.ipv4.waker);
        Ok(())
    }

    /// Puts an IP packet into the queue; `fill` writes its payload of `length` bytes.
    pub fn answer(
        &mut self,
        mac: Mac,
        (source, target): (IpAddr, IpAddr),
        (protocol, hop_limit): (u8, u8),
        length: usize,
        fill: Fill<'_>,
    ) {
        let header = ip_header(source, target, protocol, hop_limit, length);
        let header_length = header.header_len();
        if header_length + length > self.mtu {
            return;
        }
        let pushed = self.out.push(mac, kind_of(target), header_length + length, &mut |packet| {
            header.emit(&mut *packet, &ChecksumCapabilities::default());
            fill(&mut packet[header_length..]);
        });
        if pushed {
            self.count_sent(target);
        }
    }

    pub fn count_sent(&mut self, target: IpAddr) {
        let ip = if target.is_ipv4() { &mut self.stats.ipv4 } else { &mut self.stats.ipv6 };
        ip.sent += 1;
    }

    /// What is due at this time.
    pub fn expire(&mut self) {
        self.expire_neighbours();
        self.expire_half_open();
        self.expire_timers();
    }

    /// When something will be due.
    pub fn next_deadline(&self) -> Instant {
        self.neighbours.next_deadline().min(self.tcp.next_deadline())
    }

    /// Sends what is to be sent, up to a bound. Whether there is more, for which there is room.
    pub fn egress(&mut self, world: &dyn World) -> bool {
        self.out.flush(world);
        let more = self.serve_dirty(world);
        self.out.flush(world);
        if !self.out.stalled {
            wake_all(&mut self.writers);
        }
        !self.out.stalled && more
    }

    /// The network has room again.
    pub fn unstall(&mut self) {
        self.out.stalled = false;
        wake_all(&mut self.writers);
    }

    pub fn add_address(&mut self, cidr: Cidr, origin: Origin) {
        if self.addresses.add(cidr, origin) {
            self.addresses_changed();
            log::info!("address {cidr}");
        }
    }

    pub fn remove_addresses(&mut self, which: impl Fn(&crate::address::Own) -> bool) {
        if self.addresses.remove(which) {
            self.addresses_changed();
        }
    }

    fn addresses_changed(&mut self) {
        self.tcp.set_addresses(self.addresses.list.iter().map(|own| own.cidr));
        self.recheck_connections();
        self.wake_configured();
    }

    pub fn wake_configured(&mut self) {
        if self.is_configured() {
            wake_all(&mut self.configured);
        }
    }

    /// Whether others can reach us. An address for the link is good enough where there will be no other one.
    pub fn is_configured(&self) -> bool {
        self.addresses.reachable()
            || self.config.ipv4 == crate::Ipv4::Off
                && self.ipv6.alone
                && self.addresses.list.iter().any(|own| is_link_local(own.cidr.address))
    }

    /// The cable was plugged in, perhaps somewhere else.
    pub fn plugged(&mut self) {
        (self.ipv4.plugged, self.ipv6.plugged) = (true, true);
        wake(&mut self.ipv4.waker);
        wake(&mut self.ipv6.waker);
    }

    /// The end: all who wait are told.
    pub fn close(&mut self) {
        self.closed = true;
        wake_all(&mut self.configured);
        wake_all(&mut self.writers);
        wake(&mut self.ipv4.waker);
        wake(&mut self.ipv6.waker);
        self.neighbours.close();
        self.echoes.close();
        self.udp.close();
        self.close_connections();
    }

    pub fn stats(&self) -> Stats {
        let mut stats = self.stats;
        (stats.frames.sent, stats.frames.unsent) = (self.out.sent, self.out.lost);
        self.tcp.count(&mut stats.tcp, self.now);
        stats
    }
}

/// An IP header as smoltcp writes it.
pub(crate) fn ip_header(source: IpAddr, target: IpAddr, protocol: u8, hop_limit: u8, length: usize) -> IpRepr {
    IpRepr::new(source.into(), target.into(), IpProtocol::from(protocol), length, hop_limit)
}

/// A later instant.
pub(crate) fn after(now: Instant, span: Duration) -> Instant {
    now.saturating_add(span)
}
