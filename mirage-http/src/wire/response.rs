use alloc::string::String;
use alloc::vec::Vec;

use super::framing::Facts;
use super::head::split_field;
use super::lines::Lines;
use super::{Framing, Refusal};
use crate::text::{decimal, trim};

/// Reads the head of an answer (RFC 9112, sections 4 and 5), line by line as they come.
///
/// What is wrong with an answer has the status 502, as a proxy would say it.
#[derive(Default)]
pub struct ResponseParser {
    lines: Lines,
    status: Option<(u8, u16)>,
    fields: Vec<(String, String)>,
    facts: Facts,
}

/// The head of an answer.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// The status, 100 to 599.
    pub status: u16,
    /// Names, in lower case, and values. A byte that is not UTF-8 is U+FFFD.
    pub headers: Vec<(String, String)>,
    /// Where the body ends, which is where it begins for an answer that can have none.
    pub framing: Framing,
    /// Whether the server goes on with the connection.
    pub persists: bool,
}

impl ResponseParser {
    /// Goes on with `bytes`, all that has arrived since the last answer: the head's length if it is complete.
    pub fn advance(&mut self, bytes: &[u8], head_max: usize, fields_max: usize) -> Result<Option<usize>, Refusal> {
        let visible = bytes.get(..head_max).unwrap_or(bytes);
        loop {
            let Some(line) = self.lines.next(visible)? else {
                if bytes.len() < head_max {
                    return Ok(None);
                }
                return Err(Refusal::new(502, "the answer's head is too long"));
            };
            let (end, text) = (self.lines.start(), visible.get(line).unwrap_or_default());
            if self.status.is_none() {
                self.status = Some(status_line(text)?);
            } else if text.is_empty() {
                return Ok(Some(end));
            } else {
                self.field(text, fields_max)?;
            }
        }
    }

    fn field(&mut self, text: &[u8], fields_max: usize) -> Result<(), Refusal> {
        // A user agent must mend lines that go on (RFC 9112, section 5.2), but not those that say where the body ends.
        if let ([b' ' | b'\t', ..], Some((name, value))) = (text, self.fields.last_mut()) {
            if matches!(name.as_str(), "content-length" | "transfer-encoding" | "connection") {
                return Err(Refusal::new(502, "the answer has a header on two lines that must be on one"));
            }
            value.push(' ');
            value.push_str(&String::from_utf8_lossy(trim(text)));
            return Ok(());
        }
        let (name, value) = split_field(text)?;
        if self.fields.len() >= fields_max {
            return Err(Refusal::new(502, "the answer has too many headers"));
        }
        self.facts.field(name, value)?;
        let name = name.iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect();
        self.fields.push((name, String::from_utf8_lossy(value).into_owned()));
        Ok(())
    }

    /// The head, if it was complete. `bodiless` says that the request was one to which there is no body: `HEAD`.
    pub fn finish(mut self, bodiless: bool) -> Result<ResponseHead, Refusal> {
        let (minor, status) = self.status.ok_or(Refusal::new(502, "the answer has no status"))?;
        let framing = match status {
            100..200 | 204 | 304 => Framing::Length(0),
            _ if bodiless => Framing::Length(0),
            _ => self.facts.of_response()?,
        };
        let persists = self.facts.persists(minor) && framing != Framing::UntilClose;
        Ok(ResponseHead { status, headers: self.fields, framing, persists })
    }
}

/// Reads `version SP status SP reason`; the reason says nothing, and the space before it is often forgotten.
fn status_line(line: &[u8]) -> Result<(u8, u16), Refusal> {
    let [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'9', b' ', rest @ ..] = line else {
        return Err(Refusal::new(502, "the answer is not HTTP/1.1"));
    };
    let (digits, reason) = rest.split_at_checked(3).unwrap_or_default();
    let status =
        decimal(digits).and_then(|status| u16::try_from(status).ok()).filter(|status| (100..600).contains(status));
    match status {
        Some(status) if matches!(reason, [] | [b' ', ..]) => Ok(((minor - b'0').min(1), status)),
        _ => Err(Refusal::new(502, "the answer's status is no number from 100 to 599")),
    }
}
