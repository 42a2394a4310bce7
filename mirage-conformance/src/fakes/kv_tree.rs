//! What a key-value store means: the contract as a map, where every operation is one step.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use mirage_sig::{Change, Entry, Key, KvError, KvErrorKind};

/// An error of [`FakeKv`](super::FakeKv).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakeKvError {
    kind: KvErrorKind,
    key: Key,
}

impl FakeKvError {
    pub(super) fn new(kind: KvErrorKind, key: &Key) -> Self {
        Self { kind, key: key.clone() }
    }
}

impl fmt::Display for FakeKvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match self.kind {
            KvErrorKind::NotFound => write!(f, "{key} is not in the store: set it first"),
            KvErrorKind::DictionaryExpected => write!(f, "{key} or a key on the way has a value: remove that first"),
            KvErrorKind::ValueExpected => write!(f, "{key} is a dictionary: name a key in it"),
            KvErrorKind::RenameIntoItself => write!(f, "{key} cannot be renamed into itself: choose a key outside"),
            KvErrorKind::Conflict => write!(f, "{key} was changed by somebody else: read it again"),
            KvErrorKind::NoSpace => write!(f, "{key} does not fit: the store is full; remove something"),
            kind => write!(f, "{key}: the store failed as it was told to ({kind:?}): open it again"),
        }
    }
}

impl core::error::Error for FakeKvError {}

impl KvError for FakeKvError {
    fn kind(&self) -> KvErrorKind {
        self.kind
    }
}

/// A value and the time of its last write.
#[derive(Clone)]
pub(super) struct Value {
    pub bytes: Vec<u8>,
    pub modified: Duration,
}

/// Keys with values, and how often each key has changed.
#[derive(Clone, Default)]
pub(super) struct Tree {
    values: BTreeMap<Key, Value>,
    /// Also of keys that are gone: to be removed is a change.
    versions: BTreeMap<Key, u64>,
}

impl Tree {
    pub fn entry(&self, key: &Key) -> Option<Entry> {
        if self.values.contains_key(key) {
            Some(Entry::Value)
        } else if key.is_root() || self.values.keys().any(|other| other.is_within(key)) {
            Some(Entry::Dictionary)
        } else {
            None
        }
    }

    pub fn get(&self, key: &Key) -> Result<&Value, FakeKvError> {
        let missing = || match self.entry(key) {
            Some(Entry::Dictionary) => FakeKvError::new(KvErrorKind::ValueExpected, key),
            _ => FakeKvError::new(KvErrorKind::NotFound, key),
        };
        self.values.get(key).ok_or_else(missing)
    }

    pub fn list(&self, dictionary: &Key) -> Result<Vec<(Key, Entry)>, FakeKvError> {
        match self.entry(dictionary) {
            Some(Entry::Dictionary) => {}
            Some(Entry::Value) => return Err(FakeKvError::new(KvErrorKind::DictionaryExpected, dictionary)),
            None => return Err(FakeKvError::new(KvErrorKind::NotFound, dictionary)),
        }
        let depth = dictionary.segments().count();
        let mut entries = BTreeMap::new();
        for key in self.values.keys().filter(|key| key.is_within(dictionary)) {
            let name = key.segments().nth(depth).unwrap_or_default();
            let child = key.ancestors().nth(depth);
            let entry = if child.is_some() { Entry::Dictionary } else { Entry::Value };
            entries.insert(name, (child.unwrap_or_else(|| key.clone()), entry));
        }
        Ok(entries.into_values().collect())
    }

    pub fn version(&self, key: &Key) -> u64 {
        self.versions.get(key).copied().unwrap_or(0)
    }

    /// The keys that have changed since `before`.
    pub fn changed_since(&self, before: &Self) -> Vec<Key> {
        let changed = self.versions.iter().filter(|(key, version)| before.version(key) != **version);
        changed.map(|(key, _)| key.clone()).collect()
    }

    /// The bytes of all keys and values.
    pub fn size(&self) -> usize {
        self.values.iter().map(|(key, value)| key.as_str().len() + value.bytes.len()).sum()
    }

    pub fn set(&mut self, key: &Key, bytes: Vec<u8>, modified: Duration) -> Result<(), FakeKvError> {
        if key.ancestors().any(|key| self.values.contains_key(&key)) {
            return Err(FakeKvError::new(KvErrorKind::DictionaryExpected, key));
        }
        if self.entry(key) == Some(Entry::Dictionary) {
            return Err(FakeKvError::new(KvErrorKind::ValueExpected, key));
        }
        self.values.insert(key.clone(), Value { bytes, modified });
        self.touch(key);
        Ok(())
    }

    pub fn set_partial(&mut self, key: &Key, offset: u64, part: &[u8], now: Duration) -> Result<(), FakeKvError> {
        let mut bytes = self.values.get(key).map(|value| value.bytes.clone()).unwrap_or_default();
        let end = usize::try_from(offset).ok().and_then(|start| start.checked_add(part.len()));
        // What would not fit into an address space with a few more things in it.
        let Some(end) = end.filter(|end| *end < isize::MAX as usize / 2) else {
            return Err(FakeKvError::new(KvErrorKind::NoSpace, key));
        };
        if bytes.len() < end && !part.is_empty() {
            bytes.resize(end, 0);
        }
        if !part.is_empty() {
            bytes[end - part.len()..end].copy_from_slice(part);
        }
        self.set(key, bytes, now)
    }

    pub fn remove(&mut self, key: &Key) {
        let gone = self.values.keys().filter(|other| *other == key || other.is_within(key));
        for key in gone.cloned().collect::<Vec<_>>() {
            self.values.remove(&key);
            self.touch(&key);
        }
    }

    pub fn rename(&mut self, source: &Key, dest: &Key) -> Result<(), FakeKvError> {
        let fail = |kind, key| Err(FakeKvError::new(kind, key));
        let Some(entry) = self.entry(source) else { return fail(KvErrorKind::NotFound, source) };
        if source == dest {
            return Ok(());
        }
        if dest.is_within(source) {
            return fail(KvErrorKind::RenameIntoItself, source);
        }
        if dest.ancestors().any(|key| self.values.contains_key(&key)) {
            return fail(KvErrorKind::DictionaryExpected, dest);
        }
        match (entry, self.entry(dest)) {
            (_, Some(Entry::Dictionary)) => return fail(KvErrorKind::ValueExpected, dest),
            (Entry::Dictionary, Some(Entry::Value)) => return fail(KvErrorKind::DictionaryExpected, dest),
            _ => {}
        }
        let moved = self.values.keys().filter(|key| *key == source || key.is_within(source));
        for key in moved.cloned().collect::<Vec<_>>() {
            let Some(value) = self.values.remove(&key) else { continue };
            let rest = &key.as_str()[source.as_str().len()..];
            let Ok(new) = dest.join(rest) else { return fail(KvErrorKind::NoSpace, dest) };
            self.touch(&key);
            self.touch(&new);
            self.values.insert(new, value);
        }
        Ok(())
    }

    pub fn batch(&mut self, changes: &[Change<'_>], now: Duration) -> Result<(), FakeKvError> {
        for change in changes {
            match change {
                Change::Set(key, value) => self.set(key, value.to_vec(), now)?,
                Change::Remove(key) => self.remove(key),
            }
        }
        Ok(())
    }

    fn touch(&mut self, key: &Key) {
        *self.versions.entry(key.clone()).or_default() += 1;
    }
}
