use std::cell::Cell;
use std::convert::Infallible;
use std::fmt;
use std::rc::Rc;

use mirage_conformance::block::{self, BlockRig};
use mirage_conformance::fakes::FakeBlock;
use mirage_sig::{Block, BlockError, BlockErrorKind, BlockInfo};

use crate::{all_are_found, mistakes};

mistakes! {
    SectorsOf500 => "A sector is a power of two of bytes, 512 at least",
    GrowsWhileOpen => "A disk's shape does not change while it is open",
    EmptyAtTheEndFails => "An empty buffer reads nothing, wherever `first` is on the disk or just behind its end",
    EmptyGoesAnywhere => "A request for sectors that are not all on the disk is OutOfRange",
    IgnoresThatItIsReadOnly => "A disk that can only be read refuses writes as ReadOnly",
    ReadsTheFirstSectorOnly => "When a write resolves, reads see it",
    ReadsSeeFlushedOnly => "When a write resolves, reads see it",
    WritesTheNextSectorToo => "A write changes no sector but its own",
    WrapsAround => "A request for sectors that are not all on the disk is OutOfRange",
    ZerosBehindTheEnd => "A request for sectors that are not all on the disk is OutOfRange",
    RoundsDown => "A buffer that is not a whole number of sectors is Unaligned",
    UnalignedIsOutOfRange => "A buffer that is not a whole number of sectors is Unaligned",
    WritesUpToTheEnd => "After OutOfRange or Unaligned, nothing was written",
    ReadsUpToTheEnd => "After OutOfRange or Unaligned, nothing was read",
    DoesNotNameTheSector => "An error's text names the sectors",
    OneAtATime => "Several requests may be under way at once",
    DroppedWriteTearsASector => "After a write that was dropped, each of the sectors is the old one or the new one",
    WritesWhenCalled => "A write that was never polled writes nothing",
    FlushDoesNothing => "After `flush`, every write that had resolved survives a crash of the machine",
    CrashTearsASector => "A crash may lose what was not flushed, sector by sector",
    GoneIsFailed => "A request to a disk that is gone is Gone",
}

#[derive(Clone)]
struct Broken {
    inner: FakeBlock,
    mistake: Option<Mistake>,
    shared: Rc<Shared>,
}

#[derive(Default)]
struct Shared {
    calls: Cell<u64>,
    busy: Cell<bool>,
    flushed: Cell<bool>,
    gone: Cell<bool>,
}

/// An error that can be told to be another one.
#[derive(Debug)]
struct Wrong(BlockErrorKind, String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.1)
    }
}

impl std::error::Error for Wrong {}

impl BlockError for Wrong {
    fn kind(&self) -> BlockErrorKind {
        self.0
    }
}

impl Broken {
    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn wrong<E: BlockError>(&self, error: E) -> Wrong {
        let kind = match (self.mistake, error.kind()) {
            (Some(Mistake::UnalignedIsOutOfRange), BlockErrorKind::Unaligned) => BlockErrorKind::OutOfRange,
            (Some(Mistake::GoneIsFailed), BlockErrorKind::Gone) => BlockErrorKind::Failed,
            (_, kind) => kind,
        };
        Wrong(kind, if self.has(Mistake::DoesNotNameTheSector) { "no such sector".into() } else { error.to_string() })
    }

    /// The sectors between `first` and the end, in bytes.
    fn room(&self, first: u64) -> usize {
        let info = self.inner.info();
        info.sectors.saturating_sub(first) as usize * info.sector_size
    }

    /// Fails if another request is under way.
    fn enter(&self) -> Result<Busy<'_>, Wrong> {
        if self.shared.busy.replace(true) && self.has(Mistake::OneAtATime) {
            return Err(Wrong(BlockErrorKind::Failed, "busy".into()));
        }
        Ok(Busy(&self.shared.busy))
    }
}

struct Busy<'a>(&'a Cell<bool>);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// Writes half a sector when it is dropped.
struct Tear<'a>(Option<(&'a FakeBlock, u64)>);

impl Drop for Tear<'_> {
    fn drop(&mut self) {
        if let Some((disk, first)) = self.0 {
            let torn = vec![0x77; disk.info().sector_size];
            let _ = run_to_end(disk.write(first, &torn));
        }
    }
}

/// Runs what waits for nothing but its turn.
fn run_to_end<F: Future>(work: F) -> F::Output {
    let mut work = std::pin::pin!(work);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(output) = work.as_mut().poll(&mut cx) {
            return output;
        }
    }
}

impl Block for Broken {
    type Error = Wrong;

    fn info(&self) -> BlockInfo {
        let info = self.inner.info();
        self.shared.calls.set(self.shared.calls.get() + 1);
        match self.mistake {
            Some(Mistake::SectorsOf500) => BlockInfo { sector_size: 500, ..info },
            Some(Mistake::GrowsWhileOpen) => BlockInfo { sectors: info.sectors + self.shared.calls.get(), ..info },
            _ => info,
        }
    }

    async fn read(&self, first: u64, buffer: &mut [u8]) -> Result<(), Wrong> {
        let _busy = self.enter()?;
        let info = self.inner.info();
        let (size, room) = (info.sector_size, self.room(first));
        let whole = buffer.len() / size * size;
        let result = match self.mistake {
            Some(Mistake::EmptyAtTheEndFails) if buffer.is_empty() && first == info.sectors => {
                self.inner.read(first + 1, buffer).await
            }
            Some(Mistake::EmptyGoesAnywhere) if buffer.is_empty() => Ok(()),
            Some(Mistake::ReadsTheFirstSectorOnly) if whole > size => self.inner.read(first, &mut buffer[..size]).await,
            Some(Mistake::ReadsSeeFlushedOnly) if whole > 0 && !self.shared.flushed.get() => {
                buffer.fill(0);
                Ok(())
            }
            Some(Mistake::WrapsAround) => self.inner.read(first % info.sectors, buffer).await,
            Some(Mistake::ZerosBehindTheEnd) if buffer.len() > room && whole == buffer.len() && whole > 0 => {
                buffer.fill(0);
                Ok(())
            }
            Some(Mistake::RoundsDown) => self.inner.read(first, &mut buffer[..whole]).await,
            Some(Mistake::ReadsUpToTheEnd) if buffer.len() > room && room > 0 => {
                let _ = self.inner.read(first, &mut buffer[..room]).await;
                self.inner.read(first, buffer).await
            }
            _ => self.inner.read(first, buffer).await,
        };
        result.map_err(|error| self.wrong(error))
    }

    fn write(&self, first: u64, buffer: &[u8]) -> impl Future<Output = Result<(), Wrong>> {
        if self.has(Mistake::WritesWhenCalled) && first == 2 {
            let _ = run_to_end(self.inner.write(first, buffer));
        }
        self.write_polled(first, buffer)
    }

    async fn flush(&self) -> Result<(), Wrong> {
        let _busy = self.enter()?;
        self.shared.flushed.set(true);
        let gone = self.shared.gone.get();
        if self.has(Mistake::FlushDoesNothing) && !gone {
            return Ok(());
        }
        self.inner.flush().await.map_err(|error| self.wrong(error))
    }
}

impl Broken {
    async fn write_polled(&self, first: u64, buffer: &[u8]) -> Result<(), Wrong> {
        let _busy = self.enter()?;
        let info = self.inner.info();
        let (size, room) = (info.sector_size, self.room(first));
        let whole = buffer.len() / size * size;
        let result = match self.mistake {
            Some(Mistake::IgnoresThatItIsReadOnly) if !info.writable => Ok(()),
            Some(Mistake::WritesTheNextSectorToo) if first + 1 < info.sectors && whole == size => {
                let _ = self.inner.write(first + 1, buffer).await;
                self.inner.write(first, buffer).await
            }
            Some(Mistake::WrapsAround) => self.inner.write(first % info.sectors, buffer).await,
            Some(Mistake::RoundsDown) => self.inner.write(first, &buffer[..whole]).await,
            Some(Mistake::WritesUpToTheEnd) if buffer.len() > room && room > 0 => {
                let _ = self.inner.write(first, &buffer[..room]).await;
                self.inner.write(first, buffer).await
            }
            Some(Mistake::DroppedWriteTearsASector) => {
                let mut tear = Tear(Some((&self.inner, first)));
                let result = self.inner.write(first, buffer).await;
                tear.0 = None;
                result
            }
            _ => self.inner.write(first, buffer).await,
        };
        result.map_err(|error| self.wrong(error))
    }
}

impl BlockRig for Broken {
    type Block = Self;
    type Error = Infallible;

    async fn open(&self) -> Result<Self, Infallible> {
        Ok(self.clone())
    }

    async fn crash(&self) {
        self.inner.lose_power();
        if self.has(Mistake::CrashTearsASector) {
            let size = self.inner.info().sector_size;
            let mut sectors = vec![0; 2 * size];
            let _ = self.inner.read(0, &mut sectors).await;
            // Sector 1 is under test when its number is that high.
            if sectors[size + 6] > 3 {
                sectors[size + 100] ^= 1;
                let _ = self.inner.write(0, &sectors).await;
            }
        }
    }

    async fn vanish(&self) -> bool {
        self.shared.gone.set(true);
        self.inner.vanish().await
    }
}

#[test]
fn disk() {
    all_are_found(MISTAKES, |runtime, mistake| {
        let writable = mistake != Some(Mistake::IgnoresThatItIsReadOnly);
        let inner = FakeBlock::new(BlockInfo { sector_size: 512, sectors: 20, writable });
        runtime.run(block::suite(&Broken { inner, mistake, shared: Rc::default() }))
    });
}
