use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::time::Duration;

use mirage_sig::{Change, Entry, Key, KvError, KvErrorKind, KvRo, KvRw, WallClock};
use sha2::{Digest, Sha256};

use super::kv_tree::{FakeKvError, Tree};
use super::runtime::FakeRuntime;
use crate::kv::KvRig;
use crate::poll::yield_now;

/// What keeps a key-value store while nobody has it open: the disk behind [`FakeKv`].
///
/// - A write is seen by others once it was polled, and is durable once it resolves, which takes a few turns.
/// - Every handle that is [opened](KvRig::open) knows for itself what it has seen; a clone of a handle is the same one.
/// - A [crash](Self::lose_power) loses what is not durable, and all handles: they fail with [`KvErrorKind::Gone`].
#[derive(Clone)]
pub struct FakeStore(Rc<Disk>);

struct Disk {
    runtime: FakeRuntime,
    tree: RefCell<Tree>,
    durable: RefCell<Tree>,
    /// Writes that took effect and are not durable: their numbers, and the tree after each.
    pending: RefCell<VecDeque<(u64, Tree)>>,
    writes: Cell<u64>,
    /// The most bytes that fit.
    capacity: Cell<usize>,
    failure: Cell<Option<KvErrorKind>>,
    crashes: Cell<u64>,
}

impl FakeStore {
    /// An empty store.
    pub fn new(runtime: &FakeRuntime) -> Self {
        Self(Rc::new(Disk {
            runtime: runtime.clone(),
            tree: RefCell::default(),
            durable: RefCell::default(),
            pending: RefCell::default(),
            writes: Cell::new(0),
            capacity: Cell::new(usize::MAX),
            failure: Cell::new(None),
            crashes: Cell::new(0),
        }))
    }

    /// A handle of its own, as another program would have.
    pub fn handle(&self) -> FakeKv {
        FakeKv { disk: self.0.clone(), seen: Rc::default(), crashes: self.0.crashes.get() }
    }

    /// Crashes the machine: what is not durable is lost, and so are all handles.
    pub fn lose_power(&self) {
        let disk = &self.0;
        disk.crashes.set(disk.crashes.get() + 1);
        disk.pending.borrow_mut().clear();
        disk.tree.replace(disk.durable.borrow().clone());
    }

    /// Makes the next operation fail with this error; it changes nothing.
    pub fn fail_next(&self, kind: KvErrorKind) {
        self.0.failure.set(Some(kind));
    }

    /// Keeps no more than that many bytes, of keys and values.
    pub fn set_capacity(&self, bytes: usize) {
        self.0.capacity.set(bytes);
    }
}

impl KvRig for FakeStore {
    type Kv = FakeKv;
    type Error = Infallible;

    async fn open(&self) -> Result<FakeKv, Infallible> {
        Ok(self.handle())
    }

    async fn crash(&self) {
        self.lose_power();
    }

    fn set_full(&self, full: bool) -> bool {
        self.set_capacity(if full { self.0.tree.borrow().size() } else { usize::MAX });
        true
    }
}

/// A handle of a [`FakeStore`].
#[derive(Clone)]
pub struct FakeKv {
    disk: Rc<Disk>,
    /// The version of each key when it was last read or written here.
    seen: Rc<RefCell<BTreeMap<Key, u64>>>,
    crashes: u64,
}

impl FakeKv {
    /// The error that was asked for, if one was.
    fn check(&self, key: &Key) -> Result<(), FakeKvError> {
        let lost = self.crashes != self.disk.crashes.get();
        let kind = if lost { Some(KvErrorKind::Gone) } else { self.disk.failure.take() };
        kind.map_or(Ok(()), |kind| Err(FakeKvError::new(kind, key)))
    }

    async fn read<T>(&self, key: &Key, read: impl FnOnce(&Tree) -> Result<T, FakeKvError>) -> Result<T, FakeKvError> {
        self.check(key)?;
        yield_now().await;
        read(&self.disk.tree.borrow())
    }

    /// Takes effect now, and is durable when it resolves.
    async fn write(
        &self,
        key: &Key,
        change: impl FnOnce(&mut Tree, Duration) -> Result<(), FakeKvError>,
    ) -> Result<(), FakeKvError> {
        self.check(key)?;
        let done = self.apply(key, change);
        yield_now().await;
        yield_now().await;
        let number = done?;
        self.check(key)?;
        let mut pending = self.disk.pending.borrow_mut();
        while let Some((_, tree)) = pending.pop_front_if(|(earlier, _)| *earlier <= number) {
            self.disk.durable.replace(tree);
        }
        Ok(())
    }

    /// Makes a change as a whole or not at all: its number.
    fn apply(
        &self,
        key: &Key,
        change: impl FnOnce(&mut Tree, Duration) -> Result<(), FakeKvError>,
    ) -> Result<u64, FakeKvError> {
        let before = self.disk.tree.borrow().clone();
        let mut after = before.clone();
        change(&mut after, self.disk.runtime.unix_time())?;

        let mut seen = self.seen.borrow_mut();
        let changed = after.changed_since(&before);
        let conflict = changed.iter().find(|key| seen.get(key).is_some_and(|version| *version != before.version(key)));
        if let Some(conflict) = conflict {
            return Err(FakeKvError::new(KvErrorKind::Conflict, conflict));
        }
        if after.size() > self.disk.capacity.get().max(before.size()) {
            return Err(FakeKvError::new(KvErrorKind::NoSpace, key));
        }
        seen.extend(changed.into_iter().map(|key| {
            let version = after.version(&key);
            (key, version)
        }));

        let number = self.disk.writes.get() + 1;
        self.disk.writes.set(number);
        self.disk.pending.borrow_mut().push_back((number, after.clone()));
        self.disk.tree.replace(after);
        Ok(number)
    }
}

impl KvRo for FakeKv {
    type Error = FakeKvError;

    async fn exists(&self, key: &Key) -> Result<Option<Entry>, FakeKvError> {
        self.read(key, |tree| Ok(tree.entry(key))).await
    }

    async fn get(&self, key: &Key) -> Result<Vec<u8>, FakeKvError> {
        self.read(key, |tree| {
            self.seen.borrow_mut().insert(key.clone(), tree.version(key));
            Ok(tree.get(key)?.bytes.clone())
        })
        .await
    }

    async fn get_partial(&self, key: &Key, offset: u64, length: usize) -> Result<Vec<u8>, FakeKvError> {
        self.read(key, |tree| {
            let bytes = &tree.get(key)?.bytes;
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
            let end = start.saturating_add(length).min(bytes.len());
            Ok(bytes[start..end].to_vec())
        })
        .await
    }

    async fn list(&self, dictionary: &Key) -> Result<Vec<(Key, Entry)>, FakeKvError> {
        self.read(dictionary, |tree| tree.list(dictionary)).await
    }

    async fn size(&self, key: &Key) -> Result<u64, FakeKvError> {
        self.read(key, |tree| Ok(tree.get(key)?.bytes.len() as u64)).await
    }

    async fn last_modified(&self, key: &Key) -> Result<Duration, FakeKvError> {
        self.read(key, |tree| Ok(tree.get(key)?.modified)).await
    }

    async fn digest(&self, key: &Key) -> Result<[u8; 32], FakeKvError> {
        self.read(key, |tree| Ok(Sha256::digest(&tree.get(key)?.bytes).into())).await
    }
}

impl KvRw for FakeKv {
    async fn set(&self, key: &Key, value: &[u8]) -> Result<(), FakeKvError> {
        self.write(key, |tree, now| tree.set(key, value.to_vec(), now)).await
    }

    async fn set_partial(&self, key: &Key, offset: u64, bytes: &[u8]) -> Result<(), FakeKvError> {
        self.write(key, |tree, now| tree.set_partial(key, offset, bytes, now)).await
    }

    async fn update<F>(&self, key: &Key, change: F) -> Result<Option<Vec<u8>>, FakeKvError>
    where
        F: FnOnce(Option<Vec<u8>>) -> Option<Vec<u8>> + 'static,
    {
        let version = self.disk.tree.borrow().version(key);
        // Read in the same step as it is written, so nothing can have come between.
        self.seen.borrow_mut().insert(key.clone(), version);
        let mut given = None;
        let update = |tree: &mut Tree, now| {
            let before = match tree.get(key) {
                Ok(value) => Some(value.bytes.clone()),
                Err(error) if error.kind() == KvErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            given = change(before);
            match &given {
                Some(value) => tree.set(key, value.clone(), now),
                None => {
                    tree.remove(key);
                    Ok(())
                }
            }
        };
        self.write(key, update).await?;
        Ok(given)
    }

    async fn remove(&self, key: &Key) -> Result<(), FakeKvError> {
        self.write(key, |tree, _| {
            tree.remove(key);
            Ok(())
        })
        .await
    }

    async fn rename(&self, source: &Key, dest: &Key) -> Result<(), FakeKvError> {
        self.write(source, |tree, _| tree.rename(source, dest)).await
    }

    async fn batch(&self, changes: &[Change<'_>]) -> Result<(), FakeKvError> {
        self.write(&Key::ROOT, |tree, now| tree.batch(changes, now)).await
    }
}
