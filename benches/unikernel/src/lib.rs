//! A unikernel in the hands of a bench: the page says what to do and takes the time, so that one stopwatch times all.
#![cfg(target_arch = "wasm32")]

mod kv;
mod net;
mod timers;

use mirage_sig::{Failure, Platform, Runtime};
use platform_js::{App, Browser, Embedded};
use wasm_bindgen::prelude::*;

const IDLE: App = App {
    name: "bench",
    args: &[],
    start: |p| {
        Box::pin(async move {
            p.shutdown_requested().await;
            Ok(())
        })
    },
};

/// A unikernel that does nothing but what it is asked to.
#[wasm_bindgen]
pub struct Unikernel(Embedded);

#[wasm_bindgen]
impl Unikernel {
    /// Boots it. Its stores belong to this name.
    #[wasm_bindgen(constructor)]
    pub fn new(name: &str) -> Self {
        Self(Embedded::boot(IDLE, &format!("name={name}"), |_| ()))
    }

    /// Boots it with arguments, spelled as in a URL's query, and perhaps a cable to a `Switch`.
    pub fn boot(args: &str, cable: Option<web_sys::MessagePort>) -> Self {
        Self(Embedded::boot_on(IDLE, args, cable, |_| ()))
    }

    /// Opens its store.
    pub async fn store(&self) -> Result<kv::Contestant, JsError> {
        let platform = self.0.platform();
        let store = platform.kv("bench").await.map_err(thrown)?;
        Ok(kv::Contestant::new(platform, store))
    }
}

impl Unikernel {
    fn platform(&self) -> Browser {
        self.0.platform()
    }
}

/// Runs work as a task of the unikernel, where an application's own code runs, and waits for its end.
async fn within<T: 'static>(platform: &impl Runtime, work: impl Future<Output = T> + 'static) -> Result<T, JsError> {
    Ok(platform.spawn(work).await?)
}

fn thrown(failure: Failure) -> JsError {
    JsError::new(&failure.to_string())
}
