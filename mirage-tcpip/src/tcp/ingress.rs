//! Segments that arrive: whose they are, and what is answered to those that are nobody's.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::tcp::State;
use smoltcp::wire::{TcpControl, TcpPacket, TcpRepr, TcpSeqNumber};

use super::connection::{Connection, Owner};
use super::device::{Port, Way, ports};
use super::{Held, Tuple, smol_time};
use crate::engine::Engine;
use crate::packet::{self, Dropped, Frame, Packet, kind_of};
use mirage_sig::{Mac, NetErrorKind};

const RST: u8 = 4;
const ACK: u8 = 16;

impl Engine {
    pub fn tcp_ingress(&mut self, frame: &Frame<'_>, packet: &Packet<'_>) -> Result<(), Dropped> {
        // A connection has two ends, so what is for many is no part of one (RFC 1122 4.2.3.10).
        if frame.target.is_multicast() || !self.addresses.has(packet.target) {
            return Err(Dropped::Elsewhere);
        }
        let (remote_port, local_port) = ports(packet.payload).ok_or(Dropped::Malformed)?;
        if self.verify() && !packet.checksum_holds() {
            return Err(Dropped::Checksum);
        }
        self.stats.tcp.received += 1;
        let tuple = Tuple { local: packet.target, remote: packet.source, local_port, remote_port };
        if let Some(Held::Connection(id)) = self.tcp.tuples.get(&tuple) {
            let id = *id;
            self.feed(id, frame.source, packet);
            return Ok(());
        }
        let segment = TcpPacket::new_checked(packet.payload).map_err(|_| Dropped::Malformed)?;
        let (source, target) = (packet.source.into(), packet.target.into());
        let segment = TcpRepr::parse(&segment, &source, &target, &ChecksumCapabilities::ignored())
            .map_err(|_| Dropped::Malformed)?;
        match self.tcp.tuples.get(&tuple) {
            Some(Held::TimeWait(_)) => self.stray(frame, packet, &tuple, &segment),
            Some(Held::HalfOpen(_)) => self.half_open_segment(frame, packet, &tuple, &segment),
            _ => self.unknown(frame, packet, &tuple, &segment),
        }
        Ok(())
    }

    /// Gives a segment to its connection.
    pub fn feed(&mut self, id: u32, from: Mac, packet: &Packet<'_>) {
        let now = self.now;
        let tcp = &mut self.tcp;
        let Some(connection) = tcp.connections.get_mut(id as usize).and_then(Option::as_deref_mut) else { return };
        let before = connection.socket().state();
        tcp.reply.clear();
        let mut room = [0; ACK_MAX];
        let bytes = duplicate(connection, packet, &mut room).unwrap_or(packet.bytes);
        let mut device = Port { packet: Some(bytes), way: Way::Reply(&mut tcp.reply), mtu: tcp.mtu };
        tcp.iface.poll_ingress_single(smol_time(now), &mut device, &mut connection.set);
        connection.heard = now;
        let state = connection.socket().state();
        if state != before {
            match (before, state) {
                (State::SynSent, State::Established) => {
                    let keep_alive = self.config.tcp.keep_alive.map(smol_span);
                    connection.socket_mut().set_keep_alive(keep_alive);
                }
                (State::SynSent, State::Closed) => {
                    connection.failure.get_or_insert(NetErrorKind::Refused);
                }
                // The other side has acknowledged our end, after its own.
                (State::LastAck, State::Closed) => {}
                (_, State::Closed) => {
                    connection.failure.get_or_insert(NetErrorKind::Reset);
                }
                _ => {}
            }
            if state == State::Closed && packet.payload.get(13).is_some_and(|flags| flags & RST != 0) {
                self.stats.tcp.resets_received += 1;
            }
        }
        if connection.owner == Owner::Nobody && connection.socket().can_recv() {
            // Nobody will read it. Once all of ours is acknowledged there is no reason to let the other side go on
            // (RFC 1122 4.2.2.13).
            if connection.socket().state() == State::FinWait2 {
                connection.fail(NetErrorKind::Reset);
            } else {
                connection.discard();
            }
        }
        if self.tcp.reply.is_empty() {
            self.acknowledge(id);
        }
        if !self.tcp.reply.is_empty() {
            self.send_reply(Some(id), from);
        }
        self.settle(id, None);
    }

    /// Has a connection acknowledge right away what it owes an acknowledgement for, if it has nothing else to say. That is after
    /// every second full segment (RFC 5681 4.2); to do so once for all that came in one turn would be cheaper, but the other
    /// side opens its window by the number of acknowledgements, and one that is lost would be missed.
    fn acknowledge(&mut self, id: u32) {
        let now = smol_time(self.now);
        let tcp = &mut self.tcp;
        let Some(connection) = tcp.connections.get_mut(id as usize).and_then(Option::as_deref_mut) else { return };
        if !connection.linked || !matches!(connection.socket().state(), State::Established | State::FinWait2) {
            return;
        }
        let owes = connection.socket().send_queue() == 0
            && tcp.iface.poll_at(now, &connection.set).is_some_and(|at| at <= now);
        if owes {
            let mut device = Port { packet: None, way: Way::Reply(&mut tcp.reply), mtu: tcp.mtu };
            tcp.iface.poll_egress(now, &mut device, &mut connection.set);
        }
    }

    /// Sends what smoltcp has answered at once, to where the segment came from.
    pub fn send_reply(&mut self, id: Option<u32>, to: Mac) {
        let mut reply = core::mem::take(&mut self.tcp.reply);
        if let Some(connection) = id.and_then(|id| self.tcp.get(id)) {
            connection.sent.note(&mut reply, false);
        }
        let v4 = reply.first().is_some_and(|first| first >> 4 == 4);
        let kind = if v4 { packet::IPV4 } else { packet::IPV6 };
        self.out.push(to, kind, reply.len(), &mut |room| room.copy_from_slice(&reply));
        let ip = if v4 { &mut self.stats.ipv4 } else { &mut self.stats.ipv6 };
        ip.sent += 1;
        self.stats.tcp.sent += 1;
        self.tcp.reply = reply;
    }

    /// A segment of no connection: the beginning of one, or refused.
    pub fn unknown(&mut self, frame: &Frame<'_>, packet: &Packet<'_>, tuple: &Tuple, segment: &TcpRepr<'_>) {
        let listening = self.tcp.listeners.contains_key(&tuple.local_port);
        match (segment.control, segment.ack_number) {
            (TcpControl::Rst, _) => {}
            (TcpControl::Syn, None) if listening => self.asked_to_connect(frame, tuple, segment),
            (TcpControl::None | TcpControl::Psh | TcpControl::Fin, Some(_))
                if listening && self.cookie_accepted(frame, packet, tuple, segment) => {}
            _ => self.refuse(frame.source, tuple, segment),
        }
    }

    /// Answers with a reset (RFC 9293 3.10.7.1).
    pub fn refuse(&mut self, to: Mac, tuple: &Tuple, segment: &TcpRepr<'_>) {
        let mut reset = plain_segment(tuple);
        reset.control = TcpControl::Rst;
        match segment.ack_number {
            Some(ack) => reset.seq_number = ack,
            None => reset.ack_number = Some(segment.seq_number + segment.segment_len()),
        }
        self.stats.tcp.resets_sent += 1;
        self.send_segment(to, tuple, &reset);
    }

    pub fn send_segment(&mut self, to: Mac, tuple: &Tuple, segment: &TcpRepr<'_>) {
        self.stats.tcp.sent += 1;
        let ends = (tuple.local, tuple.remote);
        self.answer(to, ends, (packet::TCP, 64), segment.buffer_len(), &mut |room| {
            let (source, target) = (tuple.local.into(), tuple.remote.into());
            let mut packet = TcpPacket::new_unchecked(room);
            segment.emit(&mut packet, &source, &target, &ChecksumCapabilities::default());
        });
    }
}

/// So many duplicates are the sign of a loss.
const DUPLICATES: u8 = 3;
/// The longest acknowledgement: an IPv6 header and the longest TCP header.
const ACK_MAX: usize = 40 + 60;

/// The same acknowledgement with the window of the one before, if it says nothing but that segments have arrived behind one
/// that is missing.
///
/// smoltcp takes three equal acknowledgements as the sign of a loss, and one with another window for no such sign (RFC 5681 2).
/// Linux opens its window a little with each, so that every loss would cost a second: RFC 6675 2 goes by the selective
/// acknowledgement instead. From the fourth on they tell of the window again, lest one that was small stays so for ever.
fn duplicate<'a>(connection: &mut Connection, packet: &Packet<'_>, room: &'a mut [u8; ACK_MAX]) -> Option<&'a [u8]> {
    let segment = packet.payload;
    let (ack, window) = (packet::be32(segment, 8), packet::be16(segment, 14));
    let (known, before) = core::mem::replace(&mut connection.given, (ack, window));
    let header = usize::from(*segment.get(12)? >> 4) * 4;
    let plain = segment.get(13).is_some_and(|flags| *flags == ACK) && header == segment.len();
    if ack != known {
        connection.duplicates = 0;
    }
    let told = connection.duplicates >= DUPLICATES || before == 0;
    if told || !plain || ack != known || window == before || !has_sack(segment.get(20..header)?) {
        return None;
    }
    connection.duplicates += 1;
    connection.given.1 = before;
    let copy = room.get_mut(..packet.bytes.len())?;
    copy.copy_from_slice(packet.bytes);
    let at = packet.bytes.len() - segment.len() + 14;
    copy.get_mut(at..at + 2)?.copy_from_slice(&before.to_be_bytes());
    Some(copy)
}

/// Whether a selective acknowledgement is among the options (RFC 2018 3).
fn has_sack(mut options: &[u8]) -> bool {
    while let [kind, rest @ ..] = options {
        options = match kind {
            0 => return false,
            1 => rest,
            5 => return true,
            _ => {
                let length = rest.first().map_or(0, |length| usize::from(*length));
                options.get(length.max(2)..).unwrap_or_default()
            }
        };
    }
    false
}

/// A segment without flags, data or options.
pub(crate) fn plain_segment(tuple: &Tuple) -> TcpRepr<'static> {
    TcpRepr {
        src_port: tuple.local_port,
        dst_port: tuple.remote_port,
        control: TcpControl::None,
        seq_number: TcpSeqNumber(0),
        ack_number: None,
        window_len: 0,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    }
}

pub(crate) fn smol_span(span: core::time::Duration) -> smoltcp::time::Duration {
    smoltcp::time::Duration::from_micros(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
}

/// The type of the frames of a connection.
pub(crate) const fn frame_kind(tuple: &Tuple) -> u16 {
    kind_of(tuple.remote)
}
