use mirage_sig::Key;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::time::Duration;

/// The source of a table: one expression, so that its user chooses the name and the kind of item.
pub struct Table {
    source: String,
}

impl Table {
    pub fn new() -> Self {
        Self { source: "::mirage_kv::Static::new(&[\n".into() }
    }

    /// Adds a file, whose content is found at `path`, from the table's folder on.
    pub fn add(&mut self, key: &Key, path: &str, bytes: &[u8], modified: Duration) {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        // Writing to a string does not fail.
        let _ = writeln!(
            self.source,
            "    ::mirage_kv::File {{\n        key: {:?},\n        bytes: ::core::include_bytes!({path:?}),\n        \
             modified: ::core::time::Duration::from_secs({}),\n        digest: {digest:?},\n    }},",
            key.as_str(),
            modified.as_secs(),
        );
    }

    pub fn finish(mut self) -> String {
        self.source.push_str("])\n");
        self.source
    }
}
