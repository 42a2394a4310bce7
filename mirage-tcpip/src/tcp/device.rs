//! Between smoltcp and the network: packets in hand, and the way out.

use alloc::vec::Vec;

use mirage_sig::Mac;
use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use crate::outbox::{Fill, Outbox};
use crate::packet::{be16, be32};
use crate::world::World;

/// Checksums are filled in by smoltcp, and looked at by us before it sees the packet.
pub(crate) fn capabilities(mtu: usize) -> DeviceCapabilities {
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = Medium::Ip;
    capabilities.max_transmission_unit = mtu;
    capabilities.checksum.ipv4 = Checksum::Tx;
    capabilities.checksum.tcp = Checksum::Tx;
    capabilities
}

/// What a connection has sent so far.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sent {
    /// The sequence number after the last segment.
    pub next: u32,
    /// The highest of those.
    pub high: u32,
    /// The last acknowledgement.
    pub ack: u32,
    pub segments: u32,
    pub retransmitted: u32,
    pub resets: u32,
}

impl Sent {
    /// Takes note of a segment, and corrects it where smoltcp says less than it knows. Either it is sent in its turn, or it is
    /// an answer to one that has just come.
    pub fn note(&mut self, packet: &mut [u8], in_turn: bool) {
        // As smoltcp writes headers: without options.
        let at = if packet.first().is_some_and(|first| first >> 4 == 4) { 20 } else { 40 };
        let (Some(&offset), Some(&flags)) = (packet.get(at + 12), packet.get(at + 13)) else { return };
        let seq = be32(packet, at + 4);
        if flags & RST != 0 {
            self.resets += 1;
            // That of an answer is whatever the other side said, which may be about an earlier connection.
            if in_turn && self.segments > 0 && seq != self.high {
                renumber(packet, at, self.high);
            }
            return;
        }
        let data = packet.len().saturating_sub(at + usize::from(offset >> 4) * 4);
        // SYN and FIN have a place in the sequence.
        let length = data as u32 + u32::from(flags & FIN != 0) + u32::from(flags & SYN != 0);
        let first = self.segments == 0;
        (self.next, self.segments) = (seq.wrapping_add(length), self.segments + 1);
        if flags & ACK != 0 {
            self.ack = be32(packet, at + 8);
        }
        if first || self.next.wrapping_sub(self.high) as i32 > 0 {
            self.high = self.next;
        } else if length > 0 {
            self.retransmitted += 1;
        } else if flags & !PSH == ACK && seq != self.high {
            // While smoltcp sends something again, its acknowledgements have the number of that as well, and not the next
            // one as RFC 9293 3.10.7.4 has it. The other side drops them then, as old segments, with the acknowledgement
            // that is in them; if it does the same, each waits for the other for ever.
            renumber(packet, at, self.high);
        }
    }
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// Changes the sequence number of the segment at `at`, and its checksum by the difference (RFC 1624).
fn renumber(packet: &mut [u8], at: usize, seq: u32) {
    let (old, sum) = (be32(packet, at + 4), be16(packet, at + 16));
    let halves = |word: u32| (word >> 16) + (word & 0xffff);
    let mut sum = u32::from(!sum) + halves(!old) + halves(seq);
    while sum > 0xffff {
        sum = halves(sum);
    }
    if let Some(field) = packet.get_mut(at + 4..at + 8) {
        field.copy_from_slice(&seq.to_be_bytes());
    }
    if let Some(field) = packet.get_mut(at + 16..at + 18) {
        field.copy_from_slice(&(!(sum as u16)).to_be_bytes());
    }
}

/// What smoltcp takes for its device: a packet in hand, if any, and a way out. One type for all uses, as each would be a copy
/// of smoltcp's interface.
pub(crate) struct Port<'a> {
    pub packet: Option<&'a [u8]>,
    pub way: Way<'a>,
    pub mtu: usize,
}

/// A way out.
pub(crate) enum Way<'a> {
    /// Room for one answer, which is empty if there is none.
    Reply(&'a mut Vec<u8>),
    /// For the segments of one connection.
    Exit {
        world: &'a dyn World,
        out: &'a mut Outbox,
        /// The next station, and the type of the frames. Without it nothing is sent.
        to: Option<(Mac, u16)>,
        sent: &'a mut Sent,
    },
}

pub(crate) struct Received<'a>(&'a [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(self.0)
    }
}

pub(crate) enum Room<'a> {
    Reply(&'a mut Vec<u8>),
    Frame { world: &'a dyn World, out: &'a mut Outbox, to: (Mac, u16), sent: &'a mut Sent },
}

impl Room<'_> {
    fn emit(self, length: usize, fill: Fill<'_>) {
        match self {
            Self::Reply(reply) => {
                reply.clear();
                reply.resize(length, 0);
                fill(reply);
            }
            Self::Frame { world, out, to, sent } => out.send(world, to, length, &mut |packet| {
                fill(packet);
                sent.note(packet, true);
            }),
        }
    }
}

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let (mut fill, mut result) = (Some(fill), None);
        self.emit(length, &mut |packet| result = fill.take().map(|fill| fill(packet)));
        match result {
            Some(result) => result,
            None => unreachable!("`emit` calls what it is given, once"),
        }
    }
}

impl Device for Port<'_> {
    type RxToken<'a>
        = Received<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Room<'a>
    where
        Self: 'a;

    fn receive(&mut self, now: Instant) -> Option<(Received<'_>, Room<'_>)> {
        let packet = self.packet.take()?;
        Some((Received(packet), self.transmit(now)?))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Room<'_>> {
        match &mut self.way {
            Way::Reply(reply) => Some(Room::Reply(reply)),
            Way::Exit { world, out, to, sent } => {
                let to = to.filter(|_| !out.stalled)?;
                Some(Room::Frame { world: *world, out, to, sent })
            }
        }
    }

    fn capabilities(&self) -> DeviceCapabilities {
        capabilities(self.mtu)
    }
}

/// The ports of a segment, its flags, and where its data begin; `None` if it is too short for its header.
pub(crate) fn ports(segment: &[u8]) -> Option<(u16, u16)> {
    (segment.len() >= 20).then(|| (be16(segment, 0), be16(segment, 2)))
}
