//! Opening and losing a database.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use mirage_sig::KvErrorKind;
use wasm_bindgen::prelude::*;
use web_sys::{Event, IdbDatabase, IdbFactory, IdbOpenDbRequest, IdbRequestReadyState, IdbVersionChangeEvent};

use super::error::KvFault;
use super::request::{VALUES, request_error};
use crate::sleep;

/// The version of the layout: the object store `values`, keys as text, records as [`super::record::Record`].
const LAYOUT: u32 = 1;

/// How long an open waits for other tabs. IndexedDB itself waits for ever where one of them does not let go, without an
/// event if it is a deletion that waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// A database, closed when it is dropped.
pub(super) struct Database {
    db: IdbDatabase,
    lost: Rc<Cell<bool>>,
    _on_lost: Closure<dyn FnMut(Event)>,
}

impl Database {
    /// Opens a database; makes it if it is not there.
    pub async fn open(name: &str) -> Result<Self, KvFault> {
        let refused = |error: &JsValue| KvFault::from_js(error).with_kind(KvErrorKind::Refused);
        let factory = factory().map_err(|error| refused(&error))?;
        let request = factory.open_with_u32(name, LAYOUT).map_err(|error| refused(&error))?;
        Opening::new(request).opened().await.map(Self::new)
    }

    fn new(db: IdbDatabase) -> Self {
        let lost = Rc::new(Cell::new(false));
        let (flag, handle) = (lost.clone(), db.clone());
        // Another tab wants to delete it, or to change its layout; or the browser has closed it. Who does not let go blocks
        // the other one.
        let on_lost = Closure::<dyn FnMut(Event)>::new(move |_| {
            flag.set(true);
            handle.close();
        });
        db.set_onversionchange(Some(on_lost.as_ref().unchecked_ref()));
        db.set_onclose(Some(on_lost.as_ref().unchecked_ref()));
        Self { db, lost, _on_lost: on_lost }
    }

    /// The handle, as long as it is good.
    pub fn handle(&self) -> Result<&IdbDatabase, KvFault> {
        if self.lost.get() { Err(KvFault::new(KvErrorKind::Gone)) } else { Ok(&self.db) }
    }

    /// An error as it is seen from here: whatever fails after the database was lost failed because of that.
    pub fn explain(&self, fault: KvFault) -> KvFault {
        if self.lost.get() { fault.with_kind(KvErrorKind::Gone) } else { fault }
    }

    pub fn close(&self) {
        self.lost.set(true);
        self.db.close();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.db.set_onversionchange(None);
        self.db.set_onclose(None);
        self.db.close();
    }
}

/// The way into IndexedDB. Its getter throws where a page may not store anything, such as in a sandboxed frame.
pub(super) fn factory() -> Result<IdbFactory, JsValue> {
    let global = js_sys::global();
    let factory = js_sys::Reflect::get(&global, &"indexedDB".into())?;
    if factory.is_undefined() || factory.is_null() {
        return Err("this browser has no IndexedDB here".into());
    }
    Ok(factory.unchecked_into())
}

/// An open under way.
struct Opening {
    request: IdbOpenDbRequest,
    end: Rc<RefCell<End>>,
    _on_end: Closure<dyn FnMut(Event)>,
    _on_upgrade: Closure<dyn FnMut(IdbVersionChangeEvent)>,
}

#[derive(Default)]
struct End {
    result: Option<Result<IdbDatabase, KvFault>>,
    waiter: Option<Waker>,
}

impl Opening {
    fn new(request: IdbOpenDbRequest) -> Self {
        let end = Rc::<RefCell<End>>::default();
        let (filled, source) = (end.clone(), request.clone());
        let on_end = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
            event.prevent_default();
            let result = match event.type_().as_str() {
                "success" => source.result().map(JsCast::unchecked_into).map_err(|error| KvFault::from_js(&error)),
                "blocked" => Err(KvFault::new(KvErrorKind::Blocked)),
                _ => Err(open_error(&source)),
            };
            let mut end = filled.borrow_mut();
            end.result.get_or_insert(result);
            let waiter = end.waiter.take();
            drop(end);
            if let Some(waiter) = waiter {
                waiter.wake();
            }
        });
        let handler = on_end.as_ref().unchecked_ref();
        request.set_onsuccess(Some(handler));
        request.set_onerror(Some(handler));
        request.set_onblocked(Some(handler));
        let source = request.clone();
        let on_upgrade = Closure::<dyn FnMut(IdbVersionChangeEvent)>::new(move |_| {
            if let Ok(db) = source.result() {
                // Fails only if it is there, which then is as good.
                let _ = db.unchecked_into::<IdbDatabase>().create_object_store(VALUES);
            }
        });
        request.set_onupgradeneeded(Some(on_upgrade.as_ref().unchecked_ref()));
        Self { request, end, _on_end: on_end, _on_upgrade: on_upgrade }
    }

    async fn opened(self) -> Result<IdbDatabase, KvFault> {
        let mut patience = pin!(sleep::delay(PATIENCE));
        poll_fn(|cx| {
            let mut end = self.end.borrow_mut();
            if let Some(result) = end.result.take() {
                return Poll::Ready(result);
            }
            end.waiter = Some(cx.waker().clone());
            drop(end);
            patience.as_mut().poll(cx).map(|()| Err(KvFault::new(KvErrorKind::Blocked)))
        })
        .await
    }
}

/// Nobody waits any more; a database that opens after all must not stay open.
impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(Ok(db)) = self.end.borrow_mut().result.take() {
            db.close();
        }
        let late = self.request.clone();
        let close = Closure::once_into_js(move || {
            if let Ok(db) = late.result() {
                db.unchecked_into::<IdbDatabase>().close();
            }
        });
        self.request.set_onerror(None);
        self.request.set_onblocked(None);
        if self.request.ready_state() == IdbRequestReadyState::Pending {
            // The layout is made in any case, or another open would find the database without it.
            self.request.set_onupgradeneeded(Some(upgrade_forever().unchecked_ref()));
            self.request.set_onsuccess(Some(close.unchecked_ref()));
        } else {
            self.request.set_onsuccess(None);
            self.request.set_onupgradeneeded(None);
        }
    }
}

/// The upgrade of an open that nobody waits for.
fn upgrade_forever() -> JsValue {
    Closure::once_into_js(|event: IdbVersionChangeEvent| {
        let request: Option<IdbOpenDbRequest> = event.target().map(JsCast::unchecked_into);
        if let Some(Ok(db)) = request.map(|request| request.result()) {
            let _ = db.unchecked_into::<IdbDatabase>().create_object_store(VALUES);
        }
    })
}

fn open_error(request: &IdbOpenDbRequest) -> KvFault {
    let name = request.error().ok().flatten().map(|exception| exception.name()).unwrap_or_default();
    let fault = request_error(request);
    match name.as_str() {
        "VersionError" => fault
            .with_kind(KvErrorKind::Refused)
            .instead("it was made by a newer version of this program; reload the page to get that one"),
        "QuotaExceededError" => fault,
        _ => fault.with_kind(KvErrorKind::Refused),
    }
}
