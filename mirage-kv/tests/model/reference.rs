//! What a store should do, said as plainly as possible: every question is answered by looking at all values.

use mirage_sig::{Entry, KvErrorKind};
use std::collections::{BTreeMap, BTreeSet};

/// A key, as the list of its segments.
pub type Path = Vec<&'static str>;

/// A value, and when it was written.
pub type Value = (Vec<u8>, u64);

/// One step of a sequence.
#[derive(Clone, Debug)]
pub enum Step {
    Set(Path, Vec<u8>),
    SetPartial(Path, u64, Vec<u8>),
    Update(Path, Update),
    Remove(Path),
    Rename(Path, Path),
    /// Those with a value set it; those without remove the key.
    Batch(Vec<(Path, Option<Vec<u8>>)>),
    SetCapacity(usize),
}

/// What an update makes of a value.
#[derive(Clone, Debug)]
pub enum Update {
    Append(u8),
    Remove,
    RemoveIfEmpty,
}

impl Update {
    pub fn apply(&self, value: Option<Vec<u8>>) -> Option<Vec<u8>> {
        match self {
            Self::Append(byte) => Some([value.unwrap_or_default(), vec![*byte]].concat()),
            Self::Remove => None,
            Self::RemoveIfEmpty => value.filter(|bytes| !bytes.is_empty()),
        }
    }
}

/// The store.
#[derive(Clone)]
pub struct Reference {
    pub values: BTreeMap<Path, Value>,
    pub capacity: usize,
}

impl Reference {
    /// Does one step at the time `now`: what an update gave, or the kind of error.
    pub fn step(&mut self, step: &Step, now: u64) -> Result<Option<Vec<u8>>, KvErrorKind> {
        let before = self.clone();
        let result = self.attempt(step, now);
        if result.is_err() {
            *self = before;
        }
        result
    }

    fn attempt(&mut self, step: &Step, now: u64) -> Result<Option<Vec<u8>>, KvErrorKind> {
        match step {
            Step::Set(key, bytes) => self.set(key, bytes.clone(), now)?,
            Step::SetPartial(key, offset, bytes) => {
                self.writable(key)?;
                let mut value = self.bytes(key).unwrap_or_default();
                if bytes.is_empty() {
                    return self.set(key, value, now).map(|()| None);
                }
                let end = offset.checked_add(bytes.len() as u64).filter(|&end| end < 1 << 20);
                let end = end.ok_or(KvErrorKind::NoSpace)? as usize;
                while value.len() < end {
                    value.push(0);
                }
                for (at, byte) in bytes.iter().enumerate() {
                    value[*offset as usize + at] = *byte;
                }
                self.set(key, value, now)?;
            }
            Step::Update(key, update) => {
                self.writable(key)?;
                let new = update.apply(self.bytes(key));
                match &new {
                    Some(bytes) => self.set(key, bytes.clone(), now)?,
                    None => self.remove(key),
                }
                return Ok(new);
            }
            Step::Remove(key) => self.remove(key),
            Step::Rename(source, dest) => self.rename(source, dest)?,
            Step::Batch(changes) => {
                for (key, change) in changes {
                    match change {
                        Some(bytes) => self.set(key, bytes.clone(), now)?,
                        None => self.remove(key),
                    }
                }
            }
            Step::SetCapacity(capacity) => self.capacity = *capacity,
        }
        Ok(None)
    }

    pub fn entry(&self, key: &Path) -> Option<Entry> {
        if self.values.contains_key(key) {
            Some(Entry::Value)
        } else if key.is_empty() || self.values.keys().any(|longer| longer.starts_with(key)) {
            Some(Entry::Dictionary)
        } else {
            None
        }
    }

    pub fn value(&self, key: &Path) -> Result<&Value, KvErrorKind> {
        match self.entry(key) {
            Some(Entry::Value) => Ok(&self.values[key]),
            Some(Entry::Dictionary) => Err(KvErrorKind::ValueExpected),
            None => Err(KvErrorKind::NotFound),
        }
    }

    pub fn list(&self, dictionary: &Path) -> Result<Vec<(Path, Entry)>, KvErrorKind> {
        match self.entry(dictionary) {
            Some(Entry::Value) => Err(KvErrorKind::DictionaryExpected),
            None => Err(KvErrorKind::NotFound),
            Some(Entry::Dictionary) => {
                let inside = self.values.keys().filter(|key| key.starts_with(dictionary));
                // A set of lists of segments is in the order of segments.
                let names: BTreeSet<Path> = inside.map(|key| key[..=dictionary.len()].to_vec()).collect();
                Ok(names.into_iter().map(|key| (key.clone(), self.entry(&key).unwrap())).collect())
            }
        }
    }

    pub fn used(&self) -> usize {
        self.values.iter().map(|(key, (bytes, _))| key.join("/").len() + bytes.len()).sum()
    }

    fn bytes(&self, key: &Path) -> Option<Vec<u8>> {
        self.values.get(key).map(|(bytes, _)| bytes.clone())
    }

    fn writable(&self, key: &Path) -> Result<(), KvErrorKind> {
        if self.entry(key) == Some(Entry::Dictionary) {
            return Err(KvErrorKind::ValueExpected);
        }
        for length in 1..key.len() {
            if self.entry(&key[..length].to_vec()) == Some(Entry::Value) {
                return Err(KvErrorKind::DictionaryExpected);
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &Path, bytes: Vec<u8>, now: u64) -> Result<(), KvErrorKind> {
        self.writable(key)?;
        let before = self.used();
        self.values.insert(key.clone(), (bytes, now));
        self.fits(before)
    }

    fn remove(&mut self, key: &Path) {
        self.values.retain(|other, _| !other.starts_with(key));
    }

    fn rename(&mut self, source: &Path, dest: &Path) -> Result<(), KvErrorKind> {
        let moved = self.entry(source).ok_or(KvErrorKind::NotFound)?;
        if source == dest {
            return Ok(());
        }
        if dest.starts_with(source) {
            return Err(KvErrorKind::RenameIntoItself);
        }
        self.writable(dest)?;
        if moved == Entry::Dictionary && self.entry(dest) == Some(Entry::Value) {
            return Err(KvErrorKind::DictionaryExpected);
        }
        let before = self.used();
        self.values.remove(dest);
        let values = std::mem::take(&mut self.values);
        for (key, value) in values {
            let key = match key.strip_prefix(&source[..]) {
                Some(rest) => [&dest[..], rest].concat(),
                None => key,
            };
            self.values.insert(key, value);
        }
        self.fits(before)
    }

    /// Whether the store may hold what it does, after having held `before` bytes.
    fn fits(&self, before: usize) -> Result<(), KvErrorKind> {
        if self.used() > self.capacity && self.used() > before { Err(KvErrorKind::NoSpace) } else { Ok(()) }
    }
}
