//! What a write asks of the store, in its own transaction, before it may be.

use std::rc::Rc;

use mirage_sig::{Key, KvErrorKind};

use super::catalogue::{Catalogue, has, has_within};
use super::error::KvFault;
use super::record::Record;
use super::request::{Handlers, Pending, Transaction};
use super::writer::{ABSENT, Outcome, Writer};

/// Questions whose answers decide whether a write may be.
#[derive(Default)]
pub(super) struct Checks(Vec<Check>);

struct Check {
    key: Key,
    request: Pending,
    wanted: Wanted,
}

enum Wanted {
    /// Nothing there, or else this error.
    Nothing(KvErrorKind),
    /// No value at this key, which is on the way.
    NoValueAt(Key),
    /// A record of that version.
    Version(f64),
}

impl Checks {
    /// As [`before_set`](Self::before_set), outside a procedure: asks nothing that the only writer knows.
    pub fn before_plain_set(&mut self, writer: &Writer, transaction: &Transaction, key: &Key) -> Outcome {
        let catalogue = writer.catalogue.borrow();
        let Catalogue::Whole(keys) = &*catalogue else { return self.before_set(writer, transaction, key) };
        if key.is_root() || has_within(keys, key) {
            return Err(KvFault::at(KvErrorKind::ValueExpected, key));
        }
        if let Some(ancestor) = key.ancestors().find(|ancestor| has(keys, ancestor)) {
            return Err(KvFault::not_within(key, &ancestor));
        }
        self.version(writer, transaction, key)
    }

    /// Asks what must be known before `key` may be set, ahead of the write.
    pub fn before_set(&mut self, writer: &Writer, transaction: &Transaction, key: &Key) -> Outcome {
        if key.is_root() {
            return Err(KvFault::at(KvErrorKind::ValueExpected, key));
        }
        self.version(writer, transaction, key)?;
        if writer.seen(key).is_some_and(|seen| seen.version != ABSENT) {
            // Where a value was seen and still is, there is no dictionary, and nothing above it is a value.
            return Ok(());
        }
        self.ask(key, transaction.probe_within(key)?, Wanted::Nothing(KvErrorKind::ValueExpected));
        for ancestor in key.ancestors() {
            self.ask(key, transaction.probe(&ancestor)?, Wanted::NoValueAt(ancestor));
        }
        Ok(())
    }

    /// Asks whether `key` is still what was last seen of it, if it was seen, and others may have written since.
    pub fn version(&mut self, writer: &Writer, transaction: &Transaction, key: &Key) -> Outcome {
        let Some(seen) = writer.seen(key) else { return Ok(()) };
        if seen.holding != 0 && seen.holding == writer.lease.holding() {
            return Ok(());
        }
        match seen.version {
            ABSENT => self.ask(key, transaction.probe(key)?, Wanted::Nothing(KvErrorKind::Conflict)),
            version => self.ask(key, transaction.get(key)?, Wanted::Version(version)),
        }
        Ok(())
    }

    fn ask(&mut self, key: &Key, request: Pending, wanted: Wanted) {
        self.0.push(Check { key: key.clone(), request, wanted });
    }

    /// Waits for the answers.
    pub async fn passed(self) -> Outcome {
        self.passed_then(&Handlers::new(), || ()).await
    }

    /// The same; if all is well, `go` is called in the very event of the last answer.
    pub async fn passed_then(self, handlers: &Rc<Handlers>, go: impl FnOnce() + 'static) -> Outcome {
        // Requests end in order: once the last has, the others need not be waited for one by one.
        let Some(last) = self.0.last().map(|check| check.request.request().clone()) else {
            go();
            return Ok(());
        };
        let verdict = move || {
            self.0.iter().try_for_each(Check::verdict)?;
            go();
            Ok(())
        };
        // It cannot have ended before control went back to the event loop.
        handlers.ended(&last, verdict).await.unwrap_or(Ok(()))
    }
}

impl Check {
    fn verdict(&self) -> Outcome {
        let found = self.request.outcome()?;
        match &self.wanted {
            Wanted::Nothing(_) | Wanted::NoValueAt(_) if found.is_undefined() => Ok(()),
            Wanted::Nothing(error) => Err(KvFault::at(*error, &self.key)),
            Wanted::NoValueAt(ancestor) => Err(KvFault::not_within(&self.key, ancestor)),
            Wanted::Version(version) => match Record::found(&self.key, found)? {
                Some(record) if record.version() == *version => Ok(()),
                _ => Err(KvFault::at(KvErrorKind::Conflict, &self.key)),
            },
        }
    }
}
