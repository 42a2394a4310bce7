//! The cable pulled out, and other misfortunes.

use alloc::format;
use core::time::Duration;

use mirage_sig::{Link, Network, Runtime, SendError};

use super::NetworkRig;
use super::frames::{fill_with, next};
use crate::patience::{MOMENT, at_once, waits, waits_dropped, within};
use crate::{Verdict, ensure, equal};

const WAITS: &str = "`link_change` waits until the link is not `known` any more";
const TELLS: &str = "`link_change` tells what the link is now; at once if it is not `known`";
const LINK: &str = "`link` tells whether the cable is in, now";
const TAKEN: &str = "While the link is down, frames are taken, lost, and counted in `tx_dropped`";
const LOST: &str = "While the link is down, frames sent are lost, and none arrive";
const AGAIN: &str = "When the link is up again, frames pass again";
const NOT_A_FRAME: &str = "What is too long, too short, or not a frame is thrown away and counted in `rx_dropped`";
const GONE: &str = "When the interface is gone for good, `try_send` says Gone";
const GONE_WAKES: &str = "`readable` and `writable` wait no longer than until the interface is gone";

pub async fn up<R: Runtime, N: Network>(runtime: &R, left: &N) -> Verdict {
    waits_dropped(runtime, WAITS, left.link_change(Link::Up)).await?;
    equal(at_once(TELLS, left.link_change(Link::Down)).await?, Link::Up, TELLS)
}

/// Bytes that are no frame do not reach the stack.
pub async fn not_a_frame<R: Runtime, G: NetworkRig>(runtime: &R, rig: &G, left: &G::Network) -> Verdict {
    let longest = left.mtu() + 14;
    let mut dropped = left.stats().rx_dropped;
    for length in [0, 1, 13, longest + 1, longest + 10_000] {
        if !rig.inject(&alloc::vec![0x55; length]).await {
            return Ok(());
        }
        dropped += 1;
        let counted = async {
            while left.stats().rx_dropped < dropped {
                runtime.sleep(Duration::from_millis(1)).await;
            }
        };
        within(runtime, NOT_A_FRAME, counted).await?;
        equal(left.stats().rx_dropped, dropped, NOT_A_FRAME)?;
        let taken = left.try_receive(|frame| frame.len());
        ensure(taken.is_none(), NOT_A_FRAME, || format!("{length} bytes reached the stack as {taken:?}"))?;
    }
    rig.inject(&alloc::vec![0x55; longest]).await;
    equal(next(runtime, left, NOT_A_FRAME).await?.len(), longest, NOT_A_FRAME)
}

pub async fn down<R: Runtime, G: NetworkRig>(runtime: &R, rig: &G, left: &G::Network, right: &G::Network) -> Verdict {
    {
        let mut change = core::pin::pin!(left.link_change(Link::Up));
        waits(runtime, WAITS, change.as_mut()).await?;
        if !rig.plug(Link::Down).await {
            return Ok(());
        }
        equal(within(runtime, WAITS, change).await?, Link::Down, TELLS)?;
    }
    equal(left.link(), Link::Down, LINK)?;
    equal(at_once(TELLS, left.link_change(Link::Up)).await?, Link::Down, TELLS)?;
    waits_dropped(runtime, WAITS, left.link_change(Link::Down)).await?;

    let before = left.stats();
    for number in 0..3 {
        let taken = left.try_send(60, fill_with(number));
        ensure(taken.is_ok(), TAKEN, || format!("try_send gave {taken:?}"))?;
    }
    let counted = async {
        while left.stats().tx_dropped < before.tx_dropped + 3 {
            runtime.sleep(Duration::from_millis(1)).await;
        }
    };
    within(runtime, TAKEN, counted).await?;
    let after = left.stats();
    equal(after.tx_dropped - before.tx_dropped, 3, TAKEN)?;
    equal(after.tx_frames - before.tx_frames, 3, TAKEN)?;
    let _ = right.try_send(60, fill_with(4));
    runtime.sleep(MOMENT).await;
    for (network, end) in [(left, "left"), (right, "right")] {
        ensure(network.try_receive(|_| ()).is_none(), LOST, || format!("one arrived at the {end} end"))?;
    }

    rig.plug(Link::Up).await;
    equal(within(runtime, WAITS, left.link_change(Link::Down)).await?, Link::Up, TELLS)?;
    equal(left.link(), Link::Up, LINK)?;
    // The other end may see its own link come up a little later.
    within(runtime, AGAIN, right.link_change(Link::Down)).await?;
    runtime.sleep(MOMENT).await;
    let mut expected = alloc::vec![0; 77];
    fill_with(9)(&mut expected);
    let taken = left.try_send(77, fill_with(9));
    ensure(taken.is_ok(), AGAIN, || format!("try_send gave {taken:?}"))?;
    equal(next(runtime, right, AGAIN).await?, expected, LOST)
}

pub async fn gone<R: Runtime, G: NetworkRig>(runtime: &R, rig: &G, left: &G::Network) -> Verdict {
    let mut readable = core::pin::pin!(left.readable());
    waits(runtime, "`readable` waits until `try_receive` has a frame", readable.as_mut()).await?;
    if !rig.vanish().await {
        return Ok(());
    }
    within(runtime, GONE_WAKES, readable).await?;
    within(runtime, GONE_WAKES, left.writable()).await?;
    equal(left.try_send(60, |_| ()), Err(SendError::Gone), GONE)?;
    within(runtime, GONE_WAKES, left.readable()).await
}
