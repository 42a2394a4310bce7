//! What JavaScript threw, in words.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// JavaScript's own conversion to text. Throws for a symbol, which nobody throws.
    #[wasm_bindgen(js_name = String, catch)]
    fn to_text(value: &JsValue) -> Result<String, JsValue>;
}

/// An exception as JavaScript writes it: its name and message. `{:?}` of a [`JsValue`] would say as much, and bring the
/// printing of numbers with it, 17 kB.
pub(crate) fn describe(thrown: &JsValue) -> String {
    to_text(thrown).unwrap_or_else(|_| "an exception without a text".into())
}
