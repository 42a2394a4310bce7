//! Turns and short sleeps.

use std::time::Duration;

use mirage_sig::{MonotonicClock, Sleep};
use wasm_bindgen::prelude::*;

use crate::{Unikernel, within};

#[wasm_bindgen]
impl Unikernel {
    /// Takes `count` turns of the event loop, one after the other.
    pub async fn turns(&self, count: u32) -> Result<(), JsError> {
        let platform = self.platform();
        let clock = platform.clone();
        let work = async move {
            for _ in 0..count {
                clock.sleep(Duration::ZERO).await;
            }
        };
        within(&platform, work).await
    }

    /// Sleeps `count` times for `ms` milliseconds; the result is how late each ended, in milliseconds.
    pub async fn lateness(&self, count: u32, ms: u32) -> Result<Vec<f64>, JsError> {
        let platform = self.platform();
        let clock = platform.clone();
        let work = async move {
            let span = Duration::from_millis(ms.into());
            let mut late = Vec::new();
            for _ in 0..count {
                let start = clock.now();
                clock.sleep(span).await;
                late.push((clock.now().since(start).as_secs_f64() - span.as_secs_f64()) * 1000.0);
            }
            late
        };
        within(&platform, work).await
    }
}
