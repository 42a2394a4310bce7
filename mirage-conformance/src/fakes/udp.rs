use alloc::collections::{BTreeSet, VecDeque};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::net::{IpAddr, SocketAddr};

use mirage_sig::{Instant, MonotonicClock, NetErrorKind, UdpSocket};

use super::flow::FakeNetError;
use super::pipe::TRAVEL;
use super::signal::Signal;
use super::stack::Host;
use crate::poll::yield_now;

/// A UDP port of a [`FakeStack`](super::FakeStack). It keeps 16 datagrams; each takes 100 µs to it.
pub struct FakeUdp {
    host: Rc<Host>,
    port: Rc<Port>,
    number: u16,
}

/// What lies at a port.
#[derive(Default)]
pub(super) struct Port {
    queue: RefCell<VecDeque<(Instant, Vec<u8>, SocketAddr)>>,
    groups: RefCell<BTreeSet<IpAddr>>,
    changed: Signal,
}

impl FakeUdp {
    /// The longest datagram (RFC 768 within RFC 791: 65,535 bytes less both headers).
    pub const LONGEST: usize = 65_507;
    const QUEUE_MAX: usize = 16;

    pub(super) fn bind(host: &Rc<Host>, port: u16) -> Result<Self, FakeNetError> {
        let mut ports = host.ports.borrow_mut();
        let number = host.choose_port(port, |port| ports.contains_key(&port))?;
        let port = Rc::new(Port::default());
        ports.insert(number, port.clone());
        Ok(Self { host: host.clone(), port, number })
    }
}

impl Port {
    fn deliver(&self, here: Instant, datagram: &[u8], from: SocketAddr) {
        let mut queue = self.queue.borrow_mut();
        if queue.len() < FakeUdp::QUEUE_MAX {
            queue.push_back((here, datagram.to_vec(), from));
        }
        drop(queue);
        self.changed.notify();
    }
}

impl Drop for FakeUdp {
    fn drop(&mut self) {
        self.host.ports.borrow_mut().remove(&self.number);
    }
}

impl UdpSocket for FakeUdp {
    type Error = FakeNetError;

    async fn send_to(&self, datagram: &[u8], to: SocketAddr) -> Result<(), FakeNetError> {
        self.host.check_configured()?;
        if datagram.len() > Self::LONGEST {
            return Err(FakeNetError(NetErrorKind::Exhausted));
        }
        yield_now().await;
        let here = self.host.internet.clock.now() + TRAVEL;
        let group = to.ip();
        let hosts = if group.is_multicast() {
            self.host.internet.hosts()
        } else {
            self.host.find(to.ip()).into_iter().collect()
        };
        for host in hosts {
            let Some(port) = host.ports.borrow().get(&to.port()).cloned() else { continue };
            if !group.is_multicast() || port.groups.borrow().contains(&group) {
                port.deliver(here, datagram, self.local());
            }
        }
        Ok(())
    }

    async fn receive_from(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr), FakeNetError> {
        let clock = &self.host.internet.clock;
        let ready = || {
            let mut queue = self.port.queue.borrow_mut();
            let here = queue.front().map_or(Instant::END, |(here, _, _)| *here);
            if here > clock.now() {
                return Err(here);
            }
            queue.pop_front().map(|(_, datagram, from)| (datagram, from)).ok_or(here)
        };
        let (datagram, from) = self.port.changed.until_due(clock, ready).await;
        let length = datagram.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram[..length]);
        Ok((length, from))
    }

    fn join(&self, group: IpAddr) -> Result<(), FakeNetError> {
        self.port.groups.borrow_mut().insert(group);
        Ok(())
    }

    fn local(&self) -> SocketAddr {
        SocketAddr::new(self.host.cidr.address, self.number)
    }
}
