//! IndexedDB's requests and transactions as futures.
//!
//! A transaction ends by itself when control goes back to the event loop and none of its requests is under way. A future
//! here resolves in the very event that ends its request, so a task that awaits one and issues the next keeps the
//! transaction alive. It must await nothing else in between.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use js_sys::{Array, JsString};
use mirage_sig::{Key, KvErrorKind};
use wasm_bindgen::prelude::*;
use web_sys::{
    Event, IdbDatabase, IdbKeyRange, IdbObjectStore, IdbRequest, IdbRequestReadyState, IdbTransaction,
    IdbTransactionMode,
};

use super::error::KvFault;
use super::record::Record;

/// The object store in which all values are.
pub(super) const VALUES: &str = "values";

thread_local! {
    /// What every write passes, made once.
    static WRITING: Writing = Writing::default();
}

struct Writing {
    values: JsString,
    mode: JsString,
    options: TransactionOptions,
}

impl Default for Writing {
    fn default() -> Self {
        let options = TransactionOptions::new();
        options.set_durability("strict");
        Self { values: VALUES.into(), mode: "readwrite".into(), options }
    }
}

/// A value that arrives once.
struct Arrival<T> {
    value: Option<T>,
    waiter: Option<Waker>,
}

type Mailbox<T> = Rc<RefCell<Arrival<T>>>;

fn mailbox<T>() -> Mailbox<T> {
    Rc::new(RefCell::new(Arrival { value: None, waiter: None }))
}

fn deliver<T>(mailbox: &Mailbox<T>, value: T) {
    let mut arrival = mailbox.borrow_mut();
    arrival.value.get_or_insert(value);
    let waiter = arrival.waiter.take();
    drop(arrival);
    if let Some(waiter) = waiter {
        waiter.wake();
    }
}

fn poll_mailbox<T>(mailbox: &Mailbox<T>, cx: &mut Context<'_>) -> Poll<T> {
    let mut arrival = mailbox.borrow_mut();
    match arrival.value.take() {
        Some(value) => Poll::Ready(value),
        None => {
            arrival.waiter = Some(cx.waker().clone());
            Poll::Pending
        }
    }
}

/// A request under way. Resolves to its result.
///
/// A transaction's requests end in the order in which they were made: once one has ended, all before it have, and are ready
/// without handlers of their own, which cost more than the request's share of a transaction.
#[must_use = "futures do nothing unless awaited"]
pub(super) struct Pending {
    request: IdbRequest,
    /// There while it is waited for.
    handlers: Option<Rc<Handlers>>,
}

/// What is to be done in the very event that tells of an end.
type Hook = Rc<RefCell<Option<Box<dyn FnOnce()>>>>;

/// What hears of the end of one request at a time.
pub(super) struct Handlers {
    mailbox: Mailbox<()>,
    hook: Hook,
    on_success: Closure<dyn FnMut()>,
    on_error: Closure<dyn FnMut(Event)>,
}

impl Handlers {
    pub fn new() -> Rc<Self> {
        let (mailbox, hook) = (mailbox(), Hook::default());
        let ended = {
            let (mailbox, hook) = (mailbox.clone(), hook.clone());
            move || {
                if let Some(first) = hook.take() {
                    first();
                }
                deliver(&mailbox, ());
            }
        };
        let on_success = Closure::<dyn FnMut()>::new(ended.clone());
        let on_error = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
            // Reported to whoever awaits; the transaction's abort, which follows, needs no report of its own.
            event.stop_propagation();
            ended();
        });
        Rc::new(Self { mailbox, hook, on_success, on_error })
    }

    fn attach(&self, request: &IdbRequest) {
        self.mailbox.borrow_mut().value = None;
        request.set_onsuccess(Some(self.on_success.as_ref().unchecked_ref()));
        request.set_onerror(Some(self.on_error.as_ref().unchecked_ref()));
    }

    /// Calls `first` in the very event that ends the request, and waits for that. Not to be dropped before.
    pub async fn ended<T: 'static>(&self, request: &IdbRequest, first: impl FnOnce() -> T + 'static) -> Option<T> {
        let result = Rc::new(Cell::new(None));
        let filled = result.clone();
        self.hook.replace(Some(Box::new(move || filled.set(Some(first())))));
        self.attach(request);
        poll_fn(|cx| poll_mailbox(&self.mailbox, cx)).await;
        result.take()
    }
}

impl Pending {
    pub fn new(request: IdbRequest) -> Self {
        Self { request, handlers: None }
    }

    pub fn request(&self) -> &IdbRequest {
        &self.request
    }

    /// What came of it. It must have ended.
    pub fn outcome(&self) -> Result<JsValue, KvFault> {
        match self.request.result() {
            Ok(found) if !found.is_undefined() => Ok(found),
            // Nothing was found, or it failed.
            _ => match self.request.error() {
                Ok(None) => Ok(JsValue::UNDEFINED),
                _ => Err(request_error(&self.request)),
            },
        }
    }
}

pub(super) fn request_error(request: &IdbRequest) -> KvFault {
    match request.error() {
        Ok(Some(exception)) => KvFault::from_js(&exception),
        _ => KvFault::new(KvErrorKind::Corrupt).with_detail("a request failed without a reason"),
    }
}

impl Future for Pending {
    type Output = Result<JsValue, KvFault>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.request.ready_state() == IdbRequestReadyState::Pending {
            let request = self.request.clone();
            let handlers = self.handlers.get_or_insert_with(|| {
                let handlers = Handlers::new();
                handlers.attach(&request);
                handlers
            });
            if poll_mailbox(&handlers.mailbox, cx).is_pending() {
                return Poll::Pending;
            }
        }
        self.handlers = None;
        Poll::Ready(self.outcome())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.handlers.is_some() {
            self.request.set_onsuccess(None);
            self.request.set_onerror(None);
        }
    }
}

/// A transaction on the values.
pub(super) struct Transaction {
    inner: IdbTransaction,
    values: IdbObjectStore,
    ends: Rc<Ends>,
    /// Whether `end` has told.
    ended: Cell<bool>,
}

/// What hears of the end of one transaction at a time.
pub(super) struct Ends {
    /// Whether it is committed.
    ended: Mailbox<bool>,
    /// Called first if it is.
    committed: Hook,
    on_complete: Closure<dyn FnMut()>,
    on_abort: Closure<dyn FnMut()>,
}

impl Ends {
    pub fn new() -> Rc<Self> {
        let ended = mailbox();
        let committed = Hook::default();
        let (told, first) = (ended.clone(), committed.clone());
        let on_complete = Closure::<dyn FnMut()>::new(move || {
            if let Some(first) = first.take() {
                first();
            }
            deliver(&told, true);
        });
        let (told, first) = (ended.clone(), committed.clone());
        let on_abort = Closure::<dyn FnMut()>::new(move || {
            first.take();
            deliver(&told, false);
        });
        Rc::new(Self { ended, committed, on_complete, on_abort })
    }
}

impl Transaction {
    pub fn read(db: &IdbDatabase) -> Result<Self, KvFault> {
        let inner = db.transaction_with_str_and_mode(VALUES, IdbTransactionMode::Readonly);
        let transaction = Self::new(inner.map_err(|error| KvFault::from_js(&error))?, Ends::new())?;
        transaction.listen();
        Ok(transaction)
    }

    /// Its `complete` event comes when all is on the disk (IndexedDB 3.0, section 2.7.2, "strict"). Nothing else may use
    /// `ends` until then. [`listen`](Self::listen) to it.
    pub fn write(db: &IdbDatabase, ends: Rc<Ends>) -> Result<Self, KvFault> {
        ends.ended.borrow_mut().value = None;
        let db = db.unchecked_ref::<DurableDatabase>();
        let inner = WRITING.with(|with| db.transaction(&with.values, &with.mode, &with.options));
        Self::new(inner.map_err(|error| KvFault::from_js(&error))?, ends)
    }

    fn new(inner: IdbTransaction, ends: Rc<Ends>) -> Result<Self, KvFault> {
        let values = WRITING.with(|with| inner.unchecked_ref::<CommittedTransaction>().object_store(&with.values));
        let values = values.map_err(|error| KvFault::from_js(&error))?;
        Ok(Self { inner, values, ends, ended: Cell::new(false) })
    }

    /// Hears of its end from now on. No event comes before control goes back to the event loop, so whoever is in haste asks
    /// for something first.
    pub fn listen(&self) {
        self.inner.set_oncomplete(Some(self.ends.on_complete.as_ref().unchecked_ref()));
        self.inner.set_onabort(Some(self.ends.on_abort.as_ref().unchecked_ref()));
    }

    /// Says that no request follows: the browser need not wait for the answers that are under way.
    pub fn commit(&self) {
        // Throws if it has ended already, as one without requests does.
        let _ = self.inner.unchecked_ref::<CommittedTransaction>().commit();
    }

    /// The same; `committed` is called as soon as everything is, ahead of whoever waits for the end.
    pub fn commit_then(&self, committed: impl FnOnce() + 'static) {
        self.ends.committed.replace(Some(Box::new(committed)));
        self.commit();
    }

    /// Waits for the end: `Ok` once everything is committed.
    pub async fn end(&self) -> Result<(), KvFault> {
        let committed = poll_fn(|cx| poll_mailbox(&self.ends.ended, cx)).await;
        self.ended.set(true);
        if committed {
            return Ok(());
        }
        Err(match self.inner.error() {
            Some(exception) => KvFault::from_js(&exception),
            None => KvFault::new(KvErrorKind::Gone).with_detail("the transaction was aborted"),
        })
    }

    /// Whether its end has come, of whatever kind.
    pub fn has_ended(&self) -> bool {
        self.ends.ended.borrow().value.is_some()
    }

    /// Takes back everything.
    pub fn abort(&self) {
        // Throws only if it has ended, and then there is nothing to take back.
        let _ = self.inner.abort();
    }

    pub fn get(&self, key: &Key) -> Result<Pending, KvFault> {
        pending(self.values.get(&js_key(key)))
    }

    /// The key itself, if it has a value: cheaper than the value.
    pub fn probe(&self, key: &Key) -> Result<Pending, KvFault> {
        pending(self.values.get_key(&js_key(key)))
    }

    /// The first key within `dictionary`, if any.
    pub fn probe_within(&self, dictionary: &Key) -> Result<Pending, KvFault> {
        pending(self.values.get_key(&range_within(dictionary)?))
    }

    /// All keys within `dictionary`.
    pub async fn keys_within(&self, dictionary: &Key) -> Result<Vec<Key>, KvFault> {
        let found = pending(self.values.get_all_keys_with_key(&range_within(dictionary)?))?.await?;
        Array::from(&found).iter().map(|key| read_key(&key)).collect()
    }

    /// All keys, up to a number of them.
    pub async fn keys(&self, limit: u32) -> Result<Vec<Key>, KvFault> {
        let every = range_within(&Key::ROOT)?;
        let found = pending(self.values.get_all_keys_with_key_and_limit(&every, limit))?.await?;
        Array::from(&found).iter().map(|key| read_key(&key)).collect()
    }

    /// Stores a record. Its failure ends the transaction, which tells.
    pub fn put(&self, key: &Key, record: &Record) -> Result<(), KvFault> {
        self.values.put_with_key(record.as_js(), &js_key(key)).map_err(|error| KvFault::from_js(&error).about(key))?;
        Ok(())
    }

    /// Removes what has that very key.
    pub fn delete(&self, key: &Key) -> Result<(), KvFault> {
        self.values.delete(&js_key(key)).map_err(|error| KvFault::from_js(&error))?;
        Ok(())
    }

    /// Removes everything within `dictionary`.
    pub fn delete_within(&self, dictionary: &Key) -> Result<(), KvFault> {
        self.values.delete(&range_within(dictionary)?).map_err(|error| KvFault::from_js(&error))?;
        Ok(())
    }
}

/// Nobody waits any more for one that has not ended. Afterwards nothing comes.
impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.ended.get() {
            self.inner.set_oncomplete(None);
            self.inner.set_onabort(None);
        }
    }
}

fn pending(request: Result<IdbRequest, JsValue>) -> Result<Pending, KvFault> {
    request.map(Pending::new).map_err(|error| KvFault::from_js(&error))
}

fn js_key(key: &Key) -> JsValue {
    JsValue::from_str(key.as_str())
}

pub(super) fn read_key(key: &JsValue) -> Result<Key, KvFault> {
    let text = key.as_string().unwrap_or_default();
    match Key::new(&text) {
        Ok(key) if key.as_str() == text => Ok(key),
        _ => Err(KvFault::new(KvErrorKind::Corrupt).with_detail("it has an entry whose key is none")),
    }
}

/// All keys that begin with `dictionary/`: those before `dictionary0`, as `0` is the character behind `/`.
fn range_within(dictionary: &Key) -> Result<JsValue, KvFault> {
    let range = if dictionary.is_root() {
        IdbKeyRange::lower_bound(&JsValue::from_str(""))
    } else {
        let (first, behind) = (format!("{}/", dictionary.as_str()), format!("{}0", dictionary.as_str()));
        IdbKeyRange::bound_with_lower_open_and_upper_open(&first.into(), &behind.into(), false, true)
    };
    range.map(JsValue::from).map_err(|error| KvFault::from_js(&error))
}

#[wasm_bindgen]
extern "C" {
    /// A database whose transactions take options, which web-sys has not among its stable features.
    type DurableDatabase;
    #[wasm_bindgen(method, catch)]
    fn transaction(
        this: &DurableDatabase,
        store: &JsString,
        mode: &JsString,
        options: &TransactionOptions,
    ) -> Result<IdbTransaction, JsValue>;
    /// A transaction that can be told to commit (IndexedDB 3.0); web-sys calls that deprecated, which it is not.
    type CommittedTransaction;
    #[wasm_bindgen(method, catch)]
    fn commit(this: &CommittedTransaction) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = objectStore)]
    fn object_store(this: &CommittedTransaction, name: &JsString) -> Result<IdbObjectStore, JsValue>;
    #[wasm_bindgen(extends = js_sys::Object, js_name = Object)]
    type TransactionOptions;
    #[wasm_bindgen(constructor, js_class = "Object")]
    fn new() -> TransactionOptions;
    #[wasm_bindgen(method, setter)]
    fn set_durability(this: &TransactionOptions, durability: &str);
}
