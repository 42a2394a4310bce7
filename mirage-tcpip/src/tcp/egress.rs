//! Looking after connections: those that have something to send, and those whose time has come.

use core::time::Duration;

use mirage_sig::NetErrorKind;
use smoltcp::iface::PollResult;
use smoltcp::socket::tcp::State;

use super::device::{Port, Way};
use super::ingress::frame_kind;
use super::smol_time;
use crate::engine::Engine;
use crate::neighbour::Answer;
use crate::world::World;

/// Segments of one connection before it is another one's turn.
const SEGMENTS_MAX: usize = 16;
/// Segments in one turn of the driver, roughly: then other tasks have theirs.
const TURN_MAX: usize = 256;
/// When the way to the other side is looked for again.
const RETRY: Duration = Duration::from_secs(1);
/// When a connection is looked after again that wants to send and does not, for which there should be no reason.
const PUZZLED: Duration = Duration::from_millis(10);

impl Engine {
    /// Looks after the connections in the queue, up to a bound. Whether there are more.
    pub fn serve_dirty(&mut self, world: &dyn World) -> bool {
        let mut left = TURN_MAX;
        while left > 0 && !self.out.stalled {
            let Some(id) = self.tcp.dirty.pop_front() else { return false };
            left = left.saturating_sub(self.serve(id, world) + 1);
        }
        !self.tcp.dirty.is_empty()
    }

    /// Sends segments of one connection: how many.
    fn serve(&mut self, id: u32, world: &dyn World) -> usize {
        let now = self.now;
        let Some(connection) = self.tcp.get(id) else { return 0 };
        connection.dirty = false;
        let (remote, opening) = (connection.tuple.remote, connection.socket().state() == State::SynSent);
        if !connection.linked {
            return 0;
        }
        let route = self.addresses.route(remote, now);
        let answer = route.map_or(Answer::Nobody, |route| self.neighbour(route.hop));
        let mac = match answer {
            Answer::Known(mac) => Some(mac),
            Answer::Asking => {
                if let Some(route) = route {
                    self.neighbours.wait(route.hop, id);
                }
                None
            }
            Answer::Nobody => None,
        };
        let nobody = matches!(answer, Answer::Nobody);

        let tcp = &mut self.tcp;
        let Some(connection) = tcp.connections.get_mut(id as usize).and_then(Option::as_deref_mut) else { return 0 };
        if nobody && opening {
            connection.fail(NetErrorKind::Unreachable);
        }
        let before = connection.socket().state();
        let mut sent = connection.sent;
        let (segments, retransmitted, resets) = (sent.segments, sent.retransmitted, sent.resets);
        let to = mac.map(|mac| (mac, frame_kind(&connection.tuple)));
        let mut device =
            Port { packet: None, way: Way::Exit { world, out: &mut self.out, to, sent: &mut sent }, mtu: tcp.mtu };
        let mut count = 0;
        while count < SEGMENTS_MAX
            && tcp.iface.poll_egress(smol_time(now), &mut device, &mut connection.set) != PollResult::None
        {
            count += 1;
        }
        connection.sent = sent;
        if before != State::Closed && connection.socket().state() == State::Closed {
            // The address that it had is gone.
            connection.failure.get_or_insert(NetErrorKind::Reset);
        }
        self.stats.tcp.sent += u64::from(sent.segments.wrapping_sub(segments));
        self.stats.tcp.retransmitted += u64::from(sent.retransmitted.wrapping_sub(retransmitted));
        self.stats.tcp.resets_sent += u64::from(sent.resets.wrapping_sub(resets));
        let ip = if remote.is_ipv4() { &mut self.stats.ipv4 } else { &mut self.stats.ipv6 };
        ip.sent += u64::from(sent.segments.wrapping_sub(segments));

        let again = if count == SEGMENTS_MAX || self.out.stalled {
            None
        } else if mac.is_none() {
            Some(RETRY)
        } else {
            Some(PUZZLED)
        };
        self.settle(id, again);
        count
    }

    /// Puts into the queue whose time has come.
    pub fn expire_timers(&mut self) {
        while let Some((at, id)) = self.tcp.timers.first()
            && at <= self.now
        {
            self.tcp.timers.set(id, mirage_sig::Instant::END);
            // Those who were silent for too long are ended here.
            self.settle(id, None);
        }
    }
}
