use crate::StoreError;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;
use core::ops::Bound::{self, Excluded, Included, Unbounded};
use core::time::Duration;
use mirage_sig::{Change, Entry, Key};

/// A value, and when it was written.
pub struct Value {
    pub bytes: Vec<u8>,
    pub modified: Duration,
}

/// Values by key, with a bound on their size. Dictionaries are not stored: one is there while a longer key is.
///
/// A method that fails leaves the tree as it was.
pub struct Tree {
    values: BTreeMap<Key, Value>,
    used: usize,
    capacity: usize,
}

impl Tree {
    pub fn new(capacity: usize) -> Self {
        Self { values: BTreeMap::new(), used: 0, capacity }
    }

    /// The bytes of all keys and values.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Sets how much there may be from now on. What is there already stays.
    pub fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
    }

    pub fn entry(&self, key: &Key) -> Option<Entry> {
        if self.is_dictionary(key) {
            Some(Entry::Dictionary)
        } else {
            self.values.contains_key(key).then_some(Entry::Value)
        }
    }

    pub fn value(&self, key: &Key) -> Result<&Value, StoreError> {
        self.values.get(key).ok_or_else(|| StoreError::no_value(key, self.entry(key)))
    }

    /// The value of a key that could be written, if it has one.
    pub fn value_to_change(&self, key: &Key) -> Result<Option<&Value>, StoreError> {
        self.check_writable(key)?;
        Ok(self.values.get(key))
    }

    pub fn list(&self, dictionary: &Key) -> Result<Vec<(Key, Entry)>, StoreError> {
        if !self.is_dictionary(dictionary) {
            return Err(StoreError::no_dictionary(dictionary, self.entry(dictionary)));
        }
        let depth = dictionary.segments().count();
        let mut list = Vec::new();
        let (mut start, end) = within(dictionary);
        while let Some((key, _)) = self.values.range((start, end.clone())).next() {
            // Dictionaries are stepped over as a whole, so that the cost is that of what is listed.
            if let Some(inner) = key.ancestors().nth(depth) {
                start = behind(&inner).map_or_else(|| Excluded(key.clone()), Included);
                list.push((inner, Entry::Dictionary));
            } else {
                start = Excluded(key.clone());
                list.push((key.clone(), Entry::Value));
            }
        }
        // Texts and segments are ordered differently: `a-b` comes before `a/c`, but `a` before `a-b`.
        list.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(list)
    }

    pub fn set(&mut self, key: &Key, bytes: &[u8], now: Duration) -> Result<Option<Value>, StoreError> {
        self.check_writable(key)?;
        self.check_room(key, bytes.len())?;
        let mut copy = Vec::new();
        reserve(&mut copy, bytes.len(), key)?;
        copy.extend_from_slice(bytes);
        Ok(self.insert(key.clone(), Value { bytes: copy, modified: now }))
    }

    pub fn set_partial(&mut self, key: &Key, offset: u64, bytes: &[u8], now: Duration) -> Result<(), StoreError> {
        self.check_writable(key)?;
        let old = self.values.get(key).map_or(0, |value| value.bytes.len());
        // No bytes make nothing grow, wherever they would go.
        let end = if bytes.is_empty() { 0 } else { offset.saturating_add(bytes.len() as u64) };
        // So long a value is refused below, for want of memory at the latest.
        let end = usize::try_from(end).unwrap_or(usize::MAX);
        let length = old.max(end);
        self.check_room(key, length)?;

        let mut fresh = Value { bytes: Vec::new(), modified: now };
        let value = self.values.get_mut(key);
        let is_new = value.is_none();
        let value = value.unwrap_or(&mut fresh);
        reserve(&mut value.bytes, length - old, key)?;
        value.bytes.resize(length, 0);
        value.bytes[end - bytes.len()..end].copy_from_slice(bytes);
        value.modified = now;
        if is_new {
            self.insert(key.clone(), fresh);
        } else {
            self.used += length - old;
        }
        Ok(())
    }

    /// Removes one value. A dictionary is left alone.
    pub fn take(&mut self, key: &Key) -> Option<Value> {
        let value = self.values.remove(key)?;
        self.used -= cost(key, &value);
        Some(value)
    }

    /// Removes a value, or a dictionary with all that is in it: what there was.
    pub fn remove(&mut self, key: &Key) -> Vec<(Key, Value)> {
        let removed: Vec<_> = self.values.extract_if(self.subtree(key), |_, _| true).collect();
        self.used -= removed.iter().map(|(key, value)| cost(key, value)).sum::<usize>();
        removed
    }

    pub fn rename(&mut self, source: &Key, dest: &Key) -> Result<(), StoreError> {
        let Some(entry) = self.entry(source) else {
            return Err(StoreError::NotFound(source.clone()));
        };
        if source == dest {
            return Ok(());
        }
        if dest.is_within(source) {
            return Err(StoreError::RenameIntoItself { source: source.clone(), dest: dest.clone() });
        }
        self.check_writable(dest)?;
        let replaced = self.values.get(dest);
        if entry == Entry::Dictionary && replaced.is_some() {
            return Err(StoreError::DictionaryExpected { key: dest.clone(), value: dest.clone() });
        }

        let mut used = self.used - replaced.map_or(0, |value| cost(dest, value));
        let mut names = Vec::new();
        for (old, _) in self.values.range(self.subtree(source)) {
            let rest = &old.as_str()[source.as_str().len()..];
            let new = dest.join(rest).map_err(|_| StoreError::KeyTooLong { key: old.clone(), dest: dest.clone() })?;
            used = used - old.as_str().len() + new.as_str().len();
            names.push(new);
        }
        self.check_growth(dest, used)?;

        for (name, (_, value)) in names.into_iter().zip(self.remove(source)) {
            self.insert(name, value);
        }
        Ok(())
    }

    pub fn batch(&mut self, changes: &[Change<'_>], now: Duration) -> Result<(), StoreError> {
        let mut undo = Vec::new();
        for change in changes {
            match *change {
                Change::Set(key, bytes) => match self.set(key, bytes, now) {
                    Ok(old) => undo.push((key.clone(), old)),
                    Err(error) => {
                        self.undo(undo);
                        return Err(error);
                    }
                },
                Change::Remove(key) => {
                    undo.extend(self.remove(key).into_iter().map(|(key, value)| (key, Some(value))));
                }
            }
        }
        Ok(())
    }

    /// Gives the keys back what they had, the last one first.
    fn undo(&mut self, undo: Vec<(Key, Option<Value>)>) {
        for (key, old) in undo.into_iter().rev() {
            match old {
                Some(value) => self.insert(key, value),
                None => self.take(&key),
            };
        }
    }

    fn insert(&mut self, key: Key, value: Value) -> Option<Value> {
        let old = self.take(&key);
        self.used += cost(&key, &value);
        self.values.insert(key, value);
        old
    }

    fn is_dictionary(&self, key: &Key) -> bool {
        key.is_root() || self.values.range(within(key)).next().is_some()
    }

    /// The values that go when `key` goes.
    fn subtree(&self, key: &Key) -> (Bound<Key>, Bound<Key>) {
        if self.values.contains_key(key) { (Included(key.clone()), Included(key.clone())) } else { within(key) }
    }

    fn check_writable(&self, key: &Key) -> Result<(), StoreError> {
        if self.is_dictionary(key) {
            return Err(StoreError::ValueExpected(key.clone()));
        }
        match key.ancestors().find(|above| self.values.contains_key(above)) {
            Some(value) => Err(StoreError::DictionaryExpected { key: key.clone(), value }),
            None => Ok(()),
        }
    }

    /// Whether `key` could have a value of `length` bytes.
    fn check_room(&self, key: &Key, length: usize) -> Result<(), StoreError> {
        let others = self.used - self.values.get(key).map_or(0, |value| cost(key, value));
        let used = others.saturating_add(key.as_str().len()).saturating_add(length);
        self.check_growth(key, used)
    }

    /// Whether `used` bytes may be in use. Less than now always may.
    fn check_growth(&self, key: &Key, used: usize) -> Result<(), StoreError> {
        if used <= self.capacity.max(self.used) {
            return Ok(());
        }
        let (needed, free) = (used - self.used, self.capacity.saturating_sub(self.used));
        Err(StoreError::NoSpace { key: key.clone(), needed: needed as u64, free: free as u64 })
    }
}

fn cost(key: &Key, value: &Value) -> usize {
    key.as_str().len() + value.bytes.len()
}

/// Makes room for `more` bytes, or says that the machine has none: running out of memory is no reason to die.
fn reserve(bytes: &mut Vec<u8>, more: usize, key: &Key) -> Result<(), StoreError> {
    let needed = bytes.len().saturating_add(more) as u64;
    bytes.try_reserve(more).map_err(|_| StoreError::OutOfMemory { key: key.clone(), needed })
}

/// The range of all keys in a dictionary. It is one range, because they all begin with the same text.
fn within(dictionary: &Key) -> (Bound<Key>, Bound<Key>) {
    if dictionary.is_root() {
        return (Unbounded, Unbounded);
    }
    // No segment comes before a space: the control characters, which are not allowed in one, are all that is smaller.
    match (dictionary.join(" "), behind(dictionary)) {
        (Ok(first), Some(behind)) => (Included(first), Excluded(behind)),
        // The key is so long that there is none inside it.
        _ => (Included(dictionary.clone()), Excluded(dictionary.clone())),
    }
}

/// The least key behind all those in a dictionary: the character after `/` is `0`. None if there is no key so long.
fn behind(dictionary: &Key) -> Option<Key> {
    Key::new(&format!("{}0", dictionary.as_str())).ok()
}
