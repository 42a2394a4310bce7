use super::{Chunked, Framing, Refusal};

/// Takes the framing off a body.
#[derive(Clone, Debug)]
pub enum BodyDecoder {
    /// So many bytes are left.
    Length(u64),
    /// Chunks.
    Chunked(Chunked),
    /// All that comes.
    UntilClose,
}

impl BodyDecoder {
    /// For a body that is framed so.
    pub fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Chunked::default()),
            Framing::UntilClose => Self::UntilClose,
        }
    }

    /// Whether the body has come to its end.
    pub fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunked) => chunked.is_done(),
            Self::UntilClose => false,
        }
    }

    /// Moves the body's bytes from `input` into `out`: how many bytes of the input were used, and how many of `out` filled.
    /// It stops only where one of them or the body ends.
    pub fn decode(&mut self, input: &[u8], out: &mut [u8]) -> Result<(usize, usize), Refusal> {
        let (mut used, mut filled) = (0, 0);
        loop {
            let left = match self {
                Self::Length(left) => *left,
                Self::Chunked(chunked) => {
                    let (skipped, left) = chunked.skip(input.get(used..).unwrap_or_default())?;
                    used += skipped;
                    left
                }
                Self::UntilClose => u64::MAX,
            };
            let (from, to) = (input.get(used..).unwrap_or_default(), out.get_mut(filled..).unwrap_or_default());
            let count = from.len().min(to.len()).min(usize::try_from(left).unwrap_or(usize::MAX));
            if count == 0 {
                return Ok((used, filled));
            }
            for (to, from) in to.iter_mut().zip(from).take(count) {
                *to = *from;
            }
            self.took(count);
            used += count;
            filled += count;
        }
    }

    /// So many bytes of the body were taken past the decoder.
    pub(crate) fn took(&mut self, count: usize) {
        match self {
            Self::Length(left) => *left = left.saturating_sub(count as u64),
            Self::Chunked(chunked) => chunked.took(count),
            Self::UntilClose => {}
        }
    }
}
