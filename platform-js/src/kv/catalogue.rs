//! All keys of a store, in mind while nobody else can add to them.

use mirage_sig::Key;

/// Keys that are kept in mind. A store with more is asked each time.
pub(super) const KEYS_MAX: u32 = 16_384;

/// What is known of a store's keys.
#[derive(Default)]
pub(super) enum Catalogue {
    /// Nothing yet, or no longer.
    #[default]
    Unread,
    /// There are too many, or such as cannot be read.
    Unknowable,
    /// All of them, sorted.
    Whole(Vec<Key>),
}

impl Catalogue {
    /// Of keys in any order.
    pub fn whole(mut keys: Vec<Key>) -> Self {
        keys.sort_unstable();
        Self::Whole(keys)
    }

    pub fn insert(&mut self, key: &Key) {
        let Self::Whole(keys) = self else { return };
        if let Err(place) = keys.binary_search(key) {
            keys.insert(place, key.clone());
            if keys.len() > KEYS_MAX as usize {
                *self = Self::Unknowable;
            }
        }
    }

    pub fn remove(&mut self, key: &Key) {
        let Self::Whole(keys) = self else { return };
        if let Ok(place) = keys.binary_search(key) {
            keys.remove(place);
        }
    }

    pub fn remove_within(&mut self, dictionary: &Key) {
        let Self::Whole(keys) = self else { return };
        keys.retain(|key| !key.is_within(dictionary));
    }
}

/// Whether there is a value at `key`, among sorted keys.
pub(super) fn has(keys: &[Key], key: &Key) -> bool {
    keys.binary_search(key).is_ok()
}

/// Whether there is a value within `dictionary`, among sorted keys.
pub(super) fn has_within(keys: &[Key], dictionary: &Key) -> bool {
    // Not always right behind it: `a-b` is between `a` and `a/b`.
    let beginning = format!("{}/", dictionary.as_str());
    let first = keys.partition_point(|key| key.as_str() < beginning.as_str());
    keys.get(first).is_some_and(|key| key.is_within(dictionary))
}
