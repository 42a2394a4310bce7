use crate::StoreError;
use crate::memory::part;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use mirage_sig::{Entry, Key, KvRo};

/// A file of a [`Static`] store.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// The text of its key.
    pub key: &'static str,
    /// Its content.
    pub bytes: &'static [u8],
    /// When it was last written, as time since 1970.
    pub modified: Duration,
    /// The SHA-256 of its content.
    pub digest: [u8; 32],
}

/// A compiled-in directory: a store that can be read, and lies in the image.
///
/// `mirage-crunch` makes the table from a directory, in a build script. No operation ever waits.
#[derive(Clone, Copy, Debug)]
pub struct Static {
    files: &'static [File],
}

impl Static {
    /// A store of these files, which are in the order of their keys' texts.
    ///
    /// # Panics
    /// If they are not in order, or two have one key. For a `static` or a `const`, the compiler says so.
    pub const fn new(files: &'static [File]) -> Self {
        let mut at = 1;
        while at < files.len() {
            assert!(
                is_before(files[at - 1].key.as_bytes(), files[at].key.as_bytes()),
                "the files of a Static must be in the order of their keys, each key once"
            );
            at += 1;
        }
        Self { files }
    }

    /// All files, in the order of their keys' texts.
    pub const fn files(&self) -> &'static [File] {
        self.files
    }

    /// The file with that key, to be used where it lies, without a copy. Errors as [`KvRo::get`].
    pub fn file(&self, key: &Key) -> Result<&'static File, StoreError> {
        match self.files.binary_search_by(|file| file.key.cmp(key.as_str())) {
            Ok(at) => Ok(&self.files[at]),
            Err(_) => Err(StoreError::no_value(key, self.entry(key))),
        }
    }

    fn entry(&self, key: &Key) -> Option<Entry> {
        if key.is_root() || !self.within(&prefix(key)).is_empty() {
            Some(Entry::Dictionary)
        } else {
            self.files.binary_search_by(|file| file.key.cmp(key.as_str())).ok().map(|_| Entry::Value)
        }
    }

    /// The files whose keys begin with `prefix`.
    fn within(&self, prefix: &str) -> &'static [File] {
        let start = self.files.partition_point(|file| file.key < prefix);
        let rest = &self.files[start..];
        &rest[..rest.partition_point(|file| file.key.starts_with(prefix))]
    }
}

impl KvRo for Static {
    type Error = StoreError;

    async fn exists(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        Ok(self.entry(key))
    }

    async fn get(&self, key: &Key) -> Result<Vec<u8>, StoreError> {
        Ok(self.file(key)?.bytes.to_vec())
    }

    async fn get_partial(&self, key: &Key, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        Ok(part(self.file(key)?.bytes, offset, length).to_vec())
    }

    async fn list(&self, dictionary: &Key) -> Result<Vec<(Key, Entry)>, StoreError> {
        let entry = self.entry(dictionary);
        if entry != Some(Entry::Dictionary) {
            return Err(StoreError::no_dictionary(dictionary, entry));
        }
        let prefix = prefix(dictionary);
        let mut files = self.within(&prefix);
        let mut list = Vec::new();
        while let Some((first, rest)) = files.split_first() {
            let name = &first.key[prefix.len()..];
            let (name, entry) = match name.split_once('/') {
                Some((name, _)) => (name, Entry::Dictionary),
                None => (name, Entry::Value),
            };
            let key = match dictionary.join(name) {
                Ok(key) if !name.is_empty() => key,
                _ => return Err(StoreError::NotAKey(first.key.into())),
            };
            files = match entry {
                Entry::Value => rest,
                Entry::Dictionary => {
                    let inner = format!("{prefix}{name}/");
                    &files[files.partition_point(|file| file.key.starts_with(&inner))..]
                }
            };
            list.push((key, entry));
        }
        // Texts and segments are ordered differently: `a-b` comes before `a/c`, but `a` before `a-b`.
        list.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(list)
    }

    async fn size(&self, key: &Key) -> Result<u64, StoreError> {
        Ok(self.file(key)?.bytes.len() as u64)
    }

    async fn last_modified(&self, key: &Key) -> Result<Duration, StoreError> {
        Ok(self.file(key)?.modified)
    }

    async fn digest(&self, key: &Key) -> Result<[u8; 32], StoreError> {
        Ok(self.file(key)?.digest)
    }
}

/// What the keys in a dictionary begin with.
fn prefix(dictionary: &Key) -> String {
    if dictionary.is_root() { String::new() } else { format!("{}/", dictionary.as_str()) }
}

/// Whether one text comes before another. Comparing them with `<` is not possible in a `const`.
const fn is_before(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() {
        if one[at] != other[at] {
            return one[at] < other[at];
        }
        at += 1;
    }
    one.len() < other.len()
}
