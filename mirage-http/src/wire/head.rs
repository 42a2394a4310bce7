use alloc::vec::Vec;

use super::Refusal;
use crate::text::{is_token, trim};

/// The fields of a message, kept as the bytes that came.
///
/// A lookup walks over them. Heads are short, and a table of them would be larger than they are.
#[derive(Clone, Debug)]
pub struct Head {
    bytes: Vec<u8>,
    /// Where the first field begins.
    fields: usize,
}

/// Splits a field line into name and value (RFC 9112, section 5).
pub(super) fn split_field(line: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    if matches!(line, [b' ' | b'\t', ..]) {
        return Err(Refusal::bad("a header goes on in the next line, which has been obsolete since 2014"));
    }
    let colon = line.iter().position(|&byte| byte == b':');
    let (name, value) = line.split_at(colon.ok_or(Refusal::bad("a header has no colon"))?);
    if !is_token(name) {
        return Err(Refusal::bad("a header's name is empty, or has a character that no name can have"));
    }
    Ok((name, trim(value.get(1..).unwrap_or_default())))
}

impl Head {
    /// The head that these bytes are, which a parser has looked through; its fields begin at `fields`.
    pub(super) fn new(bytes: Vec<u8>, fields: usize) -> Self {
        Self { bytes, fields }
    }

    /// Names, as they were written, and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let lines = self.bytes.get(self.fields..).unwrap_or_default().split(|&byte| byte == b'\n');
        lines.filter_map(|line| {
            let (name, value) = split_field(line.strip_suffix(b"\r")?).ok()?;
            Some((core::str::from_utf8(name).ok()?, value))
        })
    }

    /// The value of the first field of that name, in whatever case. None also if it is not UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)?;
        core::str::from_utf8(value).ok()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
