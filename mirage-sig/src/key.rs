use alloc::string::String;
use core::fmt;
use core::str::FromStr;

/// The longest key, in bytes of its text.
pub const KEY_BYTES_MAX: usize = 1024;

/// What is found at a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A value: bytes.
    Value,
    /// A dictionary: longer keys.
    Dictionary,
}

/// The name of a value or a dictionary: segments, written with `/` between them. The key without segments is the root.
///
/// In text, a `/` at the start, at the end, or beside another one means nothing: `/a//b/` is `a/b`. A segment holds any
/// characters but `/` and the control characters, and is neither `.` nor `..`, so that every store can hold every key.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// The text is not a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// A segment is `.` or `..`, or contains a control character.
    Segment(String),
    /// Longer than 1,024 bytes.
    TooLong(usize),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment(segment) => {
                write!(f, "{segment:?} cannot be part of a key: leave out control characters, \".\" and \"..\"")
            }
            Self::TooLong(bytes) => write!(f, "a key of {bytes} bytes is too long: at most {KEY_BYTES_MAX}"),
        }
    }
}

impl core::error::Error for KeyError {}

impl Key {
    /// The root.
    pub const ROOT: Self = Self(String::new());

    /// Reads a key from its text.
    pub fn new(text: &str) -> Result<Self, KeyError> {
        text.parse()
    }

    /// The key `segment` within this one; `segment` may also be several, with `/` between them.
    pub fn join(&self, segment: &str) -> Result<Self, KeyError> {
        let mut text = String::with_capacity(self.0.len() + 1 + segment.len());
        text.push_str(&self.0);
        text.push('/');
        text.push_str(segment);
        text.parse()
    }

    /// Its text, without a `/` at either end; the root's is empty.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Its segments, from the root on. The root has none.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|segment| !segment.is_empty())
    }

    /// Its last segment; none for the root.
    pub fn name(&self) -> Option<&str> {
        self.segments().last()
    }

    /// The key one segment shorter; none for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        Some(Self(self.0.rsplit_once('/').map_or(String::new(), |(parent, _)| String::from(parent))))
    }

    /// The keys on the way to it, the root and itself left out, shortest first.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        self.0.match_indices('/').map(|(at, _)| Self(String::from(&self.0[..at])))
    }

    /// Whether it lies within `dictionary`, at any depth. No key lies within itself.
    pub fn is_within(&self, dictionary: &Self) -> bool {
        if dictionary.is_root() {
            return !self.is_root();
        }
        self.0.strip_prefix(dictionary.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut key = String::with_capacity(text.len());
        for segment in text.split('/').filter(|segment| !segment.is_empty()) {
            if segment == "." || segment == ".." || segment.contains(char::is_control) {
                return Err(KeyError::Segment(segment.into()));
            }
            if !key.is_empty() {
                key.push('/');
            }
            key.push_str(segment);
        }
        if key.len() > KEY_BYTES_MAX { Err(KeyError::TooLong(key.len())) } else { Ok(Self(key)) }
    }
}

/// With a `/` in front, so that the root can be seen.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    fn key(text: &str) -> Key {
        Key::new(text).unwrap()
    }

    #[test]
    fn slashes_that_say_nothing_are_left_out() {
        assert_eq!(key("/a//b/"), key("a/b"));
        assert_eq!(key("///"), Key::ROOT);
        assert_eq!(key("a").join("b/c").unwrap(), key("a/b/c"));
        assert_eq!(Key::ROOT.join("a").unwrap().to_string(), "/a");
    }

    #[test]
    fn what_some_store_could_not_hold_is_refused() {
        assert_eq!(Key::new("a/../b"), Err(KeyError::Segment("..".into())));
        assert_eq!(Key::new("a\nb"), Err(KeyError::Segment("a\nb".into())));
        assert_eq!(Key::new(&"x".repeat(1025)), Err(KeyError::TooLong(1025)));
        assert!(Key::new(&"x".repeat(1024)).is_ok());
    }

    #[test]
    fn family_relations() {
        assert_eq!(key("a/b/c").ancestors().collect::<Vec<_>>(), [key("a"), key("a/b")]);
        assert_eq!(key("a/b").parent(), Some(key("a")));
        assert_eq!(key("a").parent(), Some(Key::ROOT));
        assert_eq!(Key::ROOT.parent(), None);
        assert!(key("a/b").is_within(&key("a")) && key("a").is_within(&Key::ROOT));
        assert!(!key("ab").is_within(&key("a")) && !key("a").is_within(&key("a")) && !Key::ROOT.is_within(&Key::ROOT));
    }
}
