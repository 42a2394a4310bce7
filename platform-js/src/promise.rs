//! What JavaScript waits for.

use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use crate::domain::LocalFuture;

/// A promise of what `work` gives, or of an `Error` with its text. All promises to the page are made here: each of its own
/// would be a kilobyte of the same code.
pub(crate) fn promise(work: impl Future<Output = Result<JsValue, String>> + 'static) -> Promise {
    boxed(Box::pin(work))
}

/// Not within [`promise`]: what is there is made again for each type of work, also where it does not look so.
fn boxed(work: LocalFuture<Result<JsValue, String>>) -> Promise {
    future_to_promise(async { work.await.map_err(|text| JsError::new(&text).into()) })
}
