//! Ethernet interfaces: [`Network`].
//!
//! The suite has both ends of a cable in hand; a [`NetworkRig`] may also pull it out. The cable must lose nothing as long as
//! the queues of its ends are not full, and carry no frames but the suite's.
//!
//! Not asserted, as it cannot be seen from outside: that frames of a rig without [`inject`](NetworkRig::inject) are checked
//! as they arrive, that the frame is freed after `try_receive`, and what happens to the first of two waiters.

mod frames;
mod link;
mod queues;

use core::fmt::Display;

use alloc::string::ToString;
use mirage_sig::{Link, Network, Runtime};

use crate::{Holds, Verdict, Violation};

/// The cable, and what can be done to it.
pub trait NetworkRig {
    /// The interface's type.
    type Network: Network;
    /// Why there is none.
    type Error: Display;

    /// The two ends of a new cable, both with their link up. All that was done to another cable is forgotten.
    async fn cable(&self) -> Result<(Self::Network, Self::Network), Self::Error>;

    /// Pulls the cable out of the left end, or plugs it in again. Whether it can do so.
    async fn plug(&self, _link: Link) -> bool {
        false
    }

    /// Makes the left end go away for good. Whether it can do so.
    async fn vanish(&self) -> bool {
        false
    }

    /// Puts bytes on the cable that arrive at the left end, though they may be no frame. Whether it can do so.
    async fn inject(&self, _bytes: &[u8]) -> bool {
        false
    }
}

async fn cable<G: NetworkRig>(rig: &G) -> Result<(G::Network, G::Network), Violation> {
    rig.cable().await.map_err(|error| error.to_string()).holds("The interface can be made")
}

/// Asserts the contract of an Ethernet interface.
pub async fn suite<R: Runtime, G: NetworkRig>(runtime: &R, rig: &G) -> Verdict {
    let (left, right) = cable(rig).await?;
    frames::shape(&left, &right)?;
    frames::lengths(&left)?;
    frames::nothing_there(&left)?;
    frames::arrive(runtime, &left, &right).await?;
    frames::arrive(runtime, &right, &left).await?;
    queues::readable(runtime, &left, &right).await?;
    queues::writable(runtime, &left, &right).await?;
    queues::receive_queue(runtime, &left, &right).await?;
    link::up(runtime, &left).await?;
    link::not_a_frame(runtime, rig, &left).await?;
    link::down(runtime, rig, &left, &right).await?;
    link::gone(runtime, rig, &left).await
}
