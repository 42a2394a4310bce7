//! Frames and their lengths.

use alloc::format;
use alloc::vec::Vec;
use core::cell::Cell;

use mirage_sig::{Link, Network, NetworkStats, Runtime, SendError};

use crate::patience::{MOMENT, within};
use crate::{Holds, Verdict, Violation, ensure, equal};

const MAC: &str = "`mac` is the interface's own address: unicast, and the same as long as it lives";
const MTU: &str = "`mtu` is the longest payload of a frame, without the Ethernet header of 14 bytes";
const LENGTH: &str =
    "A frame shorter than 14 bytes or longer than mtu() + 14 is SendError::Length, with what was asked for";
const NOT_CALLED: &str = "`fill` is not called if the frame is not taken";
const ZEROED: &str = "`fill` is called with a zeroed buffer of just that size";
const ONCE: &str = "`try_send` calls `fill` once, and gives what it gave";
const NONE: &str = "`try_receive` gives None if there is no frame, and does not call `take`";
const ORDER: &str = "Frames come whole, unchanged, and in the order in which they were taken for sending";
const OTHER_END: &str = "A frame that is sent arrives at the other end of the cable, and not at its own";
const READABLE: &str = "`readable` waits until `try_receive` has a frame";
const STATS: &str = "`stats` counts the frames and their bytes, Ethernet headers included; counters never decrease";

/// A frame of that length, no two alike.
pub fn fill_with(number: usize) -> impl Fn(&mut [u8]) {
    move |frame| {
        for (at, byte) in frame.iter_mut().enumerate() {
            *byte = (at * 7 + number * 13 + 1) as u8;
        }
        if let Some(last) = frame.last_chunk_mut::<2>() {
            *last = (number as u16).to_be_bytes();
        }
    }
}

/// The next frame that arrives.
pub async fn next<R: Runtime, N: Network>(
    runtime: &R,
    network: &N,
    clause: &'static str,
) -> Result<Vec<u8>, Violation> {
    let take = || network.try_receive(|frame| frame.to_vec());
    if let Some(frame) = take() {
        return Ok(frame);
    }
    within(runtime, clause, network.readable()).await?;
    take().ok_or_else(|| Violation { clause: READABLE, saw: "resolved, and there was no frame".into() })
}

pub fn shape<N: Network>(left: &N, right: &N) -> Verdict {
    for (network, other) in [(left, right), (right, left)] {
        ensure(!network.mac().is_multicast(), MAC, || format!("{} means several stations", network.mac()))?;
        ensure(network.mac() != other.mac(), MAC, || format!("both ends of the cable are {}", other.mac()))?;
        equal(network.mac(), network.mac(), MAC)?;
        // No link that IP can use is narrower (RFC 791).
        ensure(network.mtu() >= 68, MTU, || format!("gave {}", network.mtu()))?;
        equal(network.link(), Link::Up, "`link` tells whether the cable is in, now")?;
    }
    Ok(())
}

pub fn lengths<N: Network>(network: &N) -> Verdict {
    let longest = network.mtu() + 14;
    for asked in [0, 1, 13, longest + 1, longest + 100, usize::MAX] {
        let called = Cell::new(false);
        let error =
            network.try_send(asked, |_| called.set(true)).map_err(|error| format!("{error:?}")).fails(LENGTH)?;
        equal(error, format!("{:?}", SendError::Length { asked, longest }), LENGTH)?;
        ensure(!called.get(), NOT_CALLED, || format!("it was called for {asked} bytes"))?;
    }
    Ok(())
}

pub fn nothing_there<N: Network>(network: &N) -> Verdict {
    let called = Cell::new(false);
    equal(network.try_receive(|_| called.set(true)), None, NONE)?;
    ensure(!called.get(), NONE, || "it was called".into())
}

/// Frames of all sorts of lengths, from one end to the other.
pub async fn arrive<R: Runtime, N: Network>(runtime: &R, from: &N, to: &N) -> Verdict {
    let longest = from.mtu() + 14;
    let lengths = [14, 15, 42, 59, 60, 61, 590, longest - 1, longest];
    let (sent_before, seen_before) = (from.stats(), to.stats());
    for (number, length) in lengths.into_iter().enumerate() {
        let calls = Cell::new(0);
        let result = from.try_send(length, |frame| {
            calls.set(calls.get() + 1);
            let clean = frame.len() == length && frame.iter().all(|byte| *byte == 0);
            fill_with(number)(frame);
            (clean, number)
        });
        let (clean, given) = result.map_err(|error| format!("{error:?}")).holds(ONCE)?;
        ensure(clean, ZEROED, || format!("for a frame of {length} bytes it was not"))?;
        equal((calls.get(), given), (1, number), ONCE)?;
    }
    for (number, length) in lengths.into_iter().enumerate() {
        let mut expected = alloc::vec![0; length];
        fill_with(number)(&mut expected);
        let frame = next(runtime, to, OTHER_END).await?;
        equal(frame.len(), length, ORDER)?;
        ensure(frame == expected, ORDER, || format!("frame number {number}, of {length} bytes, is not what was sent"))?;
    }
    runtime.sleep(MOMENT).await;
    for (network, name) in [(from, "the sender has one"), (to, "there is one more")] {
        ensure(network.try_receive(|_| ()).is_none(), OTHER_END, || name.into())?;
    }

    let (frames, bytes) = (lengths.len() as u64, lengths.into_iter().sum::<usize>() as u64);
    let sent = NetworkStats {
        tx_frames: sent_before.tx_frames + frames,
        tx_bytes: sent_before.tx_bytes + bytes,
        ..sent_before
    };
    equal(from.stats(), sent, STATS)?;
    let seen = NetworkStats {
        rx_frames: seen_before.rx_frames + frames,
        rx_bytes: seen_before.rx_bytes + bytes,
        ..seen_before
    };
    equal(to.stats(), seen, STATS)
}
