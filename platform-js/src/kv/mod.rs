//! Key-value stores on IndexedDB, one database each: `mirage/<domain>/<store>`.
//!
//! Keys are kept as text in one object store; a dictionary is a common beginning. `set` has reached the disk when it resolves
//! (durability "strict"), and writes under way at once share a transaction (see [`writer`]). Each value carries a random
//! version, by which a store notices that another tab has changed what it last saw; while it is the only writer (see [`lease`]),
//! it need not look.

mod catalogue;
mod checks;
mod database;
mod error;
mod lease;
mod page;
mod procedures;
mod record;
mod request;
mod writer;

pub use error::KvFault;

use std::rc::Rc;
use std::time::Duration;

use mirage_sig::{Change, Context, Entry, Failure, Key, KvErrorKind, KvRo, KvRw};
use sha2::{Digest, Sha256};

use database::Database;
use record::Record;
use request::Transaction;
use writer::{ABSENT, Seen, Writer};

/// Reads, one after the other, that share a transaction.
const READS_MAX: u32 = 32;

/// A key-value store on IndexedDB. Clones are the same store. It is closed when the last of them is dropped.
#[derive(Clone)]
pub struct IndexedDb(Rc<Writer>);

/// The name of a store's database.
pub(crate) fn database_name(domain: &str, store: &str) -> String {
    format!("mirage/{domain}/{store}")
}

impl IndexedDb {
    /// Opens a domain's store of that name, which is made if it is not there.
    pub async fn open(domain: &str, store: &str) -> Result<Self, Failure> {
        let name = database_name(domain, store);
        let database = Database::open(&name).await.context(format!("store {store:?} of {domain:?}"))?;
        Ok(Self(Writer::new(&name, database)))
    }

    /// Closes it now, for all clones.
    pub(crate) fn close(&self) {
        self.0.close();
    }

    fn read(&self) -> Result<Transaction, KvFault> {
        let database = &self.0.database;
        Transaction::read(database.handle()?).map_err(|fault| database.explain(fault))
    }

    fn explain<T>(&self, result: Result<T, KvFault>) -> Result<T, KvFault> {
        result.map_err(|fault| self.0.database.explain(fault))
    }

    /// Asks for `key`: in the transaction of the read before, if it still goes on, as a new one costs as much as the read.
    ///
    /// A write of anybody's waits for it to end, so what is read is never older than what was written; and as it does not go
    /// on for ever, no writer waits long.
    fn ask(&self, key: &Key) -> Result<(Rc<Transaction>, request::Pending), KvFault> {
        if let Some((transaction, left)) = self.0.reader.take()
            && left > 0
            && !self.0.is_busy()
            && !transaction.has_ended()
            && let Ok(request) = transaction.get(key)
        {
            self.0.reader.replace(Some((transaction.clone(), left - 1)));
            return Ok((transaction, request));
        }
        let transaction = Rc::new(self.read()?);
        let request = transaction.get(key)?;
        self.0.reader.replace(Some((transaction.clone(), READS_MAX - 1)));
        Ok((transaction, request))
    }

    /// The record of `key`, or the error that says what is there instead.
    async fn record(&self, key: &Key) -> Result<Record, KvFault> {
        let holding = self.0.lease.holding();
        let (transaction, request) = self.ask(key)?;
        let found = self.explain(request.await)?;
        if let Some(record) = Record::found(key, found)? {
            self.0.saw(key, Seen { version: record.version(), holding });
            return Ok(record);
        }
        self.0.saw(key, Seen { version: ABSENT, holding });
        let dictionary = key.is_root() || !self.explain(transaction.probe_within(key)?.await)?.is_undefined();
        Err(KvFault::at(if dictionary { KvErrorKind::ValueExpected } else { KvErrorKind::NotFound }, key))
    }

    /// All values: whole keys, their sizes, and when they were written, in milliseconds since 1970.
    pub(crate) async fn all(&self) -> Result<Vec<(Key, u32, f64)>, KvFault> {
        let transaction = self.read()?;
        let keys = self.explain(transaction.keys_within(&Key::ROOT).await)?;
        let mut all = Vec::with_capacity(keys.len());
        for key in keys {
            let found = self.explain(transaction.get(&key)?.await)?;
            if let Some(record) = Record::found(&key, found)? {
                all.push((key, record.bytes().length(), record.modified_ms()));
            }
        }
        Ok(all)
    }
}

impl KvRo for IndexedDb {
    type Error = KvFault;

    async fn exists(&self, key: &Key) -> Result<Option<Entry>, KvFault> {
        if key.is_root() {
            return Ok(Some(Entry::Dictionary));
        }
        let transaction = self.read()?;
        let (value, within) = (transaction.probe(key)?, transaction.probe_within(key)?);
        if !self.explain(value.await)?.is_undefined() {
            return Ok(Some(Entry::Value));
        }
        let within = self.explain(within.await)?;
        Ok((!within.is_undefined()).then_some(Entry::Dictionary))
    }

    async fn get(&self, key: &Key) -> Result<Vec<u8>, KvFault> {
        Ok(self.record(key).await?.bytes().to_vec())
    }

    async fn get_partial(&self, key: &Key, offset: u64, length: usize) -> Result<Vec<u8>, KvFault> {
        let bytes = self.record(key).await?.bytes();
        let whole = bytes.length();
        let first = offset.min(u64::from(whole)) as u32;
        let behind = u64::from(first).saturating_add(length as u64).min(u64::from(whole)) as u32;
        Ok(bytes.subarray(first, behind).to_vec())
    }

    async fn list(&self, dictionary: &Key) -> Result<Vec<(Key, Entry)>, KvFault> {
        let transaction = self.read()?;
        let keys = self.explain(transaction.keys_within(dictionary).await)?;
        if keys.is_empty() && !dictionary.is_root() {
            let value = !self.explain(transaction.probe(dictionary)?.await)?.is_undefined();
            let kind = if value { KvErrorKind::DictionaryExpected } else { KvErrorKind::NotFound };
            return Err(KvFault::at(kind, dictionary));
        }
        let depth = dictionary.segments().count();
        let mut entries = Vec::<(Key, Entry)>::new();
        for key in keys {
            let entry = if key.segments().count() == depth + 1 { Entry::Value } else { Entry::Dictionary };
            let mut child = key;
            while child.segments().count() > depth + 1 {
                child = child.parent().unwrap_or_default();
            }
            // IndexedDB sorts by UTF-16, the contract is by bytes: the same but for rare characters, so the place is the end.
            let place = entries.partition_point(|(other, _)| *other < child);
            if entries.get(place).is_none_or(|(other, _)| *other != child) {
                entries.insert(place, (child, entry));
            }
        }
        Ok(entries)
    }

    async fn size(&self, key: &Key) -> Result<u64, KvFault> {
        Ok(u64::from(self.record(key).await?.bytes().length()))
    }

    async fn last_modified(&self, key: &Key) -> Result<Duration, KvFault> {
        let ms = self.record(key).await?.modified_ms();
        Ok(Duration::from_millis(ms as u64))
    }

    async fn digest(&self, key: &Key) -> Result<[u8; 32], KvFault> {
        Ok(Sha256::digest(self.get(key).await?).into())
    }
}

impl KvRw for IndexedDb {
    async fn set(&self, key: &Key, value: &[u8]) -> Result<(), KvFault> {
        self.0.set(key, value).await
    }

    async fn set_partial(&self, key: &Key, offset: u64, bytes: &[u8]) -> Result<(), KvFault> {
        self.0.run(procedures::set_partial(key.clone(), offset, bytes.to_vec())).await
    }

    async fn update<F>(&self, key: &Key, change: F) -> Result<Option<Vec<u8>>, KvFault>
    where
        F: FnOnce(Option<Vec<u8>>) -> Option<Vec<u8>> + 'static,
    {
        let (procedure, result) = procedures::update(key.clone(), change);
        self.0.run(procedure).await?;
        Ok(result.take())
    }

    async fn remove(&self, key: &Key) -> Result<(), KvFault> {
        self.0.run(procedures::batch(vec![(key.clone(), None)])).await
    }

    async fn rename(&self, source: &Key, dest: &Key) -> Result<(), KvFault> {
        self.0.run(procedures::rename(source.clone(), dest.clone())).await
    }

    async fn batch(&self, changes: &[Change<'_>]) -> Result<(), KvFault> {
        let own = changes.iter().map(|change| match change {
            Change::Set(key, value) => ((*key).clone(), Some(value.to_vec())),
            Change::Remove(key) => ((*key).clone(), None),
        });
        let own: Vec<_> = own.collect();
        if own.is_empty() { Ok(()) } else { self.0.run(procedures::batch(own)).await }
    }
}
