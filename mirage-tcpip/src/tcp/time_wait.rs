//! Ended connections, whose ends are kept out of use so that stray segments of theirs do not disturb the next connection
//! (RFC 9293 3.6.1). A note of each is kept, not its socket.

use mirage_sig::Instant;
use smoltcp::wire::{TcpControl, TcpRepr, TcpSeqNumber};

use super::device::Sent;
use super::ingress::plain_segment;
use super::{Held, Tuple};
use crate::engine::{Engine, after};
use crate::packet::{Frame, Packet};

pub(crate) struct TimeWait {
    until: Instant,
    /// Our next sequence number, and the other side's.
    next: u32,
    ack: u32,
}

impl TimeWait {
    pub fn is_until(&self, until: Instant) -> bool {
        self.until == until
    }
}

impl Engine {
    pub fn wait_out(&mut self, tuple: Tuple, sent: Sent) {
        let until = after(self.now, self.config.tcp.time_wait);
        self.tcp.tuples.insert(tuple, Held::TimeWait(TimeWait { until, next: sent.high, ack: sent.ack }));
        self.tcp.time_wait.push_back((until, tuple));
        while let Some((until, _)) = self.tcp.time_wait.front()
            && (*until <= self.now || self.tcp.time_wait.len() > self.config.limits.time_wait)
        {
            let Some((until, tuple)) = self.tcp.time_wait.pop_front() else { return };
            // It may stand for a later connection by now.
            if matches!(self.tcp.tuples.get(&tuple), Some(Held::TimeWait(held)) if held.is_until(until)) {
                self.tcp.tuples.remove(&tuple);
            }
        }
    }

    /// Whether these ends are in use, or kept out of it.
    pub fn is_held(&self, tuple: &Tuple) -> bool {
        match self.tcp.tuples.get(tuple) {
            Some(Held::TimeWait(held)) => held.until > self.now,
            Some(_) => true,
            None => false,
        }
    }

    /// A segment for an ended connection.
    pub fn stray(&mut self, frame: &Frame<'_>, packet: &Packet<'_>, tuple: &Tuple, segment: &TcpRepr<'_>) {
        let Some(Held::TimeWait(held)) = self.tcp.tuples.get(tuple) else { return };
        let (next, ack) = (held.next, held.ack);
        let ahead = (segment.seq_number.0 as u32).wrapping_sub(ack) as i32 > 0;
        let request = segment.control == TcpControl::Syn && segment.ack_number.is_none();
        // A request beyond all that was sent cannot be a stray one (RFC 9293 3.6.1, RFC 6191).
        if held.until <= self.now || request && ahead && self.tcp.listeners.contains_key(&tuple.local_port) {
            self.tcp.tuples.remove(tuple);
            return self.unknown(frame, packet, tuple, segment);
        }
        if segment.control == TcpControl::Rst {
            // Old ones must not end this (RFC 1337). One with the very number that we have just acknowledged is the answer of
            // somebody who asks for a new connection, and could not have one before this is gone.
            if segment.seq_number.0 as u32 == ack {
                self.tcp.tuples.remove(tuple);
            }
            return;
        }
        // An acknowledgement asks for nothing.
        if segment.segment_len() == 0 {
            return;
        }
        let mut answer = plain_segment(tuple);
        answer.seq_number = TcpSeqNumber(next as i32);
        answer.ack_number = Some(TcpSeqNumber(ack as i32));
        self.send_segment(frame.source, tuple, &answer);
    }
}
