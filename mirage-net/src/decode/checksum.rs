//! The Internet's checksum (RFC 1071).

/// The sum of the bytes, two by two.
pub fn sum(bytes: &[u8]) -> u64 {
    let mut sum = 0;
    for pair in bytes.chunks(2) {
        let [high, low] = match *pair {
            [high, low] => [high, low],
            [high] => [high, 0],
            _ => [0, 0],
        };
        sum += u64::from(u16::from_be_bytes([high, low]));
    }
    sum
}

/// Whether a sum that includes its checksum is right.
pub fn holds(mut sum: u64) -> bool {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum == 0xffff
}
