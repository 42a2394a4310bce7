//! One connection, and its way from open to gone.

use core::time::Duration;

use mirage_sig::{Instant, NetErrorKind};
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, State};

use super::device::Sent;
use super::{Held, Tuple, our_time, smol_time};
use crate::engine::{Engine, after};

/// Who holds a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A flow, or a call that opens one.
    Flow,
    /// The listener of its port, which has not given it away.
    Listener,
    /// Nobody any more: it is being ended.
    Nobody,
}

pub(crate) struct Connection {
    pub set: SocketSet<'static>,
    pub handle: SocketHandle,
    pub tuple: Tuple,
    pub serial: u64,
    pub owner: Owner,
    /// Whether its ends lead here. Not so once they are free again, and there is only something left to read.
    pub linked: bool,
    /// Whether it is in the queue of those to be looked after.
    pub dirty: bool,
    /// Whether our side was ended by its owner.
    pub shut: bool,
    /// What ended it, if it was not its owner.
    pub failure: Option<NetErrorKind>,
    pub sent: Sent,
    /// The acknowledgement and the window of the last segment that smoltcp was given.
    pub given: (u32, u16),
    /// Duplicates of it that were given another window.
    pub duplicates: u8,
    /// When the last segment came, and since when something is to be acknowledged.
    pub heard: Instant,
    pub pending: Option<Instant>,
    /// When it must have come to its end.
    pub linger: Instant,
    /// Bytes to be acknowledged when `linger` was set.
    pub unsent: usize,
}

/// RFC 9293's word for a state.
pub(crate) const fn state_name(state: State) -> &'static str {
    match state {
        State::Closed => "closed",
        State::Listen => "listen",
        State::SynSent => "syn-sent",
        State::SynReceived => "syn-received",
        State::Established => "established",
        State::FinWait1 => "fin-wait-1",
        State::FinWait2 => "fin-wait-2",
        State::CloseWait => "close-wait",
        State::Closing => "closing",
        State::LastAck => "last-ack",
        State::TimeWait => "time-wait",
    }
}

impl Connection {
    pub fn new(
        (set, handle): (SocketSet<'static>, SocketHandle),
        tuple: Tuple,
        owner: Owner,
        serial: u64,
        now: Instant,
    ) -> Self {
        Self {
            set,
            handle,
            tuple,
            serial,
            owner,
            linked: true,
            dirty: false,
            shut: false,
            failure: None,
            sent: Sent::default(),
            given: (0, 0),
            duplicates: 0,
            heard: now,
            pending: None,
            linger: Instant::END,
            unsent: 0,
        }
    }

    pub fn socket(&self) -> &Socket<'static> {
        self.set.get(self.handle)
    }

    pub fn socket_mut(&mut self) -> &mut Socket<'static> {
        self.set.get_mut(self.handle)
    }

    /// Ends it at once, which the other side is told.
    pub fn fail(&mut self, kind: NetErrorKind) {
        if self.socket().state() != State::Closed {
            self.failure.get_or_insert(kind);
            self.socket_mut().abort();
        }
    }

    /// Throws away what was received.
    pub fn discard(&mut self) {
        while self.socket_mut().recv(|bytes| (bytes.len(), bytes.len())).is_ok_and(|count| count > 0) {}
    }
}

impl Engine {
    /// Has a connection looked after in this turn or the next.
    pub fn mark(&mut self, id: u32) {
        let Some(connection) = self.tcp.get(id) else { return };
        if !connection.dirty {
            connection.dirty = true;
            self.tcp.dirty.push_back(id);
        }
        self.kick();
    }

    /// When the connection must have heard something.
    fn patience(&self, connection: &Connection) -> Instant {
        let config = &self.config.tcp;
        let mut until = connection.linger;
        if let Some(since) = connection.pending {
            until = until.min(if connection.socket().state() == State::SynSent {
                after(since, config.connect_timeout)
            } else {
                after(since.max(connection.heard), config.user_timeout)
            });
        }
        if let Some(interval) = config.keep_alive {
            until = until.min(after(connection.heard, interval.saturating_mul(4)));
        }
        until
    }

    /// After anything that may have changed a connection: decides when it is looked after next, and whether it is at its end.
    /// `again` is when that is if it has something to send now; `None` for at once.
    pub fn settle(&mut self, id: u32, again: Option<Duration>) {
        let now = self.now;
        let Some(mut connection) = self.tcp.connections.get_mut(id as usize).and_then(Option::take) else { return };
        let wants = self.tcp.iface.poll_at(smol_time(now), &connection.set).map_or(Instant::END, our_time);
        let state = connection.socket().state();
        let pending = connection.socket().send_queue() > 0
            || matches!(state, State::SynSent | State::FinWait1 | State::Closing | State::LastAck);
        match (pending, connection.pending) {
            (true, None) => connection.pending = Some(now),
            (false, _) => connection.pending = None,
            _ => {}
        }

        let mut next = wants;
        if state == State::Closed {
            // A reset is sent once, if it can be sent at all.
            if wants > now || again.is_some() || !connection.linked {
                self.unlink(&mut connection);
                next = Instant::END;
            }
        } else if state == State::TimeWait {
            if wants > now || again.is_some() {
                self.retire(&mut connection);
                next = Instant::END;
            }
        } else {
            let until = self.patience(&connection);
            if until <= now {
                self.out_of_patience(&mut connection);
                next = now;
            } else {
                next = next.min(until);
            }
        }

        let gone = connection.owner == Owner::Nobody && !connection.linked;
        self.tcp.connections[id as usize] = Some(connection);
        if gone {
            self.tcp.remove(id);
        } else if next > now {
            self.tcp.timers.set(id, next);
        } else if let Some(again) = again {
            self.tcp.timers.set(id, after(now, again));
        } else {
            self.tcp.timers.set(id, Instant::END);
            self.mark(id);
        }
    }

    /// A connection was silent for too long, or took too long to end.
    fn out_of_patience(&mut self, connection: &mut Connection) {
        let queue = connection.socket().send_queue();
        let now = self.now;
        // One that nobody holds may go on as long as the other side takes what is left.
        if connection.linger <= now && queue < connection.unsent {
            (connection.linger, connection.unsent) = (after(now, self.config.tcp.linger), queue);
            return;
        }
        connection.fail(NetErrorKind::TimedOut);
    }

    /// The ends of a connection do not lead to it any more.
    fn unlink(&mut self, connection: &mut Connection) {
        if core::mem::take(&mut connection.linked) {
            self.tcp.tuples.remove(&connection.tuple);
        }
    }

    /// A connection has ended in order, and its ends are kept out of use for a while. Its buffers are not.
    fn retire(&mut self, connection: &mut Connection) {
        if core::mem::take(&mut connection.linked) {
            self.tcp.tuples.remove(&connection.tuple);
            self.wait_out(connection.tuple, connection.sent);
        }
    }

    /// Nobody answers at its next station. A connection that is being opened is given up; others wait on.
    pub fn unreachable(&mut self, id: u32) {
        let Some(connection) = self.tcp.get(id) else { return };
        if connection.socket().state() == State::SynSent {
            connection.fail(NetErrorKind::Unreachable);
        }
        self.mark(id);
    }

    /// Somebody says that a connection cannot be opened.
    pub fn give_up_opening(
        &mut self,
        (local, local_port): (core::net::IpAddr, u16),
        (remote, remote_port): (core::net::IpAddr, u16),
        kind: NetErrorKind,
    ) {
        let tuple = Tuple { local, remote, local_port, remote_port };
        let Some(Held::Connection(id)) = self.tcp.tuples.get(&tuple) else { return };
        let id = *id;
        if let Some(connection) = self.tcp.get(id)
            && connection.socket().state() == State::SynSent
        {
            connection.fail(kind);
            self.mark(id);
        }
    }

    /// The owner of a connection lets go of it: what was accepted is still sent, and nothing is received any more.
    pub fn orphan(&mut self, id: u32) {
        let (now, linger, most) = (self.now, self.config.tcp.linger, self.config.limits.orphans);
        let Some(connection) = self.tcp.get(id) else { return };
        if !connection.linked {
            return self.tcp.remove(id);
        }
        connection.owner = Owner::Nobody;
        connection.linger = after(now, linger);
        connection.unsent = connection.socket().send_queue();
        connection.discard();
        if matches!(connection.socket().state(), State::SynSent | State::SynReceived) {
            connection.socket_mut().abort();
        } else {
            connection.socket_mut().close();
        }
        let serial = connection.serial;
        self.tcp.orphan_count += 1;
        self.tcp.orphans.push_back((id, serial));
        if self.tcp.orphan_count > most {
            while let Some((oldest, serial)) = self.tcp.orphans.pop_front() {
                if let Some(connection) = self.tcp.get(oldest)
                    && connection.serial == serial
                {
                    connection.fail(NetErrorKind::Reset);
                    self.mark(oldest);
                    break;
                }
            }
        }
        // Those that are gone by themselves are not remembered for ever.
        while let Some(&(oldest, serial)) = self.tcp.orphans.front()
            && self.tcp.get(oldest).is_none_or(|connection| connection.serial != serial)
        {
            self.tcp.orphans.pop_front();
        }
        self.mark(id);
    }

    /// Connections whose address is gone are at their end.
    pub fn recheck_connections(&mut self) {
        for id in 0..self.tcp.connections.len() as u32 {
            let Some(connection) = self.tcp.get(id) else { continue };
            let local = connection.tuple.local;
            if !self.addresses.has(local)
                && let Some(connection) = self.tcp.get(id)
            {
                connection.fail(NetErrorKind::Reset);
                self.mark(id);
            }
        }
    }

    /// The stack is at its end, and so are all connections.
    pub fn close_connections(&mut self) {
        for id in 0..self.tcp.connections.len() as u32 {
            if let Some(connection) = self.tcp.get(id) {
                connection.fail(NetErrorKind::Closed);
            }
        }
        self.tcp.listeners.values_mut().for_each(|listener| crate::engine::wake(&mut listener.waker));
    }
}
