//! Cables for the suite of `mirage-conformance`.

use std::cell::RefCell;
use std::convert::Infallible;
use std::marker::PhantomData;

use mirage_conformance::fakes::{FakeCables, FakeNetwork, FakeRuntime};
use mirage_conformance::network::{NetworkRig, suite};
use mirage_net::{Cable, Control, Direction, Faults, Impairment, Lan, Port};
use mirage_sig::{Link, Network};

/// Runs the suite to its end; whatever it finds fails the test.
pub fn accepted(runtime: &FakeRuntime, rig: &impl NetworkRig) {
    match runtime.run(suite(runtime, rig)) {
        Ok(Ok(())) => {}
        Ok(Err(violation)) => panic!("{violation}"),
        Err(stuck) => panic!("{stuck}"),
    }
}

/// Fake cables with a wrapper at each end.
pub struct Fakes<N, F> {
    cables: FakeCables,
    wrap: F,
    network: PhantomData<N>,
}

impl<N: Network, F: Fn(FakeNetwork) -> N> Fakes<N, F> {
    pub fn new(runtime: &FakeRuntime, wrap: F) -> Self {
        Self { cables: FakeCables::new(runtime), wrap, network: PhantomData }
    }
}

impl<N: Network, F: Fn(FakeNetwork) -> N> NetworkRig for Fakes<N, F> {
    type Network = N;
    type Error = Infallible;

    async fn cable(&self) -> Result<(N, N), Infallible> {
        let (left, right) = self.cables.cable().await?;
        Ok(((self.wrap)(left), (self.wrap)(right)))
    }

    async fn plug(&self, link: Link) -> bool {
        self.cables.plug(link).await
    }

    async fn vanish(&self) -> bool {
        self.cables.vanish().await
    }

    async fn inject(&self, bytes: &[u8]) -> bool {
        self.cables.inject(bytes).await
    }
}

/// Ports of a hub with a wrapper at each end.
pub struct Hub<N, F> {
    left: RefCell<Option<Cable>>,
    wrap: F,
    network: PhantomData<N>,
}

impl<N: Network, F: Fn(Port) -> N> Hub<N, F> {
    pub fn new(wrap: F) -> Self {
        Self { left: RefCell::default(), wrap, network: PhantomData }
    }

    fn with_left(&self, act: impl FnOnce(&Cable)) -> bool {
        self.left.borrow().as_ref().map(act).is_some()
    }
}

impl<N: Network, F: Fn(Port) -> N> NetworkRig for Hub<N, F> {
    type Network = N;
    type Error = Infallible;

    async fn cable(&self) -> Result<(N, N), Infallible> {
        let lan = Lan::hub();
        let (left, right) = (lan.port(), lan.port());
        self.left.replace(Some(left.cable()));
        Ok(((self.wrap)(left), (self.wrap)(right)))
    }

    async fn plug(&self, link: Link) -> bool {
        self.with_left(|left| left.plug(link))
    }

    async fn vanish(&self) -> bool {
        self.with_left(Cable::remove)
    }
}

/// Faults at both ends of a hub, and the cable pulled at the faults.
pub struct Faulty {
    pub runtime: FakeRuntime,
    pub impairment: Impairment,
    pub left: RefCell<Option<(Control, Cable)>>,
}

impl NetworkRig for Faulty {
    type Network = Faults<Port, FakeRuntime>;
    type Error = Infallible;

    async fn cable(&self) -> Result<(Self::Network, Self::Network), Infallible> {
        let lan = Lan::hub();
        let (left, right) = (lan.port(), lan.port());
        let cable = left.cable();
        let left = Faults::new(left, self.runtime.clone(), 1);
        let right = Faults::new(right, self.runtime.clone(), 2);
        left.control().set(Direction::Sent, self.impairment);
        right.control().set(Direction::Sent, self.impairment);
        self.left.replace(Some((left.control(), cable)));
        Ok((left, right))
    }

    async fn plug(&self, link: Link) -> bool {
        self.left.borrow().as_ref().map(|(control, _)| control.plug(link)).is_some()
    }

    async fn vanish(&self) -> bool {
        self.left.borrow().as_ref().map(|(_, cable)| cable.remove()).is_some()
    }
}
