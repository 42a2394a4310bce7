//! What was last seen of each key.

use mirage_sig::Key;

/// Keys whose version is remembered. When there are more, all are forgotten, and the next write to each of them is not
/// checked against other tabs'.
const SEEN_MAX: usize = 65_536;

/// Versions by key, in the order of the keys. A table by hash would be 5 kB more of the bundle; to make room in the middle of a
/// list that is full takes less than a request to IndexedDB.
#[derive(Default)]
pub(super) struct Seen(Vec<(Key, f64)>);

impl Seen {
    fn place(&self, key: &Key) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.cmp(key))
    }

    pub fn get(&self, key: &Key) -> Option<f64> {
        self.place(key).ok().and_then(|at| self.0.get(at)).map(|(_, version)| *version)
    }

    /// Notes the version of a key, or forgets it.
    pub fn note(&mut self, key: &Key, version: Option<f64>) {
        match (self.place(key), version) {
            (Ok(at), Some(version)) => self.0[at].1 = version,
            (Ok(at), None) => drop(self.0.remove(at)),
            (Err(at), Some(version)) => {
                if self.0.len() >= SEEN_MAX {
                    self.0.clear();
                }
                self.0.insert(at.min(self.0.len()), (key.clone(), version));
            }
            (Err(_), None) => {}
        }
    }

    /// Forgets what is within `dictionary`, and gives it: the last first, so that it is quickly put back.
    pub fn take_within(&mut self, dictionary: &Key) -> Vec<(Key, f64)> {
        let mut taken: Vec<_> = self.0.extract_if(.., |(key, _)| key.is_within(dictionary)).collect();
        taken.reverse();
        taken
    }
}
