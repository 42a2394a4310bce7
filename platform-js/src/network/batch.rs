//! Frames in a row, as they cross between two realms of one page: each behind its length, which is two bytes, little-endian.

/// The bytes that say how long a frame is.
pub const PREFIX: usize = 2;

/// Puts a frame behind the others. It is no longer than an interface takes, which is far below 64 kB.
pub fn push(batch: &mut Vec<u8>, frame: &[u8]) {
    batch.extend_from_slice(&(frame.len() as u16).to_le_bytes());
    batch.extend_from_slice(frame);
}

/// The frames of a batch. One that is cut off, as only a broken peer sends it, comes as an empty one, which is none, and is the
/// last.
pub fn frames(batch: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = batch;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let split = rest.split_first_chunk::<PREFIX>();
        let split = split.and_then(|(length, after)| after.split_at_checked(u16::from_le_bytes(*length).into()));
        let (frame, after) = split.unwrap_or_default();
        rest = after;
        Some(frame)
    })
}
