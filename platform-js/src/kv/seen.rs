//! What was last seen of each key.

use mirage_sig::Key;

/// Keys whose version is remembered. When there are more, all are forgotten, and the next write to each of them is not
/// checked against other tabs'.
const KEYS_MAX: usize = 65_536;

/// What was last read or written here of a key.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Seen {
    /// The version that it had, or [`ABSENT`](super::writer::ABSENT).
    pub version: f64,
    /// The holding of the lease in which that was; 0 if it was in none.
    pub holding: u32,
}

/// What was seen, in the order of the keys. A table by hash is 5 kB more of the bundle; to make room in the middle of a list
/// that is full takes less than a request to IndexedDB.
#[derive(Default)]
pub(super) struct Memory(Vec<(Key, Seen)>);

impl Memory {
    fn place(&self, key: &Key) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.cmp(key))
    }

    pub fn get(&self, key: &Key) -> Option<Seen> {
        self.place(key).ok().and_then(|at| self.0.get(at)).map(|(_, seen)| *seen)
    }

    /// Remembers, or forgets.
    pub fn note(&mut self, key: &Key, what: Option<Seen>) {
        match (self.place(key), what) {
            (Ok(at), Some(what)) => self.0[at].1 = what,
            (Ok(at), None) => drop(self.0.remove(at)),
            (Err(at), Some(what)) => {
                if self.0.len() >= KEYS_MAX {
                    self.0.clear();
                }
                self.0.insert(at.min(self.0.len()), (key.clone(), what));
            }
            (Err(_), None) => {}
        }
    }

    /// Forgets what is within `dictionary`, and gives it: the last first, so that it is quickly put back.
    pub fn take_within(&mut self, dictionary: &Key) -> Vec<(Key, Seen)> {
        let mut taken: Vec<_> = self.0.extract_if(.., |(key, _)| key.is_within(dictionary)).collect();
        taken.reverse();
        taken
    }
}
