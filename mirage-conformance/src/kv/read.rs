//! Reading a store whose values are known.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;

use mirage_sig::KvErrorKind::{DictionaryExpected, NotFound, ValueExpected};
use mirage_sig::{Entry, Key, KvErrorKind, KvRo};
use sha2::{Digest, Sha256};

use super::fixture::refused;
use crate::poll::poll_once;
use crate::{Holds, Verdict, Violation, ensure, equal};

const EXISTS: &str = "`exists` tells what the key is, if anything";
const GET: &str = "`get` gives the value of the key, possibly empty";
const PARTIAL: &str =
    "`get_partial` gives at most `length` bytes from `offset` on; fewer, or none, where the value ends";
const LIST: &str = "`list` gives what is directly in a dictionary: whole keys, each once, in the order of their bytes";
const DROPPED: &str = "Reading changes nothing, and can be dropped at any time";

/// What should be in the store.
pub struct Contents<'a> {
    values: BTreeMap<Key, &'a [u8]>,
    dictionaries: BTreeSet<Key>,
}

impl<'a> Contents<'a> {
    pub fn new(pairs: &[(&str, &'a [u8])]) -> Result<Self, Violation> {
        let mut values = BTreeMap::new();
        let mut dictionaries = BTreeSet::from([Key::ROOT]);
        for (text, value) in pairs {
            let key = Key::new(text).holds("The keys that a rig gives to the suite are keys")?;
            dictionaries.extend(key.ancestors());
            values.insert(key, *value);
        }
        Ok(Self { values, dictionaries })
    }

    /// What is directly in a dictionary, in order.
    fn list(&self, dictionary: &Key) -> Vec<(Key, Entry)> {
        let keys = self.values.keys().map(|key| (key, Entry::Value));
        let keys = keys.chain(self.dictionaries.iter().map(|key| (key, Entry::Dictionary)));
        let keys = keys.filter(|(key, _)| key.parent().as_ref() == Some(dictionary));
        let mut list: Vec<_> = keys.map(|(key, entry)| (key.clone(), entry)).collect();
        list.sort_by(|(a, _), (b, _)| a.name().cmp(&b.name()));
        list
    }

    fn has(&self, key: &Key) -> bool {
        self.values.contains_key(key) || self.dictionaries.contains(key)
    }

    /// Keys that nothing has, though they look like some that are there: longer, within a value, or shorter.
    fn absent(&self) -> Vec<Key> {
        let mut absent = Vec::from([Key::new("nothing"), Key::new("nothing/at/all")]);
        for key in self.values.keys().chain(&self.dictionaries).filter(|key| !key.is_root()) {
            absent.extend([Key::new(&format!("{}x", key.as_str())), key.join("x"), key.join("x/y")]);
            let mut shorter = key.as_str().chars();
            shorter.next_back();
            absent.push(Key::new(shorter.as_str()));
        }
        // The longest keys cannot be made longer.
        absent.into_iter().flatten().filter(|key| !self.has(key)).collect()
    }
}

/// Values are what they should be, in every way they can be read.
pub async fn values<K: KvRo>(kv: &K, contents: &Contents<'_>) -> Verdict {
    for (key, value) in &contents.values {
        equal(kv.exists(key).await.holds(EXISTS)?, Some(Entry::Value), EXISTS)?;
        equal(kv.get(key).await.holds(GET)?, *value, GET)?;
        let size = kv.size(key).await;
        let clause = "`size` is the value's length in bytes";
        equal(size.holds(clause)?, value.len() as u64, clause)?;
        let clause = "`digest` is the value's SHA-256 (FIPS 180-4)";
        let digest: [u8; 32] = Sha256::digest(value).into();
        equal(kv.digest(key).await.holds(clause)?, digest, clause)?;
        kv.last_modified(key).await.holds("`last_modified` tells when the value was last written")?;
        let list = kv.list(key).await;
        refused(list, DictionaryExpected, key.as_str(), "`list` of a value is DictionaryExpected")?;
    }
    Ok(())
}

/// Parts of values are what they should be, wherever they begin and however long they are.
pub async fn parts<K: KvRo>(kv: &K, contents: &Contents<'_>) -> Verdict {
    // A few values tell as much as all of them.
    for (key, value) in contents.values.iter().take(8) {
        let end = value.len();
        for (offset, length) in
            [(0, end), (1, 2), (0, 1), (0, 0), (1, usize::MAX), (end / 2, end), (end, 1), (end + 1, 1)]
        {
            let part = value.get(offset..).unwrap_or_default();
            let part = &part[..part.len().min(length)];
            let seen = kv.get_partial(key, offset as u64, length).await;
            equal(seen.holds(PARTIAL)?, part, PARTIAL)?;
        }
        let seen = kv.get_partial(key, u64::MAX, usize::MAX).await;
        equal(seen.holds(PARTIAL)?, b"", PARTIAL)?;
    }
    Ok(())
}

/// Dictionaries list what they should, and are no values.
pub async fn dictionaries<K: KvRo>(kv: &K, contents: &Contents<'_>) -> Verdict {
    for key in &contents.dictionaries {
        let clause = if key.is_root() { "The root, the empty key, is always a dictionary" } else { EXISTS };
        equal(kv.exists(key).await.holds(clause)?, Some(Entry::Dictionary), clause)?;
        equal(kv.list(key).await.holds(LIST)?, contents.list(key), LIST)?;
        unreadable(kv, key, ValueExpected, "Reading the value of a dictionary is ValueExpected").await?;
    }
    Ok(())
}

/// What is not there is not found, however it is asked for.
pub async fn nothing<K: KvRo>(kv: &K, contents: &Contents<'_>) -> Verdict {
    for key in &contents.absent() {
        equal(kv.exists(key).await.holds(EXISTS)?, None, EXISTS)?;
        unreadable(kv, key, NotFound, "Reading the value of a key that nothing has is NotFound").await?;
        let list = kv.list(key).await;
        refused(list, NotFound, key.as_str(), "`list` of a key that nothing has is NotFound")?;
    }
    Ok(())
}

/// A read that was dropped half-way leaves no trace.
pub async fn dropped<K: KvRo>(kv: &K, contents: &Contents<'_>) -> Verdict {
    for key in contents.values.keys().take(2) {
        poll_once(kv.exists(key)).await;
        poll_once(kv.get(key)).await;
        poll_once(kv.get_partial(key, 1, 1)).await;
        poll_once(kv.list(&Key::ROOT)).await;
        poll_once(kv.size(key)).await;
        poll_once(kv.last_modified(key)).await;
        poll_once(kv.digest(key)).await;
    }
    for (key, value) in &contents.values {
        let seen = kv.get(key).await.holds(DROPPED)?;
        ensure(seen == *value, DROPPED, || format!("{key} has changed after reads of it were dropped"))?;
    }
    equal(kv.list(&Key::ROOT).await.holds(DROPPED)?, contents.list(&Key::ROOT), DROPPED)
}

/// Asserts that all ways to read the value fail alike.
async fn unreadable<K: KvRo>(kv: &K, key: &Key, kind: KvErrorKind, clause: &'static str) -> Verdict {
    let name = key.as_str();
    refused(kv.get(key).await, kind, name, clause)?;
    refused(kv.get_partial(key, 0, 1).await, kind, name, clause)?;
    refused(kv.size(key).await, kind, name, clause)?;
    refused(kv.last_modified(key).await, kind, name, clause)?;
    refused(kv.digest(key).await, kind, name, clause)
}
