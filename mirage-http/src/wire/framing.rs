use super::Refusal;
use crate::text::{decimal, items};

/// Where a message's body ends (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After that many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked,
    /// With the connection. Only answers can be so.
    UntilClose,
}

/// What the fields of a head say about the body and the connection.
#[derive(Default)]
pub(super) struct Facts {
    length: Option<u64>,
    /// There was a `Transfer-Encoding`, be it empty.
    coded: bool,
    /// The coding named last is chunked.
    chunked_last: bool,
    chunked_times: u8,
    /// There are codings that are not chunked.
    other_codings: bool,
    pub close: bool,
    pub keep_alive: bool,
}

/// Whether a list has that word, in whatever case.
pub(crate) fn has_item(list: &[u8], word: &str) -> bool {
    items(list).any(|item| item.eq_ignore_ascii_case(word.as_bytes()))
}

impl Facts {
    /// Takes notice of a field.
    pub fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        if name.eq_ignore_ascii_case(b"content-length") {
            // A list of equal lengths is what some proxies make of repeated fields (RFC 9110, section 8.6).
            for item in value.split(|&byte| byte == b',').map(crate::text::trim) {
                let length = decimal(item).ok_or(Refusal::bad("the Content-Length is no number"))?;
                if self.length.is_some_and(|known| known != length) {
                    return Err(Refusal::bad("there are two different Content-Lengths"));
                }
                self.length = Some(length);
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.coded = true;
            for coding in items(value) {
                self.chunked_last = coding.eq_ignore_ascii_case(b"chunked");
                if self.chunked_last {
                    self.chunked_times = self.chunked_times.saturating_add(1);
                } else {
                    self.other_codings = true;
                }
            }
        } else if name.eq_ignore_ascii_case(b"connection") {
            self.close |= has_item(value, "close");
            self.keep_alive |= has_item(value, "keep-alive");
        }
        Ok(())
    }

    /// How the body of a request is framed.
    pub fn of_request(&self, minor: u8) -> Result<Framing, Refusal> {
        if !self.coded {
            return Ok(Framing::Length(self.length.unwrap_or(0)));
        }
        if minor == 0 {
            return Err(Refusal::bad("an HTTP/1.0 message cannot have a Transfer-Encoding"));
        }
        if self.length.is_some() {
            return Err(Refusal::bad(
                "there is a Content-Length and a Transfer-Encoding: the body could end in two places",
            ));
        }
        if !self.chunked_last || self.chunked_times > 1 {
            return Err(Refusal::bad(
                "chunked must be the last Transfer-Encoding, once, or the body's end is not known",
            ));
        }
        if self.other_codings {
            return Err(Refusal::new(501, "no Transfer-Encoding but chunked is known here"));
        }
        Ok(Framing::Chunked)
    }

    /// How the body of an answer is framed, where its status and the request do not say that there is none.
    pub fn of_response(&mut self) -> Result<Framing, Refusal> {
        if !self.coded {
            return Ok(self.length.map_or(Framing::UntilClose, Framing::Length));
        }
        // Whoever sent both may have meant another end than we see.
        self.close |= self.length.is_some();
        if self.other_codings || self.chunked_times > 1 {
            return Err(Refusal::new(501, "the answer's Transfer-Encoding is not known here"));
        }
        Ok(if self.chunked_last { Framing::Chunked } else { Framing::UntilClose })
    }

    /// Whether there can be another message on the connection.
    pub fn persists(&self, minor: u8) -> bool {
        !self.close && (minor > 0 || self.keep_alive)
    }
}
