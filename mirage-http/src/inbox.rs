use alloc::vec::Vec;

/// What has arrived and was not used: a buffer that grows as needed and is small again when it is idle.
#[derive(Default)]
pub(crate) struct Inbox {
    /// As long as its capacity, for `read` to write into.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// The least room that a read is given, and all that an idle connection keeps.
const ROOM_MIN: usize = 1_024;

impl Inbox {
    pub fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Room to read into, of a buffer of at most `most` bytes. Empty only if the buffer is that long and full.
    pub fn room(&mut self, most: usize) -> &mut [u8] {
        if self.end == self.buffer.len() && self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            let length = (2 * self.buffer.len()).clamp(ROOM_MIN, most.max(ROOM_MIN));
            self.buffer.resize(length.max(self.end), 0);
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    pub fn filled(&mut self, count: usize) {
        self.end = self.buffer.len().min(self.end + count);
    }

    /// Gives back what an idle connection does not need.
    pub fn shrink(&mut self) {
        if self.is_empty() && self.buffer.len() > ROOM_MIN {
            self.buffer = Vec::new();
        }
    }
}
