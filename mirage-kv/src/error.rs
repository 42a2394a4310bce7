use alloc::string::String;
use core::error::Error;
use core::fmt;
use mirage_sig::{Entry, Key, KvError, KvErrorKind};

/// What went wrong in a store of this crate. Its text names the key and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// Nothing has this key.
    NotFound(Key),
    /// This key is a dictionary, and a value was needed.
    ValueExpected(Key),
    /// A dictionary was needed where there is a value.
    DictionaryExpected {
        /// The key that was asked for.
        key: Key,
        /// The value: at the key itself, or on the way to it.
        value: Key,
    },
    /// What is at `source` cannot be moved into itself.
    RenameIntoItself {
        /// What was to be renamed.
        source: Key,
        /// A key inside it.
        dest: Key,
    },
    /// The store's capacity does not suffice.
    NoSpace {
        /// The key that was to be written.
        key: Key,
        /// By how many bytes the store would have grown.
        needed: u64,
        /// How many were free.
        free: u64,
    },
    /// The machine's memory does not suffice.
    OutOfMemory {
        /// The key that was to be written.
        key: Key,
        /// The length of its value.
        needed: u64,
    },
    /// A key inside a dictionary would be too long under the dictionary's new name.
    KeyTooLong {
        /// The key, as it is.
        key: Key,
        /// The dictionary's new name.
        dest: Key,
    },
    /// A compiled-in table has a file under a name that is no key.
    NotAKey(String),
}

impl StoreError {
    /// The key has no value: for want of anything, or because it is a dictionary.
    pub(crate) fn no_value(key: &Key, entry: Option<Entry>) -> Self {
        match entry {
            Some(Entry::Dictionary) => Self::ValueExpected(key.clone()),
            _ => Self::NotFound(key.clone()),
        }
    }

    /// The key is no dictionary: for want of anything, or because it is a value.
    pub(crate) fn no_dictionary(key: &Key, entry: Option<Entry>) -> Self {
        match entry {
            Some(Entry::Value) => Self::DictionaryExpected { key: key.clone(), value: key.clone() },
            _ => Self::NotFound(key.clone()),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(key) => write!(f, "{key}: nothing has this key: look for it with list, or set it first"),
            Self::ValueExpected(key) if key.is_root() => {
                write!(f, "/ is the root, which has no value of its own: name a key in it")
            }
            Self::ValueExpected(key) => {
                write!(f, "{key} is a dictionary, not a value: name a key in it, or remove it first")
            }
            Self::DictionaryExpected { key, value } if key == value => {
                write!(f, "{key} is a value, not a dictionary: get it, or remove it first")
            }
            Self::DictionaryExpected { key, value } => {
                write!(
                    f,
                    "{key}: {value} on the way to it is a value, not a dictionary: remove that, or use another key"
                )
            }
            Self::RenameIntoItself { source, dest } => {
                write!(f, "{source} cannot be renamed to {dest}, which lies inside it: use a name outside of it")
            }
            Self::NoSpace { key, needed, free } => {
                write!(
                    f,
                    "{key}: needs {needed} more bytes, and {free} are free: remove something, or enlarge the store"
                )
            }
            Self::OutOfMemory { key, needed } => {
                write!(f, "{key}: there is no memory for {needed} bytes: remove something, or give more memory")
            }
            Self::KeyTooLong { key, dest } => {
                write!(f, "{key} would be too long a key inside {dest}: rename to something shorter")
            }
            Self::NotAKey(text) => {
                write!(f, "the compiled-in file {text:?} is not under a key: make the table with mirage-crunch")
            }
        }
    }
}

impl Error for StoreError {}

impl KvError for StoreError {
    fn kind(&self) -> KvErrorKind {
        match self {
            Self::NotFound(_) => KvErrorKind::NotFound,
            Self::ValueExpected(_) => KvErrorKind::ValueExpected,
            Self::DictionaryExpected { .. } => KvErrorKind::DictionaryExpected,
            Self::RenameIntoItself { .. } => KvErrorKind::RenameIntoItself,
            Self::NoSpace { .. } | Self::OutOfMemory { .. } | Self::KeyTooLong { .. } => KvErrorKind::NoSpace,
            Self::NotAKey(_) => KvErrorKind::Corrupt,
        }
    }
}
