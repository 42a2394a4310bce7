use crate::text::{decimal, trim};

/// What of a value was asked for (RFC 9110, section 14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranged {
    /// All of it: nothing else was asked for, or something that is not understood, or more than one part.
    Whole,
    /// The bytes from `first` to `last`, which are both in it.
    Part {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: u64,
    },
    /// A part that it does not have.
    Unsatisfiable,
}

impl Ranged {
    /// What the `Range` header `text` asks for, of a value of `size` bytes.
    pub fn parse(text: &str, size: u64) -> Self {
        let Some((unit, range)) = text.split_once('=') else { return Self::Whole };
        let end = size.saturating_sub(1);
        let Some((first, last)) = range.split_once('-') else { return Self::Whole };
        let (first, last) = (trim(first.as_bytes()), trim(last.as_bytes()));
        if !trim(unit.as_bytes()).eq_ignore_ascii_case(b"bytes") {
            return Self::Whole;
        }
        match (decimal(first), decimal(last)) {
            (Some(first), Some(last)) if first > last => Self::Whole,
            (Some(_), None) if !last.is_empty() => Self::Whole,
            (Some(first), last) if first < size => Self::Part { first, last: last.unwrap_or(end).min(end) },
            (Some(_), _) => Self::Unsatisfiable,
            // The last bytes: no such part can be told of a value that is empty, so all of it is given.
            (None, Some(0)) if first.is_empty() => Self::Unsatisfiable,
            (None, Some(count)) if first.is_empty() && size > 0 => {
                Self::Part { first: size.saturating_sub(count), last: end }
            }
            _ => Self::Whole,
        }
    }
}
