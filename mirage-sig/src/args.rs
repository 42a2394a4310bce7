//! Arguments: one spelling on every platform, checked before the unikernel starts.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use crate::{Cidr, LogFilter};

/// The longest value, in bytes.
pub const ARG_BYTES_MAX: usize = 4096;

/// An argument that a unikernel knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arg {
    /// Its name: lower case, `-` between words.
    pub name: &'static str,
    /// What its value looks like.
    pub kind: ArgKind,
    /// What it does, in one sentence.
    pub help: &'static str,
}

/// What an argument's value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArgKind {
    /// Any text but none.
    Text,
    /// A whole number, not negative.
    Number,
    /// An IP address, as in `10.0.0.1`.
    Address,
    /// An IP address with the length of its network's prefix, as in `10.0.0.2/24`.
    Network,
    /// Log levels, as [`LogFilter`] reads them.
    Logs,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A name for use in file names and titles: letters, digits, `-`, `_` and `.`, 64 at most.
    Name,
    /// A virtual cable: `lan:0` and so on, or the address of a relay.
    Cable,
}

/// The arguments that every platform knows, whatever the application.
pub const STANDARD_ARGS: &[Arg] = &[
    Arg { name: "name", kind: ArgKind::Name, help: "What this unikernel is called; its stores belong to that name." },
    Arg { name: "logs", kind: ArgKind::Logs, help: "Which log messages are shown on the console." },
    Arg { name: "net", kind: ArgKind::Cable, help: "What the network interface is plugged into." },
    Arg { name: "ipv4", kind: ArgKind::Network, help: "The IPv4 address; without it, DHCP finds one." },
    Arg { name: "ipv4-gateway", kind: ArgKind::Address, help: "The IPv4 router." },
    Arg { name: "ipv6", kind: ArgKind::Network, help: "The IPv6 address; without it, the router's network is used." },
    Arg { name: "ipv6-gateway", kind: ArgKind::Address, help: "The IPv6 router." },
    Arg { name: "dns", kind: ArgKind::Address, help: "The server that resolves names." },
];

impl ArgKind {
    /// Whether `value` is one.
    pub fn accepts(self, value: &str) -> bool {
        if value.is_empty() || value.len() > ARG_BYTES_MAX {
            return false;
        }
        match self {
            Self::Text => true,
            Self::Number => value.parse::<u64>().is_ok(),
            Self::Address => value.parse::<IpAddr>().is_ok(),
            Self::Network => value.parse::<Cidr>().is_ok(),
            Self::Logs => LogFilter::parse(value).is_some(),
            Self::OneOf(words) => words.contains(&value),
            Self::Name => {
                value.len() <= 64
                    && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
            }
            Self::Cable => match value.split_once(':') {
                Some(("lan", number)) => number.parse::<u16>().is_ok(),
                Some(("ws" | "wss", rest)) => rest.len() > 2 && rest.starts_with("//"),
                _ => false,
            },
        }
    }
}

/// What a person is told that is expected.
impl fmt::Display for ArgKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "some text",
            Self::Number => "a whole number",
            Self::Address => "an IP address such as 10.0.0.1 or fd00::1",
            Self::Network => "an IP address and its prefix, such as 10.0.0.2/24 or fd00::2/64",
            Self::Logs => LogFilter::EXPECTED,
            Self::OneOf(words) => {
                f.write_str("one of ")?;
                for (at, word) in words.iter().enumerate() {
                    f.write_str(if at == 0 { "" } else { ", " })?;
                    f.write_str(word)?;
                }
                return Ok(());
            }
            Self::Name => "a name of at most 64 letters, digits, '-', '_' and '.'",
            Self::Cable => "lan:0 (up to lan:65535), or a relay's address such as ws://127.0.0.1:8086/lan0",
        })
    }
}

/// An argument that cannot be used, and what would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgError {
    /// No argument has that name.
    Unknown {
        /// The name that was given.
        name: String,
        /// The known name that is nearest to it, if any is near.
        nearest: Option<&'static str>,
    },
    /// The value is not what the argument takes.
    Malformed {
        /// The argument.
        name: String,
        /// The value that was given.
        value: String,
        /// What is expected.
        expected: String,
        /// The valid word that is nearest, if any is near.
        nearest: Option<&'static str>,
    },
    /// It was given twice.
    Repeated(String),
}

impl fmt::Display for ArgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nearest = match self {
            Self::Unknown { name, nearest } => {
                write!(f, "argument {name:?} is not known")?;
                nearest
            }
            Self::Malformed { name, value, expected, nearest } => {
                write!(f, "argument {name}={value:?}: expected {expected}")?;
                nearest
            }
            Self::Repeated(name) => return write!(f, "argument {name:?} is given twice: leave one out"),
        };
        match nearest {
            Some(word) => write!(f, "; did you mean {word:?}?"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for ArgError {}

/// The arguments a unikernel was started with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args(Vec<(&'static str, String)>);

impl Args {
    /// Checks `given` names and values against [`STANDARD_ARGS`] and the application's `own`, which come first. All errors
    /// are reported, not just the first.
    pub fn check(given: impl IntoIterator<Item = (String, String)>, own: &[Arg]) -> Result<Self, Vec<ArgError>> {
        let known = || own.iter().chain(STANDARD_ARGS);
        let mut args = Vec::<(&'static str, String)>::new();
        let mut errors = Vec::new();
        for (name, value) in given {
            let Some(arg) = known().find(|arg| arg.name == name) else {
                let nearest = nearest(&name, known().map(|arg| arg.name));
                errors.push(ArgError::Unknown { name, nearest });
                continue;
            };
            if args.iter().any(|(taken, _)| *taken == arg.name) {
                errors.push(ArgError::Repeated(name));
            } else if arg.kind.accepts(&value) {
                args.push((arg.name, value));
            } else {
                let nearest = match arg.kind {
                    ArgKind::OneOf(words) => nearest(&value, words.iter().copied()),
                    _ => None,
                };
                let expected = arg.kind.to_string();
                errors.push(ArgError::Malformed { name, value, expected, nearest });
            }
        }
        if errors.is_empty() { Ok(Self(args)) } else { Err(errors) }
    }

    /// The text of an argument, if it was given.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The value of an argument, if it was given. An error if it cannot be read as a `T`.
    pub fn get<T: FromStr>(&self, name: &str) -> Result<Option<T>, ArgError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| ArgError::Malformed {
            name: name.into(),
            value: text.into(),
            expected: core::any::type_name::<T>().into(),
            nearest: None,
        })
    }

    /// All that were given, in that order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

/// The word nearest to `wrong`, if it is near enough to have been meant: at most a third of its letters differ, or two.
fn nearest(wrong: &str, words: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    if wrong.len() > 64 {
        return None;
    }
    let distances = words.map(|word| (distance(&wrong.to_ascii_lowercase(), word), word));
    let (distance, word) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= (word.len() / 3).max(2) && distance < word.len()).then_some(word)
}

/// How many letters must be put in, left out or changed to make `a` into `b` (Levenshtein), or are swapped neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i);
        for j in 1..=b.len() {
            let changed = row[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                let two_before: &Vec<usize> = &before;
                least = least.min(two_before[j - 2] + 1);
            }
            next.push(least);
        }
        before = core::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const OWN: &[Arg] =
        &[Arg { name: "colour", kind: ArgKind::OneOf(&["red", "green"]), help: "The colour of the greeting." }];

    fn check(given: &[(&str, &str)]) -> Result<Args, Vec<ArgError>> {
        Args::check(given.iter().map(|(name, value)| ((*name).into(), (*value).into())), OWN)
    }

    fn complaint(name: &str, value: &str) -> String {
        let errors = check(&[(name, value)]).unwrap_err();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_known_and_well_formed_is_there() {
        let args = check(&[("ipv4", "10.0.0.2/24"), ("colour", "red"), ("name", "web")]).unwrap();
        assert_eq!(args.text("colour"), Some("red"));
        assert_eq!(args.get::<Cidr>("ipv4").unwrap().unwrap().prefix, 24);
        assert_eq!(args.text("dns"), None);
        assert!(args.get::<u8>("name").is_err());
        assert_eq!(args.iter().count(), 3);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        assert_eq!(
            complaint("ipv4-gatway", "10.0.0.1"),
            "argument \"ipv4-gatway\" is not known; did you mean \"ipv4-gateway\"?"
        );
        assert_eq!(complaint("anme", "x"), "argument \"anme\" is not known; did you mean \"name\"?");
        assert_eq!(complaint("Logs", "x"), "argument \"Logs\" is not known; did you mean \"logs\"?");
        assert_eq!(complaint("utm_source", "x"), "argument \"utm_source\" is not known");
    }

    #[test]
    fn a_malformed_value_is_answered_with_what_is_expected() {
        assert_eq!(
            complaint("ipv4", "10.0.0.2"),
            "argument ipv4=\"10.0.0.2\": expected an IP address and its prefix, such as 10.0.0.2/24 or fd00::2/64"
        );
        assert_eq!(
            complaint("colour", "gren"),
            "argument colour=\"gren\": expected one of red, green; did you mean \"green\"?"
        );
        for (name, value) in [("dns", "one"), ("logs", "loud"), ("name", "a b"), ("net", "lan:"), ("net", "http://x")] {
            assert!(complaint(name, value).contains("expected"), "{name}={value}");
        }
        assert!(complaint("name", "").contains("expected"));
    }

    #[test]
    fn all_errors_are_reported() {
        let errors = check(&[("nme", "x"), ("dns", "?"), ("name", "a"), ("name", "b")]).unwrap_err();
        assert_eq!(errors.len(), 3);
        assert_eq!(errors[2], ArgError::Repeated("name".into()));
    }

    #[test]
    fn cables() {
        assert!(
            ["lan:0", "lan:65535", "ws://127.0.0.1:8086/lan0", "wss://host/x"]
                .iter()
                .all(|v| ArgKind::Cable.accepts(v))
        );
        assert!(["lan:65536", "lan", "tap:0", "ws:", "ws://"].iter().all(|v| !ArgKind::Cable.accepts(v)));
    }

    #[test]
    fn distances() {
        let pairs = vec![("", "abc", 3), ("abc", "abc", 0), ("abc", "acb", 1), ("kitten", "sitting", 3)];
        assert!(pairs.into_iter().all(|(a, b, d)| distance(a, b) == d));
    }
}
