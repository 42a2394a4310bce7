//! A keyed hash: for tables that strangers fill, for sequence numbers that they must not foretell, and for random numbers.

use core::hash::{BuildHasher, Hasher};

/// The key. Whoever does not know it cannot foretell a hash, and so cannot crowd a bucket.
#[derive(Clone, Copy)]
pub(crate) struct Key(u64, u64);

impl Key {
    pub fn new(bytes: [u8; 16]) -> Self {
        let words = u128::from_le_bytes(bytes);
        Self(words as u64, (words >> 64) as u64)
    }

    /// The hash of some words.
    pub fn hash(&self, words: &[u64]) -> u64 {
        let mut hasher = self.build_hasher();
        words.iter().for_each(|word| hasher.write_u64(*word));
        hasher.finish()
    }
}

impl BuildHasher for Key {
    type Hasher = SipHash;

    fn build_hasher(&self) -> SipHash {
        SipHash {
            v: [
                self.0 ^ 0x736f_6d65_7073_6575,
                self.1 ^ 0x646f_7261_6e64_6f6d,
                self.0 ^ 0x6c79_6765_6e65_7261,
                self.1 ^ 0x7465_6462_7974_6573,
            ],
            length: 0,
        }
    }
}

/// SipHash-2-4 (Aumasson and Bernstein, 2012) over words of 64 bits.
pub(crate) struct SipHash {
    v: [u64; 4],
    length: u64,
}

impl SipHash {
    fn round(&mut self) {
        let [a, b, c, d] = &mut self.v;
        *a = a.wrapping_add(*b);
        *b = b.rotate_left(13) ^ *a;
        *a = a.rotate_left(32);
        *c = c.wrapping_add(*d);
        *d = d.rotate_left(16) ^ *c;
        *a = a.wrapping_add(*d);
        *d = d.rotate_left(21) ^ *a;
        *c = c.wrapping_add(*b);
        *b = b.rotate_left(17) ^ *c;
        *c = c.rotate_left(32);
    }
}

impl Hasher for SipHash {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.length = self.length.wrapping_add(8);
        self.v[3] ^= word;
        self.round();
        self.round();
        self.v[0] ^= word;
    }

    fn finish(&self) -> u64 {
        let mut end = Self { v: self.v, length: self.length };
        end.write_u64(self.length << 56);
        end.v[2] ^= 0xff;
        for _ in 0..4 {
            end.round();
        }
        end.v[0] ^ end.v[1] ^ end.v[2] ^ end.v[3]
    }
}

/// Random numbers for ports, identifiers and sequence numbers: the keyed hash of a counter.
pub(crate) struct Source {
    key: Key,
    count: u64,
}

impl Source {
    pub fn new(key: Key) -> Self {
        Self { key, count: 0 }
    }

    pub fn next(&mut self) -> u64 {
        self.count = self.count.wrapping_add(1);
        self.key.hash(&[self.count])
    }

    /// Below `bound`, which is not 0; evenly enough for what is bounded by far less than 2^32.
    pub fn below(&mut self, bound: u32) -> u32 {
        (self.next() % u64::from(bound.max(1))) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_siphash_2_4() {
        // The vector of the paper's appendix A: a message of 15 bytes. Ours takes whole words, so this one has 8 of them.
        let key = Key::new(core::array::from_fn(|at| at as u8));
        let mut hasher = key.build_hasher();
        hasher.write(&[0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(hasher.finish(), 0x93f5_f579_9a93_2462);
    }
}
