use core::time::Duration;

use crate::date::{http_date, parse_http_date};
use crate::text::items;
use crate::wire::Head;

/// What a value is known by.
pub(super) struct Version<'a> {
    /// Its entity tag, in its quotes.
    pub tag: &'a str,
    pub modified: Duration,
}

/// What the conditions of a request leave to be done (RFC 9110, section 13.2.2).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// The value is wanted; a part of it only if that holds.
    Wanted { range: bool },
    /// The client has it.
    NotModified,
    /// The client wants another one than there is.
    Failed,
}

impl Version<'_> {
    pub fn check(&self, head: &Head, now: Duration) -> Condition {
        let all = |name: &'static str| {
            head.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        let since = |name: &str| head.get(name).and_then(|text| parse_http_date(text.as_bytes(), now));
        let modified = self.modified.as_secs();
        if all("if-match").next().is_some() {
            if !all("if-match").any(|list| self.is_in(list, false)) {
                return Condition::Failed;
            }
        } else if since("if-unmodified-since").is_some_and(|since| modified > since) {
            return Condition::Failed;
        }
        if all("if-none-match").next().is_some() {
            if all("if-none-match").any(|list| self.is_in(list, true)) {
                return Condition::NotModified;
            }
        } else if since("if-modified-since").is_some_and(|since| modified <= since) {
            return Condition::NotModified;
        }
        let range = match head.get("if-range") {
            None => true,
            // Compared by its bytes, as a date that is not the very one we gave is not ours.
            Some(text) => text == self.tag || text.as_bytes() == http_date(self.modified),
        };
        Condition::Wanted { range }
    }

    /// Whether a list of entity tags has ours, or is `*`. Ours are strong; `weak` ones count only where that suffices.
    fn is_in(&self, list: &[u8], weak: bool) -> bool {
        list == b"*"
            || items(list).any(|tag| {
                let tag = if weak { tag.strip_prefix(b"W/").unwrap_or(tag) } else { tag };
                tag == self.tag.as_bytes()
            })
    }
}
