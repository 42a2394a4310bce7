//! Two-way streams of bytes, and what accepts them: [`Flow`] and [`Listener`](mirage_sig::Listener).
//!
//! [`suite`] has both ends of a connection in hand; [`TcpPairs`] makes such pairs from two stacks. [`listener_suite`] takes a
//! [`StackRig`](crate::stack::StackRig).
//!
//! Not asserted, as it cannot be seen from outside: that a writer is told when the other end was dropped (there may be much
//! room), and how much `write` accepts.

mod bytes;
mod end;
mod listener;
mod room;

use alloc::string::ToString;
use core::fmt::Display;

use mirage_sig::{Flow, Runtime};

use crate::{Holds, Verdict, Violation};

pub use listener::{TcpPairs, listener_suite};

/// Connections, both ends of each.
pub trait FlowRig {
    /// The type of an end.
    type Flow: Flow;
    /// Why there is none.
    type Error: Display;

    /// The two ends of a new connection, on which nothing is lost for good.
    async fn pair(&self) -> Result<(Self::Flow, Self::Flow), Self::Error>;

    /// Breaks a connection, so that both ends learn of it as an error. Whether it can do so.
    async fn break_up(&self, _left: &Self::Flow, _right: &Self::Flow) -> bool {
        false
    }
}

async fn pair<G: FlowRig>(rig: &G) -> Result<(G::Flow, G::Flow), Violation> {
    rig.pair().await.map_err(|error| error.to_string()).holds("A connection can be made")
}

/// Asserts the contract of a flow.
pub async fn suite<R: Runtime, G: FlowRig>(runtime: &R, rig: &G) -> Verdict {
    bytes::addresses(pair(rig).await?)?;
    bytes::empty_buffers(runtime, pair(rig).await?).await?;
    bytes::waits_for_a_byte(runtime, pair(rig).await?).await?;
    bytes::dropped_reads(runtime, pair(rig).await?).await?;
    bytes::both_ways(runtime, pair(rig).await?).await?;
    end::shutdown(runtime, pair(rig).await?).await?;
    end::polled_shutdown(runtime, pair(rig).await?).await?;
    end::dropped_flow(runtime, pair(rig).await?).await?;
    room::write_waits(runtime, pair(rig).await?).await?;
    room::flush(runtime, pair(rig).await?).await?;
    end::broken(runtime, rig, pair(rig).await?).await
}
