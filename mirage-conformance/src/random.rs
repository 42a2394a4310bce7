//! Randomness: [`Random`].
//!
//! That bytes cannot be foretold is not to be seen in them; what is asserted is that they are not obviously bad. A good
//! source fails here less than once in 10^12 runs.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec;

use mirage_sig::Random;

use crate::{Verdict, ensure};

const ALL: &str = "`fill` fills all of the bytes, however many they are";
const FIT: &str = "Random bytes are fit for keys";
const TWICE: &str = "Two fills never give the same bytes";
const ARRAY: &str = "`random` gives an array of random bytes";

/// Asserts the contract of a source of random bytes.
pub fn suite<R: Random + Clone>(random: &R) -> Verdict {
    all_filled(random)?;
    fit_for_keys(random)?;
    never_twice(random)?;
    arrays(random)
}

/// Fills buffers of many lengths, of which 65,536 is the most that JavaScript fills at once.
fn all_filled<R: Random>(random: &R) -> Verdict {
    for length in [0_usize, 1, 2, 7, 8, 9, 31, 64, 1_000, 4_096, 65_535, 65_536, 65_537, 200_003] {
        let mut touched = vec![false; length];
        // A byte stays what it was in one of 256 fills, so ten fills leave none untouched.
        for round in 0..10_u8 {
            let mut bytes = vec![round; length];
            random.fill(&mut bytes);
            touched.iter_mut().zip(&bytes).for_each(|(touched, byte)| *touched |= *byte != round);
        }
        let untouched = touched.iter().position(|touched| !touched);
        ensure(untouched.is_none(), ALL, || format!("of {length} bytes, that at {untouched:?} was left as it was"))?;
    }
    Ok(())
}

/// Counts how often each byte comes, and looks for blocks that come twice.
fn fit_for_keys<R: Random>(random: &R) -> Verdict {
    let mut bytes = vec![0; 131_072];
    random.fill(&mut bytes);
    let mut counts = [0_u32; 256];
    bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    // 512 each are expected, and 170 away from it is 7.5 standard deviations.
    for (byte, count) in counts.into_iter().enumerate() {
        ensure(count.abs_diff(512) < 170, FIT, || {
            format!("in 131,072 bytes, {byte} came {count} times, where about 512 were expected")
        })?;
    }
    let blocks: BTreeSet<&[u8]> = bytes.chunks(16).collect();
    let repeated = bytes.len() / 16 - blocks.len();
    ensure(repeated == 0, FIT, || format!("{repeated} blocks of 16 bytes came again within 131,072 bytes"))
}

fn never_twice<R: Random + Clone>(random: &R) -> Verdict {
    let clone = random.clone();
    let mut seen = BTreeSet::new();
    for round in 0..64 {
        let mut bytes = [0; 32];
        if round % 2 == 0 {
            random.fill(&mut bytes)
        } else {
            clone.fill(&mut bytes)
        }
        ensure(seen.insert(bytes), TWICE, || format!("fill number {round} gave 32 bytes that came before"))?;
    }
    Ok(())
}

fn arrays<R: Random>(random: &R) -> Verdict {
    let [] = random.random::<0>();
    let (one, two): ([u8; 32], [u8; 32]) = (random.random(), random.random());
    ensure(one != two && one != [0; 32], ARRAY, || format!("gave {one:?}, then {two:?}"))
}
