//! What neither the conformance suite nor random sequences reach.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say where")]

use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use mirage_kv::{File, Memory, Static, StoreError};
use mirage_sig::{Change, Entry, Key, KvError, KvErrorKind, KvRo, KvRw, WallClock};

#[derive(Clone, Copy)]
struct Epoch;

impl WallClock for Epoch {
    fn unix_time(&self) -> Duration {
        Duration::ZERO
    }
}

fn ready<F: Future>(work: F) -> F::Output {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a store in memory waited"),
    }
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

#[test]
fn dictionaries_with_names_so_long_that_little_fits_inside() {
    for length in 1021..=1024 {
        let store = Memory::new(Epoch);
        let long = key(&"k".repeat(length));
        let beside = long.as_str()[1..].to_owned();
        // Keys that come just before and just after those inside.
        for name in [format!("{beside}-"), format!("{beside}0"), beside] {
            ready(store.set(&key(&name), b"beside")).unwrap();
        }
        match long.join("x") {
            Ok(inside) => {
                ready(store.set(&inside, b"inside")).unwrap();
                assert_eq!(ready(store.exists(&long)), Ok(Some(Entry::Dictionary)));
                assert_eq!(ready(store.list(&long)), Ok(vec![(inside.clone(), Entry::Value)]));
                assert_eq!(ready(store.list(&Key::ROOT)).unwrap().len(), 4);
                ready(store.remove(&long)).unwrap();
                assert_eq!(ready(store.exists(&inside)), Ok(None));
            }
            Err(_) => {
                assert!(length >= 1023);
                ready(store.set(&long, b"a value")).unwrap();
                assert_eq!(ready(store.exists(&long)), Ok(Some(Entry::Value)));
                assert_eq!(ready(store.list(&Key::ROOT)).unwrap().len(), 4);
            }
        }
        assert_eq!(ready(store.list(&Key::ROOT)).unwrap().iter().filter(|(key, _)| *key != long).count(), 3);
    }
}

#[test]
fn a_rename_that_would_make_keys_too_long_changes_nothing() {
    let store = Memory::new(Epoch);
    let inside = key(&format!("d/{}", "k".repeat(1000)));
    ready(store.set(&key("d/a"), b"1")).unwrap();
    ready(store.set(&inside, b"2")).unwrap();
    let dest = key(&"e".repeat(30));
    let error = ready(store.rename(&key("d"), &dest)).unwrap_err();
    assert_eq!(error, StoreError::KeyTooLong { key: inside.clone(), dest: dest.clone() });
    assert_eq!(error.kind(), KvErrorKind::NoSpace);
    assert_eq!(ready(store.get(&inside)).unwrap(), b"2");
    assert_eq!(ready(store.exists(&dest)), Ok(None));
    ready(store.rename(&key("d"), &key("e"))).unwrap();
}

#[test]
fn no_capacity_is_no_reason_to_die_of_a_giant() {
    let store = Memory::new(Epoch);
    ready(store.set(&key("v"), b"value")).unwrap();
    for offset in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 2, 1 << 60] {
        for name in ["v", "new"] {
            let error = ready(store.set_partial(&key(name), offset, b"!")).unwrap_err();
            assert_eq!(error.kind(), KvErrorKind::NoSpace, "{error}");
        }
    }
    assert_eq!(ready(store.get(&key("v"))).unwrap(), b"value");
    assert_eq!(ready(store.exists(&key("new"))), Ok(None));
    assert_eq!(store.used(), "vvalue".len());
}

#[test]
fn what_update_is_given_may_use_the_store() {
    let store = Memory::new(Epoch);
    let (inner, k) = (store.clone(), key("k"));
    let given = ready(store.update(&k, move |value| {
        assert_eq!(value, None);
        ready(inner.set(&key("k/x"), b"in the way")).unwrap();
        Some(b"late".to_vec())
    }));
    assert_eq!(given.unwrap_err().kind(), KvErrorKind::ValueExpected);
    let inner = store.clone();
    // It removes what it was given, and that is nothing any more.
    ready(store.update(&key("v"), move |_| {
        ready(inner.set(&key("v/x"), b"stays")).unwrap();
        None
    }))
    .unwrap();
    assert_eq!(ready(store.get(&key("v/x"))).unwrap(), b"stays");
}

#[test]
fn update_does_not_ask_for_a_value_that_could_not_be_written() {
    let store = Memory::new(Epoch);
    ready(store.set(&key("d/v"), b"1")).unwrap();
    for text in ["", "d", "d/v/x"] {
        ready(store.update(&key(text), |_| panic!("asked in vain"))).unwrap_err();
    }
}

#[test]
fn a_store_over_its_capacity_can_shrink_but_not_grow() {
    let store = Memory::with_capacity(Epoch, 100);
    let v = key("v");
    ready(store.set(&v, &[1; 99])).unwrap();
    store.set_capacity(10);
    assert_eq!(ready(store.set(&key("w"), b"")), Err(StoreError::NoSpace { key: key("w"), needed: 1, free: 0 }));
    ready(store.set(&v, &[2; 50])).unwrap();
    ready(store.set(&v, &[3; 51])).unwrap_err();
    ready(store.batch(&[Change::Remove(&v), Change::Set(&key("w"), &[4; 9])])).unwrap();
    assert_eq!(store.used(), 10);
}

#[test]
fn a_rename_counts_what_it_replaces() {
    let store = Memory::with_capacity(Epoch, 8);
    ready(store.set(&key("a"), b"1234")).unwrap();
    ready(store.set(&key("bb"), b"5")).unwrap();
    ready(store.rename(&key("a"), &key("bb"))).unwrap();
    assert_eq!(store.used(), 6);
    assert_eq!(
        ready(store.rename(&key("bb"), &key("ccccc"))),
        Err(StoreError::NoSpace { key: key("ccccc"), needed: 3, free: 2 })
    );
    assert_eq!(ready(store.get(&key("bb"))).unwrap(), b"1234");
}

#[test]
fn errors_say_what_happened_to_what_and_what_to_do() {
    let store = Memory::with_capacity(Epoch, 20);
    ready(store.set(&key("d/v"), b"1")).unwrap();
    let texts = [
        (ready(store.get(&key("x"))).map(drop), "/x: nothing has this key: look for it with list, or set it first"),
        (
            ready(store.get(&key("d"))).map(drop),
            "/d is a dictionary, not a value: name a key in it, or remove it first",
        ),
        (ready(store.set(&Key::ROOT, b"")), "/ is the root, which has no value of its own: name a key in it"),
        (ready(store.list(&key("d/v"))).map(drop), "/d/v is a value, not a dictionary: get it, or remove it first"),
        (
            ready(store.set(&key("d/v/w"), b"")),
            "/d/v/w: /d/v on the way to it is a value, not a dictionary: remove that, or use another key",
        ),
        (
            ready(store.rename(&key("d"), &key("d/e"))),
            "/d cannot be renamed to /d/e, which lies inside it: use a name outside of it",
        ),
        (
            ready(store.set(&key("w"), &[0; 16])),
            "/w: needs 17 more bytes, and 16 are free: remove something, or enlarge the store",
        ),
    ];
    for (result, text) in texts {
        assert_eq!(result.unwrap_err().to_string(), text);
    }
}

#[test]
fn debug_shows_no_values() {
    let store = Memory::new(Epoch);
    ready(store.set(&key("password"), b"secret")).unwrap();
    assert_eq!(format!("{store:?}"), "Memory { used: 14, .. }");
}

const fn file(key: &'static str) -> File {
    File { key, bytes: b"", modified: Duration::ZERO, digest: [0; 32] }
}

#[test]
#[should_panic(expected = "in the order of their keys")]
fn a_table_out_of_order_is_refused() {
    static FILES: [File; 2] = [file("b"), file("a")];
    let _ = Static::new(&FILES);
}

#[test]
#[should_panic(expected = "each key once")]
fn a_table_with_one_key_twice_is_refused() {
    static FILES: [File; 2] = [file("a"), file("a")];
    let _ = Static::new(&FILES);
}

#[test]
fn a_table_with_names_that_are_no_keys_says_so() {
    static TABLES: [[File; 1]; 4] = [[file("")], [file("/a")], [file("..")], [file("a\n/b")]];
    for table in &TABLES {
        let error = ready(Static::new(table).list(&Key::ROOT)).unwrap_err();
        assert_eq!(error.kind(), KvErrorKind::Corrupt);
        assert_eq!(error, StoreError::NotAKey(table[0].key.into()));
    }
}
