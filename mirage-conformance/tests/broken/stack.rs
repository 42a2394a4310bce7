//! A stack that makes mistakes: its own, and those of what it makes.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mirage_conformance::fakes::{FakeFlow, FakeInternet, FakeNetError, FakeRuntime, FakeStack};
use mirage_conformance::stack::{self, StackRig};
use mirage_sig::{Cidr, NetError, NetErrorKind, Sleep, Stack, UdpSocket};

use crate::listener::{self, BrokenListener};
use crate::udp::{self, BrokenUdp};
use crate::{all_are_found, mistakes};

mistakes! {
    ConfiguredTooEarly => "`configured` waits until the stack has an address that others can reach; at once if it has one",
    ConfiguredWaitsAgain => "`configured` waits until the stack has an address that others can reach; at once if it has one",
    NoPrefix => "`addresses` are those it has now, with the length of their networks' prefixes",
    FreePortIsZero => "Port 0 is any that is free",
    TakenPortIsRefused => "A port that is taken is AddressInUse",
    AnotherPort => "The port is the one that was asked for",
    PortStaysTaken => "A port whose listener was dropped is not taken any more",
    RefusedIsTimedOut => "To connect where nobody listens is Refused",
    NobodyRefuses => "To connect where nobody is, is TimedOut or Unreachable",
    DroppedConnectHangs => "A `connect` that is dropped is given up",
    TextIsNoName => "An address in text form is its own",
    NoNameIsNoAddress => "A name that has no address is NotFound",
    AnswersAnotherName => "`resolve` gives the addresses of a name, never none",
    PingIsTooLong => "`ping` gives the time that the answer took",
    NobodyAnswersPings => "To ping where nobody is, is an error",
}

/// An error that can be told to be another one.
#[derive(Debug)]
pub struct Wrong(pub NetErrorKind);

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::error::Error for Wrong {}

impl NetError for Wrong {
    fn kind(&self) -> NetErrorKind {
        self.0
    }
}

impl From<FakeNetError> for Wrong {
    fn from(error: FakeNetError) -> Self {
        Self(NetError::kind(&error))
    }
}

/// What is wrong, and where.
#[derive(Clone, Copy, Default)]
pub struct Wrongs {
    pub stack: Option<Mistake>,
    pub listener: Option<listener::Mistake>,
    pub udp: Option<udp::Mistake>,
}

pub struct BrokenStack {
    inner: FakeStack,
    runtime: FakeRuntime,
    wrongs: Wrongs,
    dropped: Cell<bool>,
}

impl BrokenStack {
    fn has(&self, mistake: Mistake) -> bool {
        self.wrongs.stack == Some(mistake)
    }
}

/// Notes that it was dropped before its end.
struct Dropped<'a>(&'a Cell<bool>, bool);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() || !self.1);
    }
}

impl Stack for BrokenStack {
    type Flow = FakeFlow;
    type Listener = BrokenListener;
    type Udp = BrokenUdp;
    type Error = Wrong;

    async fn configured(&self) -> Result<(), Wrong> {
        match self.wrongs.stack {
            Some(Mistake::ConfiguredTooEarly) => Ok(()),
            Some(Mistake::ConfiguredWaitsAgain) => {
                self.runtime.sleep(Duration::from_millis(2)).await;
                Ok(())
            }
            _ => Ok(self.inner.configured().await?),
        }
    }

    fn addresses(&self) -> Vec<Cidr> {
        let prefix = |cidr: Cidr| if self.has(Mistake::NoPrefix) { Cidr { prefix: 0, ..cidr } } else { cidr };
        self.inner.addresses().into_iter().map(prefix).collect()
    }

    async fn connect(&self, to: SocketAddr) -> Result<FakeFlow, Wrong> {
        if self.has(Mistake::DroppedConnectHangs) && self.dropped.get() {
            pending::<()>().await;
        }
        let mut dropped = Dropped(&self.dropped, false);
        let result = self.inner.connect(to).await;
        dropped.1 = true;
        result.map_err(|error| match (self.wrongs.stack, NetError::kind(&error)) {
            (Some(Mistake::RefusedIsTimedOut), NetErrorKind::Refused) => Wrong(NetErrorKind::TimedOut),
            (Some(Mistake::NobodyRefuses), NetErrorKind::TimedOut) => Wrong(NetErrorKind::Refused),
            _ => error.into(),
        })
    }

    fn listen(&self, port: u16, backlog: usize) -> Result<BrokenListener, Wrong> {
        let asked = if self.has(Mistake::AnotherPort) && port != 0 { 0 } else { port };
        let backlog = match self.wrongs.listener {
            Some(listener::Mistake::KeepsAll) => 1_000,
            Some(listener::Mistake::KeepsOne) => 1,
            _ => backlog,
        };
        match self.inner.listen(asked, backlog) {
            Ok(inner) => {
                let mut wrong = self.wrongs.listener;
                if self.has(Mistake::FreePortIsZero) && port == 0 {
                    wrong = Some(listener::Mistake::LocalPortIsZero);
                }
                if self.has(Mistake::PortStaysTaken) {
                    wrong = Some(listener::Mistake::GoesOnWhenDropped);
                }
                Ok(BrokenListener::new(inner, wrong))
            }
            Err(_) if self.has(Mistake::TakenPortIsRefused) => Err(Wrong(NetErrorKind::Refused)),
            Err(error) => Err(error.into()),
        }
    }

    fn bind(&self, port: u16) -> Result<BrokenUdp, Wrong> {
        let inner = self.inner.bind(port)?;
        if self.wrongs.udp == Some(udp::Mistake::HearsAllGroups) {
            inner.join(IpAddr::from([233, 252, 0, 1]))?;
        }
        Ok(BrokenUdp::new(inner, self.wrongs.udp))
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Wrong> {
        let found = self.inner.resolve(name).await;
        match self.wrongs.stack {
            Some(Mistake::TextIsNoName) if name.parse::<IpAddr>().is_ok() => Err(Wrong(NetErrorKind::NotFound)),
            Some(Mistake::NoNameIsNoAddress) => Ok(found.unwrap_or_default()),
            Some(Mistake::AnswersAnotherName) if name.parse::<IpAddr>().is_err() => Ok(vec![[192, 0, 2, 77].into()]),
            _ => Ok(found?),
        }
    }

    async fn ping(&self, to: IpAddr, length: usize) -> Result<Duration, Wrong> {
        let took = self.inner.ping(to, length).await;
        match self.wrongs.stack {
            Some(Mistake::PingIsTooLong) => Ok(took? * 1_000),
            Some(Mistake::NobodyAnswersPings) => Ok(took.unwrap_or_default()),
            _ => Ok(took?),
        }
    }
}

/// Stacks that all make the same mistake.
pub struct Rig {
    pub internet: FakeInternet,
    pub runtime: FakeRuntime,
    pub wrongs: Wrongs,
}

impl Rig {
    pub fn new(runtime: &FakeRuntime, wrongs: Wrongs) -> Self {
        Self { internet: FakeInternet::new(runtime), runtime: runtime.clone(), wrongs }
    }
}

impl StackRig for Rig {
    type Stack = BrokenStack;
    type Error = Infallible;

    async fn stacks(&self) -> Result<(BrokenStack, BrokenStack), Infallible> {
        let (left, right) = self.internet.stacks().await?;
        let stack = |inner| BrokenStack {
            inner,
            runtime: self.runtime.clone(),
            wrongs: self.wrongs,
            dropped: Cell::new(false),
        };
        Ok((stack(left), stack(right)))
    }

    fn nobody(&self) -> Option<IpAddr> {
        self.internet.nobody()
    }

    fn name(&self) -> Option<(&str, IpAddr)> {
        self.internet.name()
    }

    fn group(&self) -> Option<IpAddr> {
        self.internet.group()
    }
}

#[test]
fn tcp_ip_stack() {
    all_are_found(MISTAKES, |runtime, mistake| {
        let rig = Rig::new(runtime, Wrongs { stack: mistake, ..Wrongs::default() });
        runtime.run(stack::suite(runtime, &rig))
    });
}
