//! Time, from the High Resolution Time standard: `performance.now()` in window and worker alike.
//!
//! Resolution is the browser's choice: 5 µs (Chromium) or 20 µs (Firefox) in a page that is cross-origin isolated, 100 µs to
//! 1 ms elsewhere.

use std::time::Duration;

use mirage_sig::{Instant, MonotonicClock, WallClock};
use wasm_bindgen::prelude::*;

use crate::Browser;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// Milliseconds since the window or worker began.
pub(crate) fn milliseconds() -> f64 {
    performance_now()
}

pub(crate) fn now() -> Instant {
    // A float keeps whole nanoseconds for 104 days; after that the clock gets coarser, never wrong.
    Instant::from_nanos((performance_now() * 1e6) as u64)
}

impl MonotonicClock for Browser {
    fn now(&self) -> Instant {
        now()
    }
}

impl WallClock for Browser {
    // Not `performance.timeOrigin + now()`: that does not follow when somebody sets the clock.
    fn unix_time(&self) -> Duration {
        Duration::from_millis(js_sys::Date::now() as u64)
    }
}
