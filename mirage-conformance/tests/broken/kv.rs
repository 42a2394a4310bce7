use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use mirage_conformance::fakes::{FakeKv, FakeRuntime, FakeStore};
use mirage_conformance::kv::{self, KvRig};
use mirage_conformance::poll::{poll_once, yield_now};
use mirage_sig::{Change, Entry, Key, KvError, KvErrorKind, KvRo, KvRw, MonotonicClock};

use crate::all_are_found;

mod mistakes;
use mistakes::Mistake;

/// A handle that makes a mistake.
struct Broken {
    inner: FakeKv,
    runtime: FakeRuntime,
    mistake: Option<Mistake>,
    shared: Rc<Shared>,
    /// What this handle has read, for those that never look again.
    cache: RefCell<BTreeMap<Key, Vec<u8>>>,
    conflicts: Cell<bool>,
    /// How many writes there were when this handle last read or wrote.
    known: Cell<usize>,
    number: usize,
}

#[derive(Default)]
struct Shared {
    /// Every write there was, as the number of the handle that made it.
    writes: RefCell<Vec<usize>>,
    full: Cell<bool>,
    /// Handles that were opened.
    handles: Cell<usize>,
}

/// An error that can be told to be another one.
#[derive(Debug)]
struct Wrong(KvErrorKind, String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.1)
    }
}

impl std::error::Error for Wrong {}

impl KvError for Wrong {
    fn kind(&self) -> KvErrorKind {
        self.0
    }
}

type Answer<T> = Result<T, Wrong>;

impl Broken {
    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn wrong<E: KvError>(&self, error: E) -> Wrong {
        let kind = match (self.mistake, error.kind()) {
            (Some(Mistake::FullIsCorrupt), KvErrorKind::NoSpace) if self.shared.full.get() => KvErrorKind::Corrupt,
            (_, kind) => kind,
        };
        Wrong(kind, if self.has(Mistake::DoesNotNameTheKey) { "no such thing".into() } else { error.to_string() })
    }

    /// The value of a key, if it has one. Does not count as having read it.
    async fn value(&self, key: &Key) -> Option<Vec<u8>> {
        self.inner.get_partial(key, 0, usize::MAX).await.ok()
    }

    async fn is_dictionary(&self, key: &Key) -> bool {
        self.inner.exists(key).await == Ok(Some(Entry::Dictionary))
    }

    /// Every value within a dictionary, at any depth.
    async fn within(&self, dictionary: &Key) -> Vec<Key> {
        let (mut keys, mut dictionaries) = (Vec::new(), vec![dictionary.clone()]);
        while let Some(next) = dictionaries.pop() {
            for (key, entry) in self.inner.list(&next).await.unwrap_or_default() {
                if entry == Entry::Value { keys.push(key) } else { dictionaries.push(key) }
            }
        }
        keys
    }

    /// What a mistake does before any write.
    async fn before_write(&self, key: &Key) -> Answer<()> {
        let number = self.shared.writes.borrow().len();
        self.shared.writes.borrow_mut().push(self.number);
        match self.mistake {
            Some(Mistake::LaterWritesOvertake) => {
                for _ in 0..4 - number % 4 {
                    yield_now().await;
                }
            }
            Some(Mistake::NeverConflicts) => drop(self.inner.get(key).await),
            Some(Mistake::StaysInConflict) if self.conflicts.get() => {
                return Err(Wrong(KvErrorKind::Conflict, format!("{key} has changed")));
            }
            _ => {}
        }
        Ok(())
    }
}

impl KvRo for Broken {
    type Error = Wrong;

    async fn exists(&self, key: &Key) -> Answer<Option<Entry>> {
        let entry = self.inner.exists(key).await.map_err(|error| self.wrong(error))?;
        match self.mistake {
            Some(Mistake::EmptyRootIsNothing) if key.is_root() && self.within(key).await.is_empty() => Ok(None),
            Some(Mistake::PrefixIsADictionary) if entry.is_none() => {
                let all = self.within(&Key::ROOT).await;
                Ok(all.iter().any(|other| other.as_str().starts_with(key.as_str())).then_some(Entry::Dictionary))
            }
            Some(Mistake::EmptyDictionariesStay) if key.as_str() == "e/f" => Ok(Some(Entry::Dictionary)),
            _ => Ok(entry),
        }
    }

    async fn get(&self, key: &Key) -> Answer<Vec<u8>> {
        if self.has(Mistake::NeverLooksAgain)
            && let Some(value) = self.cache.borrow().get(key)
        {
            return Ok(value.clone());
        }
        if self.has(Mistake::ReadOfNothingIsNone) && self.inner.exists(key).await == Ok(None) {
            let text = format!("{key} is nothing");
            return Err(Wrong(KvErrorKind::NotFound, text));
        }
        let value = self.inner.get(key).await;
        self.known.set(self.shared.writes.borrow().len());
        match (self.mistake, &value) {
            (Some(Mistake::NothingIsEmpty), Err(error)) if error.kind() == KvErrorKind::NotFound => return Ok(vec![]),
            (Some(Mistake::DictionaryIsEmpty), Err(error)) if error.kind() == KvErrorKind::ValueExpected => {
                return Ok(vec![]);
            }
            (Some(Mistake::NeverLooksAgain), Ok(value)) => {
                self.cache.borrow_mut().insert(key.clone(), value.clone());
            }
            _ => {}
        }
        value.map_err(|error| self.wrong(error))
    }

    async fn get_partial(&self, key: &Key, offset: u64, length: usize) -> Answer<Vec<u8>> {
        let size = self.inner.size(key).await.map_err(|error| self.wrong(error))?;
        match self.mistake {
            Some(Mistake::PartMustExist) if offset.saturating_add(length as u64) > size => {
                Err(Wrong(KvErrorKind::Corrupt, format!("{key} is shorter")))
            }
            Some(Mistake::PartGoesToTheEnd) => {
                self.inner.get_partial(key, offset, usize::MAX).await.map_err(|error| self.wrong(error))
            }
            _ => self.inner.get_partial(key, offset, length).await.map_err(|error| self.wrong(error)),
        }
    }

    async fn list(&self, dictionary: &Key) -> Answer<Vec<(Key, Entry)>> {
        let list = self.inner.list(dictionary).await;
        if let Err(error) = &list {
            let kind = error.kind();
            let lists = match self.mistake {
                Some(Mistake::ListsNothing) => kind == KvErrorKind::NotFound,
                Some(Mistake::ListsValues) => kind == KvErrorKind::DictionaryExpected,
                _ => false,
            };
            if lists {
                return Ok(vec![]);
            }
        }
        let mut list = list.map_err(|error| self.wrong(error))?;
        match self.mistake {
            Some(Mistake::ListsByFullText) => {
                let first = |key: &Key, entry: &Entry| match entry {
                    Entry::Value => key.as_str().to_owned(),
                    Entry::Dictionary => format!("{}/", key.as_str()),
                };
                list.sort_by_key(|(key, entry)| first(key, entry));
            }
            Some(Mistake::ListsByUtf16) => list.sort_by_key(|(key, _)| key.as_str().encode_utf16().collect::<Vec<_>>()),
            Some(Mistake::ListsAllDepths) => {
                list = self.within(dictionary).await.into_iter().map(|key| (key, Entry::Value)).collect();
            }
            Some(Mistake::ListsTwice) => list.extend(list.first().cloned()),
            _ => {}
        }
        Ok(list)
    }

    async fn size(&self, key: &Key) -> Answer<u64> {
        let size = self.inner.size(key).await.map_err(|error| self.wrong(error))?;
        Ok(size + u64::from(self.has(Mistake::CountsAnEnd)))
    }

    async fn last_modified(&self, key: &Key) -> Answer<Duration> {
        let date = self.inner.last_modified(key).await.map_err(|error| self.wrong(error))?;
        let boot = self.has(Mistake::DatesFromBoot);
        Ok(if boot { Duration::from_nanos(self.runtime.now().as_nanos()) } else { date })
    }

    async fn digest(&self, key: &Key) -> Answer<[u8; 32]> {
        let mut digest = self.inner.digest(key).await.map_err(|error| self.wrong(error))?;
        if self.has(Mistake::DigestsBackwards) {
            digest.reverse();
        }
        Ok(digest)
    }
}

mod writing;

struct Rig {
    store: FakeStore,
    runtime: FakeRuntime,
    mistake: Option<Mistake>,
    shared: Rc<Shared>,
}

impl Rig {
    fn new(runtime: &FakeRuntime, mistake: Option<Mistake>) -> Self {
        Self { store: FakeStore::new(runtime), runtime: runtime.clone(), mistake, shared: Rc::default() }
    }
}

impl KvRig for Rig {
    type Kv = Broken;
    type Error = Infallible;

    async fn open(&self) -> Result<Broken, Infallible> {
        self.shared.handles.set(self.shared.handles.get() + 1);
        Ok(Broken {
            inner: self.store.handle(),
            runtime: self.runtime.clone(),
            mistake: self.mistake,
            shared: self.shared.clone(),
            cache: RefCell::default(),
            conflicts: Cell::new(false),
            known: Cell::new(0),
            number: self.shared.handles.get(),
        })
    }

    async fn crash(&self) {
        self.store.lose_power();
        if self.mistake == Some(Mistake::CrashTearsABatch) {
            // As if one change of the batch under way had come through.
            let key = Key::new("new").unwrap();
            let kv = self.store.handle();
            if kv.get(&key).await == Ok(b"seven".to_vec()) && self.shared.handles.get() > 2 {
                kv.set(&key, b"half").await.unwrap();
            }
        }
    }

    fn set_full(&self, full: bool) -> bool {
        self.shared.full.set(full);
        self.store.set_full(full)
    }
}

#[test]
fn store() {
    all_are_found(mistakes::ALONE, |runtime, mistake| runtime.run(kv::rw_suite(runtime, &Rig::new(runtime, mistake))));
}

#[test]
fn store_of_two() {
    all_are_found(mistakes::SHARED, |runtime, mistake| runtime.run(kv::shared_suite(&Rig::new(runtime, mistake))));
}

#[test]
fn store_that_can_only_be_read() {
    // The values are there; the suite is told of one more, of one less, and of another value.
    let contents: &[(&str, &[u8])] = &[("a", b"1"), ("d/x", b"2")];
    let wrong: [&[(&str, &[u8])]; 4] =
        [&[("a", b"1"), ("d/x", b"2"), ("d/y", b"3")], &[("a", b"1")], &[("a", b"1"), ("d/x", b"3")], &[]];
    for (claimed, accepted) in wrong.into_iter().map(|wrong| (wrong, false)).chain([(contents, true)]) {
        let runtime = FakeRuntime::new();
        let kv = FakeStore::new(&runtime).handle();
        let verdict = runtime.run(async {
            for (key, value) in contents {
                kv.set(&Key::new(key).unwrap(), value).await.unwrap();
            }
            kv::ro_suite(&kv, claimed).await
        });
        assert_eq!(verdict.unwrap().is_ok(), accepted, "{claimed:?}");
    }
}
