//! Writing when there is no room, and waiting until all was acknowledged.

use alloc::format;
use alloc::vec::Vec;
use core::pin::pin;

use mirage_sig::{Flow, Runtime, Write};

use super::bytes::{receive, unchanged};
use crate::patience::{MOMENT, waits, waits_dropped, within};
use crate::poll::{join, peek};
use crate::{Holds, Verdict, Violation, ensure};

const WAITS: &str = "`write` waits while there is no room";
const DROPPED: &str = "A `write` that is dropped has given no byte";
const IN_ORDER: &str = "Bytes arrive in order, once each, unchanged";
const FLUSH: &str = "`flush` resolves when all that was accepted has been acknowledged by the other side";

/// What no flow accepts, if nobody reads.
const FLOOD: usize = 64 << 20;

/// Writes until `write` waits: all that was accepted. A write that waits is dropped.
async fn fill_up<R: Runtime, W: Write>(runtime: &R, writer: &mut W) -> Result<Vec<u8>, Violation> {
    let mut accepted = Vec::new();
    let (mut next, mut waited) = (0_u32, 0);
    // One long wait may be that of a slow machine.
    while waited < 5 {
        let chunk: Vec<u8> = (0..4_096_u32).flat_map(|at| (next + at).to_be_bytes()).collect();
        match runtime.timeout(4 * MOMENT, writer.write(&chunk)).await {
            Ok(count) => {
                waited = 0;
                accepted.extend_from_slice(&chunk[..count.holds(WAITS)?]);
            }
            Err(_) => waited += 1,
        }
        next = next.wrapping_add(4_096);
        ensure(accepted.len() < FLOOD, WAITS, || format!("{FLOOD} bytes were accepted while nobody read"))?;
    }
    Ok(accepted)
}

pub async fn write_waits<R: Runtime, F: Flow>(runtime: &R, (mut left, mut right): (F, F)) -> Verdict {
    let mut accepted = fill_up(runtime, &mut left).await?;
    waits_dropped(runtime, WAITS, left.write(b"dropped while it waits")).await?;
    // As soon as somebody reads, there is room for the next one.
    {
        let mut write = pin!(left.write(b"!"));
        waits(runtime, WAITS, write.as_mut()).await?;
        let mut seen = 0;
        let more = async {
            let mut buffer = [0; 1_000];
            loop {
                let count = right.read(&mut buffer).await.holds(WAITS)?;
                let part = accepted.get(seen..seen + count).unwrap_or_default();
                unchanged(&buffer[..count], part, DROPPED)?;
                seen += count;
                if let Some(result) = peek(write.as_mut()).await {
                    return result.holds(WAITS);
                }
            }
        };
        let count = within(runtime, WAITS, more).await??;
        accepted.extend(&b"!"[..count]);
        accepted.drain(..seen);
    }
    // All that is left, and then the end, for which the shutdown may wait.
    let rest = join(left.shutdown(), receive(&mut right, accepted.len(), DROPPED));
    let (ended, seen) = within(runtime, DROPPED, rest).await?;
    unchanged(&seen?, &accepted, DROPPED)?;
    ended.holds(DROPPED)?;
    let end = within(runtime, DROPPED, right.read(&mut [0; 64])).await?.holds(DROPPED)?;
    ensure(end == 0, DROPPED, || format!("{end} bytes came after the last that was accepted"))
}

pub async fn flush<R: Runtime, F: Flow>(runtime: &R, (mut left, mut right): (F, F)) -> Verdict {
    within(runtime, FLUSH, left.flush()).await?.holds(FLUSH)?;
    let accepted = fill_up(runtime, &mut left).await?;
    // Nobody reads, so the other side cannot take all of it, whatever the sizes of its buffers and ours.
    waits_dropped(runtime, FLUSH, left.flush()).await?;
    let mut flush = pin!(left.flush());
    waits(runtime, FLUSH, flush.as_mut()).await?;
    let seen = within(runtime, FLUSH, async {
        let (flushed, seen) = crate::poll::join(
            flush,
            receive(&mut right, accepted.len(), "Bytes arrive in order, once each, unchanged"),
        )
        .await;
        flushed.holds(FLUSH)?;
        seen
    });
    unchanged(&seen.await??, &accepted, IN_ORDER)
}
