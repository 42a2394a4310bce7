//! How a connection ends.

use alloc::format;

use mirage_sig::{Flow, Read, Runtime, Write};

use super::FlowRig;
use super::bytes::{pattern, receive, send, unchanged};
use crate::patience::{waits_dropped, within};
use crate::poll::{join, poll_once};
use crate::{Holds, Verdict, ensure, equal};

const AFTER: &str = "After `shutdown`, the other side reads all that was accepted and then end of file";
const ALWAYS: &str = "End of file after the other side's last byte, and from then on always";
const STILL_READ: &str = "After `shutdown`, we can still read";
const WRITE_FAILS: &str = "After `shutdown`, every write is an error";
const TWICE: &str = "A second `shutdown` changes nothing";
const POLLED: &str = "The end is sent once the future of `shutdown` has been polled";
const DROP: &str = "Dropping a flow lets what was accepted be sent, then ends it";
const BROKEN: &str = "After an error, every later read is an error";
const BROKEN_WRITE: &str = "After an error, every write is an error";

/// Asserts end of file, some times over.
async fn ended<R: Runtime, F: Read>(runtime: &R, reader: &mut F) -> Verdict {
    for _ in 0..3 {
        equal(within(runtime, ALWAYS, reader.read(&mut [0; 50])).await?.holds(ALWAYS)?, 0, ALWAYS)?;
        let empty = "An empty buffer gives Ok(0) at once";
        equal(within(runtime, empty, reader.read(&mut [])).await?.holds(empty)?, 0, empty)?;
    }
    Ok(())
}

pub async fn shutdown<R: Runtime, F: Flow>(runtime: &R, (mut left, mut right): (F, F)) -> Verdict {
    let text = pattern(5_000);
    let talk = async {
        send(&mut left, &text, AFTER).await?;
        left.shutdown().await.holds(AFTER)
    };
    let (told, seen) = within(runtime, AFTER, join(talk, receive(&mut right, text.len(), AFTER))).await?;
    told?;
    unchanged(&seen?, &text, AFTER)?;
    ended(runtime, &mut right).await?;

    for _ in 0..2 {
        let written = within(runtime, WRITE_FAILS, left.write(b"more")).await?;
        ensure(written.is_err(), WRITE_FAILS, || format!("{written:?} after shutdown"))?;
    }
    within(runtime, TWICE, left.shutdown()).await?.holds(TWICE)?;
    waits_dropped(runtime, STILL_READ, left.read(&mut [0; 9])).await?;
    let answer = pattern(3_000);
    let talk = async {
        send(&mut right, &answer, STILL_READ).await?;
        right.shutdown().await.holds(STILL_READ)
    };
    let (told, seen) = within(runtime, STILL_READ, join(talk, receive(&mut left, answer.len(), STILL_READ))).await?;
    told?;
    unchanged(&seen?, &answer, STILL_READ)?;
    ended(runtime, &mut left).await?;
    ended(runtime, &mut right).await
}

pub async fn polled_shutdown<R: Runtime, F: Flow>(runtime: &R, (mut left, mut right): (F, F)) -> Verdict {
    within(runtime, POLLED, send(&mut left, b"last words", POLLED)).await??;
    // Never polled: nothing ends.
    drop(left.shutdown());
    within(runtime, POLLED, send(&mut left, b"!", POLLED)).await??;
    let _ = poll_once(left.shutdown()).await;
    let seen = within(runtime, POLLED, receive(&mut right, 11, POLLED)).await??;
    unchanged(&seen, b"last words!", POLLED)?;
    equal(within(runtime, POLLED, right.read(&mut [0; 9])).await?.holds(POLLED)?, 0, POLLED)
}

pub async fn dropped_flow<R: Runtime, F: Flow>(runtime: &R, (mut left, mut right): (F, F)) -> Verdict {
    // Few enough to be accepted while nobody reads.
    let text = pattern(1_500);
    within(runtime, DROP, send(&mut left, &text, DROP)).await??;
    drop(left);
    let seen = within(runtime, DROP, receive(&mut right, text.len(), DROP)).await??;
    unchanged(&seen, &text, DROP)?;
    equal(within(runtime, DROP, right.read(&mut [0; 9])).await?.holds(DROP)?, 0, DROP)
}

pub async fn broken<R: Runtime, G: FlowRig>(
    runtime: &R,
    rig: &G,
    (mut left, mut right): (G::Flow, G::Flow),
) -> Verdict {
    within(runtime, BROKEN, send(&mut left, b"before", BROKEN)).await??;
    let seen = within(runtime, BROKEN, receive(&mut right, 6, BROKEN)).await??;
    unchanged(&seen, b"before", BROKEN)?;
    if !rig.break_up(&left, &right).await {
        return Ok(());
    }
    for flow in [&mut left, &mut right] {
        for _ in 0..3 {
            let read = within(runtime, BROKEN, flow.read(&mut [0; 9])).await?;
            ensure(read.is_err(), BROKEN, || format!("{read:?} from a connection that was broken"))?;
        }
        let written = within(runtime, BROKEN_WRITE, flow.write(b"after")).await?;
        ensure(written.is_err(), BROKEN_WRITE, || format!("{written:?} to a connection that was broken"))?;
    }
    Ok(())
}
