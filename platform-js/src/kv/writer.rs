//! Writes: a queue, and one transaction at a time.
//!
//! A transaction with a commit to disk costs a millisecond or more, whatever is in it, so all plain writes that wait while one
//! is under way go into the next one together. They are issued at once, checks and all, without waiting for one another. If
//! any of them fails, the whole transaction is taken back, and its writes are done again one by one, so that each has its own
//! result: rare, slow, and simple.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use mirage_sig::Key;

use super::catalogue::{Catalogue, KEYS_MAX};
use super::checks::Checks;
use super::database::Database;
use super::error::KvFault;
use super::lease::Lease;
use super::record::Record;
use super::request::{Ends, Handlers, Transaction};
use super::seen::{Memory, Seen};
use crate::spawn::detached;

/// Writes that wait for their transaction; the next ones wait for room.
pub(super) const QUEUE_MAX: usize = 1_024;

/// The version of a key without a value. Those of values are not negative.
pub(super) const ABSENT: f64 = -1.0;

pub(super) type Outcome = Result<(), KvFault>;

/// A write that needs a transaction of its own, because it reads before it writes.
pub(super) type Procedure = Box<dyn FnOnce(Rc<Writer>, Rc<Transaction>) -> Pin<Box<dyn Future<Output = Outcome>>>>;

enum Work {
    Set { key: Key, record: Record },
    Procedure(Procedure),
}

struct Job {
    work: Work,
    ticket: Rc<Ticket>,
}

/// Tells a writer how its write ended.
#[derive(Default)]
struct Ticket {
    outcome: RefCell<Option<Outcome>>,
    waiter: RefCell<Option<Waker>>,
}

impl Ticket {
    fn settle(&self, outcome: Outcome) {
        self.outcome.replace(Some(outcome));
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }
}

/// A store's writing side.
pub(super) struct Writer {
    pub database: Database,
    queue: RefCell<VecDeque<Job>>,
    busy: Cell<bool>,
    /// The transaction of the last read, and how many more may use it.
    pub reader: RefCell<Option<(Rc<Transaction>, u32)>>,
    /// Writers that wait for room in the queue, first come first served.
    waiting: RefCell<VecDeque<(u64, Waker)>>,
    next_place: Cell<u64>,
    pub lease: Lease,
    /// What there is, while the lease is held.
    pub catalogue: RefCell<Catalogue>,
    seen: RefCell<Memory>,
    /// What a procedure under way has noted, to be taken back with its transaction.
    notes: RefCell<Vec<Note>>,
    /// For the one transaction that is under way, and the last of its checks: making them costs as much as a request.
    ends: Rc<Ends>,
    handlers: Rc<Handlers>,
}

struct Note {
    key: Key,
    before: Option<Seen>,
    after: Option<Seen>,
}

impl Writer {
    /// Of the database of that name.
    pub fn new(name: &str, database: Database) -> Rc<Self> {
        Rc::new(Self {
            database,
            queue: RefCell::default(),
            busy: Cell::new(false),
            reader: RefCell::default(),
            waiting: RefCell::default(),
            next_place: Cell::new(0),
            lease: Lease::new(name),
            catalogue: RefCell::default(),
            seen: RefCell::default(),
            notes: RefCell::default(),
            ends: Ends::new(),
            handlers: Handlers::new(),
        })
    }

    /// Whether a write is under way.
    pub fn is_busy(&self) -> bool {
        self.busy.get()
    }

    /// Closes the database, and lets others write.
    pub fn close(&self) {
        self.database.close();
        self.lease.close();
    }

    pub fn saw(&self, key: &Key, what: Seen) {
        self.seen.borrow_mut().note(key, Some(what));
    }

    /// Notes what `key` has now, from within a procedure.
    pub fn note(&self, key: &Key, version: f64) {
        match version {
            ABSENT => self.catalogue.borrow_mut().remove(key),
            _ => self.catalogue.borrow_mut().insert(key),
        }
        let (before, after) = (self.seen(key), self.just_now(version));
        self.saw(key, after);
        self.notes.borrow_mut().push(Note { key: key.clone(), before, after: Some(after) });
    }

    /// Notes that all within `dictionary` is gone, from within a procedure.
    pub fn note_gone_within(&self, dictionary: &Key) {
        self.catalogue.borrow_mut().remove_within(dictionary);
        let gone = self.seen.borrow_mut().take_within(dictionary);
        self.notes.borrow_mut().extend(gone.into_iter().map(|(key, before)| Note {
            key,
            before: Some(before),
            after: None,
        }));
    }

    fn just_now(&self, version: f64) -> Seen {
        Seen { version, holding: self.lease.holding() }
    }

    fn take_back_notes(&self) {
        // What it has noted of the keys is not so; they are read anew.
        self.catalogue.take();
        for note in self.notes.take().into_iter().rev() {
            // Unless the key was read since, by somebody who has seen the truth.
            if self.seen(&note.key) != note.after {
                continue;
            }
            self.seen.borrow_mut().note(&note.key, note.before);
        }
    }

    pub async fn set(self: &Rc<Self>, key: &Key, value: &[u8]) -> Outcome {
        self.submit(|| Work::Set { key: key.clone(), record: Record::new(value) }).await
    }

    pub async fn run(self: &Rc<Self>, procedure: Procedure) -> Outcome {
        self.submit(|| Work::Procedure(procedure)).await
    }

    async fn submit(self: &Rc<Self>, work: impl FnOnce() -> Work) -> Outcome {
        self.room().await;
        let ticket = Rc::<Ticket>::default();
        self.queue.borrow_mut().push_back(Job { work: work(), ticket: ticket.clone() });
        self.set_off();
        poll_fn(|cx| match ticket.outcome.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                ticket.waiter.replace(Some(cx.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }

    /// Sees to it that the queue is worked on. A function that waits for nothing and is generic over nothing, so that the
    /// loop is compiled once, here, and not again for each application.
    fn set_off(self: &Rc<Self>) {
        if !self.busy.replace(true) {
            // Not a task of the domain: what was taken from a unikernel is finished also if that ends or is paused.
            detached(Box::pin(self.clone().drain()));
        }
    }

    /// Waits for room in the queue, behind all who waited before.
    async fn room(&self) {
        let place = Place { writer: self, number: self.next_place.replace(self.next_place.get() + 1) };
        poll_fn(|cx| {
            let mut waiting = self.waiting.borrow_mut();
            let first = waiting.front().is_none_or(|(number, _)| *number >= place.number);
            if first && self.queue.borrow().len() < QUEUE_MAX {
                return Poll::Ready(());
            }
            match waiting.iter_mut().find(|(number, _)| *number == place.number) {
                Some((_, waker)) => *waker = cx.waker().clone(),
                None => waiting.push_back((place.number, cx.waker().clone())),
            }
            Poll::Pending
        })
        .await;
    }

    fn wake_first(&self) {
        if let Some((_, waker)) = self.waiting.borrow().front() {
            waker.wake_by_ref();
        }
    }

    /// Works until the queue is empty.
    async fn drain(self: Rc<Self>) {
        loop {
            let group = self.next_group();
            if group.is_empty() {
                self.busy.set(false);
                return;
            }
            self.wake_first();
            match self.begin().await {
                Ok(()) => self.commit(group).await,
                Err(fault) => {
                    let fault = self.database.explain(fault);
                    group.iter().for_each(|job| job.ticket.settle(Err(fault.clone())));
                }
            }
            match self.database.handle() {
                Ok(_) => self.lease.rest(),
                Err(_) => self.lease.close(),
            }
        }
    }

    /// Waits for the right to write, and reads what there is if others had it.
    async fn begin(&self) -> Outcome {
        let database = self.database.handle()?;
        if self.lease.work().await? {
            self.reader.take();
            self.catalogue.take();
        }
        let unread = matches!(*self.catalogue.borrow(), Catalogue::Unread);
        if unread && self.lease.holding() != 0 {
            let keys = Transaction::read(database)?.keys(KEYS_MAX + 1).await;
            self.catalogue.replace(match keys {
                Ok(keys) if keys.len() <= KEYS_MAX as usize => Catalogue::whole(keys),
                _ => Catalogue::Unknowable,
            });
        }
        Ok(())
    }

    /// The first job; if it is a plain write, also those that follow it up to the first that is none, or writes a key again.
    fn next_group(&self) -> Vec<Job> {
        let mut queue = self.queue.borrow_mut();
        let mut group: Vec<Job> = queue.pop_front().into_iter().collect();
        if matches!(group.first(), Some(Job { work: Work::Set { .. }, .. })) {
            while let Some(Job { work: Work::Set { key, .. }, .. }) = queue.front() {
                let clashes = |job: &Job| match &job.work {
                    // A value and what would be within it must see one another.
                    Work::Set { key: other, .. } => other == key || key.is_within(other) || other.is_within(key),
                    Work::Procedure(_) => true,
                };
                if group.iter().any(clashes) {
                    break;
                }
                group.extend(queue.pop_front());
            }
        }
        group
    }

    async fn commit(self: &Rc<Self>, mut group: Vec<Job>) {
        if let [Job { work: Work::Procedure(_), .. }] = &group[..] {
            if let Some(Job { work: Work::Procedure(procedure), ticket }) = group.pop() {
                ticket.settle(self.run_alone(procedure).await);
            }
            return;
        }
        let Err(fault) = self.set_all(&group).await else { return };
        if let [job] = &group[..] {
            job.ticket.settle(Err(fault));
            return;
        }
        for job in group {
            if let Err(fault) = self.set_all(std::slice::from_ref(&job)).await {
                job.ticket.settle(Err(fault));
            }
        }
    }

    async fn run_alone(self: &Rc<Self>, procedure: Procedure) -> Outcome {
        let transaction = Rc::new(self.transaction()?);
        transaction.listen();
        self.notes.take();
        let mut outcome = procedure(self.clone(), transaction.clone()).await;
        outcome = match outcome {
            Ok(()) => {
                transaction.commit();
                transaction.end().await
            }
            Err(fault) => Err(taken_back(&transaction, fault).await),
        };
        if outcome.is_err() {
            self.take_back_notes();
        }
        outcome.map_err(|fault| self.database.explain(fault))
    }

    /// Sets them all, or none. Settles the tickets if it did.
    async fn set_all(&self, jobs: &[Job]) -> Outcome {
        let transaction = Rc::new(self.transaction().map_err(|fault| self.database.explain(fault))?);
        let checks = self.issue_all(&transaction, jobs);
        transaction.listen();
        // Whoever waits for these runs before this goes on, so that what is written next goes into the next group.
        let tickets: Vec<_> = jobs.iter().map(|job| job.ticket.clone()).collect();
        let committing = transaction.clone();
        let commit = move || {
            committing.commit_then(move || tickets.iter().for_each(|ticket| ticket.settle(Ok(()))));
        };
        let passed = match checks {
            Ok(checks) => checks.passed_then(&self.handlers, commit).await,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = passed {
            return Err(self.database.explain(taken_back(&transaction, fault).await));
        }
        transaction.end().await.map_err(|fault| self.database.explain(fault))?;
        for job in jobs {
            if let Work::Set { key, record } = &job.work {
                self.saw(key, self.just_now(record.version()));
                self.catalogue.borrow_mut().insert(key);
            }
        }
        Ok(())
    }

    /// Asks for everything at once.
    fn issue_all(&self, transaction: &Transaction, jobs: &[Job]) -> Result<Checks, KvFault> {
        let mut checks = Checks::default();
        for job in jobs {
            if let Work::Set { key, record } = &job.work {
                checks.before_plain_set(self, transaction, key)?;
                transaction.put(key, record)?;
            }
        }
        Ok(checks)
    }

    fn transaction(&self) -> Result<Transaction, KvFault> {
        Transaction::write(self.database.handle()?, self.ends.clone())
    }

    /// What was last seen of `key`, if anything.
    pub fn seen(&self, key: &Key) -> Option<Seen> {
        self.seen.borrow().get(key)
    }
}

/// Takes a transaction back because of `fault`, and says why that is.
async fn taken_back(transaction: &Transaction, fault: KvFault) -> KvFault {
    transaction.abort();
    match transaction.end().await {
        // A request that failed because its transaction was aborted does not know why; the transaction does.
        Err(reason) if fault.is_abort() => reason,
        _ => fault,
    }
}

/// A place among those who wait for room.
struct Place<'a> {
    writer: &'a Writer,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.writer.waiting.borrow_mut().retain(|(number, _)| *number != self.number);
        if self.writer.queue.borrow().len() < QUEUE_MAX {
            self.writer.wake_first();
        }
    }
}
