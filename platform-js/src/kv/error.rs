use std::fmt;

use mirage_sig::{Key, KvError, KvErrorKind};
use wasm_bindgen::{JsCast, JsValue};

use crate::describe::describe;

/// What went wrong in a store on IndexedDB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvFault(Box<Fault>);

/// In a box, as every future that may fail has room for it, and code to move and drop it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    kind: KvErrorKind,
    /// The key it was about.
    key: Option<Key>,
    /// A key on the way to it that is in the way.
    culprit: Option<Key>,
    /// What the browser said.
    detail: String,
    /// What to say instead of what the kind says.
    instead: Option<&'static str>,
}

impl KvFault {
    pub(super) fn new(kind: KvErrorKind) -> Self {
        Self(Box::new(Fault { kind, key: None, culprit: None, detail: String::new(), instead: None }))
    }

    pub(super) fn at(kind: KvErrorKind, key: &Key) -> Self {
        Self::new(kind).about(key)
    }

    /// A write to `key` was refused because `ancestor` has a value.
    pub(super) fn not_within(key: &Key, ancestor: &Key) -> Self {
        let mut fault = Self::at(KvErrorKind::DictionaryExpected, key);
        fault.0.culprit = Some(ancestor.clone());
        fault
    }

    pub(super) fn about(mut self, key: &Key) -> Self {
        self.0.key.get_or_insert_with(|| key.clone());
        self
    }

    /// What an exception or a failed request means (IndexedDB 3.0, section 7, "Exceptions").
    pub(super) fn from_js(error: &JsValue) -> Self {
        let named = error.dyn_ref::<web_sys::DomException>();
        let name = named.map(web_sys::DomException::name).unwrap_or_default();
        let kind = match name.as_str() {
            "QuotaExceededError" => KvErrorKind::NoSpace,
            "SecurityError" | "NotAllowedError" | "InvalidAccessError" => KvErrorKind::Refused,
            "InvalidStateError" => KvErrorKind::Gone,
            _ => KvErrorKind::Corrupt,
        };
        let detail = match named {
            Some(exception) => format!("{name}: {}", exception.message()),
            None => describe(error),
        };
        Self::new(kind).with_detail(detail)
    }

    /// Whether it says no more than that its transaction was aborted.
    pub(super) fn is_abort(&self) -> bool {
        self.0.detail.starts_with("AbortError")
    }

    pub(super) fn with_kind(mut self, kind: KvErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    pub(super) fn instead(mut self, text: &'static str) -> Self {
        self.0.instead = Some(text);
        self
    }

    pub(super) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = detail.into();
        self
    }
}

impl KvError for KvFault {
    fn kind(&self) -> KvErrorKind {
        self.0.kind
    }
}

/// What happened, to which key, what to do, and what the browser said.
impl fmt::Display for KvFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.0.key {
            if key.is_root() { f.write_str("the whole store: ")? } else { write!(f, "key {}: ", key.as_str())? }
        }
        if let Some(culprit) = &self.0.culprit {
            return write!(f, "{} is a value, so nothing can be within it", culprit.as_str());
        }
        if let Some(text) = self.0.instead {
            return f.write_str(text);
        }
        f.write_str(match self.0.kind {
            KvErrorKind::NotFound => "nothing has this key",
            KvErrorKind::DictionaryExpected => "it is a value where a dictionary was needed",
            KvErrorKind::ValueExpected => "it is a dictionary, not a value; name a key within it",
            KvErrorKind::RenameIntoItself => "a dictionary cannot be renamed into itself",
            KvErrorKind::Conflict => "somebody else, perhaps another tab, has changed it since it was last read here; read it again",
            KvErrorKind::NoSpace => {
                "the browser gives this site no more room; nothing was written. Remove something here, or free disk space"
            }
            KvErrorKind::ReadOnly => "the store can only be read",
            KvErrorKind::Refused => {
                "the browser refuses to store anything for this page; allow site data (cookies) for it, or leave private browsing"
            }
            KvErrorKind::Blocked => {
                "another tab has the store open and is in the way of changing it; close the other tabs of this site and reload"
            }
            KvErrorKind::Gone => "the store was closed or deleted under us, by another tab or by the browser; reload the page",
            _ => "the store failed, or holds something that it should not; clear it, or clear this site's data, and reload",
        })?;
        if self.0.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.0.detail) }
    }
}

impl std::error::Error for KvFault {}
