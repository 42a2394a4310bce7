//! The name of a LAN: the last part of `/lan/NAME`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Characters of a name at most: it stands in logs, metrics and captures.
pub const NAME_MAX: usize = 64;

/// The name of a LAN: 1 to 64 letters, digits, `.`, `_` and `-`, so that it needs no quoting in a URL, a log line, a
/// metric or a capture. The path `/` is the LAN `0`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LanName(Arc<str>);

/// A text that is no name of a LAN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadName(String);

impl LanName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The LAN that a request's path names: `/` is `0`, `/lan/NAME` is `NAME`.
    ///
    /// # Errors
    /// Every other path, and a name with other characters.
    pub fn from_path(path: &str) -> Result<Self, BadName> {
        match path.strip_prefix("/lan/") {
            Some(name) => name.parse(),
            None if path == "/" => Ok(Self::default()),
            None => Err(BadName(path.chars().take(NAME_MAX).collect())),
        }
    }
}

impl Default for LanName {
    fn default() -> Self {
        Self(Arc::from("0"))
    }
}

impl FromStr for LanName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if text.is_empty() || text.len() > NAME_MAX || !text.bytes().all(fits) {
            return Err(BadName(text.chars().take(NAME_MAX).collect()));
        }
        Ok(Self(Arc::from(text)))
    }
}

impl fmt::Display for LanName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LanName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} names no LAN: it takes 1 to {NAME_MAX} letters, digits, '.', '_' or '-', as in /lan/lab-3",
            self.0
        )
    }
}

impl std::error::Error for BadName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_lan() {
        assert_eq!(LanName::from_path("/").unwrap().as_str(), "0");
        assert_eq!(LanName::from_path("/lan/lab-3").unwrap().as_str(), "lab-3");
        for path in ["", "/lan", "/lan/", "/lan/a/b", "/lan/a b", "/lan/%61", "/other", "/lan/é"] {
            assert!(LanName::from_path(path).is_err(), "{path}");
        }
        assert!(format!("/lan/{}", "x".repeat(NAME_MAX)).parse::<LanName>().is_err());
        assert!(LanName::from_path(&format!("/lan/{}", "x".repeat(NAME_MAX))).is_ok());
        assert!(LanName::from_path(&format!("/lan/{}", "x".repeat(NAME_MAX + 1))).is_err());
    }
}
