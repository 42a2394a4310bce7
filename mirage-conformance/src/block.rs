//! Disks: [`Block`].
//!
//! Not asserted, as it cannot be seen from outside: what a disk holds that was never written, what a buffer holds whose read
//! was dropped, durability beyond what [`BlockRig::crash`] can act out, and the kinds `NoSpace` and `Failed`.

mod sectors;
mod survival;

use alloc::string::ToString;
use core::fmt::Display;

use mirage_sig::Block;

use crate::{Holds, Verdict, Violation};

/// The disk, and what can be done to it.
pub trait BlockRig {
    /// The disk's type.
    type Block: Block;
    /// Why it could not be opened.
    type Error: Display;

    /// Opens the disk, always the same one, of at least 16 sectors. Handles from before were dropped.
    async fn open(&self) -> Result<Self::Block, Self::Error>;

    /// Acts out a crash of the machine, as well as it can: what was not flushed may be lost, sector by sector, and handles
    /// from before are not used any more. By default nothing, so that [`open`](Self::open) alone has to do.
    async fn crash(&self) {}

    /// Takes the disk away for good. Whether it can do so; the last thing it is told.
    async fn vanish(&self) -> bool {
        false
    }
}

async fn open<G: BlockRig>(rig: &G) -> Result<G::Block, Violation> {
    rig.open().await.map_err(|error| error.to_string()).holds("The disk can be opened")
}

/// Asserts the contract of a disk. If it can be written, what was on its first and last sectors is lost. A disk that never
/// answers makes it wait for ever: run it with a limit.
pub async fn suite<G: BlockRig>(rig: &G) -> Verdict {
    let disk = open(rig).await?;
    sectors::shape(&disk)?;
    sectors::empty_buffers(&disk).await?;
    if !disk.info().writable {
        return sectors::read_only(&disk).await;
    }
    sectors::written(&disk).await?;
    sectors::refused_requests(&disk).await?;
    sectors::several_at_once(&disk).await?;
    survival::dropped(&disk).await?;
    drop(disk);
    survival::flushed(rig).await?;
    survival::not_flushed(rig).await?;
    survival::gone(rig).await
}
