//! Renaming values and dictionaries.

use alloc::vec::Vec;

use mirage_sig::KvErrorKind::{DictionaryExpected, NotFound, RenameIntoItself, ValueExpected};
use mirage_sig::KvRw;

use super::fixture::{contains, fill, key, refused};
use crate::{Holds, Verdict};

const RENAME: &str = "`rename` gives the value, or the whole dictionary, of `source` the key `dest`";

/// What is renamed is as it was, under its new key.
pub async fn renames<K: KvRw>(kv: &K) -> Verdict {
    let replaced = "A value at `dest` is replaced by a value";
    let itself = "To rename a key to itself changes nothing";
    let before = "v=1 w=2 d/x=3 d/e/y=4 d!=5 f/g=6";
    for (source, dest, after, clause) in [
        ("v", "new", "new=1 w=2 d/x=3 d/e/y=4 d!=5 f/g=6", RENAME),
        ("v", "f/n/v", "f/n/v=1 w=2 d/x=3 d/e/y=4 d!=5 f/g=6", RENAME),
        ("d", "f/n", "v=1 w=2 f/n/x=3 f/n/e/y=4 d!=5 f/g=6", RENAME),
        ("d/e", "e", "v=1 w=2 d/x=3 e/y=4 d!=5 f/g=6", RENAME),
        ("v", "w", "w=1 d/x=3 d/e/y=4 d!=5 f/g=6", replaced),
        ("v", "d/x", "w=2 d/x=1 d/e/y=4 d!=5 f/g=6", replaced),
        ("v", "v", before, itself),
        ("d", "d", before, itself),
        ("", "", before, itself),
    ] {
        fill(kv, &pairs(before)).await?;
        kv.rename(&key(source), &key(dest)).await.holds(clause)?;
        contains(kv, &pairs(after), clause).await?;
    }
    Ok(())
}

/// Keys and values from a text such as `a=1 b/c=2`.
fn pairs(text: &str) -> Vec<(&str, &[u8])> {
    text.split(' ').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key, value.as_bytes())).collect()
}

/// What cannot be renamed is an error of its kind, and the store is as it was.
pub async fn refused_renames<K: KvRw>(kv: &K) -> Verdict {
    let nothing = "To rename what is nothing is NotFound";
    let inside = "To rename a dictionary or a value into itself is RenameIntoItself";
    let onto_dictionary = "To rename something to a dictionary is ValueExpected";
    let onto_value = "To rename a dictionary to a value is DictionaryExpected";
    let on_the_way = "To rename to where a key on the way has a value is DictionaryExpected";
    let before = &pairs("v=1 w=2 d/x=3 d/e/y=4 f/g=6");
    fill(kv, before).await?;
    for (source, dest, kind, clause) in [
        ("nothing", "new", NotFound, nothing),
        ("nothing", "w", NotFound, nothing),
        ("nothing", "nothing", NotFound, nothing),
        ("v/x", "new", NotFound, nothing),
        ("d", "d/e/f", RenameIntoItself, inside),
        ("d", "d/x/y", RenameIntoItself, inside),
        ("v", "v/x", RenameIntoItself, inside),
        ("", "new", RenameIntoItself, inside),
        ("", "d/e", RenameIntoItself, inside),
        ("v", "d", ValueExpected, onto_dictionary),
        ("v", "", ValueExpected, onto_dictionary),
        ("d/x", "d", ValueExpected, onto_dictionary),
        ("f", "d", ValueExpected, onto_dictionary),
        ("d/e", "d", ValueExpected, onto_dictionary),
        ("d", "v", DictionaryExpected, onto_value),
        ("v", "w/x", DictionaryExpected, on_the_way),
        ("d", "w/x/y", DictionaryExpected, on_the_way),
    ] {
        // Where both keys could be to blame, either may be named.
        let named = if kind == NotFound && source != dest { source } else { "" };
        refused(kv.rename(&key(source), &key(dest)).await, kind, named, clause)?;
        contains(kv, before, "After a `rename` that failed, the store is as it was").await?;
    }
    Ok(())
}
