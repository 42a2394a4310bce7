use std::cell::Cell;

use mirage_conformance::fakes::FakeRandom;
use mirage_conformance::random;
use mirage_sig::Random;

use crate::{all_are_found, mistakes};

mistakes! {
    AllZeros => "Random bytes are fit for keys",
    NoByteAbove127 => "Random bytes are fit for keys",
    ComesAgainAfter4096 => "Random bytes are fit for keys",
    /// As one call of JavaScript's does.
    StopsAt65536 => "`fill` fills all of the bytes, however many they are",
    WholeWordsOnly => "`fill` fills all of the bytes, however many they are",
    SameEachTime => "Two fills never give the same bytes",
    ClonesAgree => "Two fills never give the same bytes",
    ArraysOfZeros => "`random` gives an array of random bytes",
}

struct Broken {
    seed: Cell<u64>,
    mistake: Option<Mistake>,
}

impl Clone for Broken {
    fn clone(&self) -> Self {
        let apart = if self.mistake == Some(Mistake::ClonesAgree) { 0 } else { 1 << 40 };
        Self { seed: Cell::new(self.seed.get() + apart), mistake: self.mistake }
    }
}

impl Random for Broken {
    fn fill(&self, bytes: &mut [u8]) {
        let inner = FakeRandom::new(self.seed.get());
        if self.mistake != Some(Mistake::SameEachTime) {
            self.seed.set(self.seed.get() + 1);
        }
        match self.mistake {
            Some(Mistake::StopsAt65536) => {
                let end = bytes.len().min(65_536);
                inner.fill(&mut bytes[..end]);
            }
            Some(Mistake::WholeWordsOnly) => {
                let end = bytes.len() / 8 * 8;
                inner.fill(&mut bytes[..end]);
            }
            Some(Mistake::ComesAgainAfter4096) => {
                bytes.chunks_mut(4_096).for_each(|chunk| FakeRandom::new(self.seed.get()).fill(chunk));
            }
            _ => inner.fill(bytes),
        }
        match self.mistake {
            Some(Mistake::AllZeros) => bytes.fill(0),
            Some(Mistake::NoByteAbove127) => bytes.iter_mut().for_each(|byte| *byte &= 127),
            _ => {}
        }
    }

    fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        if self.mistake != Some(Mistake::ArraysOfZeros) {
            self.fill(&mut bytes);
        }
        bytes
    }
}

#[test]
fn randomness() {
    all_are_found(MISTAKES, |_, mistake| Ok(random::suite(&Broken { seed: Cell::new(1), mistake })));
}
