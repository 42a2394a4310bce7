//! Bytes arrive as they were sent.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::pin::pin;

use mirage_sig::{Flow, Read, Runtime, Write};

use crate::patience::{MOMENT, at_once, caused, waits, waits_dropped, within};
use crate::poll::{join, poll_times};
use crate::{Holds, Verdict, Violation, ensure, equal};

const WAITS: &str = "`read` waits for at least one byte";
const IN_ORDER: &str = "Bytes arrive in order, once each, unchanged";
const EMPTY: &str = "An empty buffer gives Ok(0) at once";
const ACCEPTED: &str = "`write` resolves when at least one byte was accepted";
const DROPPED: &str = "A `read` that is dropped has taken no byte";
const HALVES: &str = "Both halves can be used at the same time";
const ADDRESSES: &str = "`peer` is the other side's address, `local` our own";

/// Bytes of which no two stretches are alike.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length as u32).map(|at| (at.wrapping_mul(0x9e37_79b1) >> 24) as u8).collect()
}

/// Writes all of `bytes`, in pieces of changing length.
pub async fn send<W: Write>(writer: &mut W, bytes: &[u8], clause: &'static str) -> Verdict {
    let (mut sent, mut piece) = (0, 1);
    while sent < bytes.len() {
        let some = &bytes[sent..bytes.len().min(sent + piece)];
        let count = writer.write(some).await.holds(clause)?;
        ensure(0 < count && count <= some.len(), ACCEPTED, || format!("write gave {count} for {} bytes", some.len()))?;
        sent += count;
        piece = piece * 3 % 4_001;
    }
    Ok(())
}

/// Reads that many bytes, in pieces of changing length.
pub async fn receive<F: Read>(reader: &mut F, length: usize, clause: &'static str) -> Result<Vec<u8>, Violation> {
    let (mut bytes, mut piece) = (vec![0; length], 7);
    let mut seen = 0;
    while seen < length {
        let end = length.min(seen + piece);
        let count = reader.read(&mut bytes[seen..end]).await.holds(clause)?;
        ensure(count > 0, clause, || format!("end of file after {seen} of {length} bytes"))?;
        ensure(count <= end - seen, clause, || format!("read gave {count} bytes into a buffer of {}", end - seen))?;
        seen += count;
        piece = piece * 5 % 3_001;
    }
    Ok(bytes)
}

/// Asserts that `seen` is what was sent.
pub fn unchanged(seen: &[u8], sent: &[u8], clause: &'static str) -> Verdict {
    let first = seen.iter().zip(sent).position(|(seen, sent)| seen != sent);
    ensure(seen == sent, clause, || {
        format!("{} bytes came where {} were sent; the first that differs is at {first:?}", seen.len(), sent.len())
    })
}

pub fn addresses<F: Flow>((left, right): (F, F)) -> Verdict {
    equal(left.peer(), right.local(), ADDRESSES)?;
    equal(right.peer(), left.local(), ADDRESSES)?;
    ensure(left.local() != right.local(), ADDRESSES, || format!("both ends are {}", left.local()))
}

pub async fn empty_buffers<R: Runtime, F: Flow>(runtime: &R, (mut left, mut right): (F, F)) -> Verdict {
    equal(at_once(EMPTY, right.read(&mut [])).await?.holds(EMPTY)?, 0, EMPTY)?;
    equal(at_once(EMPTY, left.write(&[])).await?.holds(EMPTY)?, 0, EMPTY)?;
    within(runtime, ACCEPTED, send(&mut left, b"x", ACCEPTED)).await??;
    within(runtime, ACCEPTED, left.flush()).await?.holds(ACCEPTED)?;
    runtime.sleep(MOMENT).await;
    equal(at_once(EMPTY, right.read(&mut [])).await?.holds(EMPTY)?, 0, EMPTY)?;
    let seen = within(runtime, IN_ORDER, receive(&mut right, 1, IN_ORDER)).await??;
    unchanged(&seen, b"x", IN_ORDER)
}

pub async fn waits_for_a_byte<R: Runtime, F: Flow>(runtime: &R, (mut left, mut right): (F, F)) -> Verdict {
    let mut buffer = [0; 100];
    let cause = async {
        // An error of the write shows as a read that waits for ever.
        let _ = send(&mut left, b"hello", ACCEPTED).await;
    };
    let count = caused(runtime, WAITS, right.read(&mut buffer), cause).await?.holds(WAITS)?;
    ensure(count > 0, WAITS, || "read gave Ok(0) where nothing had ended".into())?;
    let rest = within(runtime, WAITS, receive(&mut right, 5 - count.min(5), IN_ORDER)).await??;
    unchanged(&[&buffer[..count], &rest].concat(), b"hello", IN_ORDER)
}

pub async fn dropped_reads<R: Runtime, F: Flow>(runtime: &R, (mut left, mut right): (F, F)) -> Verdict {
    let mut buffer = [0; 100];
    waits_dropped(runtime, WAITS, right.read(&mut buffer)).await?;
    within(runtime, ACCEPTED, send(&mut left, b"one", ACCEPTED)).await??;
    let seen = within(runtime, DROPPED, receive(&mut right, 3, DROPPED)).await??;
    unchanged(&seen, b"one", DROPPED)?;
    {
        // Dropped after bytes have come, and before it had its turn.
        let mut read = pin!(right.read(&mut buffer));
        waits(runtime, WAITS, read.as_mut()).await?;
        within(runtime, ACCEPTED, send(&mut left, b"two", ACCEPTED)).await??;
        within(runtime, ACCEPTED, left.flush()).await?.holds(ACCEPTED)?;
        runtime.sleep(MOMENT).await;
    }
    let seen = within(runtime, DROPPED, receive(&mut right, 3, DROPPED)).await??;
    unchanged(&seen, b"two", DROPPED)?;
    // Dropped in the middle of its work, after some polls.
    for polls in 1..4 {
        within(runtime, ACCEPTED, send(&mut left, b"three", ACCEPTED)).await??;
        within(runtime, ACCEPTED, left.flush()).await?.holds(ACCEPTED)?;
        runtime.sleep(MOMENT).await;
        let taken = poll_times(right.read(&mut buffer), polls).await.transpose().holds(DROPPED)?.unwrap_or(0);
        let rest = within(runtime, DROPPED, receive(&mut right, 5 - taken.min(5), DROPPED)).await??;
        unchanged(&[&buffer[..taken], &rest].concat(), b"three", DROPPED)?;
    }
    Ok(())
}

/// 200,000 bytes there, others back, all at the same time.
pub async fn both_ways<R: Runtime, F: Flow>(runtime: &R, (mut left, mut right): (F, F)) -> Verdict {
    let (there, back) = (pattern(200_000), pattern(150_001).into_iter().rev().collect::<Vec<_>>());
    let ((mut left_reader, mut left_writer), (mut right_reader, mut right_writer)) = (left.split(), right.split());
    let send_all = join(send(&mut left_writer, &there, IN_ORDER), send(&mut right_writer, &back, IN_ORDER));
    let receive_all =
        join(receive(&mut right_reader, there.len(), IN_ORDER), receive(&mut left_reader, back.len(), IN_ORDER));
    let ((sent, answered), (seen, answer)) = within(runtime, HALVES, join(send_all, receive_all)).await?;
    sent.and(answered)?;
    unchanged(&seen?, &there, IN_ORDER)?;
    unchanged(&answer?, &back, IN_ORDER)
}
