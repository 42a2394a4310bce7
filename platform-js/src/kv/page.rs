//! A domain's stores, as the page sees them: through the same code as the unikernel.

use js_sys::{Array, Promise, Uint8Array};
use mirage_sig::{Key, KvRo, KvRw};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::database::factory;
use super::{IndexedDb, database_name};
use crate::describe::describe;
use crate::messages::to_js;
use crate::promise::promise;

/// A key-value store of a domain.
#[wasm_bindgen]
pub struct Store(IndexedDb);

/// See `StoreEntry` in types.d.ts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StoreEntry {
    key: String,
    size: u32,
    modified_ms: f64,
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[wasm_bindgen]
impl Store {
    /// Opens a domain's store, which is made if it is not there.
    #[wasm_bindgen(unchecked_return_type = "Promise<Store>")]
    pub fn open(domain: String, store: String) -> Promise {
        promise(async move { IndexedDb::open(&domain, &store).await.map(|store| Store(store).into()).map_err(text) })
    }

    /// All values, at all depths, in the order of their keys.
    #[wasm_bindgen(unchecked_return_type = "Promise<StoreEntry[]>")]
    pub fn list(&self) -> Promise {
        let store = self.0.clone();
        promise(async move {
            let all = store.all().await.map_err(text)?;
            let entry =
                |(key, size, modified_ms): (Key, u32, f64)| StoreEntry { key: key.as_str().into(), size, modified_ms };
            Ok(to_js(&all.into_iter().map(entry).collect::<Vec<_>>()))
        })
    }

    /// The value of a key.
    #[wasm_bindgen(unchecked_return_type = "Promise<Uint8Array>")]
    pub fn get(&self, key: String) -> Promise {
        let store = self.0.clone();
        promise(async move {
            let value = store.get(&Key::new(&key).map_err(text)?).await.map_err(text)?;
            Ok(Uint8Array::from(&value[..]).into())
        })
    }

    /// Gives a key a value. Fails if the unikernel has changed it since it was last read here.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn set(&self, key: String, value: Uint8Array) -> Promise {
        let store = self.0.clone();
        promise(async move {
            store.set(&Key::new(&key).map_err(text)?, &value.to_vec()).await.map_err(text)?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Removes a key, and everything within it.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn remove(&self, key: String) -> Promise {
        let store = self.0.clone();
        promise(async move {
            store.remove(&Key::new(&key).map_err(text)?).await.map_err(text)?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Removes everything.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn clear(&self) -> Promise {
        self.remove(String::new())
    }

    /// Closes it.
    pub fn close(&self) {
        self.0.close();
    }
}

/// The names of the stores that a domain has, in order.
#[wasm_bindgen(unchecked_return_type = "Promise<string[]>")]
pub fn stores(domain: String) -> Promise {
    promise(async move {
        let failed = |reason: JsValue| format!("the stores of {domain} cannot be listed: {}", describe(&reason));
        let factory = factory().map_err(failed)?;
        let databases = factory.unchecked_ref::<ListingFactory>().databases().map_err(failed)?;
        let databases = Array::from(&JsFuture::from(databases).await.map_err(failed)?);
        let prefix = database_name(&domain, "");
        let names = databases.iter().filter_map(|info| {
            let name = js_sys::Reflect::get(&info, &"name".into()).ok()?.as_string()?;
            name.strip_prefix(&prefix).map(JsValue::from)
        });
        Ok(Array::from_iter(names).sort().into())
    })
}

#[wasm_bindgen]
extern "C" {
    /// The way into IndexedDB, with a method of its version 3.0 that web-sys does not have.
    type ListingFactory;
    #[wasm_bindgen(method, catch)]
    fn databases(this: &ListingFactory) -> Result<Promise, JsValue>;
}
