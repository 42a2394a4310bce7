//! Batches, order, and writes that are whole whatever happens.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;

use mirage_sig::Change::{Remove, Set};
use mirage_sig::KvErrorKind::{DictionaryExpected, NoSpace, ValueExpected};
use mirage_sig::{Change, Key, KvRw};

use super::fixture::{Pairs, all, contains, fill, has, key, refused};
use super::{KvRig, open};
use crate::poll::{Boxed, join, join_all, peek, poll_once, yield_now};
use crate::{Holds, Verdict, ensure};

const BATCH: &str = "`batch` makes all changes, in their order";
const NONE: &str = "`batch` makes all changes or none";
const ORDER: &str = "Writes to one key take effect in the order in which their futures were first polled";
const PART: &str = "Reads see all writes that had resolved before, and never part of a write";
const WHOLE: &str = "Each write is there completely or not at all, also after a dropped future";
const DURABLE: &str = "When a write resolves, it survives a crash";
const FULL: &str = "A write to a full store is NoSpace, and nothing was written";

/// A batch does what its changes would do one after the other.
pub async fn batches<K: KvRw>(kv: &K) -> Verdict {
    let before: Pairs<'_> = &[("v", b"1"), ("d/x", b"2"), ("d/y", b"3")];
    let [v, d, d_x, v_a, new, root] = [key("v"), key("d"), key("d/x"), key("v/a"), key("n/w"), Key::ROOT];
    let table: [(&[Change<'_>], Pairs<'_>, &str); 7] = [
        (&[], before, "An empty batch does nothing"),
        (&[Set(&v, b"a"), Set(&new, b"b"), Remove(&d_x)], &[("v", b"a"), ("n/w", b"b"), ("d/y", b"3")], BATCH),
        (&[Set(&v, b"a"), Set(&v, b"b")], &[("v", b"b"), ("d/x", b"2"), ("d/y", b"3")], BATCH),
        (&[Set(&new, b"a"), Remove(&new), Remove(&new)], before, BATCH),
        (&[Remove(&v), Set(&v_a, b"a")], &[("v/a", b"a"), ("d/x", b"2"), ("d/y", b"3")], BATCH),
        (&[Remove(&d), Set(&d_x, b"a")], &[("v", b"1"), ("d/x", b"a")], BATCH),
        (&[Set(&new, b"a"), Remove(&root), Set(&d, b"b")], &[("d", b"b")], BATCH),
    ];
    for (changes, after, clause) in table {
        fill(kv, before).await?;
        kv.batch(changes).await.holds(clause)?;
        contains(kv, after, clause).await?;
    }
    Ok(())
}

/// A batch of which one change fails changes nothing, and fails as that change does.
pub async fn refused_batches<K: KvRw>(kv: &K) -> Verdict {
    let first = "The error of a batch is that of the first change that failed";
    let before: Pairs<'_> = &[("v", b"1"), ("d/x", b"2")];
    let [v, d, v_a, new, new_a] = [key("v"), key("d"), key("v/a"), key("n"), key("n/a")];
    fill(kv, before).await?;
    let table: [(&[Change<'_>], _, _); 4] = [
        (&[Set(&new, b"a"), Set(&d, b"b"), Set(&v_a, b"c")], ValueExpected, "d"),
        (&[Remove(&d), Set(&v, b"a"), Set(&v_a, b"c"), Set(&Key::ROOT, b"d")], DictionaryExpected, "v/a"),
        (&[Set(&new, b"a"), Set(&new_a, b"b")], DictionaryExpected, "n/a"),
        (&[Set(&new_a, b"a"), Set(&new, b"b")], ValueExpected, "n"),
    ];
    for (changes, kind, named) in table {
        refused(kv.batch(changes).await, kind, named, first)?;
        contains(kv, before, NONE).await?;
    }
    Ok(())
}

/// Writes to one key follow one another, of whatever sort they are.
pub async fn order<K: KvRw>(kv: &K) -> Verdict {
    fill(kv, &[]).await?;
    let [v, w] = [key("v"), key("w")];
    let numbers: Vec<[u8; 1]> = (0..32).map(|number| [number]).collect();
    let sets = numbers.iter().map(|number| -> Boxed<'_, _> { Box::pin(kv.set(&v, number)) }).collect();
    for result in join_all(sets).await {
        result.holds(ORDER)?;
    }
    has(kv, "v", Some(&[31]), ORDER).await?;

    // Each step needs the one before.
    let change = [Set(&v, b"batch")];
    let append = |value: Option<Vec<u8>>| value.map(|value| [&value[..], b"+"].concat());
    let steps: Vec<Boxed<'_, Result<(), K::Error>>> = vec![
        Box::pin(kv.remove(&v)),
        Box::pin(kv.set_partial(&v, 1, b"a")),
        Box::pin(async { kv.update(&v, append).await.map(drop) }),
        Box::pin(kv.rename(&v, &w)),
        Box::pin(kv.batch(&change)),
        Box::pin(kv.set_partial(&v, 5, b"!")),
        Box::pin(kv.set_partial(&w, 0, b"b")),
    ];
    for result in join_all(steps).await {
        result.holds(ORDER)?;
    }
    contains(kv, &[("v", b"batch!"), ("w", b"ba+")], ORDER).await?;

    // What counts is the first poll, not when the future was made.
    let (early, late) = (kv.set(&v, b"made first"), kv.set(&v, b"polled first"));
    let (late, early) = join(late, early).await;
    late.holds(ORDER)?;
    early.holds(ORDER)?;
    has(kv, "v", Some(b"made first"), ORDER).await
}

/// Who reads while others write sees all of a write or nothing.
pub async fn never_part_of_a_write<K: KvRw>(kv: &K) -> Verdict {
    fill(kv, &[("d/a/x", b"1"), ("d/a/y", b"2")]).await?;
    let [a, b, d] = [key("d/a"), key("d/b"), key("d")];
    let [a_x, b_x] = [key("d/a/x"), key("d/b/x")];
    let done = Cell::new(false);
    let write = async {
        for _ in 0..5 {
            kv.rename(&a, &b).await?;
            kv.rename(&b, &a).await?;
            kv.batch(&[Remove(&a), Set(&b_x, b"1")]).await?;
            kv.batch(&[Remove(&b), Set(&a_x, b"1")]).await?;
        }
        Ok::<(), K::Error>(())
    };
    let write = async {
        let result = write.await;
        done.set(true);
        result.holds(PART)
    };
    let read = async {
        while !done.get() {
            let list = kv.list(&d).await.holds(PART)?;
            ensure(list.len() == 1, PART, || format!("in the middle of a write, list gave {list:?}"))?;
            yield_now().await;
        }
        Ok(())
    };
    let (write, read) = join(write, read).await;
    write.and(read)?;

    let lengths = [b"short".to_vec(), vec![b'x'; 5_000]];
    for value in lengths.iter().cycle().take(6) {
        let (write, read) = join(kv.set(&a_x, value), kv.get(&a_x)).await;
        write.holds(PART)?;
        let seen = read.holds(PART)?;
        let whole = seen == b"1" || lengths.contains(&seen);
        ensure(whole, PART, || format!("in the middle of a write, get gave {} bytes", seen.len()))?;
        has(kv, "d/a/x", Some(value), PART).await?;
    }
    Ok(())
}

/// A write that is dropped has taken effect as a whole or not, and what comes later comes later.
pub async fn dropped<K: KvRw>(kv: &K) -> Verdict {
    let before: Pairs<'_> = &[("a", b"old"), ("d/b", b"old")];
    let [a, b, c, d, e] = [key("a"), key("d/b"), key("c"), key("d"), key("e")];
    for step in 0..6 {
        fill(kv, before).await?;
        let after: Pairs<'_> = match step {
            0 => &[("a", b"new"), ("d/b", b"old")],
            1 => &[("a", b"o--"), ("d/b", b"old")],
            2 => &[("a", b"newer"), ("d/b", b"old")],
            3 => &[("a", b"old")],
            4 => &[("a", b"old"), ("e/b", b"old")],
            _ => &[("c", b"new"), ("d/b", b"new")],
        };
        let changes = [Remove(&a), Set(&b, b"new"), Set(&c, b"new")];
        match step {
            0 => drop(poll_once(kv.set(&a, b"new")).await),
            1 => drop(poll_once(kv.set_partial(&a, 1, b"--")).await),
            2 => drop(poll_once(kv.update(&a, |_| Some(b"newer".to_vec()))).await),
            3 => drop(poll_once(kv.remove(&d)).await),
            4 => drop(poll_once(kv.rename(&d, &e)).await),
            _ => drop(poll_once(kv.batch(&changes)).await),
        }
        if step < 3 {
            let now = kv.get(&a).await.holds(WHOLE)?;
            let whole = now == b"old" || after.iter().any(|(key, value)| *key == "a" && *value == now);
            ensure(whole, WHOLE, || {
                format!("after a dropped write, the value is {:?}", String::from_utf8_lossy(&now))
            })?;
        }
        // Written after it, so it is the last word on this key, and by now the dropped one is done with or never was.
        kv.set(&a, b"later").await.holds(ORDER)?;
        has(kv, "a", Some(b"later"), ORDER).await?;
        kv.set(&key("marker"), b"").await.holds(WHOLE)?;
        let rest = |pairs: Pairs<'_>| -> Vec<_> {
            let others = pairs.iter().filter(|(key, _)| *key != "a");
            let mut rest: Vec<_> = others.map(|(key, value)| ((*key).into(), value.to_vec())).collect();
            rest.extend([("a".into(), b"later".to_vec()), ("marker".into(), Vec::new())]);
            rest.sort();
            rest
        };
        let seen = all(kv, WHOLE).await?;
        ensure(seen == rest(before) || seen == rest(after), WHOLE, || format!("after a dropped write: {seen:?}"))?;
    }

    // Never polled, never written.
    fill(kv, before).await?;
    drop(kv.set(&a, b"never"));
    contains(kv, before, "A write that was never polled writes nothing").await
}

/// A store that is full says so, and holds what it held.
pub async fn full<K: KvRw, R: KvRig>(kv: &K, rig: &R) -> Verdict {
    let before: Pairs<'_> = &[("a", b"1"), ("d/x", b"2")];
    fill(kv, before).await?;
    if !rig.set_full(true) {
        return Ok(());
    }
    let [a, new] = [key("a"), key("new")];
    refused(kv.set(&new, b"more").await, NoSpace, "new", FULL)?;
    refused(kv.set_partial(&a, 1, b"more").await, NoSpace, "a", FULL)?;
    refused(kv.update(&a, |_| Some(b"more".to_vec())).await, NoSpace, "a", FULL)?;
    refused(kv.batch(&[Remove(&a), Set(&new, b"some more")]).await, NoSpace, "", FULL)?;
    contains(kv, before, FULL).await?;
    rig.set_full(false);
    kv.set(&new, b"more").await.holds("A store that has room again can be written")?;
    contains(kv, &[("a", b"1"), ("d/x", b"2"), ("new", b"more")], FULL).await
}

/// What a write promised is there after a crash that comes right behind it.
pub async fn durable<R: KvRig>(rig: &R) -> Verdict {
    let before: Pairs<'_> = &[("a", b"1"), ("d/x", b"2"), ("v", b"abc")];
    let [a, d, new, v] = [key("a"), key("d"), key("new"), key("v")];
    for step in 0..6 {
        let kv = open(rig).await?;
        fill(&kv, before).await?;
        let after: Pairs<'_> = match step {
            0 => &[("a", b"one"), ("d/x", b"2"), ("v", b"abc")],
            1 => &[("a", b"1"), ("d/x", b"2"), ("v", b"abCD")],
            2 => &[("a", b"1"), ("d/x", b"2"), ("v", b"seven")],
            3 => &[("a", b"1"), ("v", b"abc")],
            4 => &[("a", b"1"), ("new/x", b"2"), ("v", b"abc")],
            _ => &[("a", b"5"), ("d", b"6"), ("v", b"abc")],
        };
        let result = match step {
            0 => kv.set(&a, b"one").await,
            1 => kv.set_partial(&v, 2, b"CD").await,
            2 => kv.update(&v, |_| Some(b"seven".to_vec())).await.map(drop),
            3 => kv.remove(&d).await,
            4 => kv.rename(&d, &new).await,
            _ => kv.batch(&[Set(&a, b"5"), Remove(&d), Set(&d, b"6")]).await,
        };
        result.holds(DURABLE)?;
        rig.crash().await;
        drop(kv);
        contains(&open(rig).await?, after, DURABLE).await?;
    }
    Ok(())
}

/// What was under way when the machine crashed is there as a whole or not at all.
pub async fn crashed<R: KvRig>(rig: &R) -> Verdict {
    let clause = "Each write is there completely or not at all, also after a crash";
    let [a, new, v] = [key("a"), key("new"), key("v")];
    let kv = open(rig).await?;
    fill(&kv, &[("a", b"1"), ("new", b"seven"), ("v", b"abc")]).await?;
    let changes = [Remove(&a), Set(&new, b"half"), Set(&v, b"half")];
    let mut batch = Box::pin(kv.batch(&changes));
    peek(batch.as_mut()).await;
    rig.crash().await;
    drop(batch);
    drop(kv);
    let kv = open(rig).await?;
    // Waits for its turn behind what may still be under way.
    kv.set(&key("marker"), b"").await.holds(clause)?;
    kv.remove(&key("marker")).await.holds(clause)?;
    let seen = all(&kv, clause).await?;
    let halves = seen.iter().filter(|(_, value)| value == b"half").count();
    let whole = if seen.iter().any(|(key, _)| key == "a") { halves == 0 } else { halves == 2 };
    ensure(whole, clause, || format!("after a crash within a batch: {seen:?}"))
}
