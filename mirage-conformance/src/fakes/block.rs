use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::fmt;

use mirage_sig::{Block, BlockError, BlockErrorKind, BlockInfo, Random};

use super::random::FakeRandom;
use crate::block::BlockRig;
use crate::poll::yield_now;

/// An error of [`FakeBlock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FakeBlockError {
    kind: BlockErrorKind,
    first: u64,
    bytes: usize,
}

impl fmt::Display for FakeBlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, first, bytes } = self;
        let what = match kind {
            BlockErrorKind::OutOfRange => "not all on the disk: ask for fewer",
            BlockErrorKind::Unaligned => "not whole sectors: give a buffer of whole ones",
            BlockErrorKind::ReadOnly => "the disk can only be read: open it for writing",
            BlockErrorKind::Gone => "the disk is gone: open it again",
            _ => "the disk failed as it was told to: try again",
        };
        write!(f, "{bytes} bytes from sector {first} on: {what}")
    }
}

impl core::error::Error for FakeBlockError {}

impl BlockError for FakeBlockError {
    fn kind(&self) -> BlockErrorKind {
        self.kind
    }
}

/// A disk that forgets what was not flushed. A clone is the same disk, and it is a rig for the suite too.
///
/// - Sectors that were never written are full of `0xc5`.
/// - A request takes a turn for each sector; a write that is dropped has written those before.
/// - A [crash](Self::lose_power) loses about half of the sectors that were written and not flushed.
#[derive(Clone)]
pub struct FakeBlock(Rc<Disk>);

struct Disk {
    info: BlockInfo,
    durable: RefCell<BTreeMap<u64, Vec<u8>>>,
    /// Written, and not flushed.
    cached: RefCell<BTreeMap<u64, Vec<u8>>>,
    chance: FakeRandom,
    failure: Cell<Option<BlockErrorKind>>,
    gone: Cell<bool>,
}

impl FakeBlock {
    /// A new disk of that shape. A sector's size must be a power of two, 512 at least; other sizes are made so.
    pub fn new(info: BlockInfo) -> Self {
        let sector_size = info.sector_size.max(512).next_power_of_two();
        Self(Rc::new(Disk {
            info: BlockInfo { sector_size, ..info },
            durable: RefCell::default(),
            cached: RefCell::default(),
            chance: FakeRandom::default(),
            failure: Cell::new(None),
            gone: Cell::new(false),
        }))
    }

    /// Crashes the machine: each sector that was written and not flushed is lost or not.
    pub fn lose_power(&self) {
        let kept = self.0.cached.take().into_iter().filter(|_| self.0.chance.random::<1>()[0] < 128);
        self.0.durable.borrow_mut().extend(kept);
    }

    /// Makes the next request fail with this error; it changes nothing.
    pub fn fail_next(&self, kind: BlockErrorKind) {
        self.0.failure.set(Some(kind));
    }

    /// Asserts that a request can be answered: how many sectors it is about.
    fn check(&self, first: u64, bytes: usize) -> Result<u64, FakeBlockError> {
        let fail = |kind| Err(FakeBlockError { kind, first, bytes });
        if self.0.gone.get() {
            return fail(BlockErrorKind::Gone);
        }
        if let Some(kind) = self.0.failure.take() {
            return fail(kind);
        }
        let info = &self.0.info;
        if !bytes.is_multiple_of(info.sector_size) {
            return fail(BlockErrorKind::Unaligned);
        }
        let count = (bytes / info.sector_size) as u64;
        if first.checked_add(count).is_none_or(|end| end > info.sectors) {
            return fail(BlockErrorKind::OutOfRange);
        }
        Ok(count)
    }
}

impl Block for FakeBlock {
    type Error = FakeBlockError;

    fn info(&self) -> BlockInfo {
        self.0.info
    }

    async fn read(&self, first: u64, buffer: &mut [u8]) -> Result<(), FakeBlockError> {
        self.check(first, buffer.len())?;
        let blank = vec![0xc5; self.0.info.sector_size];
        for (number, sector) in (first..).zip(buffer.chunks_mut(blank.len())) {
            yield_now().await;
            let (cached, durable) = (self.0.cached.borrow(), self.0.durable.borrow());
            sector.copy_from_slice(cached.get(&number).or_else(|| durable.get(&number)).unwrap_or(&blank));
        }
        Ok(())
    }

    async fn write(&self, first: u64, buffer: &[u8]) -> Result<(), FakeBlockError> {
        self.check(first, buffer.len())?;
        if !self.0.info.writable {
            return Err(FakeBlockError { kind: BlockErrorKind::ReadOnly, first, bytes: buffer.len() });
        }
        for (number, sector) in (first..).zip(buffer.chunks(self.0.info.sector_size)) {
            yield_now().await;
            self.0.cached.borrow_mut().insert(number, sector.to_vec());
        }
        Ok(())
    }

    async fn flush(&self) -> Result<(), FakeBlockError> {
        self.check(0, 0)?;
        yield_now().await;
        self.0.durable.borrow_mut().extend(self.0.cached.take());
        Ok(())
    }
}

impl BlockRig for FakeBlock {
    type Block = Self;
    type Error = Infallible;

    async fn open(&self) -> Result<Self, Infallible> {
        Ok(self.clone())
    }

    async fn crash(&self) {
        self.lose_power();
    }

    async fn vanish(&self) -> bool {
        self.0.gone.set(true);
        true
    }
}
