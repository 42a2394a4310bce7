//! Connections that others ask for, until they are established.
//!
//! A request costs no socket, whose buffers are large, but a note of some 100 bytes. When there are too many notes, as in a flood of
//! requests from senders that do not exist (RFC 4987), not even that: what has to be known is then in the sequence number
//! that we answer with, and comes back with the acknowledgement. A *SYN cookie* normally is made by hand. Here smoltcp makes
//! it: its first sequence number comes from its interface's random numbers, and these from a seed, for which we take a keyed
//! hash of the two ends, the other's sequence number and the time. To begin again with the same seed, when the
//! acknowledgement is there, gives the same number, and a socket in just the state that it would have had.

use alloc::vec::Vec;
use core::time::Duration;

use mirage_sig::{Instant, Mac};
use smoltcp::iface::SocketSet;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::tcp::Socket;
use smoltcp::wire::{IpListenEndpoint, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber};

use super::connection::{Connection, Owner};
use super::device::{Port, Way};
use super::ingress::{plain_segment, smol_span};
use super::{Held, Tcp, Tuple, smol_time, socket};
use crate::engine::{Engine, after, ip_header, wake};
use crate::packet::{Frame, Packet, TCP, be32};

/// How often a half-open connection is looked after.
const TICK: Duration = Duration::from_secs(1);
/// After so many ticks the answer is sent again: 1, 3 and 7 s after the request (RFC 6298 doubles the wait).
const AGAIN: [u8; 3] = [1, 3, 7];
/// After so many, nothing will come.
const TICKS_MAX: u8 = 15;
/// Seconds for which a cookie is good, or up to twice that.
const COOKIE_SLOT: u64 = 64;
/// What is assumed of a station that said nothing of how long segments may be (RFC 9293 3.7.1).
const MSS_V4: u16 = 536;
const MSS_V6: u16 = 1_220;

/// A request for a connection, as far as it matters.
#[derive(Clone, Copy)]
struct Syn {
    seq: u32,
    window: u16,
    mss: Option<u16>,
    scale: Option<u8>,
    sack: bool,
}

/// A connection that was asked for and answered.
pub(crate) struct HalfOpen {
    syn: Syn,
    /// What our first sequence number was made of, and what came of it.
    seed: u64,
    isn: u32,
    asked: Instant,
    ticks: u8,
    mac: Mac,
}

impl Tcp {
    pub fn seed(&self, tuple: &Tuple, seq: u32, slot: u64) -> u64 {
        use core::hash::{BuildHasher, Hash, Hasher};
        let mut hasher = self.key.build_hasher();
        tuple.hash(&mut hasher);
        hasher.write_u64(u64::from(seq));
        hasher.write_u64(slot);
        hasher.finish()
    }

    /// Has a listening socket answer a request. The answer is in `reply`.
    fn answer_syn(&mut self, connection: &mut Connection, tuple: &Tuple, syn: &Syn, seed: u64, at: Instant) {
        let mut request = plain_segment(&Tuple {
            local: tuple.remote,
            remote: tuple.local,
            local_port: tuple.remote_port,
            remote_port: tuple.local_port,
        });
        request.control = TcpControl::Syn;
        request.seq_number = TcpSeqNumber(syn.seq as i32);
        request.window_len = syn.window;
        (request.max_seg_size, request.window_scale, request.sack_permitted) = (syn.mss, syn.scale, syn.sack);
        let header = ip_header(tuple.remote, tuple.local, TCP, 64, request.buffer_len());
        // An IPv6 header, a TCP header, and options.
        let mut room = [0; 40 + 20 + 40];
        let unchecked = ChecksumCapabilities::ignored();
        let Some(packet) = room.get_mut(..header.buffer_len()) else { return };
        header.emit(&mut *packet, &unchecked);
        let mut segment = TcpPacket::new_unchecked(&mut packet[header.header_len()..]);
        request.emit(&mut segment, &tuple.remote.into(), &tuple.local.into(), &unchecked);

        let mut iface = self.seeded(seed, tuple.local, at);
        let endpoint = IpListenEndpoint { addr: Some(tuple.local.into()), port: tuple.local_port };
        let socket = connection.set.get_mut::<Socket<'_>>(connection.handle);
        socket.abort();
        // Fails for port 0 only, which nobody listens on.
        let _ = socket.listen(endpoint);
        self.reply.clear();
        let mut device = Port { packet: Some(packet), way: Way::Reply(&mut self.reply), mtu: self.mtu };
        iface.poll_ingress_single(smol_time(at), &mut device, &mut connection.set);
        iface.poll_egress(smol_time(at), &mut device, &mut connection.set);
    }

    /// The answer to a request, in `reply`, by a socket that is used for nothing else. Our first sequence number.
    fn try_syn(&mut self, tuple: &Tuple, syn: &Syn, seed: u64, at: Instant) -> u32 {
        let handle = self.answerer.1;
        let set = core::mem::replace(&mut self.answerer.0, SocketSet::new(Vec::new()));
        let mut answerer = Connection::new((set, handle), *tuple, Owner::Nobody, 0, at);
        self.answer_syn(&mut answerer, tuple, syn, seed, at);
        self.answerer.0 = answerer.set;
        be32(&self.reply, if tuple.local.is_ipv4() { 24 } else { 44 })
    }

    fn forget_half_open(&mut self, tuple: &Tuple) -> Option<HalfOpen> {
        if !matches!(self.tuples.get(tuple), Some(Held::HalfOpen(_))) {
            return None;
        }
        self.half_open_count -= 1;
        match self.tuples.remove(tuple) {
            Some(Held::HalfOpen(half_open)) => Some(half_open),
            _ => None,
        }
    }

    /// Forgets all that asked for this port.
    pub fn forget_port(&mut self, port: u16) {
        let mut count = 0;
        self.tuples.retain(|tuple, held| {
            let gone = tuple.local_port == port && matches!(held, Held::HalfOpen(_));
            count += usize::from(gone);
            !gone
        });
        self.half_open_count -= count;
    }
}

impl Engine {
    /// A request for a connection to a port where somebody listens.
    pub fn asked_to_connect(&mut self, frame: &Frame<'_>, tuple: &Tuple, segment: &TcpRepr<'_>) {
        let full = self.tcp.listeners.get(&tuple.local_port).is_none_or(|port| port.ready.len() >= port.backlog);
        if full || self.tcp.live() >= self.config.limits.connections {
            self.stats.tcp.overflowed += 1;
            return;
        }
        let now = self.now;
        let mut syn = Syn {
            seq: segment.seq_number.0 as u32,
            window: segment.window_len,
            mss: segment.max_seg_size,
            scale: segment.window_scale,
            sack: segment.sack_permitted,
        };
        let seed = self.tcp.seed(tuple, syn.seq, slot(now));
        let remembered = self.tcp.half_open_count < self.config.limits.half_open;
        if !remembered {
            // What cannot be remembered must not be agreed upon.
            syn = Syn { mss: Some(least_mss(tuple)), scale: None, sack: false, ..syn };
            self.stats.tcp.cookies += 1;
            self.tcp.cookies_until = after(now, Duration::from_secs(2 * COOKIE_SLOT));
        }
        let isn = self.tcp.try_syn(tuple, &syn, seed, now);
        self.send_reply(None, frame.source);
        if remembered {
            let half_open = HalfOpen { syn, seed, isn, asked: now, ticks: 0, mac: frame.source };
            self.tcp.tuples.insert(*tuple, Held::HalfOpen(half_open));
            self.tcp.half_open_count += 1;
            self.tcp.half_open.push_back((after(now, TICK), *tuple));
        }
    }

    /// A segment of a connection that is half open.
    pub fn half_open_segment(&mut self, frame: &Frame<'_>, packet: &Packet<'_>, tuple: &Tuple, segment: &TcpRepr<'_>) {
        let Some(Held::HalfOpen(half_open)) = self.tcp.tuples.get(tuple) else { return };
        let next = half_open.syn.seq.wrapping_add(1);
        let (seq, same) = (segment.seq_number.0 as u32, half_open.syn.seq == segment.seq_number.0 as u32);
        match (segment.control, segment.ack_number) {
            (TcpControl::Rst, _) => {
                if seq == next {
                    self.tcp.forget_half_open(tuple);
                }
            }
            // Our answer was lost.
            (TcpControl::Syn, None) if same => self.answer_again(tuple),
            // It has begun anew.
            (TcpControl::Syn, None) => {
                self.tcp.forget_half_open(tuple);
                self.asked_to_connect(frame, tuple, segment);
            }
            (_, Some(ack)) if ack.0 as u32 == half_open.isn.wrapping_add(1) => {
                let full =
                    self.tcp.listeners.get(&tuple.local_port).is_none_or(|port| port.ready.len() >= port.backlog);
                if full || self.tcp.live() >= self.config.limits.connections {
                    // The other side will say it again, or send something.
                    self.stats.tcp.overflowed += 1;
                    return;
                }
                if let Some(half_open) = self.tcp.forget_half_open(tuple) {
                    self.establish(frame, packet, tuple, &half_open.syn, half_open.seed, half_open.asked);
                }
            }
            _ => self.refuse(frame.source, tuple, segment),
        }
    }

    /// Whether the segment acknowledges a cookie of ours. If so, its connection is there.
    pub fn cookie_accepted(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet<'_>,
        tuple: &Tuple,
        segment: &TcpRepr<'_>,
    ) -> bool {
        let Some(ack) = segment.ack_number.filter(|_| self.now < self.tcp.cookies_until) else { return false };
        let seq = (segment.seq_number.0 as u32).wrapping_sub(1);
        let (mss, window) = (Some(least_mss(tuple)), segment.window_len);
        let syn = Syn { seq, window, mss, scale: None, sack: false };
        for age in 0..2 {
            let Some(slot) = slot(self.now).checked_sub(age) else { continue };
            let seed = self.tcp.seed(tuple, seq, slot);
            // How long the answer took is not known: as long as one that is not known is thought to take (RFC 6298 2.1).
            let asked = Instant::from_nanos(self.now.as_nanos().saturating_sub(1_000_000_000));
            if self.tcp.try_syn(tuple, &syn, seed, asked).wrapping_add(1) != ack.0 as u32 {
                continue;
            }
            let full = self.tcp.listeners.get(&tuple.local_port).is_none_or(|port| port.ready.len() >= port.backlog);
            if full || self.tcp.live() >= self.config.limits.connections {
                self.stats.tcp.overflowed += 1;
            } else {
                self.establish(frame, packet, tuple, &syn, seed, asked);
            }
            return true;
        }
        false
    }

    /// Makes the connection that was asked for, as if it had been there since, and gives it the segment that establishes it.
    fn establish(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet<'_>,
        tuple: &Tuple,
        syn: &Syn,
        seed: u64,
        asked: Instant,
    ) {
        self.tcp.made += 1;
        let (serial, now) = (self.tcp.made, self.now);
        let mut connection = Connection::new(socket(&self.config.tcp), *tuple, Owner::Listener, serial, now);
        self.tcp.answer_syn(&mut connection, tuple, syn, seed, asked);
        connection.sent.note(&mut self.tcp.reply, false);
        let keep_alive = self.config.tcp.keep_alive.map(smol_span);
        connection.socket_mut().set_keep_alive(keep_alive);
        let id = self.tcp.insert(connection);
        self.tcp.tuples.insert(*tuple, Held::Connection(id));
        self.stats.tcp.accepted += 1;
        if let Some(listener) = self.tcp.listeners.get_mut(&tuple.local_port) {
            listener.ready.push_back(id);
            wake(&mut listener.waker);
        }
        self.feed(id, frame.source, packet);
    }

    fn answer_again(&mut self, tuple: &Tuple) {
        let Some(Held::HalfOpen(half_open)) = self.tcp.tuples.get(tuple) else { return };
        let (syn, seed, mac) = (half_open.syn, half_open.seed, half_open.mac);
        self.tcp.try_syn(tuple, &syn, seed, self.now);
        self.stats.tcp.retransmitted += 1;
        self.send_reply(None, mac);
    }

    pub fn expire_half_open(&mut self) {
        while let Some(&(at, tuple)) = self.tcp.half_open.front()
            && at <= self.now
        {
            self.tcp.half_open.pop_front();
            let Some(Held::HalfOpen(half_open)) = self.tcp.tuples.get_mut(&tuple) else { continue };
            half_open.ticks += 1;
            let ticks = half_open.ticks;
            if ticks >= TICKS_MAX {
                self.tcp.forget_half_open(&tuple);
                continue;
            }
            self.tcp.half_open.push_back((after(self.now, TICK), tuple));
            if AGAIN.contains(&ticks) {
                self.answer_again(&tuple);
            }
        }
    }
}

fn slot(now: Instant) -> u64 {
    now.as_nanos() / 1_000_000_000 / COOKIE_SLOT
}

const fn least_mss(tuple: &Tuple) -> u16 {
    if tuple.local.is_ipv4() { MSS_V4 } else { MSS_V6 }
}
