use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::{Rc, Weak};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

use mirage_sig::{Cidr, Instant, Listener, MonotonicClock, NetErrorKind, Sleep, Stack};

use super::flow::{FakeFlow, FakeNetError};
use super::pipe::TRAVEL;
use super::runtime::FakeRuntime;
use super::signal::Signal;
use super::udp::{FakeUdp, Port};
use crate::stack::StackRig;

/// A network on which every [`FakeStack`] reaches every other one, and the names of its hosts.
#[derive(Clone)]
pub struct FakeInternet(Rc<Internet>);

pub(super) struct Internet {
    pub clock: FakeRuntime,
    hosts: RefCell<BTreeMap<IpAddr, Weak<Host>>>,
    names: RefCell<BTreeMap<String, Vec<IpAddr>>>,
}

pub(super) struct Host {
    pub internet: Rc<Internet>,
    pub cidr: Cidr,
    configured: Instant,
    listeners: RefCell<BTreeMap<u16, Rc<Queue>>>,
    pub ports: RefCell<BTreeMap<u16, Rc<Port>>>,
    last_port: Cell<u16>,
}

/// The connections of a listener that were not accepted.
struct Queue {
    backlog: usize,
    flows: RefCell<VecDeque<FakeFlow>>,
    closed: Cell<bool>,
    changed: Signal,
}

impl FakeInternet {
    /// A network without hosts.
    pub fn new(runtime: &FakeRuntime) -> Self {
        Self(Rc::new(Internet { clock: runtime.clone(), hosts: RefCell::default(), names: RefCell::default() }))
    }

    /// A host with this address, which it has a millisecond from now.
    pub fn stack(&self, cidr: Cidr) -> FakeStack {
        let host = Rc::new(Host {
            internet: self.0.clone(),
            cidr,
            configured: self.0.clock.now() + Duration::from_millis(1),
            listeners: RefCell::default(),
            ports: RefCell::default(),
            last_port: Cell::new(49_151),
        });
        self.0.hosts.borrow_mut().insert(cidr.address, Rc::downgrade(&host));
        FakeStack(host)
    }

    /// Gives `name` these addresses, best first.
    pub fn set_name(&self, name: &str, addresses: &[IpAddr]) {
        self.0.names.borrow_mut().insert(name.into(), addresses.to_vec());
    }
}

impl Internet {
    /// All hosts, those that are gone left out.
    pub fn hosts(&self) -> Vec<Rc<Host>> {
        self.hosts.borrow().values().filter_map(Weak::upgrade).collect()
    }
}

impl Host {
    /// An error if this host has no address yet.
    pub fn check_configured(&self) -> Result<(), FakeNetError> {
        if self.internet.clock.now() < self.configured { Err(FakeNetError(NetErrorKind::Unreachable)) } else { Ok(()) }
    }

    /// The host with that address, if there is one.
    pub fn find(self: &Rc<Self>, address: IpAddr) -> Option<Rc<Self>> {
        if address.is_loopback() {
            return Some(self.clone());
        }
        self.internet.hosts.borrow().get(&address).and_then(Weak::upgrade)
    }

    /// What comes of asking a host that does not answer.
    async fn no_answer(&self, address: IpAddr) -> FakeNetError {
        // There is no router: only the own network is in reach.
        if network(self.cidr.address, self.cidr.prefix) != network(address, self.cidr.prefix) {
            return FakeNetError(NetErrorKind::Unreachable);
        }
        self.internet.clock.sleep(Duration::from_secs(3)).await;
        FakeNetError(NetErrorKind::TimedOut)
    }

    /// `port`, or a free one if it is 0.
    pub fn choose_port(&self, port: u16, taken: impl Fn(u16) -> bool) -> Result<u16, FakeNetError> {
        if port != 0 {
            return if taken(port) { Err(FakeNetError(NetErrorKind::AddressInUse)) } else { Ok(port) };
        }
        for _ in 49_152..=u16::MAX {
            let next = self.last_port.get().checked_add(1).unwrap_or(49_152);
            self.last_port.set(next);
            if !taken(next) {
                return Ok(next);
            }
        }
        Err(FakeNetError(NetErrorKind::Exhausted))
    }
}

/// The first bits of an address, and which sort it is of.
fn network(address: IpAddr, prefix: u8) -> (bool, u128) {
    let (v4, bits) = match address {
        IpAddr::V4(address) => (true, u128::from(address.to_bits()) << 96),
        IpAddr::V6(address) => (false, address.to_bits()),
    };
    (v4, bits.checked_shr(128 - u32::from(prefix)).unwrap_or(0))
}

/// A stack whose network is in memory. A clone is the same stack.
#[derive(Clone)]
pub struct FakeStack(pub(super) Rc<Host>);

impl Stack for FakeStack {
    type Flow = FakeFlow;
    type Listener = FakeListener;
    type Udp = FakeUdp;
    type Error = FakeNetError;

    async fn configured(&self) -> Result<(), FakeNetError> {
        if self.0.check_configured().is_err() {
            self.0.internet.clock.sleep_until(self.0.configured).await;
        }
        Ok(())
    }

    fn addresses(&self) -> Vec<Cidr> {
        if self.0.check_configured().is_ok() { vec![self.0.cidr] } else { Vec::new() }
    }

    async fn connect(&self, to: SocketAddr) -> Result<FakeFlow, FakeNetError> {
        let clock = &self.0.internet.clock;
        self.0.check_configured()?;
        let local = self.0.choose_port(0, |_| false)?;
        let Some(host) = self.0.find(to.ip()) else { return Err(self.0.no_answer(to.ip()).await) };
        clock.sleep(TRAVEL).await;
        let queue = host.listeners.borrow().get(&to.port()).cloned();
        let Some(queue) = queue else {
            clock.sleep(TRAVEL).await;
            return Err(FakeNetError(NetErrorKind::Refused));
        };

        // There are no duplicates and no timeouts here: who is not answered waits until there is room.
        let room = || queue.closed.get() || queue.flows.borrow().len() < queue.backlog;
        queue.changed.until(|| room().then_some(())).await;
        if queue.closed.get() {
            return Err(FakeNetError(NetErrorKind::Refused));
        }
        let (ours, theirs) = FakeFlow::pair(clock, SocketAddr::new(self.0.cidr.address, local), to);
        queue.flows.borrow_mut().push_back(theirs);
        queue.changed.notify();
        clock.sleep(TRAVEL).await;
        Ok(ours)
    }

    fn listen(&self, port: u16, backlog: usize) -> Result<FakeListener, FakeNetError> {
        let mut listeners = self.0.listeners.borrow_mut();
        let port = self.0.choose_port(port, |port| listeners.contains_key(&port))?;
        let queue = Rc::new(Queue {
            backlog: backlog.max(1),
            flows: RefCell::default(),
            closed: Cell::new(false),
            changed: Signal::default(),
        });
        listeners.insert(port, queue.clone());
        Ok(FakeListener { host: self.0.clone(), queue, port })
    }

    fn bind(&self, port: u16) -> Result<FakeUdp, FakeNetError> {
        FakeUdp::bind(&self.0, port)
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, FakeNetError> {
        if let Ok(address) = name.parse() {
            return Ok(vec![address]);
        }
        self.0.internet.clock.sleep(TRAVEL).await;
        let addresses = self.0.internet.names.borrow().get(name).cloned().unwrap_or_default();
        if addresses.is_empty() { Err(FakeNetError(NetErrorKind::NotFound)) } else { Ok(addresses) }
    }

    async fn ping(&self, to: IpAddr, length: usize) -> Result<Duration, FakeNetError> {
        self.0.check_configured()?;
        if length > FakeUdp::LONGEST {
            return Err(FakeNetError(NetErrorKind::Exhausted));
        }
        if self.0.find(to).is_none() {
            return Err(self.0.no_answer(to).await);
        }
        let clock = &self.0.internet.clock;
        let sent = clock.now();
        clock.sleep(2 * TRAVEL).await;
        Ok(clock.now() - sent)
    }
}

/// A port of a [`FakeStack`] on which others can connect.
pub struct FakeListener {
    host: Rc<Host>,
    queue: Rc<Queue>,
    port: u16,
}

impl Drop for FakeListener {
    fn drop(&mut self) {
        self.host.listeners.borrow_mut().remove(&self.port);
        self.queue.closed.set(true);
        self.queue.changed.notify();
    }
}

impl Listener for FakeListener {
    type Flow = FakeFlow;
    type Error = FakeNetError;

    async fn accept(&mut self) -> Result<FakeFlow, FakeNetError> {
        let flow = self.queue.changed.until(|| self.queue.flows.borrow_mut().pop_front()).await;
        self.queue.changed.notify();
        Ok(flow)
    }

    fn local(&self) -> SocketAddr {
        SocketAddr::new(self.host.cidr.address, self.port)
    }
}

impl StackRig for FakeInternet {
    type Stack = FakeStack;
    type Error = Infallible;

    async fn stacks(&self) -> Result<(FakeStack, FakeStack), Infallible> {
        self.set_name("left.test", &[LEFT]);
        let [left, right] = [LEFT, RIGHT].map(|address| self.stack(Cidr { address, prefix: 24 }));
        Ok((left, right))
    }

    async fn break_up(&self, left: &FakeFlow, _: &FakeFlow) -> bool {
        left.reset();
        true
    }

    fn nobody(&self) -> Option<IpAddr> {
        Some(NOBODY)
    }

    fn name(&self) -> Option<(&str, IpAddr)> {
        Some(("left.test", LEFT))
    }

    fn group(&self) -> Option<IpAddr> {
        Some(GROUP)
    }
}

/// The hosts of the suite (RFC 5737: for documentation), and a group of theirs (RFC 5771).
const LEFT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const RIGHT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 99));
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(233, 252, 0, 1));
