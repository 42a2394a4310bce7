//! A LAN in memory.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use mirage_sig::{Link, Mac, Network, NetworkStats, SendError};

use crate::HEADER;
use crate::wait::Signal;

/// What is in the middle of a [`Lan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiring {
    /// Every frame goes to all ports but its own.
    Hub,
    /// Learns from the source of each frame at which port an address is, and sends frames for it there only. Frames for
    /// several stations, and for one that was not heard yet, go to all ports but their own.
    Switch,
}

/// An Ethernet in memory, for tests, and for several stacks in one unikernel. A clone is the same LAN, which lives as
/// long as it has a port.
///
/// Frames arrive when they are sent, at every port they go to; each but the last gets a copy. Nothing waits: a station
/// that does not take its frames loses the newest, beyond [`RECEIVE_QUEUE_MAX`](Self::RECEIVE_QUEUE_MAX).
#[derive(Clone)]
pub struct Lan(Rc<Wires>);

struct Wires {
    mtu: usize,
    ports: RefCell<Vec<Rc<Socket>>>,
    /// How many ports have ever been made.
    made: Cell<u32>,
    /// Who is where; a hub has none. IEEE 802.1D-2004 clause 7.9 calls it the filtering database.
    table: Option<RefCell<Vec<Option<Known>>>>,
}

/// An address, and the number of the port that it is behind.
type Known = (Mac, u32);

/// A place to plug a cable into, and what waits behind it.
struct Socket {
    number: u32,
    link: Cell<Link>,
    gone: Cell<bool>,
    queue: RefCell<VecDeque<Vec<u8>>>,
    stats: Cell<NetworkStats>,
    reader: Signal,
    link_watcher: Signal,
}

impl Lan {
    /// The longest payload of a frame, in bytes, if nothing else is asked for.
    pub const MTU: usize = 1_500;

    /// Frames that wait for a station. When there are as many, the newest are dropped.
    pub const RECEIVE_QUEUE_MAX: usize = 512;

    /// Addresses of which a switch knows the place. Two that share a slot of its table push each other out, which costs
    /// no more than frames that go to everybody.
    pub const ADDRESSES_MAX: usize = 256;

    /// A LAN around a switch. Its MTU is [`MTU`](Self::MTU).
    pub fn switch() -> Self {
        Self::new(Wiring::Switch, Self::MTU)
    }

    /// A LAN around a hub. Its MTU is [`MTU`](Self::MTU).
    pub fn hub() -> Self {
        Self::new(Wiring::Hub, Self::MTU)
    }

    /// A LAN with another MTU, in bytes. It is at least 68: no link that IP can use is narrower (RFC 791).
    pub fn new(wiring: Wiring, mtu: usize) -> Self {
        let table = (wiring == Wiring::Switch).then(|| RefCell::new(vec![None; Self::ADDRESSES_MAX]));
        Self(Rc::new(Wires { mtu: mtu.max(68), ports: RefCell::default(), made: Cell::new(0), table }))
    }

    /// A new port, plugged in. Its address is 02:00:00:00:00:01 for the first, and so on.
    pub fn port(&self) -> Port {
        let [a, b, c, d] = (self.0.made.get() + 1).to_be_bytes();
        self.port_of(Mac([2, 0, a, b, c, d]))
    }

    /// A new port with an address of the caller's choice, which nobody else on this LAN should have.
    pub fn port_of(&self, mac: Mac) -> Port {
        let number = self.0.made.get();
        self.0.made.set(number + 1);
        let socket = Rc::new(Socket {
            number,
            link: Cell::new(Link::Up),
            gone: Cell::new(false),
            queue: RefCell::default(),
            stats: Cell::default(),
            reader: Signal::default(),
            link_watcher: Signal::default(),
        });
        self.0.ports.borrow_mut().push(socket.clone());
        Port { mac, cable: Cable { wires: self.0.clone(), socket } }
    }
}

impl Wires {
    /// Notes where `source` is, and tells where `destination` is, if that is known.
    fn learn(&self, source: Mac, destination: Mac, number: u32) -> Option<u32> {
        let mut table = self.table.as_ref()?.borrow_mut();
        if !source.is_multicast()
            && let Some(slot) = table.get_mut(slot_of(source))
        {
            *slot = Some((source, number));
        }
        let (known, port) = (*table.get(slot_of(destination))?)?;
        (known == destination).then_some(port)
    }

    /// Forgets who is behind a port.
    fn forget(&self, number: u32) {
        if let Some(table) = &self.table {
            for slot in table.borrow_mut().iter_mut() {
                slot.take_if(|(_, port)| *port == number);
            }
        }
    }

    /// Brings a frame that came from a port to those that it goes to.
    fn pass(&self, from: u32, frame: Vec<u8>) {
        let (Some(destination), Some(source)) = (address(&frame, 0), address(&frame, 6)) else { return };
        let known = self.learn(source, destination, from);
        let goes = |socket: &Socket| socket.number != from && known.is_none_or(|number| number == socket.number);
        // Nothing is borrowed while a frame arrives: the waker of a station may do as it likes, even with this LAN.
        let mut last = None;
        let mut index = 0;
        loop {
            let Some(socket) = self.socket(index) else { break };
            index += 1;
            if goes(&socket)
                && let Some(earlier) = last.replace(socket)
            {
                earlier.arrive(frame.clone());
            }
        }
        if let Some(last) = last {
            last.arrive(frame);
        }
    }

    fn socket(&self, index: usize) -> Option<Rc<Socket>> {
        self.ports.borrow().get(index).cloned()
    }
}

fn address(frame: &[u8], at: usize) -> Option<Mac> {
    frame.get(at..at + 6)?.try_into().ok().map(Mac)
}

/// Where in the table an address is: Fibonacci hashing (Knuth, volume 3, section 6.4) of its last bytes, which differ.
fn slot_of(mac: Mac) -> usize {
    let [a, b, c, d, e, f] = mac.0;
    let key = u32::from_be_bytes([c ^ a, d ^ b, e, f]);
    (key.wrapping_mul(0x9e37_79b1) >> 24) as usize % Lan::ADDRESSES_MAX
}

impl Socket {
    fn count(&self, change: impl FnOnce(&mut NetworkStats)) {
        let mut stats = self.stats.get();
        change(&mut stats);
        self.stats.set(stats);
    }

    fn arrive(&self, frame: Vec<u8>) {
        if self.link.get() == Link::Down {
            return;
        }
        let length = frame.len();
        {
            let mut queue = self.queue.borrow_mut();
            if queue.len() >= Lan::RECEIVE_QUEUE_MAX {
                return self.count(|stats| stats.rx_dropped += 1);
            }
            queue.push_back(frame);
        }
        self.count(|stats| {
            stats.rx_frames += 1;
            stats.rx_bytes += length as u64;
        });
        self.reader.raise();
    }
}

/// The cable of a [`Port`], for pulling it. A clone is the same cable.
#[derive(Clone)]
pub struct Cable {
    wires: Rc<Wires>,
    socket: Rc<Socket>,
}

impl Cable {
    /// Pulls the cable, or plugs it in again. A switch forgets who was behind it.
    pub fn plug(&self, link: Link) {
        if self.socket.gone.get() || self.socket.link.replace(link) == link {
            return;
        }
        self.wires.forget(self.socket.number);
        self.socket.link_watcher.raise();
    }

    /// Takes the port off the LAN for good: to its station, the interface is gone.
    pub fn remove(&self) {
        self.plug(Link::Down);
        self.socket.gone.set(true);
        self.wires.ports.borrow_mut().retain(|other| other.number != self.socket.number);
        self.socket.reader.raise();
    }
}

/// An interface on a [`Lan`]. Dropping it takes it off the LAN.
///
/// Frames arrive whatever address they are for, as on any interface in promiscuous mode: a hub's port sees everything.
pub struct Port {
    mac: Mac,
    cable: Cable,
}

impl Port {
    /// The cable that it is plugged in with.
    pub fn cable(&self) -> Cable {
        self.cable.clone()
    }

    fn socket(&self) -> &Socket {
        &self.cable.socket
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.cable.remove();
    }
}

impl Network for Port {
    fn mac(&self) -> Mac {
        self.mac
    }

    fn mtu(&self) -> usize {
        self.cable.wires.mtu
    }

    fn link(&self) -> Link {
        self.socket().link.get()
    }

    fn try_send<R>(&self, length: usize, fill: impl FnOnce(&mut [u8]) -> R) -> Result<R, SendError> {
        if self.socket().gone.get() {
            return Err(SendError::Gone);
        }
        let longest = self.mtu() + HEADER;
        if !(HEADER..=longest).contains(&length) {
            return Err(SendError::Length { asked: length, longest });
        }
        let mut frame = vec![0; length];
        let filled = fill(&mut frame);
        let up = self.link() == Link::Up;
        self.socket().count(|stats| {
            stats.tx_frames += 1;
            stats.tx_bytes += length as u64;
            stats.tx_dropped += u64::from(!up);
        });
        if up {
            self.cable.wires.pass(self.socket().number, frame);
        }
        Ok(filled)
    }

    fn try_receive<R>(&self, take: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        let mut frame = self.socket().queue.borrow_mut().pop_front()?;
        Some(take(&mut frame))
    }

    async fn readable(&self) {
        while self.socket().queue.borrow().is_empty() && !self.socket().gone.get() {
            self.socket().reader.raised().await;
        }
    }

    /// At once: nothing is ever full.
    async fn writable(&self) {}

    async fn link_change(&self, known: Link) -> Link {
        while self.link() == known {
            self.socket().link_watcher.raised().await;
        }
        self.link()
    }

    fn stats(&self) -> NetworkStats {
        self.socket().stats.get()
    }
}
