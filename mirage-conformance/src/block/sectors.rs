//! Sectors that are read and written.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Debug;

use mirage_sig::{Block, BlockError, BlockErrorKind};

use crate::poll::{Boxed, join, join_all};
use crate::{Holds, Verdict, ensure, equal};

const SIZE: &str = "A sector is a power of two of bytes, 512 at least";
const SAME: &str = "A disk's shape does not change while it is open";
const SEEN: &str = "When a write resolves, reads see it";
const ALL: &str = "`read` reads the sectors from `first` on into all of the buffer";
const OTHERS: &str = "A write changes no sector but its own";
const EMPTY: &str = "An empty buffer reads nothing, wherever `first` is on the disk or just behind its end";
const RANGE: &str = "A request for sectors that are not all on the disk is OutOfRange";
const UNALIGNED: &str = "A buffer that is not a whole number of sectors is Unaligned";
const NOT_WRITTEN: &str = "After OutOfRange or Unaligned, nothing was written";
const NOT_READ: &str = "After OutOfRange or Unaligned, nothing was read";
const READ_ONLY: &str = "A disk that can only be read refuses writes as ReadOnly";
const NAMED: &str = "An error's text names the sectors";
const AT_ONCE: &str = "Several requests may be under way at once";

/// A sector's content, no two alike.
pub fn sector(size: usize, seed: u64) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..size).map(|at| (at as u64 * 31 + seed * 101 + (at as u64 >> 8)) as u8).collect();
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    bytes
}

/// Several sectors' content, the first of which has that seed.
pub fn sectors(size: usize, seed: u64, count: u64) -> Vec<u8> {
    (seed..seed + count).flat_map(|seed| sector(size, seed)).collect()
}

/// Asserts that the sectors from `first` on hold these bytes.
pub async fn holds<B: Block>(disk: &B, first: u64, expected: &[u8], clause: &'static str) -> Verdict {
    let mut seen = vec![0xa5; expected.len()];
    disk.read(first, &mut seen).await.holds(clause)?;
    let wrong = seen.iter().zip(expected).position(|(seen, expected)| seen != expected);
    ensure(wrong.is_none(), clause, || {
        let at = wrong.unwrap_or_default();
        format!("of the sectors from {first} on, byte {at} is {}, not {}", seen[at], expected[at])
    })
}

/// Asserts `clause`, which holds if `result` is an error of that kind.
pub fn refused<T: Debug, E: BlockError>(result: Result<T, E>, kind: BlockErrorKind, clause: &'static str) -> Verdict {
    let error = result.fails(clause)?;
    ensure(error.kind() == kind, clause, || format!("gave {:?} ({error}), not {kind:?}", error.kind()))
}

pub fn shape<B: Block>(disk: &B) -> Verdict {
    let info = disk.info();
    let size = info.sector_size;
    ensure(size >= 512 && size.is_power_of_two(), SIZE, || format!("one of {size} bytes"))?;
    ensure(info.sectors >= 16, "A rig's disk has 16 sectors at least", || format!("it has {}", info.sectors))?;
    equal(disk.info(), info, SAME)
}

pub async fn empty_buffers<B: Block>(disk: &B) -> Verdict {
    let end = disk.info().sectors;
    for first in [0, 1, end - 1, end] {
        disk.read(first, &mut []).await.holds(EMPTY)?;
    }
    refused(disk.read(end + 1, &mut []).await, BlockErrorKind::OutOfRange, RANGE)
}

pub async fn read_only<B: Block>(disk: &B) -> Verdict {
    let info = disk.info();
    let mut before = vec![0; info.sector_size];
    disk.read(0, &mut before).await.holds(ALL)?;
    refused(disk.write(0, &sector(info.sector_size, 1)).await, BlockErrorKind::ReadOnly, READ_ONLY)?;
    holds(disk, 0, &before, READ_ONLY).await
}

/// What is written is there, at the beginning and at the end of the disk, one sector or several at a time.
pub async fn written<B: Block>(disk: &B) -> Verdict {
    let info = disk.info();
    let (size, end) = (info.sector_size, info.sectors);
    let mut expected = sectors(size, 0, 8);
    disk.write(0, &expected).await.holds(SEEN)?;
    holds(disk, 0, &expected, SEEN).await?;
    for (first, count) in [(0, 1), (3, 1), (4, 3), (7, 1)] {
        let bytes = sectors(size, 100 + first, count);
        disk.write(first, &bytes).await.holds(SEEN)?;
        let start = first as usize * size;
        expected[start..start + bytes.len()].copy_from_slice(&bytes);
        holds(disk, first, &bytes, SEEN).await?;
        holds(disk, 0, &expected, OTHERS).await?;
    }
    for first in 0..8 {
        let part = &expected[first as usize * size..];
        holds(disk, first, &part[..size], ALL).await?;
        holds(disk, first, part, ALL).await?;
    }
    let last = sectors(size, 200, 2);
    disk.write(end - 2, &last).await.holds(SEEN)?;
    holds(disk, end - 2, &last, SEEN).await?;
    holds(disk, end - 1, &last[size..], ALL).await?;
    holds(disk, 0, &expected, OTHERS).await?;
    equal(disk.info(), info, SAME)
}

pub async fn refused_requests<B: Block>(disk: &B) -> Verdict {
    let (size, end) = (disk.info().sector_size, disk.info().sectors);
    let last = sectors(size, 300, 2);
    disk.write(end - 2, &last).await.holds(SEEN)?;
    let table = [
        (end, size, BlockErrorKind::OutOfRange, RANGE),
        (end - 1, 2 * size, BlockErrorKind::OutOfRange, RANGE),
        (end + 1, size, BlockErrorKind::OutOfRange, RANGE),
        (u64::MAX, size, BlockErrorKind::OutOfRange, RANGE),
        (u64::MAX / size as u64, 2 * size, BlockErrorKind::OutOfRange, RANGE),
        (end - 2, 1, BlockErrorKind::Unaligned, UNALIGNED),
        (end - 2, size - 1, BlockErrorKind::Unaligned, UNALIGNED),
        (end - 2, size + 1, BlockErrorKind::Unaligned, UNALIGNED),
        (end - 2, size / 2, BlockErrorKind::Unaligned, UNALIGNED),
    ];
    for (first, length, kind, clause) in table {
        let mut buffer = vec![0x5a; length];
        let text = disk.read(first, &mut buffer).await.map_err(|error| format!("{error}"));
        refused(disk.read(first, &mut buffer).await, kind, clause)?;
        ensure(buffer.iter().all(|byte| *byte == 0x5a), NOT_READ, || format!("the buffer for {first} was changed"))?;
        let text = text.fails(clause)?;
        ensure(text.contains(&format!("{first}")), NAMED, || format!("{first} is not in {text:?}"))?;
        refused(disk.write(first, &buffer).await, kind, clause)?;
        holds(disk, end - 2, &last, NOT_WRITTEN).await?;
    }
    Ok(())
}

pub async fn several_at_once<B: Block>(disk: &B) -> Verdict {
    let size = disk.info().sector_size;
    let contents: Vec<Vec<u8>> = (0..8).map(|number| sector(size, 400 + number)).collect();
    let writes = (0..).zip(&contents).map(|(first, bytes)| -> Boxed<'_, _> { Box::pin(disk.write(first, bytes)) });
    for written in join_all(writes.collect()).await {
        written.holds(AT_ONCE)?;
    }
    let reads =
        (0..).zip(&contents).map(|(first, bytes)| -> Boxed<'_, _> { Box::pin(holds(disk, first, bytes, AT_ONCE)) });
    for read in join_all(reads.collect()).await {
        read?;
    }
    let flush_and_write = join(disk.flush(), disk.write(1, &contents[0]));
    let (flushed, written) = flush_and_write.await;
    flushed.holds(AT_ONCE)?;
    written.holds(AT_ONCE)?;
    holds(disk, 1, &contents[0], AT_ONCE).await
}
