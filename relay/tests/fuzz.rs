//! The fuzzing entries, for as long as a test may take. `cargo run --release --example fuzz -- frame 60` goes on.

use mirage_relay::fuzz::{fuzz_door, fuzz_frame};
use proptest::prelude::*;

proptest! {
    // Where a failure is kept is told; beside an integration test there is no place that proptest finds by itself.
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(proptest::test_runner::FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn anybody_may_knock(data in "(/lan/[a-z0]{0,3}|/|.{0,20})\n(token=[0-9a-f]{0,18}|.{0,30})\n((http|https)://(localhost|127.0.0.1|.{0,9})(:[0-9]{0,6})?|.{0,20})") {
        fuzz_door(data.as_bytes());
    }

    #[test]
    fn any_bytes_may_knock(data: Vec<u8>) {
        fuzz_door(&data);
    }

    #[test]
    fn any_bytes_may_be_frames(data: Vec<u8>) {
        fuzz_frame(&data);
    }

    /// Frames with a head that is nearly right, so that what is behind it is reached.
    #[test]
    fn nearly_right_frames(frames in prop::collection::vec((any::<u8>(), 0..3_usize, prop::collection::vec(any::<u8>(), 0..80)), 0..20)) {
        let mut data = Vec::new();
        for (flags, protocol, payload) in frames {
            let mut frame = vec![0x52, 0x55, 10, 0, 2, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 20 + payload.len() as u8, 0, 1, 0, 0, 64];
            frame.extend_from_slice(&[[6, 17, 1][protocol], 0, 0, 10, 0, 2, 15, 1, 1, 1, 1]);
            frame.extend_from_slice(&payload);
            data.extend_from_slice(&[flags | 0x80, 0, frame.len() as u8]);
            data.extend_from_slice(&frame);
        }
        fuzz_frame(&data);
    }
}
