use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::rc::Rc;

use mirage_conformance::fakes::{FakeFlow, FakeNetError, FakeReader, FakeRuntime, FakeWriter};
use mirage_conformance::flow::{self, FlowRig};
use mirage_conformance::poll::{poll_once, yield_now};
use mirage_sig::{ErrorType, Flow, NetError, NetErrorKind, Read, Write};

use crate::{all_are_found, mistakes};

mistakes! {
    PeerIsOurselves => "`peer` is the other side's address, `local` our own",
    EmptyReadWaits => "An empty buffer gives Ok(0) at once",
    NothingIsEndOfFile => "`read` waits for at least one byte",
    WaitsForAFullBuffer => "`read` waits for at least one byte",
    ChangesABit => "Bytes arrive in order, once each, unchanged",
    SendsTwice => "Bytes arrive in order, once each, unchanged",
    AcceptsNothing => "`write` resolves when at least one byte was accepted",
    TakesAndThenWaits => "A `read` that is dropped has taken no byte",
    ReadingHalfIsDeaf => "Both halves can be used at the same time",
    AcceptsAll => "`write` waits while there is no room",
    DroppedWriteIsSent => "A `write` that is dropped has given no byte",
    FlushAtOnce => "`flush` resolves when all that was accepted has been acknowledged by the other side",
    EndOvertakesBytes => "After `shutdown`, the other side reads all that was accepted and then end of file",
    EndsOnce => "End of file after the other side's last byte, and from then on always",
    EndIsAnError => "End of file after the other side's last byte, and from then on always",
    ShutdownEndsReading => "After `shutdown`, we can still read",
    WritesAfterShutdown => "After `shutdown`, every write is an error",
    SecondShutdownFails => "A second `shutdown` changes nothing",
    ShutdownNeedsPatience => "The end is sent once the future of `shutdown` has been polled",
    ShutdownWhenCalled => "The end is sent once the future of `shutdown` has been polled",
    DropLosesBytes => "Dropping a flow lets what was accepted be sent, then ends it",
    DropSaysNothing => "Dropping a flow lets what was accepted be sent, then ends it",
    BreaksOnce => "After an error, every later read is an error",
    WritesThoughBroken => "After an error, every write is an error",
}

struct Broken {
    inner: Option<FakeFlow>,
    mistake: Option<Mistake>,
    shut: Cell<usize>,
    ended: Cell<bool>,
    failed: Cell<bool>,
    /// What a write that was dropped has left behind.
    left_behind: Rc<RefCell<Vec<u8>>>,
    /// Whether the other side has shut down.
    other_shut: Rc<Cell<bool>>,
    own_shut: Rc<Cell<bool>>,
}

impl Broken {
    fn new(inner: FakeFlow, mistake: Option<Mistake>, own_shut: &Rc<Cell<bool>>, other_shut: &Rc<Cell<bool>>) -> Self {
        Self {
            inner: Some(inner),
            mistake,
            shut: Cell::new(0),
            ended: Cell::new(false),
            failed: Cell::new(false),
            left_behind: Rc::default(),
            other_shut: other_shut.clone(),
            own_shut: own_shut.clone(),
        }
    }

    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn flow(&mut self) -> &mut FakeFlow {
        self.inner.as_mut().expect("there until it is dropped")
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        let Some(flow) = self.inner.take() else { return };
        match self.mistake {
            Some(Mistake::DropLosesBytes) => flow.reset(),
            Some(Mistake::DropSaysNothing) => std::mem::forget(flow),
            _ => {}
        }
    }
}

impl ErrorType for Broken {
    type Error = FakeNetError;
}

impl Read for Broken {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FakeNetError> {
        let Some(mistake) = self.mistake else { return self.flow().read(buffer).await };
        match mistake {
            Mistake::EmptyReadWaits if buffer.is_empty() => pending().await,
            Mistake::NothingIsEndOfFile => poll_once(self.flow().read(buffer)).await.unwrap_or(Ok(0)),
            Mistake::WaitsForAFullBuffer if !buffer.is_empty() => {
                let mut count = 0;
                while count < buffer.len() {
                    match self.flow().read(&mut buffer[count..]).await? {
                        0 => break,
                        more => count += more,
                    }
                }
                Ok(count)
            }
            Mistake::ChangesABit => {
                let count = self.flow().read(buffer).await?;
                buffer[..count].iter_mut().take(1).for_each(|byte| *byte |= 2);
                Ok(count)
            }
            Mistake::TakesAndThenWaits if !buffer.is_empty() => {
                let result = self.flow().read(buffer).await;
                yield_now().await;
                result
            }
            Mistake::EndOvertakesBytes if self.other_shut.get() => Ok(0),
            Mistake::EndsOnce | Mistake::EndIsAnError if self.ended.get() && !buffer.is_empty() => {
                if mistake == Mistake::EndsOnce {
                    pending::<()>().await;
                }
                self.flow().reset();
                self.flow().read(buffer).await
            }
            Mistake::EndsOnce | Mistake::EndIsAnError => {
                let count = self.flow().read(buffer).await?;
                self.ended.set(self.ended.get() || count == 0 && !buffer.is_empty());
                Ok(count)
            }
            Mistake::ShutdownEndsReading if self.shut.get() > 0 => Ok(0),
            Mistake::BreaksOnce if self.failed.get() => Ok(0),
            Mistake::BreaksOnce => {
                let result = self.flow().read(buffer).await;
                self.failed.set(result.is_err());
                result
            }
            _ => self.flow().read(buffer).await,
        }
    }
}

/// Leaves bytes behind when it is dropped.
struct Leave(Rc<RefCell<Vec<u8>>>, Vec<u8>);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.borrow_mut().append(&mut self.1);
    }
}

impl Write for Broken {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, FakeNetError> {
        let Some(mistake) = self.mistake else { return self.flow().write(buffer).await };
        match mistake {
            Mistake::AcceptsNothing => Ok(0),
            Mistake::SendsTwice if buffer.len() > 1 => {
                let count = self.flow().write(buffer).await?;
                self.flow().write(&buffer[..1]).await?;
                Ok(count)
            }
            Mistake::AcceptsAll if buffer.len() > 10_000 => {
                poll_once(self.flow().write(buffer)).await.unwrap_or(Ok(buffer.len()))
            }
            Mistake::DroppedWriteIsSent => {
                let mut leave = Leave(self.left_behind.clone(), buffer.to_vec());
                let result = self.flow().write(buffer).await;
                leave.1.clear();
                result
            }
            Mistake::WritesAfterShutdown if self.shut.get() > 0 => Ok(buffer.len()),
            Mistake::WritesThoughBroken => match self.flow().write(buffer).await {
                Err(error) if NetError::kind(&error) == NetErrorKind::Reset => Ok(buffer.len()),
                result => result,
            },
            _ => self.flow().write(buffer).await,
        }
    }

    async fn flush(&mut self) -> Result<(), FakeNetError> {
        if self.has(Mistake::FlushAtOnce) { Ok(()) } else { self.flow().flush().await }
    }
}

impl Flow for Broken {
    type Reader<'a> = Half<'a>;
    type Writer<'a> = FakeWriter<'a>;

    fn split(&mut self) -> (Half<'_>, FakeWriter<'_>) {
        let deaf = self.has(Mistake::ReadingHalfIsDeaf);
        let (reader, writer) = self.flow().split();
        (Half(reader, deaf), writer)
    }

    fn shutdown(&mut self) -> impl Future<Output = Result<(), FakeNetError>> {
        if self.has(Mistake::ShutdownWhenCalled) {
            let mut work = std::pin::pin!(self.flow().shutdown());
            let _ = work.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        }
        async move {
            if self.has(Mistake::ShutdownNeedsPatience) {
                yield_now().await;
            }
            let late = self.left_behind.take();
            self.flow().write_all(&late).await?;
            self.own_shut.set(true);
            self.shut.set(self.shut.get() + 1);
            if self.has(Mistake::SecondShutdownFails) && self.shut.get() > 1 {
                self.flow().reset();
            }
            self.flow().shutdown().await
        }
    }

    fn peer(&self) -> SocketAddr {
        let flow = self.inner.as_ref().expect("there until it is dropped");
        if self.has(Mistake::PeerIsOurselves) { flow.local() } else { flow.peer() }
    }

    fn local(&self) -> SocketAddr {
        self.inner.as_ref().expect("there until it is dropped").local()
    }
}

/// A reading half, which may hear nothing.
struct Half<'a>(FakeReader<'a>, bool);

impl ErrorType for Half<'_> {
    type Error = FakeNetError;
}

impl Read for Half<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FakeNetError> {
        if self.1 { pending().await } else { self.0.read(buffer).await }
    }
}

struct Pairs<'a>(&'a FakeRuntime, Option<Mistake>);

impl FlowRig for Pairs<'_> {
    type Flow = Broken;
    type Error = Infallible;

    async fn pair(&self) -> Result<(Broken, Broken), Infallible> {
        let [left, right] = [1, 2].map(|host| SocketAddr::from(([192, 0, 2, host], 1_000)));
        let (left, right) = FakeFlow::pair(self.0, left, right);
        let (one, two) = (Rc::default(), Rc::default());
        Ok((Broken::new(left, self.1, &one, &two), Broken::new(right, self.1, &two, &one)))
    }

    async fn break_up(&self, left: &Broken, _: &Broken) -> bool {
        left.inner.iter().for_each(FakeFlow::reset);
        true
    }
}

#[test]
fn connection() {
    all_are_found(MISTAKES, |runtime, mistake| runtime.run(flow::suite(runtime, &Pairs(runtime, mistake))));
}
