use core::ops::Range;

use super::Refusal;

/// Finds the lines of a head, each of which ends in CR LF (RFC 9112, section 2.2), looking at every byte once.
///
/// A CR or LF by itself, NUL, and other control characters than the tab are refused where they stand, so that what is no HTTP
/// is answered at once and not after a timeout.
#[derive(Default)]
pub(super) struct Lines {
    start: usize,
    at: usize,
}

impl Lines {
    /// Where the line begins that has not ended yet.
    pub fn start(&self) -> usize {
        self.start
    }

    /// The next line, without its end; None if it has not come to its end in `bytes`, all that has arrived so far.
    pub fn next(&mut self, bytes: &[u8]) -> Result<Option<Range<usize>>, Refusal> {
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b'\r' => match bytes.get(self.at + 1) {
                    None => return Ok(None),
                    Some(b'\n') => {
                        let line = self.start..self.at;
                        self.at += 2;
                        self.start = self.at;
                        return Ok(Some(line));
                    }
                    Some(_) => return Err(Refusal::bad("a carriage return stands without its line feed")),
                },
                b'\n' => return Err(Refusal::bad("a line ends in a line feed without a carriage return")),
                b'\t' | b' '..=b'~' | 0x80.. => self.at += 1,
                _ => return Err(Refusal::bad("there is a control character in the head")),
            }
        }
        Ok(None)
    }
}
