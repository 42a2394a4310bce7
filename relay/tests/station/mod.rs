//! A machine on a LAN: smoltcp behind a WebSocket, as a unikernel in a browser tab is.
#![allow(dead_code, reason = "each test uses its part")]

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use futures_util::{FutureExt, SinkExt, StreamExt};
use mirage_relay::{Config, Limits, Relay};
use smoltcp::iface::{Config as InterfaceConfig, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::{dhcpv4, dns, icmp, tcp, udp};
use smoltcp::time::Instant as SmolInstant;
use smoltcp::wire::{
    DnsQueryType, EthernetAddress, HardwareAddress, Icmpv4Packet, Icmpv4Repr, IpAddress, IpCidr, IpEndpoint, Ipv4Cidr,
};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Long enough for a machine that does other things as well.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A relay on any free port, without a gateway.
pub fn plain() -> Config {
    Config { listen: ([127, 0, 0, 1], 0).into(), nat: mirage_relay::Nat::None, ..Config::default() }
}

/// A relay on any free port, with gateways.
pub fn with_nat() -> Config {
    Config { nat: mirage_relay::Nat::All, ..plain() }
}

pub async fn start(config: Config) -> Relay {
    Relay::start(config).await.expect("the relay starts")
}

pub fn url(relay: &Relay, lan: &str) -> String {
    format!("ws://{}/lan/{lan}", relay.address())
}

pub async fn dial(relay: &Relay, lan: &str) -> Socket {
    connect_async(url(relay, lan)).await.expect("the door is open").0
}

/// The value of a metric, given with its labels.
pub fn metric(relay: &Relay, name: &str) -> u64 {
    let text = relay.metrics();
    let line = text.lines().find(|line| line.rsplit_once(' ').is_some_and(|(sample, _)| sample == name));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("no {name} in\n{text}"))
}

/// Waits until it holds.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

pub fn frame(destination: [u8; 6], source: [u8; 6], length: usize) -> Vec<u8> {
    let mut frame = vec![0x5a; length];
    frame[..6].copy_from_slice(&destination);
    frame[6..12].copy_from_slice(&source);
    // For local experiments (IEEE 802, section 9.2.3).
    frame[12..14].copy_from_slice(&[0x88, 0xb5]);
    frame
}

/// The next frame that is not the gateway's.
pub async fn next_frame(socket: &mut Socket) -> Vec<u8> {
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("a frame in time").expect("open").expect("no error") {
            Message::Binary(frame) => return frame.to_vec(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

pub struct Station {
    pub socket: Socket,
    pub interface: Interface,
    pub sockets: SocketSet<'static>,
    device: Queues,
    began: Instant,
}

impl Station {
    pub async fn plug(relay: &Relay, lan: &str, number: u8) -> Self {
        Self::new(dial(relay, lan).await, number)
    }

    pub fn new(socket: Socket, number: u8) -> Self {
        let mut device = Queues::default();
        let mut config = InterfaceConfig::new(HardwareAddress::Ethernet(EthernetAddress([2, 0, 0, 0, 0, number])));
        config.random_seed = u64::from(number) * 7919 + 1;
        let interface = Interface::new(config, &mut device, SmolInstant::ZERO);
        Self { socket, interface, sockets: SocketSet::new(Vec::new()), device, began: Instant::now() }
    }

    fn time(&self) -> SmolInstant {
        SmolInstant::from_micros(self.began.elapsed().as_micros() as i64)
    }

    /// Moves frames until `done` has an answer. `done` may use the sockets.
    pub async fn run<T>(&mut self, mut done: impl FnMut(&mut SocketSet<'static>, &mut Interface) -> Option<T>) -> T {
        let run = async {
            loop {
                self.interface.poll(self.time(), &mut self.device, &mut self.sockets);
                let answer = done(&mut self.sockets, &mut self.interface);
                self.interface.poll(self.time(), &mut self.device, &mut self.sockets);
                let sends = !self.device.outward.is_empty();
                for frame in self.device.outward.drain(..) {
                    self.socket.feed(Message::binary(frame)).await.expect("the relay is there");
                }
                if sends {
                    self.socket.flush().await.expect("the relay is there");
                }
                if let Some(answer) = answer {
                    return answer;
                }
                let now = self.time();
                let delay = self.interface.poll_delay(now, &self.sockets).map_or(PATIENCE, Duration::from);
                tokio::select! {
                    message = self.socket.next() => self.take(message.expect("open").expect("no error")),
                    () = sleep(delay) => {}
                }
                // What else is here already.
                for _ in 0..256 {
                    match self.socket.next().now_or_never() {
                        Some(message) => self.take(message.expect("open").expect("no error")),
                        None => break,
                    }
                }
            }
        };
        timeout(PATIENCE * 3, run).await.expect("it happens in time")
    }

    fn take(&mut self, message: Message) {
        if let Message::Binary(frame) = message {
            self.device.inward.push_back(frame.to_vec());
        }
    }

    /// An address by DHCP, set, with the route and the resolver.
    pub async fn dhcp(&mut self) -> (Ipv4Addr, Vec<Ipv4Addr>) {
        let handle = self.sockets.add(dhcpv4::Socket::new());
        let (cidr, router, resolvers) = self
            .run(|sockets, _| match sockets.get_mut::<dhcpv4::Socket>(handle).poll() {
                Some(dhcpv4::Event::Configured(lease)) => {
                    Some((lease.address, lease.router, lease.dns_servers.to_vec()))
                }
                _ => None,
            })
            .await;
        self.sockets.remove(handle);
        self.set_address(cidr, router);
        (cidr.address(), resolvers)
    }

    pub fn set_address(&mut self, cidr: Ipv4Cidr, router: Option<Ipv4Addr>) {
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            addresses.push(IpCidr::Ipv4(cidr)).unwrap();
        });
        if let Some(router) = router {
            self.interface.routes_mut().add_default_ipv4_route(router).unwrap();
        }
    }

    /// Whether the answer to a ping comes within `patience`.
    pub async fn ping(&mut self, to: Ipv4Addr, patience: Duration) -> bool {
        let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 4], vec![0; 1024]);
        let mut socket = icmp::Socket::new(buffer(), buffer());
        socket.bind(icmp::Endpoint::Ident(0x1234)).unwrap();
        let echo = Icmpv4Repr::EchoRequest { ident: 0x1234, seq_no: 7, data: b"are you there?" };
        let bytes = socket.send(echo.buffer_len(), to.into()).unwrap();
        echo.emit(&mut Icmpv4Packet::new_unchecked(bytes), &ChecksumCapabilities::default());
        let handle = self.sockets.add(socket);
        let answered = timeout(
            patience,
            self.run(|sockets, _| {
                let (bytes, from) = sockets.get_mut::<icmp::Socket>(handle).recv().ok()?;
                assert_eq!(from, IpAddress::Ipv4(to));
                let message = Icmpv4Packet::new_checked(bytes).unwrap();
                let reply = Icmpv4Repr::parse(&message, &ChecksumCapabilities::default()).unwrap();
                assert_eq!(reply, Icmpv4Repr::EchoReply { ident: 0x1234, seq_no: 7, data: b"are you there?" });
                Some(())
            }),
        )
        .await;
        self.sockets.remove(handle);
        answered.is_ok()
    }

    /// The address of a name.
    pub async fn resolve(
        &mut self,
        resolver: Ipv4Addr,
        name: &str,
    ) -> Result<Vec<IpAddress>, dns::GetQueryResultError> {
        let mut socket = dns::Socket::new(&[resolver.into()], Vec::new());
        let query = socket.start_query(self.interface.context(), name, DnsQueryType::A).unwrap();
        let handle = self.sockets.add(socket);
        let result = self
            .run(|sockets, _| match sockets.get_mut::<dns::Socket>(handle).get_query_result(query) {
                Err(dns::GetQueryResultError::Pending) => None,
                other => Some(other.map(|addresses| addresses.to_vec())),
            })
            .await;
        self.sockets.remove(handle);
        result
    }

    pub fn tcp(&mut self) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; 65_536]);
        self.sockets.add(tcp::Socket::new(buffer(), buffer()))
    }

    pub fn connect(&mut self, to: SocketAddrV4, local_port: u16) -> SocketHandle {
        let handle = self.tcp();
        let socket = self.sockets.get_mut::<tcp::Socket>(handle);
        socket.connect(self.interface.context(), IpEndpoint::from(to), local_port).unwrap();
        handle
    }

    /// Sends `say`, says that this is all, and reads to the end. `None`: refused.
    pub async fn talk(&mut self, to: SocketAddrV4, local_port: u16, say: &[u8]) -> Option<Vec<u8>> {
        let handle = self.connect(to, local_port);
        let (mut said, mut heard, mut closed) = (0, Vec::new(), false);
        let answer = self
            .run(|sockets, _| {
                let socket = sockets.get_mut::<tcp::Socket>(handle);
                if socket.can_send() && said < say.len() {
                    said += socket.send_slice(&say[said..]).unwrap();
                }
                if said == say.len() && !closed && socket.may_send() {
                    socket.close();
                    closed = true;
                }
                while socket.can_recv() {
                    socket
                        .recv(|bytes| {
                            heard.extend_from_slice(bytes);
                            (bytes.len(), ())
                        })
                        .unwrap();
                }
                match socket.state() {
                    tcp::State::Closed if !closed => Some(None),
                    tcp::State::Closed | tcp::State::TimeWait => Some(Some(std::mem::take(&mut heard))),
                    _ => None,
                }
            })
            .await;
        self.sockets.remove(handle);
        answer
    }

    pub fn udp(&mut self, port: u16) -> SocketHandle {
        let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 16], vec![0; 16_384]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(port).unwrap();
        self.sockets.add(socket)
    }

    /// Sends a datagram, and returns the next that comes, with its sender.
    pub async fn ask(&mut self, handle: SocketHandle, to: SocketAddrV4, say: &[u8]) -> (Vec<u8>, IpEndpoint) {
        self.sockets.get_mut::<udp::Socket>(handle).send_slice(say, IpEndpoint::from(to)).unwrap();
        self.run(|sockets, _| {
            let (bytes, meta) = sockets.get_mut::<udp::Socket>(handle).recv().ok()?;
            Some((bytes.to_vec(), meta.endpoint))
        })
        .await
    }
}

#[derive(Default)]
struct Queues {
    inward: VecDeque<Vec<u8>>,
    outward: Vec<Vec<u8>>,
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
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

pub struct Incoming(Vec<u8>);

impl RxToken for Incoming {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

pub struct Outgoing<'a>(&'a mut Vec<Vec<u8>>);

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut frame = vec![0; length];
        let result = write(&mut frame);
        self.0.push(frame);
        result
    }
}

/// Limits for tests that wait for them.
pub fn impatient() -> Limits {
    Limits { ping_every: Duration::from_millis(200), silence_max: Duration::from_millis(800), ..Limits::default() }
}
