//! Several programs that open one store.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use mirage_sig::Change::{Remove, Set};
use mirage_sig::{KvErrorKind, KvRw};

use super::fixture::{Pairs, all, contains, fill, has, key, refused};
use crate::poll::{Boxed, join_all};
use crate::{Holds, Verdict};

const SEEN: &str = "Reads see all writes that had resolved before, those of other programs too";
const CONFLICT: &str = "A write to a key that another has changed since it was last read or written here is Conflict";
const NOTHING: &str = "After a Conflict, nothing was written";
const AGAIN: &str = "After a Conflict, reading the key again makes it possible to write it";
const UNSEEN: &str = "A key not seen here before is written in any case";
const OWN: &str = "Our own writes are no Conflict";
const UPDATE: &str = "`update` is never a Conflict, and changes what is there now";

/// Sets the store to these contents, through a handle that has seen all of it: nobody's write stands in the way.
async fn start<K: KvRw>(kv: &K, contents: Pairs<'_>) -> Verdict {
    all(kv, SEEN).await?;
    for (text, _) in contents {
        // To have read nothing is to have read.
        let _ = kv.get(&key(text)).await;
    }
    fill(kv, contents).await
}

/// What one has written, the other reads.
pub async fn seen_by_both<K: KvRw>(ours: &K, theirs: &K) -> Verdict {
    start(ours, &[("a", b"1"), ("d/x", b"2")]).await?;
    contains(theirs, &[("a", b"1"), ("d/x", b"2")], SEEN).await?;
    theirs.set(&key("a"), b"theirs").await.holds(SEEN)?;
    theirs.rename(&key("d"), &key("e")).await.holds(SEEN)?;
    contains(ours, &[("a", b"theirs"), ("e/x", b"2")], SEEN).await
}

/// Every write to a key that has changed under us is refused, however it changed, until it is read again.
pub async fn conflicts<K: KvRw>(ours: &K, theirs: &K) -> Verdict {
    let mut number = 0;
    for (seen, changed) in [("read", "set"), ("read as nothing", "set"), ("written", "set"), ("read", "removed")] {
        for write in ["set", "set_partial", "remove", "rename from", "rename to", "batch", "batch remove"] {
            // To remove what is gone, or to rename it, may as well be a success or NotFound.
            if changed == "removed" && matches!(write, "remove" | "rename from" | "batch remove") {
                continue;
            }
            // A key that neither has seen.
            number += 1;
            conflict(ours, theirs, &format!("v{number}"), (seen, changed, write)).await?;
        }
    }
    Ok(())
}

async fn conflict<K: KvRw>(ours: &K, theirs: &K, v: &str, (seen, changed, write): (&str, &str, &str)) -> Verdict {
    let (key_v, key_w) = (key(v), key("w"));
    let before: Option<&[u8]> = if seen == "read as nothing" { None } else { Some(b"start") };
    start(theirs, &[("w", b"w")]).await?;
    if let Some(value) = before {
        theirs.set(&key_v, value).await.holds(UNSEEN)?;
    }
    has(ours, v, before, SEEN).await?;
    has(ours, "w", Some(b"w"), SEEN).await?;
    if seen == "written" {
        ours.set(&key_v, b"ours").await.holds(OWN)?;
        has(theirs, v, Some(b"ours"), SEEN).await?;
    }
    let after: Option<&[u8]> = if changed == "set" { Some(b"theirs") } else { None };
    match after {
        Some(value) => theirs.set(&key_v, value).await.holds(OWN)?,
        None => theirs.remove(&key_v).await.holds(OWN)?,
    }

    let result = match write {
        "set" => ours.set(&key_v, b"again").await,
        "set_partial" => ours.set_partial(&key_v, 0, b"again").await,
        "remove" => ours.remove(&key_v).await,
        "rename from" => ours.rename(&key_v, &key_w).await,
        "rename to" => ours.rename(&key_w, &key_v).await,
        "batch" => ours.batch(&[Set(&key_w, b"again"), Set(&key_v, b"again")]).await,
        _ => ours.batch(&[Set(&key_w, b"again"), Remove(&key_v)]).await,
    };
    let named = if write.starts_with("rename") { "" } else { v };
    refused(result, KvErrorKind::Conflict, named, CONFLICT)?;
    has(theirs, v, after, NOTHING).await?;
    has(theirs, "w", Some(b"w"), NOTHING).await?;

    has(ours, v, after, SEEN).await?;
    ours.set(&key_v, b"again").await.holds(AGAIN)?;
    has(theirs, v, Some(b"again"), AGAIN).await
}

/// What is not over another's write is not refused.
pub async fn no_conflict<K: KvRw>(ours: &K, theirs: &K) -> Verdict {
    let [a, b] = [key("a"), key("b")];
    start(theirs, &[("a", b"1"), ("b", b"1")]).await?;
    has(ours, "a", Some(b"1"), SEEN).await?;
    for value in [b"2", b"3"] {
        ours.set(&a, value).await.holds(OWN)?;
    }
    ours.set_partial(&a, 1, b"+").await.holds(OWN)?;
    ours.update(&a, |_| Some(b"4".to_vec())).await.holds(UPDATE)?;
    ours.batch(&[Set(&a, b"5")]).await.holds(OWN)?;
    ours.rename(&a, &key("c")).await.holds(OWN)?;
    ours.set(&key("c"), b"6").await.holds(OWN)?;
    ours.remove(&key("c")).await.holds(OWN)?;

    let clause = "Another's write to one key is no Conflict for a write to another key";
    has(ours, "b", Some(b"1"), SEEN).await?;
    theirs.set(&key("beside"), b"theirs").await.holds(clause)?;
    ours.set(&b, b"ours").await.holds(clause)?;

    theirs.set(&key("unseen"), b"theirs").await.holds(UNSEEN)?;
    ours.set(&key("unseen"), b"ours").await.holds(UNSEEN)?;
    has(theirs, "unseen", Some(b"ours"), UNSEEN).await?;
    contains(theirs, &[("b", b"ours"), ("beside", b"theirs"), ("unseen", b"ours")], UNSEEN).await
}

/// A batch that meets a conflict changes nothing; one that meets none is seen by the other as a whole.
pub async fn whole_batches<K: KvRw>(ours: &K, theirs: &K) -> Verdict {
    let [a, b, c] = [key("a"), key("b"), key("c")];
    start(theirs, &[("a", b"1"), ("b", b"1")]).await?;
    has(ours, "a", Some(b"1"), SEEN).await?;
    has(ours, "b", Some(b"1"), SEEN).await?;
    theirs.set(&b, b"theirs").await.holds(OWN)?;
    let result = ours.batch(&[Set(&a, b"2"), Set(&c, b"2"), Remove(&b)]).await;
    refused(result, KvErrorKind::Conflict, "b", CONFLICT)?;
    contains(theirs, &[("a", b"1"), ("b", b"theirs")], NOTHING).await?;
    has(ours, "b", Some(b"theirs"), SEEN).await?;
    ours.batch(&[Set(&a, b"2"), Set(&c, b"2"), Remove(&b)]).await.holds(AGAIN)?;
    contains(theirs, &[("a", b"2"), ("c", b"2")], SEEN).await
}

/// Updates from both sides all count, and never conflict.
pub async fn updates<K: KvRw>(ours: &K, theirs: &K) -> Verdict {
    start(theirs, &[("v", b"start")]).await?;
    has(ours, "v", Some(b"start"), SEEN).await?;
    theirs.set(&key("v"), b"theirs").await.holds(OWN)?;
    let append = |value: Option<Vec<u8>>| value.map(|value| [&value[..], b"+"].concat());
    ours.update(&key("v"), append).await.holds(UPDATE)?;
    has(theirs, "v", Some(b"theirs+"), UPDATE).await?;
    ours.set(&key("v"), b"ours").await.holds(OWN)?;

    let count = key("count");
    let increment = |value: Option<Vec<u8>>| Some(vec![value.map_or(0, |value| value[0]) + 1]);
    let updates = [ours, theirs].into_iter().cycle().take(20);
    let updates = updates.map(|kv| -> Boxed<'_, _> { Box::pin(kv.update(&count, increment)) }).collect();
    for result in join_all(updates).await {
        result.holds(UPDATE)?;
    }
    has(theirs, "count", Some(&[20]), UPDATE).await?;
    has(ours, "count", Some(&[20]), UPDATE).await
}
