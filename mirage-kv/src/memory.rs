use crate::StoreError;
use crate::tree::Tree;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::time::Duration;
use mirage_sig::{Change, Entry, Key, KvRo, KvRw, WallClock};
use sha2::{Digest, Sha256};

/// A store in memory, which is lost with the last of its handles: clones are handles to the same store.
///
/// No operation ever waits: its future is ready at the first poll.
pub struct Memory<C> {
    store: Rc<Store<C>>,
}

struct Store<C> {
    clock: C,
    tree: RefCell<Tree>,
}

impl<C: WallClock> Memory<C> {
    /// An empty store that may grow as far as there is memory. `clock` tells when values were written.
    pub fn new(clock: C) -> Self {
        Self::with_capacity(clock, usize::MAX)
    }

    /// An empty store that holds at most `bytes`, where keys and values count with their length. What goes beyond is
    /// [`NoSpace`](mirage_sig::KvErrorKind::NoSpace).
    pub fn with_capacity(clock: C, bytes: usize) -> Self {
        Self { store: Rc::new(Store { clock, tree: RefCell::new(Tree::new(bytes)) }) }
    }

    /// Changes how much it may hold. What is in it stays, even if that is more; it just cannot grow then.
    pub fn set_capacity(&self, bytes: usize) {
        self.store.tree.borrow_mut().set_capacity(bytes);
    }

    /// How many bytes it holds: those of all keys and all values.
    pub fn used(&self) -> usize {
        self.store.tree.borrow().used()
    }

    // Nothing of the caller's runs while the tree is borrowed, so that no borrow can fail: not the clock, and not the
    // function that `update` is given.
    fn write<R>(&self, change: impl FnOnce(&mut Tree, Duration) -> R) -> R {
        let now = self.store.clock.unix_time();
        change(&mut self.store.tree.borrow_mut(), now)
    }
}

impl<C> Clone for Memory<C> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone() }
    }
}

/// Its size only: values may be long, or secret.
impl<C> fmt::Debug for Memory<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("used", &self.store.tree.borrow().used()).finish_non_exhaustive()
    }
}

impl<C: WallClock> KvRo for Memory<C> {
    type Error = StoreError;

    async fn exists(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        Ok(self.store.tree.borrow().entry(key))
    }

    async fn get(&self, key: &Key) -> Result<Vec<u8>, StoreError> {
        Ok(self.store.tree.borrow().value(key)?.bytes.clone())
    }

    async fn get_partial(&self, key: &Key, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        Ok(part(&self.store.tree.borrow().value(key)?.bytes, offset, length).to_vec())
    }

    async fn list(&self, dictionary: &Key) -> Result<Vec<(Key, Entry)>, StoreError> {
        self.store.tree.borrow().list(dictionary)
    }

    async fn size(&self, key: &Key) -> Result<u64, StoreError> {
        Ok(self.store.tree.borrow().value(key)?.bytes.len() as u64)
    }

    async fn last_modified(&self, key: &Key) -> Result<Duration, StoreError> {
        Ok(self.store.tree.borrow().value(key)?.modified)
    }

    async fn digest(&self, key: &Key) -> Result<[u8; 32], StoreError> {
        Ok(Sha256::digest(&self.store.tree.borrow().value(key)?.bytes).into())
    }
}

/// Durable only in so far as the memory is. A write is whole and in order, and never a conflict: there is one program.
impl<C: WallClock> KvRw for Memory<C> {
    async fn set(&self, key: &Key, value: &[u8]) -> Result<(), StoreError> {
        self.write(|tree, now| tree.set(key, value, now)).map(drop)
    }

    async fn set_partial(&self, key: &Key, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.write(|tree, now| tree.set_partial(key, offset, bytes, now))
    }

    async fn update<F>(&self, key: &Key, change: F) -> Result<Option<Vec<u8>>, StoreError>
    where
        F: FnOnce(Option<Vec<u8>>) -> Option<Vec<u8>> + 'static,
    {
        let old = self.store.tree.borrow().value_to_change(key)?.map(|value| value.bytes.clone());
        let new = change(old);
        self.write(|tree, now| match &new {
            Some(bytes) => tree.set(key, bytes, now).map(drop),
            None => {
                tree.take(key);
                Ok(())
            }
        })?;
        Ok(new)
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.store.tree.borrow_mut().remove(key);
        Ok(())
    }

    async fn rename(&self, source: &Key, dest: &Key) -> Result<(), StoreError> {
        self.store.tree.borrow_mut().rename(source, dest)
    }

    async fn batch(&self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        self.write(|tree, now| tree.batch(changes, now))
    }
}

/// At most `length` bytes from `offset` on, wherever that is.
pub fn part(bytes: &[u8], offset: u64, length: usize) -> &[u8] {
    let start = usize::try_from(offset).map_or(bytes.len(), |offset| offset.min(bytes.len()));
    let rest = &bytes[start..];
    &rest[..length.min(rest.len())]
}
