//! Random sequences of all operations, compared with a reference that is too simple to be wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say where")]

mod reference;

use core::cell::Cell;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use mirage_kv::{File, Memory, Static, StoreError};
use mirage_sig::{Change, Key, KvError, KvErrorKind, KvRo, KvRw, WallClock};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use reference::{Path, Reference, Step, Update};
use sha2::{Digest, Sha256};
use std::rc::Rc;

/// Few, so that they meet. `-` comes before `/`, and `0` after it.
const SEGMENTS: [&str; 4] = ["a", "a-b", "a0", "b"];

#[derive(Clone, Default)]
struct Clock(Rc<Cell<u64>>);

impl WallClock for Clock {
    fn unix_time(&self) -> Duration {
        Duration::from_secs(self.0.get())
    }
}

/// The stores of this crate never wait.
fn ready<F: Future>(work: F) -> F::Output {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a store in memory waited"),
    }
}

fn key(path: &Path) -> Key {
    Key::new(&path.join("/")).unwrap()
}

/// All keys that the steps can name.
fn all_keys() -> Vec<Path> {
    let mut keys = vec![Path::new()];
    for at in 0.. {
        let Some(path) = keys.get(at).filter(|path| path.len() < 3).cloned() else { break };
        keys.extend(SEGMENTS.map(|segment| [&path[..], &[segment]].concat()));
    }
    keys
}

fn paths() -> impl Strategy<Value = Path> {
    // Short ones are more likely than in a list of all.
    vec(prop::sample::select(&SEGMENTS[..]), 0..=3)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..10)
}

fn steps() -> impl Strategy<Value = Step> {
    let offsets = prop_oneof![8 => 0_u64..16, 1 => Just(u64::MAX), 1 => Just(u64::MAX - 4)];
    let updates = prop_oneof![
        3 => any::<u8>().prop_map(Update::Append),
        1 => Just(Update::Remove),
        1 => Just(Update::RemoveIfEmpty)
    ];
    let changes = vec((paths(), prop_oneof![3 => bytes().prop_map(Some), 1 => Just(None)]), 0..6);
    prop_oneof![
        6 => (paths(), bytes()).prop_map(|(key, bytes)| Step::Set(key, bytes)),
        3 => (paths(), offsets, bytes()).prop_map(|(key, offset, bytes)| Step::SetPartial(key, offset, bytes)),
        3 => (paths(), updates).prop_map(|(key, update)| Step::Update(key, update)),
        2 => paths().prop_map(Step::Remove),
        5 => (paths(), paths()).prop_map(|(source, dest)| Step::Rename(source, dest)),
        4 => changes.prop_map(Step::Batch),
        1 => (0_usize..120).prop_map(Step::SetCapacity),
        1 => Just(Step::SetCapacity(usize::MAX)),
    ]
}

/// Does the step, and checks that an error's text names a key that was spoken of.
fn step(store: &Memory<Clock>, step: &Step) -> Result<Option<Vec<u8>>, KvErrorKind> {
    let (result, keys) = match step.clone() {
        Step::Set(path, bytes) => (ready(store.set(&key(&path), &bytes)).map(|()| None), vec![path]),
        Step::SetPartial(path, offset, bytes) => {
            (ready(store.set_partial(&key(&path), offset, &bytes)).map(|()| None), vec![path])
        }
        Step::Update(path, update) => (ready(store.update(&key(&path), move |value| update.apply(value))), vec![path]),
        Step::Remove(path) => (ready(store.remove(&key(&path))).map(|()| None), vec![path]),
        Step::Rename(source, dest) => {
            (ready(store.rename(&key(&source), &key(&dest))).map(|()| None), vec![source, dest])
        }
        Step::Batch(changes) => {
            let changes: Vec<_> = changes.into_iter().map(|(path, bytes)| (key(&path), bytes, path)).collect();
            let borrowed: Vec<_> = changes
                .iter()
                .map(|(key, bytes, _)| match bytes {
                    Some(bytes) => Change::Set(key, bytes),
                    None => Change::Remove(key),
                })
                .collect();
            let result = ready(store.batch(&borrowed)).map(|()| None);
            (result, changes.into_iter().map(|(_, _, path)| path).collect())
        }
        Step::SetCapacity(capacity) => {
            store.set_capacity(capacity);
            (Ok(None), vec![])
        }
    };
    result.map_err(|error: StoreError| {
        let text = error.to_string();
        assert!(keys.iter().any(|path| text.contains(&key(path).to_string())), "{text:?} names none of {keys:?}");
        error.kind()
    })
}

/// Asks a store all that can be asked, and compares the answers.
fn compare<S: KvRo>(store: &S, reference: &Reference, keys: &[Path]) {
    for path in keys {
        let key = &key(path);
        assert_eq!(ready(store.exists(key)).map_err(|error| error.kind()), Ok(reference.entry(path)), "{key}");
        let list = ready(store.list(key)).map_err(|error| error.kind());
        let expected = reference.list(path);
        assert_eq!(list, expected.map(|list| list.iter().map(|(path, entry)| (self::key(path), *entry)).collect()));

        let value = reference.value(path);
        let bytes = value.map(|(bytes, _)| bytes.clone());
        assert_eq!(ready(store.get(key)).map_err(|error| error.kind()), bytes, "{key}");
        let size = bytes.as_ref().map(|bytes| bytes.len() as u64).map_err(|kind| *kind);
        assert_eq!(ready(store.size(key)).map_err(|error| error.kind()), size, "{key}");
        let modified = value.map(|(_, modified)| Duration::from_secs(*modified));
        assert_eq!(ready(store.last_modified(key)).map_err(|error| error.kind()), modified, "{key}");
        let digest = bytes.as_ref().map(|bytes| Sha256::digest(bytes).into()).map_err(|kind| *kind);
        assert_eq!(ready(store.digest(key)).map_err(|error| error.kind()), digest, "{key}");
        for (offset, length) in [(0, 3), (2, usize::MAX), (9, 1), (u64::MAX, usize::MAX)] {
            let part = bytes.clone().map(|bytes| {
                bytes.into_iter().enumerate().filter(|(at, _)| *at as u64 >= offset).map(|(_, byte)| byte).take(length)
            });
            let part = part.map(Iterator::collect::<Vec<_>>);
            assert_eq!(ready(store.get_partial(key, offset, length)).map_err(|error| error.kind()), part, "{key}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn memory_does_what_the_reference_does(steps in vec(steps(), 1..40)) {
        let clock = Clock::default();
        let store = Memory::new(clock.clone());
        let mut reference = Reference { values: Default::default(), capacity: usize::MAX };
        let keys = all_keys();
        for (now, next) in steps.iter().enumerate() {
            clock.0.set(now as u64);
            // Handles come and go; the store is one.
            let seen = step(&store.clone(), next);
            assert_eq!(seen, reference.step(next, now as u64), "step {now}: {next:?}");
            assert_eq!(store.used(), reference.used(), "step {now}: {next:?}");
            // To ask for everything takes long. What failed must have changed nothing.
            if seen.is_err() || now + 1 == steps.len() {
                compare(&store, &reference, &keys);
            }
        }
    }

    #[test]
    fn a_table_reads_as_the_reference_does(values in btree_map(paths(), (bytes(), 0_u64..100), 0..30)) {
        let mut reference = Reference { values: Default::default(), capacity: usize::MAX };
        for (path, (bytes, modified)) in values {
            // Some are in the way of others, which a directory could not have either.
            let _ = reference.step(&Step::Set(path, bytes), modified);
        }
        let mut files: Vec<_> = reference.values.iter().map(|(path, (bytes, modified))| File {
            key: path.join("/").leak(),
            bytes: bytes.clone().leak(),
            modified: Duration::from_secs(*modified),
            digest: Sha256::digest(bytes).into(),
        }).collect();
        files.sort_by_key(|file| file.key);
        compare(&Static::new(files.leak()), &reference, &all_keys());
    }
}

#[test]
fn the_alphabet_has_what_orders_differently() {
    let keys = all_keys();
    assert_eq!(keys.len(), 1 + 4 + 16 + 64);
    let (mut by_text, mut by_segments) = (keys.clone(), keys);
    by_text.sort_by_key(|path| path.join("/"));
    by_segments.sort();
    assert_ne!(by_text, by_segments);
}
