//! What is on the disk after a crash, or after a write that was dropped.

use alloc::format;
use alloc::vec;

use mirage_sig::{Block, BlockErrorKind};

use super::sectors::{holds, refused, sector, sectors};
use super::{BlockRig, open};
use crate::poll::{peek, poll_once};
use crate::{Holds, Verdict, ensure};

const DROPPED: &str = "After a write that was dropped, each of the sectors is the old one or the new one";
const FLUSHED: &str = "After `flush`, every write that had resolved survives a crash of the machine";
const CRASHED: &str = "A crash may lose what was not flushed, sector by sector";
const GONE: &str = "A request to a disk that is gone is Gone";

/// Asserts that each of the sectors from `first` on is one of these two.
async fn old_or_new<B: Block>(disk: &B, first: u64, old: &[u8], new: &[u8], clause: &'static str) -> Verdict {
    let size = disk.info().sector_size;
    let mut seen = vec![0; old.len()];
    disk.read(first, &mut seen).await.holds(clause)?;
    let both = old.chunks(size).zip(new.chunks(size));
    for (at, (seen, (old, new))) in seen.chunks(size).zip(both).enumerate() {
        ensure(seen == old || seen == new, clause, || format!("sector {} is neither", first + at as u64))?;
    }
    Ok(())
}

pub async fn dropped<B: Block>(disk: &B) -> Verdict {
    let size = disk.info().sector_size;
    let (old, new) = (sectors(size, 500, 4), sectors(size, 600, 4));
    for polls in 1..4 {
        disk.write(2, &old).await.holds(DROPPED)?;
        {
            let mut write = core::pin::pin!(disk.write(2, &new));
            for _ in 0..polls {
                if peek(write.as_mut()).await.is_some() {
                    break;
                }
            }
        }
        poll_once(disk.flush()).await;
        // A request that follows sees the dropped one done with, or not at all; between, it may be either.
        old_or_new(disk, 2, &old, &new, DROPPED).await?;
        disk.flush().await.holds(DROPPED)?;
        old_or_new(disk, 2, &old, &new, DROPPED).await?;
    }
    drop(disk.write(2, &sectors(size, 700, 4)));
    old_or_new(disk, 2, &old, &new, "A write that was never polled writes nothing").await
}

pub async fn flushed<G: BlockRig>(rig: &G) -> Verdict {
    let disk = open(rig).await?;
    let (size, end) = (disk.info().sector_size, disk.info().sectors);
    let (start, last) = (sectors(size, 800, 6), sector(size, 900));
    disk.write(0, &start).await.holds(FLUSHED)?;
    disk.write(end - 1, &last).await.holds(FLUSHED)?;
    disk.flush().await.holds(FLUSHED)?;
    rig.crash().await;
    drop(disk);
    let disk = open(rig).await?;
    holds(&disk, 0, &start, FLUSHED).await?;
    holds(&disk, end - 1, &last, FLUSHED).await
}

pub async fn not_flushed<G: BlockRig>(rig: &G) -> Verdict {
    for round in 0..4 {
        let disk = open(rig).await?;
        let size = disk.info().sector_size;
        let (old, new) = (sectors(size, 1_000 + 10 * round, 6), sectors(size, 2_000 + 10 * round, 6));
        disk.write(1, &old).await.holds(CRASHED)?;
        disk.flush().await.holds(CRASHED)?;
        disk.write(1, &new).await.holds(CRASHED)?;
        rig.crash().await;
        drop(disk);
        old_or_new(&open(rig).await?, 1, &old, &new, CRASHED).await?;
    }
    Ok(())
}

pub async fn gone<G: BlockRig>(rig: &G) -> Verdict {
    let disk = open(rig).await?;
    if !rig.vanish().await {
        return Ok(());
    }
    let mut buffer = vec![0; disk.info().sector_size];
    refused(disk.read(0, &mut buffer).await, BlockErrorKind::Gone, GONE)?;
    refused(disk.write(0, &buffer).await, BlockErrorKind::Gone, GONE)?;
    refused(disk.flush().await, BlockErrorKind::Gone, GONE)
}
