//! The least that a wasm-bindgen module can be and still say something.
#![cfg(target_arch = "wasm32")]

use wasm_bindgen::prelude::*;

/// What it has to say, for the page to show.
#[wasm_bindgen]
pub fn greeting() -> String {
    "Hello, world!\n".into()
}
