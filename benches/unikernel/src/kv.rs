//! Work on a store.

use std::rc::Rc;

use mirage_sig::{Failure, Key, KvRo, KvRw, Spawn};
use platform_js::{Browser, IndexedDb};
use wasm_bindgen::prelude::*;

use crate::{thrown, within};

/// The unikernel's store, among those that are timed. Keys are numbered: `from`, `from + 1` and so on.
#[wasm_bindgen]
pub struct Contestant {
    platform: Browser,
    store: IndexedDb,
}

impl Contestant {
    pub(crate) fn new(platform: Browser, store: IndexedDb) -> Self {
        Self { platform, store }
    }
}

#[wasm_bindgen]
impl Contestant {
    /// Sets `count` keys, one after the other.
    #[wasm_bindgen(js_name = setEach)]
    pub async fn set_each(&self, from: u32, count: u32, value: Vec<u8>) -> Result<(), JsError> {
        let store = self.store.clone();
        let work = async move {
            for number in from..from + count {
                store.set(&key(number)?, &value).await?;
            }
            Ok::<(), Failure>(())
        };
        within(&self.platform, work).await?.map_err(thrown)
    }

    /// Sets one key `count` times.
    pub async fn overwrite(&self, number: u32, count: u32, value: Vec<u8>) -> Result<(), JsError> {
        let store = self.store.clone();
        let work = async move {
            for _ in 0..count {
                store.set(&key(number)?, &value).await?;
            }
            Ok::<(), Failure>(())
        };
        within(&self.platform, work).await?.map_err(thrown)
    }

    /// Gets one key `count` times; the result is how many bytes came.
    #[wasm_bindgen(js_name = getEach)]
    pub async fn get_each(&self, number: u32, count: u32) -> Result<usize, JsError> {
        let store = self.store.clone();
        let work = async move {
            let mut bytes = 0;
            for _ in 0..count {
                bytes += store.get(&key(number)?).await?.len();
            }
            Ok::<usize, Failure>(bytes)
        };
        within(&self.platform, work).await?.map_err(thrown)
    }

    /// Sets `count` keys at once, by a task each.
    #[wasm_bindgen(js_name = setAll)]
    pub async fn set_all(&self, from: u32, count: u32, value: Vec<u8>) -> Result<(), JsError> {
        let (platform, store, value) = (self.platform.clone(), self.store.clone(), Rc::<[u8]>::from(value));
        let work = async move {
            let writer = |number| {
                let (store, value) = (store.clone(), value.clone());
                async move { Ok::<(), Failure>(store.set(&key(number)?, &value).await?) }
            };
            let writers: Vec<_> = (from..from + count).map(|number| platform.spawn(writer(number))).collect();
            for writer in writers {
                writer.await??;
            }
            Ok::<(), Failure>(())
        };
        within(&self.platform, work).await?.map_err(thrown)
    }
}

fn key(number: u32) -> Result<Key, Failure> {
    Ok(Key::new(&format!("k{number}"))?)
}
