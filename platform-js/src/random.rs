//! Random bytes from Web Cryptography's `getRandomValues`, which every browser has in window and worker.

use js_sys::Uint8Array;
use mirage_sig::Random;
use wasm_bindgen::prelude::*;

use crate::Browser;

/// What one call may ask for (Web Cryptography, `getRandomValues`, step 2).
const CHUNK: usize = 65_536;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(into: &Uint8Array);
}

pub(crate) fn fill(bytes: &mut [u8]) {
    for chunk in bytes.chunks_mut(CHUNK) {
        let random = Uint8Array::new_with_length(chunk.len() as u32);
        get_random_values(&random);
        random.copy_to(chunk);
    }
}

impl Random for Browser {
    fn fill(&self, bytes: &mut [u8]) {
        fill(bytes);
    }
}
