/// Numbers that look random and can be had again: PCG-XSH-RR 64/32 (O'Neill 2014, "PCG: A Family of Simple Fast
/// Space-Efficient Statistically Good Algorithms for Random Number Generation"). Not for keys.
pub struct Pcg(u64);

const MULTIPLIER: u64 = 6_364_136_223_846_793_005;
/// Which of the sequences: that of the author's demonstration, so that it can be compared.
const INCREMENT: u64 = 54 << 1 | 1;

impl Pcg {
    pub fn new(seed: u64) -> Self {
        let mut pcg = Self(seed.wrapping_add(INCREMENT));
        pcg.next();
        pcg
    }

    pub fn next(&mut self) -> u32 {
        let state = self.0;
        self.0 = state.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT);
        // The high bits are the best: they are folded, and the highest say by how much to rotate.
        ((((state >> 18) ^ state) >> 27) as u32).rotate_right((state >> 59) as u32)
    }

    /// A number below `bound`, or 0. The bias is below `bound` / 2^32.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.next()) * u64::from(bound)) >> 32) as u32
    }

    /// True that many times in a million.
    pub fn chance(&mut self, ppm: u32) -> bool {
        ppm > 0 && self.below(1_000_000) < ppm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_come_as_often_as_they_say() {
        let mut pcg = Pcg::new(1);
        for ppm in [0, 1_000, 250_000, 999_000, 1_000_000] {
            let hits = (0..100_000).filter(|_| pcg.chance(ppm)).count() as i64;
            assert!((hits - i64::from(ppm) / 10).abs() < 700, "{ppm}: {hits}");
        }
    }

    /// The first numbers that the author's `pcg32-demo` prints.
    #[test]
    fn a_seed_is_a_sequence() {
        let mut pcg = Pcg::new(42);
        for expected in [0xa15c_02b7, 0x7b47_f409, 0xba1d_3330, 0x83d2_f293, 0xbfa4_784b, 0xcbed_606e] {
            assert_eq!(pcg.next(), expected);
        }
    }
}
