//! What is stored under a key.

use js_sys::Uint8Array;
use mirage_sig::{Key, KvErrorKind};
use wasm_bindgen::prelude::*;

use super::error::KvFault;

/// The bytes before the value: the version, and when it was written, both as little-endian `f64`.
const HEAD: usize = 16;

/// Versions are whole numbers below this, which an `f64` holds exactly.
const VERSIONS: f64 = 9_007_199_254_740_992.0;

/// A value with its head in one array of bytes, which IndexedDB copies in a third of the time that an object with three fields
/// takes it.
pub(super) struct Record {
    whole: Uint8Array,
    version: f64,
    modified_ms: f64,
}

impl Record {
    /// A value written now, with a random version, which tells this write from any other.
    pub fn new(value: &[u8]) -> Self {
        Self::with(value, js_sys::Date::now())
    }

    fn with(value: &[u8], modified_ms: f64) -> Self {
        let version = (js_sys::Math::random() * VERSIONS).floor();
        let mut whole = Vec::with_capacity(HEAD + value.len());
        whole.extend_from_slice(&version.to_le_bytes());
        whole.extend_from_slice(&modified_ms.to_le_bytes());
        whole.extend_from_slice(value);
        Self { whole: Uint8Array::from(&whole[..]), version, modified_ms }
    }

    /// The same value under another key: written when it was written, and yet another write.
    pub fn moved(&self) -> Self {
        Self::with(&self.bytes().to_vec(), self.modified_ms)
    }

    /// What a `get` found; `None` if nothing has the key.
    pub fn found(key: &Key, found: JsValue) -> Result<Option<Self>, KvFault> {
        if found.is_undefined() {
            return Ok(None);
        }
        let record = found.dyn_into().ok().and_then(Self::read);
        record.map(Some).ok_or_else(|| KvFault::at(KvErrorKind::Corrupt, key).with_detail("not a record of ours"))
    }

    fn read(whole: Uint8Array) -> Option<Self> {
        let mut head = [0; HEAD];
        if (whole.length() as usize) < HEAD {
            return None;
        }
        whole.subarray(0, HEAD as u32).copy_to(&mut head);
        let (version, modified) = head.split_at(8);
        let version = f64::from_le_bytes(version.try_into().ok()?);
        let modified_ms = f64::from_le_bytes(modified.try_into().ok()?);
        let sound = (0.0..VERSIONS).contains(&version) && version.fract() == 0.0 && modified_ms.is_finite();
        sound.then_some(Self { whole, version, modified_ms })
    }

    /// The record as it is stored.
    pub fn as_js(&self) -> &JsValue {
        &self.whole
    }

    pub fn bytes(&self) -> Uint8Array {
        self.whole.subarray(HEAD as u32, self.whole.length())
    }

    pub fn modified_ms(&self) -> f64 {
        self.modified_ms
    }

    pub fn version(&self) -> f64 {
        self.version
    }
}
