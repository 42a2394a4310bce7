//! Waiting for frames and for room, and queues that are full.

use alloc::format;
use alloc::vec::Vec;
use core::cell::Cell;
use core::time::Duration;

use mirage_sig::{Network, Runtime, SendError};

use super::frames::{fill_with, next};
use crate::patience::{at_once, caused, waits_dropped, within};
use crate::{Verdict, ensure, equal};

const READABLE: &str = "`readable` waits until `try_receive` has a frame";
const BETWEEN: &str = "A frame that arrives between two waits makes the second one resolve at once";
const NEWEST_WAITER: &str = "A second one who waits takes the first one's place";
const WRITABLE: &str = "`writable` waits until `try_send` has room";
const NOT_CALLED: &str = "`fill` is not called if the frame is not taken";
const SENT_ALL: &str = "Frames that are taken leave in the order in which they were taken";
const NEWEST: &str = "When the queue is full, the newest frames are dropped and counted";

/// Frames that no interface keeps, if nobody takes them.
const FLOOD: usize = 4_000;

/// Sends one frame, with that number, waiting for room if need be.
async fn send<R: Runtime, N: Network>(runtime: &R, network: &N, number: usize) -> Verdict {
    let called = Cell::new(false);
    let fill = |frame: &mut [u8]| {
        called.set(true);
        fill_with(number)(frame);
    };
    match network.try_send(60, fill) {
        Ok(()) => Ok(()),
        Err(SendError::Full) => {
            ensure(!called.get(), NOT_CALLED, || "it was called while the queue was full".into())?;
            within(runtime, WRITABLE, network.writable()).await?;
            let room = network.try_send(60, fill_with(number));
            ensure(room.is_ok(), WRITABLE, || format!("it resolved, and then try_send gave {room:?}"))
        }
        Err(error) => ensure(false, WRITABLE, || format!("try_send gave {error:?}")),
    }
}

/// Waits until that many frames have arrived since `before`, those that were dropped included.
async fn arrived<R: Runtime, N: Network>(runtime: &R, network: &N, before: u64, count: usize) -> Verdict {
    let all = async {
        while seen(network) < before + count as u64 {
            runtime.sleep(Duration::from_millis(1)).await;
        }
    };
    within(runtime, NEWEST, all).await
}

fn seen<N: Network>(network: &N) -> u64 {
    network.stats().rx_frames + network.stats().rx_dropped
}

pub async fn readable<R: Runtime, N: Network>(runtime: &R, left: &N, right: &N) -> Verdict {
    let sent = Cell::new(Ok(()));
    let cause = async { sent.set(send(runtime, left, 1).await) };
    caused(runtime, READABLE, right.readable(), cause).await?;
    sent.replace(Ok(()))?;
    let frame = right.try_receive(|frame| frame.to_vec());
    ensure(frame.is_some(), READABLE, || "it resolved, and there was no frame".into())?;

    // Dropped while it waits; the frame comes afterwards.
    waits_dropped(runtime, READABLE, right.readable()).await?;
    let before = seen(right);
    send(runtime, left, 2).await?;
    arrived(runtime, right, before, 1).await?;
    at_once(BETWEEN, right.readable()).await?;
    // Resolved, and the frame not taken: it is still there.
    at_once(BETWEEN, right.readable()).await?;
    next(runtime, right, BETWEEN).await?;

    // Of two who wait, the second gets what comes.
    let first = core::pin::pin!(right.readable());
    crate::patience::waits(runtime, READABLE, first).await?;
    let cause = async { sent.set(send(runtime, left, 3).await) };
    caused(runtime, NEWEST_WAITER, right.readable(), cause).await?;
    sent.replace(Ok(()))?;
    next(runtime, right, READABLE).await?;
    waits_dropped(runtime, READABLE, right.readable()).await
}

/// Sends far more than a queue holds, while the other end takes what comes: all arrive, in their order.
pub async fn writable<R: Runtime, N: Network>(runtime: &R, left: &N, right: &N) -> Verdict {
    within(runtime, WRITABLE, left.writable()).await?;
    let mut expected = 0;
    let dropped = right.stats().rx_dropped;
    for number in 0..FLOOD {
        send(runtime, left, number).await?;
        if number % 16 == 15 {
            while expected <= number {
                let frame = next(runtime, right, SENT_ALL).await?;
                let seen = frame.last_chunk().map(|last| usize::from(u16::from_be_bytes(*last)));
                equal(seen, Some(expected), SENT_ALL)?;
                expected += 1;
            }
        }
    }
    equal(right.stats().rx_dropped, dropped, SENT_ALL)
}

/// Sends far more than a queue holds, while the other end takes nothing: it keeps the oldest and counts the others.
pub async fn receive_queue<R: Runtime, N: Network>(runtime: &R, left: &N, right: &N) -> Verdict {
    let (before, stats) = (seen(right), right.stats());
    for number in 0..FLOOD {
        send(runtime, left, number).await?;
    }
    arrived(runtime, right, before, FLOOD).await?;
    let mut numbers = Vec::new();
    while let Some(number) = right.try_receive(|frame| frame.last_chunk().map(|last| u16::from_be_bytes(*last))) {
        numbers.push(number);
    }
    let dropped = right.stats().rx_dropped - stats.rx_dropped;
    let bounded = "Queues are bounded";
    ensure(dropped > 0, bounded, || format!("an interface from which nobody takes has kept {FLOOD} frames"))?;
    equal(numbers.len() as u64 + dropped, FLOOD as u64, NEWEST)?;
    equal(right.stats().rx_frames - stats.rx_frames, numbers.len() as u64, NEWEST)?;
    let oldest = numbers.iter().enumerate().all(|(at, number)| *number == Some(at as u16));
    ensure(oldest, NEWEST, || format!("{} were kept, and not the oldest", numbers.len()))?;
    send(runtime, left, 7).await?;
    next(runtime, right, "A queue that has room again takes frames").await.map(drop)
}
