//! First sequence numbers (RFC 6528): a clock, plus a keyed hash of the two ends. So nobody can foretell them, and those of the
//! same two ends grow: a connection that meets what is left of an earlier one is told from it, and opened at once.
//!
//! smoltcp draws the number itself, from a generator that is seeded by its user. So the generator is run backwards, from the
//! number to the seed. Should smoltcp draw in another way one day, the test below fails, and numbers are random until then.

use mirage_sig::Instant;

use super::{Tcp, Tuple};

/// The generator's factor and summand: a state is the one before times the one plus the other.
const FACTOR: u64 = 0xbb2e_fcec_3c39_611d;
const SUMMAND: u64 = 0x7590_ef39;
/// The clock ticks every four microseconds.
const TICK_NANOS: u64 = 4_000;

/// What times `factor` is 1, modulo 2^64. Each step of Newton's doubles the bits that are right, of which three are at first.
const fn inverse(factor: u64) -> u64 {
    let mut inverse = factor;
    let mut step = 0;
    while step < 5 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(factor.wrapping_mul(inverse)));
        step += 1;
    }
    inverse
}

const fn state_before(state: u64) -> u64 {
    state.wrapping_sub(SUMMAND).wrapping_mul(inverse(FACTOR))
}

/// The number that a state gives.
const fn drawn(state: u64) -> u32 {
    (state >> (29 - (state >> 61))) as u32
}

/// A seed from which the second number that is drawn is `isn`; the first is for something else, and must not be 0.
pub(crate) fn seed_for(isn: u32, mut noise: u64) -> u64 {
    loop {
        // With the three highest bits set, the number is that from bit 22 on. All other bits are anything.
        let state = 7 << 61 | noise & !(7 << 61 | u64::from(u32::MAX) << 22) | u64::from(isn) << 22;
        let before = state_before(state);
        let first = drawn(before);
        if (first ^ first >> 16) as u16 != 0 {
            return state_before(before);
        }
        noise = noise.wrapping_add(1);
    }
}

impl Tcp {
    pub fn first_number(&self, tuple: &Tuple, now: Instant) -> u32 {
        let clock = (now.as_nanos() / TICK_NANOS) as u32;
        clock.wrapping_add(self.seed(tuple, 0, u64::MAX) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_runs_backwards() {
        assert_eq!(FACTOR.wrapping_mul(inverse(FACTOR)), 1);
        for number in 0..10_000_u32 {
            let isn = number.wrapping_mul(2_654_435_761);
            let seed = seed_for(isn, u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let first = seed.wrapping_mul(FACTOR).wrapping_add(SUMMAND);
            assert_eq!(drawn(first.wrapping_mul(FACTOR).wrapping_add(SUMMAND)), isn);
        }
    }
}
