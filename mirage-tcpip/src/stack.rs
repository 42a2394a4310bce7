use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::net::{IpAddr, SocketAddr};
use core::task::Poll;
use core::time::Duration;

use mirage_sig::{Cidr, Instant, Mac, NetErrorKind, Network, Runtime, Stack};

use crate::address::{Origin, is_link_local};
use crate::engine::{Engine, after, register};
use crate::handle::{Handle, Shared};
use crate::packet::is_unicast;
use crate::race::until;
use crate::world::{Ground, World};
use crate::{Config, Error, Flow, Ipv4, Ipv6, Listener, Neighbour, Socket, Stats, UdpSocket, dns};

/// How long an echo may take.
const PING_PATIENCE: Duration = Duration::from_secs(4);
/// Every network carries so much (RFC 1122 3.3.2), and one with IPv6 so much (RFC 8200 5).
const MTU_MIN: usize = 576;
const MTU_MIN_V6: usize = 1_280;
/// An IP packet cannot be longer.
const MTU_MAX: usize = 65_535;

/// A TCP/IP stack on an Ethernet interface. Clones are handles to the same stack, which ends when the last of them, and of
/// its flows, listeners and sockets, is dropped and what they had accepted is sent; or when the interface is gone.
#[derive(Clone)]
pub struct Tcpip(Handle);

impl Tcpip {
    /// A stack on `network`, whose tasks are spawned on `runtime`: one that moves frames, and one each that looks after the
    /// IPv4 and the IPv6 addresses, which sleep but for what they wait for.
    ///
    /// # Errors
    /// A `config` that cannot be: [`Unreachable`](NetErrorKind::Unreachable), with a text that says why.
    pub fn new<N: Network + 'static, R: Runtime>(network: N, runtime: &R, config: Config) -> Result<Self, Error> {
        let (mac, mtu) = (network.mac(), network.mtu().min(MTU_MAX));
        let (ipv4, ipv6) = (config.ipv4, config.ipv6);
        check(&config, mtu)?;
        let mut engine = Engine::new(config, mac, mtu, runtime.now(), runtime.random());
        if let Ipv4::Static { address, prefix, gateway } = ipv4 {
            engine.addresses.gateway = gateway;
            engine.add_address(Cidr { address: address.into(), prefix }, Origin::Config);
            engine.announce(address);
        }
        engine.ipv6.alone = ipv6 == Ipv6::Off;
        let ground = Rc::new(Ground { network, runtime: runtime.clone() });
        let shared = Shared::new(engine, ground.clone());
        let stack = Self(Handle::new(&shared));
        if let Ipv4::Dhcp { patience } = ipv4 {
            ground.spawn(Box::pin(crate::dhcp::run(shared.clone(), patience)));
        }
        if ipv6 != Ipv6::Off {
            ground.spawn(Box::pin(crate::slaac::run(shared.clone(), ipv6)));
        }
        ground.spawn(Box::pin(crate::driver::drive(ground.clone(), shared)));
        Ok(stack)
    }

    /// The interface's Ethernet address.
    pub fn mac(&self) -> Mac {
        self.0.engine().out.mac()
    }

    /// What the stack has done so far.
    pub fn stats(&self) -> Stats {
        self.0.engine().stats()
    }

    /// The stations that are known, in no order.
    pub fn neighbours(&self) -> Vec<Neighbour> {
        let engine = self.0.engine();
        engine.neighbours.list(engine.now)
    }

    /// The sockets there are, in no order.
    pub fn sockets(&self) -> Vec<Socket> {
        let engine = self.0.engine();
        engine.tcp.list().chain(engine.udp.list()).collect()
    }

    /// The routers that are known.
    pub fn routers(&self) -> Vec<IpAddr> {
        let engine = self.0.engine();
        let v4 = engine.addresses.gateway.into_iter().map(IpAddr::from);
        v4.chain(engine.addresses.routers.iter().map(|(router, _)| IpAddr::from(*router))).collect()
    }

    /// The servers that resolve names, in the order in which they are asked.
    pub fn name_servers(&self) -> Vec<IpAddr> {
        self.0.engine().name_servers()
    }
}

/// An error if a stack cannot be like that.
fn check(config: &Config, mtu: usize) -> Result<(), Error> {
    let wrong = |what| Err(Error::new(NetErrorKind::Unreachable, what));
    let least = if config.ipv6 == Ipv6::Off { MTU_MIN } else { MTU_MIN_V6 };
    if mtu < least {
        let what = "the network's frames are too short for IP (without IPv6, less will do); they must hold bytes:";
        return Err(Error::new(NetErrorKind::Unreachable, what).number(least));
    }
    if let Ipv4::Static { address, prefix, gateway } = config.ipv4 {
        if prefix > 32 || !is_unicast(address.into()) {
            return wrong("ipv4: no station can have that address");
        }
        if gateway.is_some_and(|gateway| !is_unicast(gateway.into()) || gateway == address) {
            return wrong("ipv4-gateway: no router can have that address");
        }
    }
    if let Ipv6::Static { address, prefix, gateway } = config.ipv6 {
        if prefix > 128 || !is_unicast(address.into()) {
            return wrong("ipv6: no station can have that address");
        }
        if gateway.is_some_and(|gateway| !is_unicast(gateway.into()) || gateway == address) {
            return wrong("ipv6-gateway: no router can have that address");
        }
    }
    Ok(())
}

/// Gives an attempt to connect up when it is dropped.
struct Attempt<'a>(&'a Handle, Option<u32>);

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.1 {
            self.0.engine().orphan(id);
        }
    }
}

/// Forgets an echo request when it is dropped.
struct Echo<'a>(&'a Handle, u32);

impl Drop for Echo<'_> {
    fn drop(&mut self) {
        self.0.engine().echoes.forget(self.1);
    }
}

impl Stack for Tcpip {
    type Flow = Flow;
    type Listener = Listener;
    type Udp = UdpSocket;
    type Error = Error;

    async fn configured(&self) -> Result<(), Error> {
        poll_fn(|cx| {
            let mut engine = self.0.engine();
            if engine.is_configured() {
                return Poll::Ready(Ok(()));
            }
            if engine.closed {
                return Poll::Ready(Err(Error::closed()));
            }
            register(&mut engine.configured, cx.waker());
            Poll::Pending
        })
        .await
    }

    fn addresses(&self) -> Vec<Cidr> {
        let engine = self.0.engine();
        let all = || engine.addresses.list.iter().map(|own| own.cidr);
        // Those that reach further than the link first: it is the first one that people are told.
        let near = |cidr: &Cidr| is_link_local(cidr.address);
        all().filter(|cidr| !near(cidr)).chain(all().filter(near)).collect()
    }

    async fn connect(&self, to: SocketAddr) -> Result<Flow, Error> {
        let mut attempt = Attempt(&self.0, None);
        let id = self.0.engine().open(to)?;
        attempt.1 = Some(id);
        poll_fn(|cx| match self.0.unclocked().poll_open(id, cx.waker()) {
            None => Poll::Pending,
            Some(result) => Poll::Ready(result),
        })
        .await?;
        let flow = Flow::new(self.0.clone(), id);
        attempt.1 = None;
        flow
    }

    fn listen(&self, port: u16, backlog: usize) -> Result<Listener, Error> {
        let port = self.0.engine().listen(port, backlog)?;
        Ok(Listener::new(self.0.clone(), port))
    }

    fn bind(&self, port: u16) -> Result<UdpSocket, Error> {
        let port = self.0.engine().bind_udp(port)?;
        Ok(UdpSocket::new(self.0.clone(), port))
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Error> {
        dns::resolve(&self.0, name).await
    }

    async fn ping(&self, to: IpAddr, length: usize) -> Result<Duration, Error> {
        let world = self.0.world();
        let number = poll_fn(|cx| match self.0.engine().ping(world, to, length, cx.waker()) {
            Ok(None) => Poll::Pending,
            Ok(Some(number)) => Poll::Ready(Ok(number)),
            Err(error) => Poll::Ready(Err(error)),
        })
        .await?;
        let echo = Echo(&self.0, number);
        let sent: Instant = world.now();
        let answered = poll_fn(|cx| {
            let mut engine = self.0.engine();
            if engine.closed {
                return Poll::Ready(Err(Error::closed()));
            }
            engine.echoes.poll(echo.1, cx.waker()).map_or(Poll::Pending, |at| Poll::Ready(Ok(at - sent)))
        });
        until(world, after(sent, PING_PATIENCE), answered).await.unwrap_or_else(|| {
            let what = "no answer to the echo request";
            Err(Error::new(NetErrorKind::TimedOut, what).at(SocketAddr::new(to, 0)))
        })
    }
}
