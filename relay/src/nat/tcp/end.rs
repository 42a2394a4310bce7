//! One end of one TCP connection: smoltcp with an interface of its own, so that the cost of a packet does not depend on how many
//! connections there are. Takes and gives IP packets, and does no input or output.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer, State};
use smoltcp::time::Instant as SmolInstant;
use smoltcp::wire::{HardwareAddress, IpCidr, Ipv4Address};

use crate::nat::packet::Flow;
use crate::nat::unguessable;

/// Bytes that wait in either direction at most.
pub const WINDOW: usize = 64 * 1024;

/// A client that is silent for that long is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// A client that does not acknowledge for that long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(150);
/// Data of a proxy is acknowledged soon: the other end of the real connection waits for room.
const ACK_DELAY: Duration = Duration::from_millis(5);

/// The gateway's end of a connection with a client.
pub struct End {
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: Option<SocketHandle>,
    queues: Queues,
    began: Instant,
    /// The client's end of file was seen, in a state that passes.
    client_ended: bool,
}

impl End {
    /// An end that waits for the client to open the connection.
    pub fn listening(flow: Flow, mtu: usize, now: Instant) -> Option<Self> {
        let mut end = Self::new(flow, mtu, now);
        let mut socket = socket();
        socket.listen(flow.remote).ok()?;
        end.handle = Some(end.sockets.add(socket));
        Some(end)
    }

    /// An end that opens the connection with the client.
    pub fn connecting(flow: Flow, mtu: usize, now: Instant) -> Option<Self> {
        let mut end = Self::new(flow, mtu, now);
        let mut socket = socket();
        socket.connect(end.interface.context(), flow.guest, flow.remote).ok()?;
        end.handle = Some(end.sockets.add(socket));
        Some(end)
    }

    /// An end that is none: everything is answered by a reset.
    pub fn closed(flow: Flow, mtu: usize, now: Instant) -> Self {
        Self::new(flow, mtu, now)
    }

    fn new(flow: Flow, mtu: usize, now: Instant) -> Self {
        let mut queues = Queues { inward: VecDeque::new(), outward: VecDeque::new(), mtu };
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = unguessable();
        let mut interface = Interface::new(config, &mut queues, SmolInstant::ZERO);
        // The gateway lets only packets to one station through, which smoltcp insists on.
        interface.update_ip_addrs(|addresses| {
            let _ = addresses.push(IpCidr::new((*flow.remote.ip()).into(), 32));
        });
        // Every packet goes back to the one client; the route's gateway is never looked up on an IP medium.
        let _ = interface.routes_mut().add_default_ipv4_route(Ipv4Address::new(10, 0, 2, 15));
        Self {
            interface,
            sockets: SocketSet::new(Vec::with_capacity(1)),
            handle: None,
            queues,
            began: now,
            client_ended: false,
        }
    }

    /// Takes a packet from the client. It is looked at by [`Self::poll`].
    pub fn receive(&mut self, packet: Vec<u8>) {
        self.queues.inward.push_back(packet);
    }

    /// Works off what came and what time brings, and hands out the packets for the client.
    pub fn poll(&mut self, now: Instant, mut send: impl FnMut(Vec<u8>)) {
        let time = self.time(now);
        self.interface.poll(time, &mut self.queues, &mut self.sockets);
        self.queues.outward.drain(..).for_each(&mut send);
    }

    /// When to poll again although nothing came. `None`: not before something does.
    pub fn deadline(&mut self, now: Instant) -> Option<Instant> {
        let time = self.time(now);
        let delay = self.interface.poll_delay(time, &self.sockets)?;
        Some(now + Duration::from(delay))
    }

    /// The socket.
    pub fn socket(&mut self) -> Option<&mut Socket<'static>> {
        Some(self.sockets.get_mut::<Socket<'static>>(self.handle?))
    }

    /// Whether the connection is over, after the first poll. In TIME-WAIT it is: what a client repeats of its goodbye on this one
    /// cable is answered by a reset, and it is done. In LISTEN it is as well: the client took its first packet back.
    pub fn is_over(&mut self) -> bool {
        self.socket().is_none_or(|socket| matches!(socket.state(), State::Closed | State::Listen | State::TimeWait))
    }

    /// Whether the client's end of file has come; what it said before may still have to be read.
    pub fn client_is_done(&mut self) -> bool {
        if let Some(socket) = self.socket() {
            let ends = [State::CloseWait, State::LastAck, State::Closing, State::TimeWait];
            self.client_ended |= ends.contains(&socket.state());
        }
        self.client_ended
    }

    /// Whether all that came was read.
    pub fn is_read(&mut self) -> bool {
        self.socket().is_none_or(|socket| !socket.can_recv())
    }

    fn time(&self, now: Instant) -> SmolInstant {
        let micros = now.saturating_duration_since(self.began).as_micros();
        SmolInstant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

fn socket() -> Socket<'static> {
    let buffer = || SocketBuffer::new(vec![0; WINDOW]);
    let mut socket = Socket::new(buffer(), buffer());
    socket.set_congestion_control(CongestionControl::Reno);
    socket.set_keep_alive(Some(KEEP_ALIVE.into()));
    socket.set_timeout(Some(SILENCE_MAX.into()));
    socket.set_ack_delay(Some(ACK_DELAY.into()));
    // What is to be sent was gathered by the other end of the real connection, if it wanted to.
    socket.set_nagle_enabled(false);
    socket
}

/// The device of the interface: packets in, packets out.
struct Queues {
    inward: VecDeque<Vec<u8>>,
    outward: VecDeque<Vec<u8>>,
    mtu: usize,
}

impl Device for Queues {
    type RxToken<'a> = Incoming;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, _: SmolInstant) -> Option<(Incoming, Outgoing<'_>)> {
        Some((Incoming(self.inward.pop_front()?), Outgoing(&mut self.outward)))
    }

    fn transmit(&mut self, _: SmolInstant) -> Option<Outgoing<'_>> {
        Some(Outgoing(&mut self.outward))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        capabilities
    }
}

struct Incoming(Vec<u8>);

impl RxToken for Incoming {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

struct Outgoing<'a>(&'a mut VecDeque<Vec<u8>>);

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut packet = vec![0; length];
        let result = write(&mut packet);
        self.0.push_back(packet);
        result
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV4};

    use super::*;

    const GUEST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 15), 4000);
    const REMOTE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 80);
    const FLOW: Flow = Flow { guest: GUEST, remote: REMOTE };
    /// The same connection, seen from the client.
    const MIRROR: Flow = Flow { guest: REMOTE, remote: GUEST };

    /// Lets both talk until they have nothing to say.
    fn settle(a: &mut End, b: &mut End, now: Instant) -> usize {
        let mut moved = 0;
        loop {
            let (mut from_a, mut from_b) = (Vec::new(), Vec::new());
            a.poll(now, |packet| from_a.push(packet));
            b.poll(now, |packet| from_b.push(packet));
            if from_a.is_empty() && from_b.is_empty() {
                return moved;
            }
            moved += from_a.len() + from_b.len();
            from_a.into_iter().for_each(|packet| b.receive(packet));
            from_b.into_iter().for_each(|packet| a.receive(packet));
        }
    }

    #[test]
    fn a_connection_is_opened_used_and_closed_by_halves() {
        let now = Instant::now();
        let mut gateway = End::listening(FLOW, 1500, now).unwrap();
        let mut client = End::connecting(MIRROR, 1500, now).unwrap();
        settle(&mut client, &mut gateway, now);
        assert_eq!(gateway.socket().unwrap().state(), State::Established);
        assert_eq!(client.socket().unwrap().send_slice(b"question"), Ok(8));
        client.socket().unwrap().close();
        settle(&mut client, &mut gateway, now);
        assert!(gateway.client_is_done() && !gateway.is_read(), "what it said is not read yet");
        let mut buffer = [0; 8];
        assert_eq!(gateway.socket().unwrap().recv_slice(&mut buffer), Ok(8));
        assert_eq!(&buffer, b"question");
        assert!(gateway.client_is_done() && gateway.is_read() && !gateway.is_over());
        assert_eq!(gateway.socket().unwrap().send_slice(b"answer"), Ok(6));
        gateway.socket().unwrap().close();
        settle(&mut client, &mut gateway, now);
        // The last acknowledgement may take its time.
        settle(&mut client, &mut gateway, now + ACK_DELAY * 2);
        assert_eq!(client.socket().unwrap().recv_slice(&mut buffer), Ok(6));
        assert!(gateway.is_over() && client.is_over());
    }

    #[test]
    fn a_closed_end_resets_and_does_not_answer_resets() {
        let now = Instant::now();
        let mut gateway = End::closed(FLOW, 1500, now);
        let mut client = End::connecting(MIRROR, 1500, now).unwrap();
        assert_eq!(settle(&mut client, &mut gateway, now), 2);
        assert!(client.is_over());
    }

    #[test]
    fn a_client_that_is_gone_is_given_up() {
        let mut now = Instant::now();
        let mut gateway = End::listening(FLOW, 1500, now).unwrap();
        let mut client = End::connecting(MIRROR, 1500, now).unwrap();
        settle(&mut client, &mut gateway, now);
        let began = now;
        while !gateway.is_over() {
            now = gateway.deadline(now).expect("something will happen").max(now + Duration::from_millis(1));
            gateway.poll(now, |_| {});
            assert!(now - began < SILENCE_MAX * 2);
        }
    }
}
