use alloc::vec::Vec;

use super::Refusal;
use crate::text::{hex_digit, is_token_byte, is_value_byte, push_hex};

/// The longest line with a chunk's size, extensions included, in bytes. They mean nothing to us.
const CHUNK_LINE_MAX: u16 = 256;

/// The longest trailer section, in bytes. Trailers are read and thrown away (RFC 9110, section 6.5.1, allows that).
const TRAILERS_MAX: u16 = 4_096;

/// The digits of the largest size there is.
const SIZE_DIGITS_MAX: u8 = 16;

/// Reads the chunked coding (RFC 9112, section 7.1), byte by byte outside of the data.
#[derive(Clone, Debug)]
pub struct Chunked {
    state: State,
    /// The size that is being read, and then what is left of it.
    left: u64,
    /// Bytes of the line, or of the trailers, so far.
    line: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size {
        digits: u8,
    },
    /// Space that only an extension may follow.
    Space,
    Extension,
    SizeEnd,
    Data,
    DataReturn,
    DataEnd,
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerEnd,
    LastEnd,
    Done,
}

impl Default for Chunked {
    fn default() -> Self {
        Self { state: State::Size { digits: 0 }, left: 0, line: 0 }
    }
}

impl Chunked {
    /// Whether the last chunk and the trailers have been read.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Reads what stands between data at the start of `input`: its length, and how many bytes of data follow it at once,
    /// which [`took`](Self::took) is told of.
    pub fn skip(&mut self, input: &[u8]) -> Result<(usize, u64), Refusal> {
        let mut at = 0;
        while !matches!(self.state, State::Data | State::Done)
            && let Some(&byte) = input.get(at)
        {
            self.byte(byte)?;
            at += 1;
        }
        Ok((at, if self.state == State::Data { self.left } else { 0 }))
    }

    /// So many bytes of data were taken out of the input.
    pub fn took(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count as u64);
        if self.left == 0 && self.state == State::Data {
            self.state = State::DataReturn;
        }
    }

    fn byte(&mut self, byte: u8) -> Result<(), Refusal> {
        use State::*;
        const CHUNK: Refusal = Refusal::bad("the body has a chunk that is none");
        const TRAILER: Refusal = Refusal::bad("the body has a trailer that is none");
        self.line = self.line.saturating_add(1);
        self.state = match (self.state, byte) {
            (Size { digits: 1.. }, b'\r') | (Extension, b'\r') => SizeEnd,
            (Size { digits: 1.. } | Space, b' ' | b'\t') => Space,
            (Size { digits: 1.. } | Space, b';') => Extension,
            (Size { digits }, _) => {
                let digit = hex_digit(byte).ok_or(CHUNK)?;
                if digits == SIZE_DIGITS_MAX {
                    return Err(Refusal::bad("the body has a chunk that is larger than anything"));
                }
                self.left = self.left << 4 | u64::from(digit);
                Size { digits: digits + 1 }
            }
            (Extension, _) if is_value_byte(byte) => Extension,
            (SizeEnd, b'\n') => {
                self.line = 0;
                if self.left == 0 { Trailer } else { Data }
            }
            (DataReturn, b'\r') => DataEnd,
            (DataEnd, b'\n') => {
                self.line = 0;
                Size { digits: 0 }
            }
            (Trailer, b'\r') => LastEnd,
            (Trailer | TrailerName, _) if is_token_byte(byte) => TrailerName,
            (TrailerName, b':') => TrailerValue,
            (TrailerValue, b'\r') => TrailerEnd,
            (TrailerValue, _) if is_value_byte(byte) => TrailerValue,
            (TrailerEnd, b'\n') => Trailer,
            (LastEnd, b'\n') => Done,
            (Trailer | TrailerName | TrailerValue | TrailerEnd | LastEnd, _) => return Err(TRAILER),
            _ => return Err(CHUNK),
        };
        match self.state {
            Trailer | TrailerName | TrailerValue | TrailerEnd if self.line > TRAILERS_MAX => {
                Err(Refusal::new(431, "the body has too many trailers"))
            }
            Size { .. } | Space | Extension if self.line > CHUNK_LINE_MAX => {
                Err(Refusal::bad("the body has a chunk with too long an extension"))
            }
            _ => Ok(()),
        }
    }
}

/// The end of a chunked body.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Writes `data` as a chunk. No data is no chunk, as that would be the last one.
pub fn push_chunk(out: &mut Vec<u8>, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    push_hex(out, data.len() as u64);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}
