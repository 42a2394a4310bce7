use std::future::pending;
use std::net::SocketAddr;

use mirage_conformance::fakes::{FakeFlow, FakeListener};
use mirage_conformance::flow;
use mirage_conformance::poll::{poll_once, yield_now};
use mirage_sig::{Listener, Read};

use crate::stack::{Rig, Wrong, Wrongs};
use crate::{all_are_found, mistakes};

mistakes! {
    LocalPortIsZero => "`local` is the address it listens on",
    LastComesFirst => "Connections come in the order in which they were established",
    KeepsOne => "Up to the backlog, connections are kept while nobody accepts",
    KeepsAll => "Beyond the backlog, new connections are not answered, and get through when there is room again",
    ForgetsEarlyBytes => "Bytes that arrived before `accept` are there to read",
    TakesAndThenWaits => "An `accept` that is dropped has lost no connection",
    GoesOnWhenDropped => "Dropping a listener refuses further connections",
    AcceptsOnlyWhileOneWaits => "Up to the backlog, connections are kept while nobody accepts",
}

pub struct BrokenListener {
    inner: Option<FakeListener>,
    mistake: Option<Mistake>,
    held: Vec<FakeFlow>,
}

impl BrokenListener {
    pub fn new(inner: FakeListener, mistake: Option<Mistake>) -> Self {
        Self { inner: Some(inner), mistake, held: Vec::new() }
    }
}

impl Drop for BrokenListener {
    fn drop(&mut self) {
        if self.mistake == Some(Mistake::GoesOnWhenDropped) {
            std::mem::forget(self.inner.take());
        }
    }
}

impl Listener for BrokenListener {
    type Flow = FakeFlow;
    type Error = Wrong;

    async fn accept(&mut self) -> Result<FakeFlow, Wrong> {
        let inner = self.inner.as_mut().expect("there until it is dropped");
        match self.mistake {
            Some(Mistake::LastComesFirst) => {
                if self.held.is_empty() {
                    self.held.push(inner.accept().await?);
                }
                while let Some(next) = poll_once(inner.accept()).await {
                    self.held.push(next?);
                }
                match self.held.pop() {
                    Some(flow) => Ok(flow),
                    None => pending().await,
                }
            }
            Some(Mistake::ForgetsEarlyBytes) => {
                let mut flow = inner.accept().await?;
                while let Some(Ok(1)) = poll_once(flow.read(&mut [0])).await {}
                Ok(flow)
            }
            Some(Mistake::TakesAndThenWaits) => {
                let flow = inner.accept().await?;
                yield_now().await;
                Ok(flow)
            }
            Some(Mistake::AcceptsOnlyWhileOneWaits) => {
                // What came before is thrown away.
                while poll_once(inner.accept()).await.is_some() {}
                Ok(inner.accept().await?)
            }
            _ => Ok(inner.accept().await?),
        }
    }

    fn local(&self) -> SocketAddr {
        let mut local = self.inner.as_ref().expect("there until it is dropped").local();
        if self.mistake == Some(Mistake::LocalPortIsZero) {
            local.set_port(0);
        }
        local
    }
}

#[test]
fn listener() {
    all_are_found(MISTAKES, |runtime, mistake| {
        let rig = Rig::new(runtime, Wrongs { listener: mistake, ..Wrongs::default() });
        runtime.run(flow::listener_suite(runtime, &rig))
    });
}
