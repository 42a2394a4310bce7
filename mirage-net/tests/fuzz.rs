//! The entries of the fuzzer, on what proptest makes up. `cargo run --release --example fuzz` does it for longer.

mod support;

use proptest::prelude::*;
use support::fuzz::{fuzz_decode, fuzz_faults};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn decode(data in proptest::collection::vec(any::<u8>(), 0..400)) {
        fuzz_decode(&data);
    }

    #[test]
    fn faults(data in proptest::collection::vec(any::<u8>(), 0..400)) {
        fuzz_faults(&data);
    }
}
