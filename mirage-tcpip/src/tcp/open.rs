//! What flows and listeners ask for.

use core::net::SocketAddr;
use core::task::Waker;

use mirage_sig::NetErrorKind;
use smoltcp::socket::tcp::State;
use smoltcp::wire::IpEndpoint;

use super::connection::{Connection, Owner};
use super::isn::seed_for;
use super::{Held, Listener, Tuple, socket};
use crate::Error;
use crate::engine::Engine;
use crate::packet::is_unicast;
use crate::udp::EPHEMERAL;

impl Engine {
    /// Begins to open a connection.
    pub fn open(&mut self, to: SocketAddr) -> Result<u32, Error> {
        if self.closed {
            return Err(Error::closed());
        }
        if to.port() == 0 {
            return Err(Error::new(NetErrorKind::Refused, "nobody can listen on port 0").at(to));
        }
        let route = self.addresses.route(to.ip(), self.now).ok_or(Error::no_route().at(to))?;
        if !is_unicast(to.ip()) || self.addresses.is_broadcast(to.ip()) || self.addresses.has(to.ip()) {
            let what = "a connection is to one other station, and that address is none";
            return Err(Error::new(NetErrorKind::Unreachable, what).at(to));
        }
        if self.tcp.live() >= self.config.limits.connections {
            let what = "there are too many connections: close some, or allow more; there can be";
            return Err(Error::new(NetErrorKind::Exhausted, what).number(self.config.limits.connections));
        }
        let tuple =
            self.free_tuple(Tuple { local: route.source, remote: to.ip(), local_port: 0, remote_port: to.port() })?;
        let (mut set, handle) = socket(&self.config.tcp);
        let seed = seed_for(self.tcp.first_number(&tuple, self.now), self.random.next());
        let mut iface = self.tcp.seeded(seed, tuple.local, self.now);
        let socket = set.get_mut::<smoltcp::socket::tcp::Socket<'_>>(handle);
        let ends = (IpEndpoint::from(tuple.peer()), IpEndpoint::from(tuple.local()));
        if socket.connect(iface.context(), ends.0, ends.1).is_err() {
            return Err(Error::no_route().at(to));
        }
        self.tcp.made += 1;
        let mut connection = Connection::new((set, handle), tuple, Owner::Flow, self.tcp.made, self.now);
        connection.pending = Some(self.now);
        let id = self.tcp.insert(connection);
        self.tcp.tuples.insert(tuple, Held::Connection(id));
        self.stats.tcp.opened += 1;
        self.mark(id);
        Ok(id)
    }

    /// The ends with a port of ours that is not in use with them: random, so that nobody can foretell it (RFC 6056 3.3.1).
    fn free_tuple(&mut self, tuple: Tuple) -> Result<Tuple, Error> {
        let count = u32::from(EPHEMERAL.end() - EPHEMERAL.start()) + 1;
        let first = self.random.below(count);
        for step in 0..count {
            let local_port = EPHEMERAL.start() + ((first + step) % count) as u16;
            let tuple = Tuple { local_port, ..tuple };
            if !self.is_held(&tuple) {
                return Ok(tuple);
            }
        }
        Err(Error::no_ports())
    }

    /// Whether a connection that is being opened is open; why not, if it never will be.
    pub fn poll_open(&mut self, id: u32, waker: &Waker) -> Option<Result<(), Error>> {
        let Some(connection) = self.tcp.get(id) else { return Some(Err(Error::closed())) };
        let (peer, failure) = (connection.tuple.peer(), connection.failure);
        match connection.socket().state() {
            State::SynSent | State::SynReceived => {
                connection.socket_mut().register_send_waker(waker);
                None
            }
            State::Closed => {
                self.stats.tcp.failed += 1;
                Some(Err(Error::connection(failure.unwrap_or(NetErrorKind::Reset)).at(peer)))
            }
            _ => Some(Ok(())),
        }
    }

    /// Listens on `port`, or on any that is free if it is 0.
    pub fn listen(&mut self, port: u16, backlog: usize) -> Result<u16, Error> {
        if self.closed {
            return Err(Error::closed());
        }
        let port = match port {
            0 => {
                let count = u32::from(EPHEMERAL.end() - EPHEMERAL.start()) + 1;
                let first = self.random.below(count);
                let mut numbers = (0..count).map(|step| EPHEMERAL.start() + ((first + step) % count) as u16);
                numbers.find(|port| !self.tcp.listeners.contains_key(port)).ok_or(Error::no_ports())?
            }
            taken if self.tcp.listeners.contains_key(&taken) => return Err(Error::port_taken(taken)),
            free => free,
        };
        let listener = Listener { backlog: backlog.max(1), ready: Default::default(), waker: None };
        self.tcp.listeners.insert(port, listener);
        Ok(port)
    }

    /// Stops to listen. What was not accepted is reset.
    pub fn unlisten(&mut self, port: u16) {
        let Some(listener) = self.tcp.listeners.remove(&port) else { return };
        self.tcp.forget_port(port);
        for id in listener.ready {
            self.abort(id);
            self.orphan(id);
        }
    }

    /// The oldest connection that was not accepted.
    pub fn accept(&mut self, port: u16, waker: &Waker) -> Option<Result<u32, Error>> {
        if self.closed {
            return Some(Err(Error::closed()));
        }
        let Some(listener) = self.tcp.listeners.get_mut(&port) else { return Some(Err(Error::closed())) };
        let Some(id) = listener.ready.pop_front() else {
            listener.waker = Some(waker.clone());
            return None;
        };
        if let Some(connection) = self.tcp.get(id) {
            connection.owner = Owner::Flow;
        }
        Some(Ok(id))
    }

    /// Ends a connection at once.
    pub fn abort(&mut self, id: u32) {
        if let Some(connection) = self.tcp.get(id) {
            connection.fail(NetErrorKind::Reset);
            self.mark(id);
        }
    }
}
