//! Writes that read first. Each runs in a transaction of its own, and awaits nothing but that transaction's requests; an error
//! takes the whole transaction back, and what was noted of versions with it.

use std::cell::RefCell;
use std::rc::Rc;

use mirage_sig::{Key, KvErrorKind};

use super::checks::Checks;
use super::error::KvFault;
use super::record::Record;
use super::request::Transaction;
use super::writer::{ABSENT, Outcome, Procedure, Writer};

/// The largest value: what a typed array can hold in every browser.
const VALUE_BYTES_MAX: u64 = i32::MAX as u64;

/// Checks that `key` may be set, and sets it.
async fn set(writer: &Writer, transaction: &Transaction, key: &Key, value: &[u8]) -> Result<f64, KvFault> {
    let mut checks = Checks::default();
    checks.before_set(writer, transaction, key)?;
    checks.passed().await?;
    let record = Record::new(value);
    transaction.put(key, &record)?;
    Ok(record.version())
}

/// What `key` has now. Whatever was seen of it before is out of date from here on, which is no conflict for a write that
/// reads in its own transaction.
async fn current(writer: &Writer, transaction: &Transaction, key: &Key) -> Result<Option<Record>, KvFault> {
    let found = Record::found(key, transaction.get(key)?.await?)?;
    writer.note(key, found.as_ref().map_or(ABSENT, Record::version));
    Ok(found)
}

pub(super) fn set_partial(key: Key, offset: u64, bytes: Vec<u8>) -> Procedure {
    Box::new(move |writer: Rc<Writer>, transaction: Rc<Transaction>| {
        Box::pin(async move {
            let end = offset.saturating_add(bytes.len() as u64);
            if end > VALUE_BYTES_MAX {
                return Err(KvFault::at(KvErrorKind::NoSpace, &key));
            }
            // First as a plain write would be checked: against what others have done since.
            let mut checks = Checks::default();
            checks.before_set(&writer, &transaction, &key)?;
            checks.passed().await?;
            let mut value = current(&writer, &transaction, &key).await?.map_or(Vec::new(), |old| old.bytes().to_vec());
            if !bytes.is_empty() {
                value.resize(value.len().max(end as usize), 0);
                value[offset as usize..end as usize].copy_from_slice(&bytes);
            }
            let record = Record::new(&value);
            transaction.put(&key, &record)?;
            writer.note(&key, record.version());
            Ok(())
        })
    })
}

pub(super) fn update<F>(key: Key, change: F) -> (Procedure, Rc<RefCell<Option<Vec<u8>>>>)
where
    F: FnOnce(Option<Vec<u8>>) -> Option<Vec<u8>> + 'static,
{
    let result = Rc::<RefCell<Option<Vec<u8>>>>::default();
    let filled = result.clone();
    let procedure: Procedure = Box::new(move |writer: Rc<Writer>, transaction: Rc<Transaction>| {
        Box::pin(async move {
            if key.is_root() {
                return Err(KvFault::at(KvErrorKind::ValueExpected, &key));
            }
            let old = current(&writer, &transaction, &key).await?;
            if old.is_none() {
                let mut checks = Checks::default();
                checks.before_set(&writer, &transaction, &key)?;
                checks.passed().await?;
            }
            let new = change(old.map(|record| record.bytes().to_vec()));
            match &new {
                Some(value) => {
                    let record = Record::new(value);
                    transaction.put(&key, &record)?;
                    writer.note(&key, record.version());
                }
                None => {
                    transaction.delete(&key)?;
                    writer.note(&key, ABSENT);
                }
            }
            filled.replace(new);
            Ok(())
        })
    });
    (procedure, result)
}

/// Sets the keys that have a value here, removes the others.
pub(super) fn batch(changes: Vec<(Key, Option<Vec<u8>>)>) -> Procedure {
    Box::new(move |writer: Rc<Writer>, transaction: Rc<Transaction>| {
        Box::pin(async move {
            for (key, value) in &changes {
                match value {
                    Some(value) => {
                        let version = set(&writer, &transaction, key, value).await?;
                        writer.note(key, version);
                    }
                    None => remove(&writer, &transaction, key).await?,
                }
            }
            Ok(())
        })
    })
}

async fn remove(writer: &Writer, transaction: &Transaction, key: &Key) -> Outcome {
    if !key.is_root() {
        let mut checks = Checks::default();
        checks.version(writer, transaction, key)?;
        checks.passed().await?;
        transaction.delete(key)?;
    }
    transaction.delete_within(key)?;
    writer.note(key, ABSENT);
    writer.note_gone_within(key);
    Ok(())
}

pub(super) fn rename(source: Key, dest: Key) -> Procedure {
    Box::new(move |writer: Rc<Writer>, transaction: Rc<Transaction>| {
        Box::pin(async move {
            let mut checks = Checks::default();
            for key in [&source, &dest] {
                checks.version(&writer, &transaction, key)?;
            }
            checks.passed().await?;
            let value = if source.is_root() { None } else { current(&writer, &transaction, &source).await? };
            let within = match &value {
                Some(_) => Vec::new(),
                None => transaction.keys_within(&source).await?,
            };
            if value.is_none() && within.is_empty() && !source.is_root() {
                return Err(KvFault::at(KvErrorKind::NotFound, &source));
            }
            if source == dest {
                return Ok(());
            }
            if dest.is_within(&source) {
                return Err(KvFault::at(KvErrorKind::RenameIntoItself, &dest));
            }
            if dest.is_root() || !transaction.probe_within(&dest)?.await?.is_undefined() {
                return Err(KvFault::at(KvErrorKind::ValueExpected, &dest));
            }
            for ancestor in dest.ancestors() {
                if !transaction.probe(&ancestor)?.await?.is_undefined() {
                    return Err(KvFault::not_within(&dest, &ancestor));
                }
            }
            let at_dest = current(&writer, &transaction, &dest).await?;
            match value {
                Some(record) => {
                    transaction.delete(&source)?;
                    let moved = record.moved();
                    transaction.put(&dest, &moved)?;
                    writer.note(&source, ABSENT);
                    writer.note(&dest, moved.version());
                }
                None if at_dest.is_some() => return Err(KvFault::at(KvErrorKind::DictionaryExpected, &dest)),
                None => {
                    for key in within {
                        let Some(record) = Record::found(&key, transaction.get(&key)?.await?)? else { continue };
                        let tail = key.as_str().strip_prefix(source.as_str()).unwrap_or_default();
                        let target = dest
                            .join(tail)
                            .map_err(|error| KvFault::at(KvErrorKind::NoSpace, &key).with_detail(error.to_string()))?;
                        let moved = record.moved();
                        transaction.put(&target, &moved)?;
                        writer.note(&target, moved.version());
                    }
                    transaction.delete_within(&source)?;
                    writer.note_gone_within(&source);
                }
            }
            Ok(())
        })
    })
}
