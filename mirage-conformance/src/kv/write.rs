//! Writing values one by one.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use mirage_sig::KvErrorKind::{DictionaryExpected, NoSpace, ValueExpected};
use mirage_sig::{Change, Entry, Key, KvRw, WallClock};

use super::fixture::{contains, fill, has, key, refused};
use crate::poll::{Boxed, join_all};
use crate::{Holds, Verdict, ensure, equal};

const SET: &str = "`set` gives the key a value, new or instead of the old one";
const AS_IT_WAS: &str = "After an error, the store is as it was";
const EMPTY: &str = "A dictionary is there as long as it has something in it";
const PARTIAL: &str = "`set_partial` writes over part of the value, from `offset` on";
const UPDATE: &str = "`update` gives the change the value, or None, and writes what it gives, or removes the key";
const UPDATE_GIVES: &str = "What the change gave is the result of `update`";
const REMOVE: &str = "`remove` removes the key; a dictionary with all that is in it";
const ROOT: &str = "The root has no value and cannot be written: ValueExpected";
const ONE_STEP: &str = "`update` reads, changes and writes in one step that nobody else's write comes between";

/// `set` and `get` agree, for values of all sizes.
pub async fn set<K: KvRw>(kv: &K) -> Verdict {
    fill(kv, &[("other", b"stays")]).await?;
    for value in [&b"first"[..], b"second and longer", b"3", b""] {
        kv.set(&key("dir/v"), value).await.holds(SET)?;
        contains(kv, &[("dir/v", value), ("other", b"stays")], SET).await?;
    }
    let large: Vec<u8> = (0..300_000_u32).map(|at| (at ^ (at >> 8)) as u8).collect();
    kv.set(&key("large"), &large).await.holds(SET)?;
    let seen = kv.get(&key("large")).await.holds(SET)?;
    ensure(seen == large, SET, || format!("gave back {} other bytes for {}", seen.len(), large.len()))?;
    let tail = kv.get_partial(&key("large"), 299_990, 10).await.holds(SET)?;
    equal(tail, &large[299_990..], SET)
}

/// Every key is one that the store can hold; many keys are no problem.
pub async fn kinds_of_keys<K: KvRw>(kv: &K) -> Verdict {
    let clause = "Every store can hold every key";
    fill(kv, &[]).await?;
    let longest = "k".repeat(1024);
    let deepest = vec!["d"; 512].join("/");
    // A name that an object of JavaScript has anyway.
    for text in [&longest, &deepest, "constructor"] {
        let key = key(text);
        kv.set(&key, b"value").await.holds(clause)?;
        has(kv, text, Some(b"value"), clause).await?;
        equal(kv.exists(&key).await.holds(clause)?, Some(Entry::Value), clause)?;
        kv.remove(&key).await.holds(clause)?;
    }
    contains(kv, &[], EMPTY).await?;
    let names: Vec<String> = (0..120).map(|number| format!("many/{number:03}")).collect();
    let pairs: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
    fill(kv, &pairs).await?;
    contains(kv, &pairs, SET).await
}

/// The time of the last write is that of the wall clock, give or take a step of it.
pub async fn last_modified<K: KvRw, C: WallClock>(kv: &K, clock: &C) -> Verdict {
    const STEP: Duration = Duration::from_secs(2);
    let clause = "`last_modified` tells when the value was last written, as time since 1970";
    fill(kv, &[]).await?;
    for value in [b"old", b"new"] {
        let before = clock.unix_time().saturating_sub(STEP);
        kv.set(&key("v"), value).await.holds(SET)?;
        let after = clock.unix_time() + STEP;
        let seen = kv.last_modified(&key("v")).await.holds(clause)?;
        ensure(before <= seen && seen <= after, clause, || {
            format!("gave {seen:?} for a write between {before:?} and {after:?}")
        })?;
    }
    Ok(())
}

/// The root is a dictionary, whatever is done to it.
pub async fn root<K: KvRw>(kv: &K) -> Verdict {
    let before: &[(&str, &[u8])] = &[("a", b"1")];
    fill(kv, before).await?;
    let root = &Key::ROOT;
    refused(kv.set(root, b"x").await, ValueExpected, "", ROOT)?;
    refused(kv.set_partial(root, 0, b"x").await, ValueExpected, "", ROOT)?;
    refused(kv.update(root, |_| Some(b"x".to_vec())).await, ValueExpected, "", ROOT)?;
    refused(kv.batch(&[Change::Set(root, b"x")]).await, ValueExpected, "", ROOT)?;
    contains(kv, before, AS_IT_WAS).await?;
    kv.remove(root).await.holds("`remove` removes the root's contents too")?;
    contains(kv, &[], "`remove` removes the root's contents too").await?;
    let clause = "The root, the empty key, is always a dictionary";
    equal(kv.exists(root).await.holds(clause)?, Some(Entry::Dictionary), clause)?;
    equal(kv.list(root).await.holds(clause)?, [], clause)
}

/// What cannot be written is an error of its kind, and the store is as it was.
pub async fn refused_sets<K: KvRw>(kv: &K) -> Verdict {
    let before: &[(&str, &[u8])] = &[("d/e/v", b"1"), ("v", b"2")];
    fill(kv, before).await?;
    let dictionary = "Writing a value to a dictionary is ValueExpected";
    let on_the_way = "Writing where a key on the way has a value is DictionaryExpected";
    let table = [("d", ValueExpected, dictionary), ("d/e", ValueExpected, dictionary)];
    let table = table.into_iter().chain([
        ("v/x", DictionaryExpected, on_the_way),
        ("v/x/y", DictionaryExpected, on_the_way),
        ("d/e/v/x", DictionaryExpected, on_the_way),
    ]);
    for (text, kind, clause) in table {
        let key = key(text);
        refused(kv.set(&key, b"x").await, kind, text, clause)?;
        refused(kv.set_partial(&key, 0, b"x").await, kind, text, clause)?;
        refused(kv.update(&key, |_| Some(b"x".to_vec())).await, kind, text, clause)?;
        refused(kv.batch(&[Change::Set(&key, b"x")]).await, kind, text, clause)?;
        contains(kv, before, AS_IT_WAS).await?;
    }
    Ok(())
}

/// Parts of values are written where they should be.
pub async fn set_partial<K: KvRw>(kv: &K) -> Verdict {
    fill(kv, &[("v", b"0123456789"), ("other", b"stays")]).await?;
    let v = key("v");
    let table: [(u64, &[u8], &[u8], &str); 6] = [
        (2, b"ab", b"01ab456789", PARTIAL),
        (0, b"x", b"x1ab456789", "`set_partial` never shrinks the value"),
        (9, b"yz", b"x1ab45678yz", "`set_partial` makes the value grow as needed"),
        (13, b"!", b"x1ab45678yz\0\0!", "A gap that `set_partial` would leave is filled with zeros"),
        (4, b"", b"x1ab45678yz\0\0!", PARTIAL),
        (40, b"", b"x1ab45678yz\0\0!", "No bytes make nothing grow"),
    ];
    for (offset, bytes, expected, clause) in table {
        kv.set_partial(&v, offset, bytes).await.holds(clause)?;
        contains(kv, &[("v", expected), ("other", b"stays")], clause).await?;
    }
    let clause = "To `set_partial`, a key that is not there starts out empty";
    kv.set_partial(&key("new/v"), 2, b"xy").await.holds(clause)?;
    has(kv, "new/v", Some(b"\0\0xy"), clause).await?;

    let clause = "A part that no store has room for is NoSpace";
    refused(kv.set_partial(&v, u64::MAX, b"xy").await, NoSpace, "v", clause)?;
    refused(kv.set_partial(&v, u64::MAX - 8, b"xy").await, NoSpace, "v", clause)?;
    has(kv, "v", Some(b"x1ab45678yz\0\0!"), AS_IT_WAS).await
}

/// A value that is changed is changed from what it was, in one step.
pub async fn update<K: KvRw>(kv: &K) -> Verdict {
    fill(kv, &[("v", b"old"), ("other", b"stays")]).await?;
    let v = key("v");
    let append = |value: Option<Vec<u8>>| Some([&value.unwrap_or_else(|| b"none".to_vec())[..], b"+"].concat());

    let given = kv.update(&v, append).await.holds(UPDATE)?;
    has(kv, "v", Some(b"old+"), UPDATE).await?;
    equal(given.as_deref(), Some(&b"old+"[..]), UPDATE_GIVES)?;

    let given = kv.update(&key("dir/new"), append).await.holds(UPDATE)?;
    has(kv, "dir/new", Some(b"none+"), UPDATE).await?;
    equal(given.as_deref(), Some(&b"none+"[..]), UPDATE_GIVES)?;

    for text in ["v", "dir/new", "nothing/here"] {
        let given = kv.update(&key(text), |_| None).await.holds(UPDATE)?;
        equal(given, None, UPDATE_GIVES)?;
    }
    contains(kv, &[("other", b"stays")], UPDATE).await?;

    let increment = |value: Option<Vec<u8>>| Some(vec![value.map_or(0, |value| value[0]) + 1]);
    let count = key("count");
    let updates = (0..20).map(|_| -> Boxed<'_, _> { alloc::boxed::Box::pin(kv.update(&count, increment)) }).collect();
    for result in join_all(updates).await {
        result.holds(ONE_STEP)?;
    }
    has(kv, "count", Some(&[20]), ONE_STEP).await
}

/// What is removed is gone, and nothing else.
pub async fn remove<K: KvRw>(kv: &K) -> Verdict {
    fill(kv, &[("a", b"1"), ("d/x", b"2"), ("d/e/y", b"3"), ("d!", b"4"), ("d0/z", b"5"), ("e/f/g", b"6")]).await?;
    kv.remove(&key("a")).await.holds(REMOVE)?;
    kv.remove(&key("d")).await.holds(REMOVE)?;
    contains(kv, &[("d!", b"4"), ("d0/z", b"5"), ("e/f/g", b"6")], REMOVE).await?;

    kv.remove(&key("e/f/g")).await.holds(REMOVE)?;
    for gone in ["e/f", "e", "d"] {
        equal(kv.exists(&key(gone)).await.holds(EMPTY)?, None, EMPTY)?;
    }
    kv.set(&key("e"), b"a value now").await.holds("A key whose dictionary is gone can have a value")?;

    let clause = "To remove a key that is not there is no error";
    for absent in ["a", "nothing/here", "e/x", "d!/x/y"] {
        kv.remove(&key(absent)).await.holds(clause)?;
    }
    contains(kv, &[("d!", b"4"), ("d0/z", b"5"), ("e", b"a value now")], clause).await
}
