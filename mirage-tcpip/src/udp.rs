//! UDP (RFC 768).

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::task::{Poll, Waker};

use hashbrown::HashMap;
use mirage_sig::NetErrorKind;
use smoltcp::wire::{IpProtocol, checksum};

use crate::engine::{Engine, ip_header, register, wake_all};
use crate::group::GROUPS_MAX;
use crate::handle::Handle;
use crate::hash::Key;
use crate::packet::{self, Dropped, Frame, Packet, be16, kind_of};
use crate::world::World;
use crate::{Error, Socket};

const HEADER: usize = 8;
/// What a datagram costs in its queue beside its bytes, so that empty ones are bounded as well.
const OVERHEAD: usize = 64;
/// Ports for sockets that did not ask for one (RFC 6335 6).
pub(crate) const EPHEMERAL: core::ops::RangeInclusive<u16> = 49_152..=u16::MAX;

pub(crate) struct Udp {
    ports: HashMap<u16, Port, Key>,
}

/// A port that is bound.
#[derive(Default)]
struct Port {
    datagrams: VecDeque<(SocketAddr, Box<[u8]>)>,
    /// Bytes in the queue, with what they cost.
    held: usize,
    groups: Vec<IpAddr>,
    readers: Vec<Waker>,
}

impl Udp {
    pub fn new(key: Key) -> Self {
        Self { ports: HashMap::with_hasher(key) }
    }

    pub fn close(&mut self) {
        self.ports.values_mut().for_each(|port| wake_all(&mut port.readers));
    }

    pub fn list(&self) -> impl Iterator<Item = Socket> {
        self.ports.iter().map(|(number, port)| Socket {
            protocol: "udp",
            local: any(*number),
            peer: None,
            state: "",
            receive_queue: port.held,
            send_queue: 0,
        })
    }
}

/// That port of all our addresses.
pub(crate) const fn any(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)
}

impl Engine {
    pub fn udp_ingress(&mut self, frame: &Frame<'_>, packet: &Packet<'_>) -> Result<(), Dropped> {
        let length = usize::from(be16(packet.payload, 4));
        let data = packet.payload.get(HEADER..length).ok_or(Dropped::Malformed)?;
        let sum = be16(packet.payload, 6);
        // Without a checksum in IPv4 only (RFC 8200 8.1).
        if sum == 0 && packet.source.is_ipv6() {
            return Err(Dropped::Checksum);
        }
        if self.verify() && sum != 0 && !(Packet { payload: &packet.payload[..length], ..*packet }).checksum_holds() {
            return Err(Dropped::Checksum);
        }
        let (from, to) = (be16(packet.payload, 0), be16(packet.payload, 2));
        let limit = self.config.limits.datagrams;
        let Some(port) = self.udp.ports.get_mut(&to) else {
            self.stats.udp.refused += 1;
            self.port_unreachable(frame, packet);
            return Ok(());
        };
        if packet.target.is_multicast() && !port.groups.contains(&packet.target) {
            return Err(Dropped::Elsewhere);
        }
        // One that is longer than the whole queue still gets through an empty one.
        if port.held > 0 && port.held + data.len() + OVERHEAD > limit {
            self.stats.udp.dropped += 1;
            return Err(Dropped::Full);
        }
        port.held += data.len() + OVERHEAD;
        port.datagrams.push_back((SocketAddr::new(packet.source, from), data.into()));
        wake_all(&mut port.readers);
        self.stats.udp.received += 1;
        Ok(())
    }

    /// Binds `port`, or any that is free if it is 0.
    pub fn bind_udp(&mut self, port: u16) -> Result<u16, Error> {
        if self.closed {
            return Err(Error::closed());
        }
        let port = match port {
            0 => {
                let count = u32::from(EPHEMERAL.end() - EPHEMERAL.start()) + 1;
                let first = self.random.below(count);
                let numbers = (0..count).map(|step| EPHEMERAL.start() + ((first + step) % count) as u16);
                let free = |port: &u16| !self.udp.ports.contains_key(port);
                numbers.into_iter().find(free).ok_or(Error::no_ports())?
            }
            taken if self.udp.ports.contains_key(&taken) || taken == crate::dhcp::CLIENT && self.ipv4.wanted => {
                return Err(Error::port_taken(taken));
            }
            free => free,
        };
        self.udp.ports.insert(port, Port::default());
        Ok(port)
    }

    pub fn unbind_udp(&mut self, port: u16) {
        if let Some(port) = self.udp.ports.remove(&port) {
            port.groups.into_iter().for_each(|group| self.leave_group(group));
        }
    }

    /// Sends a datagram. `false` if `waker` is to be woken when it is worth to try again.
    pub fn udp_send(
        &mut self,
        world: &dyn World,
        port: u16,
        datagram: &[u8],
        to: SocketAddr,
        waker: &Waker,
    ) -> Result<bool, Error> {
        let headers = if to.is_ipv4() { 20 } else { 40 } + HEADER;
        if datagram.len() > self.mtu - headers {
            let what = "a datagram is one packet, and this is more than fits into one; it can hold bytes:";
            return Err(Error::new(NetErrorKind::Exhausted, what).number(self.mtu - headers));
        }
        if to.port() == 0 {
            return Err(Error::new(NetErrorKind::Unreachable, "nobody can be at port 0").at(to));
        }
        let Some((route, mac)) = self.way(to.ip(), waker)? else { return Ok(false) };
        self.send_datagram(world, mac, (SocketAddr::new(route.source, port), to), datagram);
        Ok(true)
    }

    /// Sends a datagram that is known to fit, on a way that is known.
    pub fn send_datagram(
        &mut self,
        world: &dyn World,
        mac: mirage_sig::Mac,
        (from, to): (SocketAddr, SocketAddr),
        datagram: &[u8],
    ) {
        let length = HEADER + datagram.len();
        // Groups are for the link unless somebody asks for more (RFC 1112 6.1).
        let hop_limit = if to.ip().is_multicast() { 1 } else { 64 };
        let header = ip_header(from.ip(), to.ip(), packet::UDP, hop_limit, length);
        let header_length = header.header_len();
        self.out.send(world, (mac, kind_of(to.ip())), header_length + length, &mut |packet| {
            header.emit(&mut *packet, &Default::default());
            let message = &mut packet[header_length..];
            message[..2].copy_from_slice(&from.port().to_be_bytes());
            message[2..4].copy_from_slice(&to.port().to_be_bytes());
            message[4..6].copy_from_slice(&(length as u16).to_be_bytes());
            message[HEADER..].copy_from_slice(datagram);
            let (source, target) = (from.ip().into(), to.ip().into());
            let pseudo = checksum::pseudo_header(&source, &target, IpProtocol::Udp, length as u32);
            let sum = !checksum::combine(&[pseudo, checksum::data(message)]);
            // 0 would say that there is none.
            message[6..8].copy_from_slice(&if sum == 0 { !0 } else { sum }.to_be_bytes());
        });
        self.count_sent(to.ip());
        self.stats.udp.sent += 1;
    }
}

/// A UDP port of a [`Tcpip`](crate::Tcpip), on all of its addresses.
pub struct UdpSocket {
    handle: Handle,
    port: u16,
}

impl UdpSocket {
    pub(crate) fn new(handle: Handle, port: u16) -> Self {
        Self { handle, port }
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        self.handle.engine().unbind_udp(self.port);
    }
}

impl mirage_sig::UdpSocket for UdpSocket {
    type Error = Error;

    async fn send_to(&self, datagram: &[u8], to: SocketAddr) -> Result<(), Error> {
        poll_fn(|cx| {
            let sent = self.handle.engine().udp_send(self.handle.world(), self.port, datagram, to, cx.waker());
            match sent {
                Ok(true) => Poll::Ready(Ok(())),
                Ok(false) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            }
        })
        .await
    }

    async fn receive_from(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr), Error> {
        poll_fn(|cx| {
            let mut engine = self.handle.unclocked();
            let closed = engine.closed;
            let Some(port) = engine.udp.ports.get_mut(&self.port) else { return Poll::Ready(Err(Error::closed())) };
            if let Some((from, datagram)) = port.datagrams.pop_front() {
                port.held -= datagram.len() + OVERHEAD;
                let length = datagram.len().min(buffer.len());
                buffer[..length].copy_from_slice(&datagram[..length]);
                return Poll::Ready(Ok((length, from)));
            }
            if closed {
                return Poll::Ready(Err(Error::closed()));
            }
            register(&mut port.readers, cx.waker());
            Poll::Pending
        })
        .await
    }

    fn join(&self, group: IpAddr) -> Result<(), Error> {
        let mut engine = self.handle.engine();
        if engine.closed {
            return Err(Error::closed());
        }
        let at = SocketAddr::new(group, 0);
        if !group.is_multicast() {
            return Err(Error::new(NetErrorKind::Unreachable, "that is no multicast group").at(at));
        }
        let full = Error::new(NetErrorKind::Exhausted, "there are too many multicast groups; of one stack, at most")
            .number(GROUPS_MAX);
        let Some(port) = engine.udp.ports.get_mut(&self.port) else { return Err(Error::closed()) };
        if port.groups.contains(&group) {
            return Ok(());
        }
        port.groups.push(group);
        if engine.join_group(group) {
            return Ok(());
        }
        if let Some(port) = engine.udp.ports.get_mut(&self.port) {
            port.groups.pop();
        }
        Err(full)
    }

    fn local(&self) -> SocketAddr {
        any(self.port)
    }
}
