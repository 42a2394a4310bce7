//! Stores with known contents, and what is in one now.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Debug;

use mirage_sig::{Entry, Key, KvError, KvErrorKind, KvRo, KvRw};

use crate::poll::{Boxed, join_all};
use crate::{Holds, Verdict, Violation, ensure, equal};

/// Keys as text, with their values.
pub type Pairs<'a> = &'a [(&'a str, &'a [u8])];

const GIVES: &str = "`set` gives the key a value";

/// Contents in which an implementation could go wrong.
pub const STORES: [Pairs<'static>; 3] = [
    &[],
    &[
        ("a", b"one"),
        ("b", b""),
        ("d/a", b"two"),
        ("d/e/f/g", b"three"),
        ("d2", b"beside d"),
        ("z", &[0, 255, 128, 10]),
    ],
    // As segments go, "a" is before "a!"; as text, "a!x" is before "a/x". U+FF5E is before U+1F600, but not in UTF-16.
    &[
        ("a/x", b"1"),
        ("a!", b"2"),
        ("a-b/c", b"3"),
        ("a0", b"4"),
        ("A", b"5"),
        ("\u{ff5e}", b"6"),
        ("\u{1f600}", b"7"),
        ("\u{e9}", b"8"),
        ("e\u{301}", b"9"),
        ("%41", b"10"),
        ("with space/and more", b"11"),
        ("...", b"12"),
        ("a\\b", b"13"),
        ("C:*?\"<>|", b"14"),
        ("__proto__/constructor", b"15"),
    ],
];

/// A key of these suites' own, which are all valid, as every run shows.
#[allow(clippy::expect_used, reason = "see above")]
pub fn key(text: &str) -> Key {
    Key::new(text).expect("a literal of the suite")
}

/// Empties the store, then sets these keys.
pub async fn fill<K: KvRw>(kv: &K, contents: Pairs<'_>) -> Verdict {
    kv.remove(&Key::ROOT).await.holds("Removes a dictionary with all that is in it, the root too")?;
    let keys: Vec<_> = contents.iter().map(|(text, value)| (key(text), *value)).collect();
    let sets = keys.iter().map(|(key, value)| -> Boxed<'_, _> { Box::pin(kv.set(key, value)) }).collect();
    for result in join_all(sets).await {
        result.holds(GIVES)?;
    }
    Ok(())
}

/// Asserts `clause`, which holds if these and no others are the keys and values in the store.
pub async fn contains<K: KvRo>(kv: &K, expected: Pairs<'_>, clause: &'static str) -> Verdict {
    equal(shown(&all(kv, clause).await?), shown(expected), clause)
}

/// Asserts `clause`, which holds if the key has that value, or none.
pub async fn has<K: KvRo>(kv: &K, text: &str, expected: Option<&[u8]>, clause: &'static str) -> Verdict {
    let value = match kv.get(&key(text)).await {
        Ok(value) => Some(value),
        Err(error) if error.kind() == KvErrorKind::NotFound => None,
        Err(error) => Some(Err(error).holds(clause)?),
    };
    equal(value.as_deref().map(text_of), expected.map(text_of), clause)
}

/// Asserts `clause`, which holds if `result` is an error of that kind, whose text names the key if one is spoken of.
pub fn refused<T: Debug, E: KvError>(
    result: Result<T, E>,
    kind: KvErrorKind,
    named: &str,
    clause: &'static str,
) -> Verdict {
    let error = result.fails(clause)?;
    ensure(error.kind() == kind, clause, || format!("{:?} ({error}), where {kind:?} was expected", error.kind()))?;
    ensure(format!("{error}").contains(named), "An error's text names the key, where one was spoken of", || {
        format!("{named:?} is not in {:?}", format!("{error}"))
    })
}

/// Every value in the store, in the order of their keys.
pub async fn all<K: KvRo>(kv: &K, clause: &'static str) -> Result<Vec<(String, Vec<u8>)>, Violation> {
    let mut found = Vec::new();
    let mut dictionaries = vec![Key::ROOT];
    while let Some(dictionary) = dictionaries.pop() {
        for (key, entry) in kv.list(&dictionary).await.holds(clause)? {
            match entry {
                Entry::Value => found.push((key.as_str().into(), kv.get(&key).await.holds(clause)?)),
                Entry::Dictionary => dictionaries.push(key),
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Keys and values, in order, as a message shows them best.
fn shown<A: AsRef<str>, B: AsRef<[u8]>>(pairs: &[(A, B)]) -> Vec<(String, String)> {
    let mut shown: Vec<_> = pairs.iter().map(|(key, value)| (key.as_ref().into(), text_of(value.as_ref()))).collect();
    shown.sort();
    shown
}

fn text_of(value: &[u8]) -> String {
    format!("{}", value.escape_ascii())
}
