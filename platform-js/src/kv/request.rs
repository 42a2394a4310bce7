//! IndexedDB's requests and transactions as futures.
//!
//! A transaction ends by itself when control goes back to the event loop and none of its requests is under way. A future
//! here resolves in the very event that ends its request, so a task that awaits one and issues the next keeps the
//! transaction alive. It must await nothing else in between.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use js_sys::{Array, Uint8Array};
use mirage_sig::{Key, KvErrorKind};
use wasm_bindgen::prelude::*;
use web_sys::{
    Event, IdbDatabase, IdbKeyRange, IdbObjectStore, IdbRequest, IdbRequestReadyState, IdbTransaction,
    IdbTransactionMode,
};

use super::error::KvFault;

/// The object store in which all values are.
pub(super) const VALUES: &str = "values";

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
    handlers: Option<Handlers>,
}

struct Handlers {
    mailbox: Mailbox<()>,
    _on_end: Closure<dyn FnMut(Event)>,
}

impl Handlers {
    fn new(request: &IdbRequest) -> Self {
        let mailbox = mailbox();
        let done = mailbox.clone();
        let on_end = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
            // Reported to whoever awaits; the transaction's abort, which follows, needs no report of its own.
            event.stop_propagation();
            deliver(&done, ());
        });
        request.set_onsuccess(Some(on_end.as_ref().unchecked_ref()));
        request.set_onerror(Some(on_end.as_ref().unchecked_ref()));
        Self { mailbox, _on_end: on_end }
    }
}

impl Pending {
    pub fn new(request: IdbRequest) -> Self {
        Self { request, handlers: None }
    }

    /// Waits for the end, whatever it is.
    pub fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.request.ready_state() != IdbRequestReadyState::Pending {
            return Poll::Ready(());
        }
        let request = &self.request;
        poll_mailbox(&self.handlers.get_or_insert_with(|| Handlers::new(request)).mailbox, cx)
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
        self.poll_end(cx).map(|()| match self.request.error() {
            Ok(None) => self.request.result().map_err(|error| KvFault::from_js(&error)),
            _ => Err(request_error(&self.request)),
        })
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
    ended: Mailbox<Result<(), KvFault>>,
    _on_complete: Closure<dyn FnMut()>,
    _on_abort: Closure<dyn FnMut()>,
}

impl Transaction {
    pub fn read(db: &IdbDatabase) -> Result<Self, KvFault> {
        let inner = db.transaction_with_str_and_mode(VALUES, IdbTransactionMode::Readonly);
        Self::new(inner.map_err(|error| KvFault::from_js(&error))?)
    }

    /// Its `complete` event comes when all is on the disk (IndexedDB 3.0, section 2.7.2, "strict").
    pub fn write(db: &IdbDatabase) -> Result<Self, KvFault> {
        let options = TransactionOptions::new();
        options.set_durability("strict");
        let inner = db.unchecked_ref::<DurableDatabase>().transaction(VALUES, "readwrite", &options);
        Self::new(inner.map_err(|error| KvFault::from_js(&error))?)
    }

    fn new(inner: IdbTransaction) -> Result<Self, KvFault> {
        let values = inner.object_store(VALUES).map_err(|error| KvFault::from_js(&error))?;
        let ended = mailbox();
        let done = ended.clone();
        let on_complete = Closure::<dyn FnMut()>::new(move || deliver(&done, Ok(())));
        let (failed, source) = (ended.clone(), inner.clone());
        let on_abort = Closure::<dyn FnMut()>::new(move || {
            let fault = match source.error() {
                Some(exception) => KvFault::from_js(&exception),
                None => KvFault::new(KvErrorKind::Gone).with_detail("the transaction was aborted"),
            };
            deliver(&failed, Err(fault));
        });
        inner.set_oncomplete(Some(on_complete.as_ref().unchecked_ref()));
        inner.set_onabort(Some(on_abort.as_ref().unchecked_ref()));
        Ok(Self { inner, values, ended, _on_complete: on_complete, _on_abort: on_abort })
    }

    /// Waits for the end: `Ok` once everything is committed.
    pub async fn end(&self) -> Result<(), KvFault> {
        std::future::poll_fn(|cx| poll_mailbox(&self.ended, cx)).await
    }

    /// Whether its end has come, of whatever kind.
    pub fn has_ended(&self) -> bool {
        self.ended.borrow().value.is_some()
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

    /// Stores a record. Its failure ends the transaction, which tells.
    pub fn put(&self, key: &Key, record: &Record) -> Result<(), KvFault> {
        self.values.put_with_key(record.as_ref(), &js_key(key)).map_err(|error| KvFault::from_js(&error).about(key))?;
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

impl Drop for Transaction {
    fn drop(&mut self) {
        self.inner.set_oncomplete(None);
        self.inner.set_onabort(None);
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
        store: &str,
        mode: &str,
        options: &TransactionOptions,
    ) -> Result<IdbTransaction, JsValue>;
    #[wasm_bindgen(extends = js_sys::Object, js_name = Object)]
    type TransactionOptions;
    #[wasm_bindgen(constructor, js_class = "Object")]
    fn new() -> TransactionOptions;
    #[wasm_bindgen(method, setter)]
    fn set_durability(this: &TransactionOptions, durability: &str);

    /// What is stored under a key.
    #[wasm_bindgen(extends = js_sys::Object, js_name = Object)]
    pub(super) type Record;
    #[wasm_bindgen(constructor, js_class = "Object")]
    fn empty() -> Record;
    #[wasm_bindgen(method, getter)]
    fn value(this: &Record) -> JsValue;
    #[wasm_bindgen(method, setter)]
    fn set_value(this: &Record, value: &Uint8Array);
    /// When it was written, in milliseconds since 1970.
    #[wasm_bindgen(method, getter)]
    fn modified(this: &Record) -> Option<f64>;
    #[wasm_bindgen(method, setter)]
    fn set_modified(this: &Record, ms: f64);
    /// A random number that tells this write from any other.
    #[wasm_bindgen(method, getter)]
    fn version(this: &Record) -> Option<f64>;
    #[wasm_bindgen(method, setter)]
    fn set_version(this: &Record, version: f64);
}

impl Record {
    pub fn new(value: &Uint8Array) -> Self {
        let record = Self::empty();
        record.set_value(value);
        record.set_modified(js_sys::Date::now());
        record.set_version((js_sys::Math::random() * 9_007_199_254_740_992.0).floor());
        record
    }

    /// The same value under another key: written when it was written, and yet another write.
    pub fn moved(&self) -> Self {
        let moved = Self::new(&self.bytes());
        moved.set_modified(self.modified_ms());
        moved
    }

    /// What a `get` found; `None` if nothing has the key.
    pub fn found(key: &Key, found: JsValue) -> Result<Option<Self>, KvFault> {
        if found.is_undefined() {
            return Ok(None);
        }
        let record: Self = found.unchecked_into();
        let whole =
            record.value().is_instance_of::<Uint8Array>() && record.modified().is_some() && record.version().is_some();
        if whole {
            Ok(Some(record))
        } else {
            Err(KvFault::at(KvErrorKind::Corrupt, key).with_detail("not a record of ours"))
        }
    }

    pub fn bytes(&self) -> Uint8Array {
        self.value().unchecked_into()
    }

    pub fn modified_ms(&self) -> f64 {
        self.modified().unwrap_or(0.0)
    }

    pub fn version_number(&self) -> f64 {
        self.version().unwrap_or(0.0)
    }
}
