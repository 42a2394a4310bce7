//! Connections that are accepted.

use alloc::format;
use alloc::string::String;
use core::net::SocketAddr;
use core::pin::pin;

use mirage_sig::{Flow, Listener, NetErrorKind, Read, Runtime, Stack, Write};

use super::FlowRig;
use super::bytes::{receive, send, unchanged};
use crate::patience::{MOMENT, waits, waits_dropped, within};
use crate::poll::{join, peek, poll_times};
use crate::stack::{self, StackRig, refused};
use crate::{Holds, Verdict, Violation, ensure, equal};

const CONNECT: &str = "`connect` opens a TCP connection to who listens there";
const WAITS: &str = "`accept` waits for the next connection";
const ORDER: &str = "Connections come in the order in which they were established";
const KEPT: &str = "Up to the backlog, connections are kept while nobody accepts";
const BEYOND: &str = "Beyond the backlog, new connections are not answered, and get through when there is room again";
const EARLY: &str = "Bytes that arrived before `accept` are there to read";
const DROPPED: &str = "An `accept` that is dropped has lost no connection";
const LOCAL: &str = "`local` is the address it listens on";
const REFUSES: &str = "Dropping a listener refuses further connections";
const LIVE_ON: &str = "Dropping a listener lets the connections live on that were accepted";

/// Makes connections between two stacks, both of which are configured.
pub struct TcpPairs<'a, R, G: StackRig> {
    runtime: &'a R,
    rig: &'a G,
    left: G::Stack,
    right: G::Stack,
}

impl<'a, R: Runtime, G: StackRig> TcpPairs<'a, R, G> {
    /// Two stacks of the rig's.
    pub async fn new(runtime: &'a R, rig: &'a G) -> Result<Self, Violation> {
        let (left, right) = stack::stacks(runtime, rig).await?;
        Ok(Self { runtime, rig, left, right })
    }
}

impl<R: Runtime, G: StackRig> FlowRig for TcpPairs<'_, R, G> {
    type Flow = <G::Stack as Stack>::Flow;
    type Error = Violation;

    async fn pair(&self) -> Result<(Self::Flow, Self::Flow), Violation> {
        let mut listener = self.right.listen(0, 1).holds(CONNECT)?;
        let to = stack::port_of(&self.right, listener.local().port())?;
        let both = within(self.runtime, CONNECT, join(self.left.connect(to), listener.accept()));
        let (ours, theirs) = both.await?;
        Ok((ours.holds(CONNECT)?, theirs.holds(CONNECT)?))
    }

    async fn break_up(&self, left: &Self::Flow, right: &Self::Flow) -> bool {
        self.rig.break_up(left, right).await
    }
}

/// Connects, and sends a greeting by which the other end is known.
async fn greet<S: Stack>(stack: &S, to: SocketAddr, greeting: &str) -> Result<S::Flow, Violation> {
    let mut flow = stack.connect(to).await.holds(CONNECT)?;
    send(&mut flow, greeting.as_bytes(), CONNECT).await?;
    flow.flush().await.holds(EARLY)?;
    Ok(flow)
}

/// The next connection, and its greeting of three letters.
async fn accept<R: Runtime, L: Listener>(
    runtime: &R,
    listener: &mut L,
    clause: &'static str,
) -> Result<(L::Flow, String), Violation> {
    let mut flow = within(runtime, clause, listener.accept()).await?.holds(clause)?;
    let greeting = within(runtime, EARLY, receive(&mut flow, 3, EARLY)).await??;
    Ok((flow, String::from_utf8_lossy(&greeting).into_owned()))
}

/// Asserts the contract of a listener.
pub async fn listener_suite<R: Runtime, G: StackRig>(runtime: &R, rig: &G) -> Verdict {
    let (left, right) = stack::stacks(runtime, rig).await?;
    accepts(runtime, &left, &right).await?;
    backlog(runtime, &left, &right).await?;
    dropped_accepts(runtime, &left, &right).await?;
    dropped_listener(runtime, &left, &right).await
}

async fn accepts<R: Runtime, S: Stack>(runtime: &R, left: &S, right: &S) -> Verdict {
    let mut listener = right.listen(4_001, 3).holds(LOCAL)?;
    equal(listener.local().port(), 4_001, LOCAL)?;
    waits_dropped(runtime, WAITS, listener.accept()).await?;

    let to = stack::port_of(right, 4_001)?;
    let mut ours = alloc::vec::Vec::new();
    for greeting in ["one", "two", "six"] {
        ours.push(within(runtime, KEPT, greet(left, to, greeting)).await??);
    }
    for (expected, ours) in ["one", "two", "six"].into_iter().zip(&ours) {
        let (flow, greeting) = accept(runtime, &mut listener, KEPT).await?;
        equal(greeting, expected, ORDER)?;
        equal(flow.peer(), ours.local(), ORDER)?;
        equal(flow.local().port(), 4_001, LOCAL)?;
    }
    waits_dropped(runtime, WAITS, listener.accept()).await
}

async fn backlog<R: Runtime, S: Stack>(runtime: &R, left: &S, right: &S) -> Verdict {
    let mut listener = right.listen(4_002, 2).holds(LOCAL)?;
    let to = stack::port_of(right, 4_002)?;
    let _one = within(runtime, KEPT, greet(left, to, "one")).await??;
    let _two = within(runtime, KEPT, greet(left, to, "two")).await??;
    let mut third = pin!(greet(left, to, "six"));
    if peek(third.as_mut()).await.is_none() && runtime.timeout(4 * MOMENT, third.as_mut()).await.is_err() {
        let (_flow, greeting) = accept(runtime, &mut listener, BEYOND).await?;
        equal(greeting, "one", ORDER)?;
        let _third = within(runtime, BEYOND, third).await??;
        for expected in ["two", "six"] {
            equal(accept(runtime, &mut listener, BEYOND).await?.1, expected, ORDER)?;
        }
        return Ok(());
    }
    ensure(false, BEYOND, || "a third one was answered, where the backlog is 2".into())
}

async fn dropped_accepts<R: Runtime, S: Stack>(runtime: &R, left: &S, right: &S) -> Verdict {
    let mut listener = right.listen(4_003, 2).holds(LOCAL)?;
    let to = stack::port_of(right, 4_003)?;
    waits_dropped(runtime, WAITS, listener.accept()).await?;
    let _one = within(runtime, CONNECT, greet(left, to, "one")).await??;
    equal(accept(runtime, &mut listener, DROPPED).await?.1, "one", DROPPED)?;
    let two = {
        // Dropped after the connection is there, and before it had its turn.
        let mut waiting = pin!(listener.accept());
        waits(runtime, WAITS, waiting.as_mut()).await?;
        within(runtime, CONNECT, greet(left, to, "two")).await??
    };
    let (flow, greeting) = accept(runtime, &mut listener, DROPPED).await?;
    equal(greeting, "two", DROPPED)?;
    equal(flow.peer(), two.local(), DROPPED)?;
    // Dropped in the middle of its work, after some polls.
    for polls in 1..4 {
        let ours = within(runtime, CONNECT, greet(left, to, "six")).await??;
        let accepted = poll_times(listener.accept(), polls).await.transpose().holds(DROPPED)?;
        let flow = match accepted {
            Some(flow) => flow,
            None => within(runtime, DROPPED, listener.accept()).await?.holds(DROPPED)?,
        };
        equal(flow.peer(), ours.local(), DROPPED)?;
    }
    Ok(())
}

async fn dropped_listener<R: Runtime, S: Stack>(runtime: &R, left: &S, right: &S) -> Verdict {
    let mut listener = right.listen(4_004, 2).holds(LOCAL)?;
    let to = stack::port_of(right, 4_004)?;
    let mut ours = within(runtime, CONNECT, greet(left, to, "one")).await??;
    let (mut theirs, _) = accept(runtime, &mut listener, WAITS).await?;
    drop(listener);
    refused(within(runtime, REFUSES, left.connect(to)).await?.map(drop), NetErrorKind::Refused, REFUSES)?;

    within(runtime, LIVE_ON, send(&mut ours, b"there", LIVE_ON)).await??;
    unchanged(&within(runtime, LIVE_ON, receive(&mut theirs, 5, LIVE_ON)).await??, b"there", LIVE_ON)?;
    within(runtime, LIVE_ON, send(&mut theirs, b"back", LIVE_ON)).await??;
    unchanged(&within(runtime, LIVE_ON, receive(&mut ours, 4, LIVE_ON)).await??, b"back", LIVE_ON)?;
    within(runtime, LIVE_ON, theirs.shutdown()).await?.holds(LIVE_ON)?;
    let end = within(runtime, LIVE_ON, ours.read(&mut [0; 4])).await?.holds(LIVE_ON)?;
    ensure(end == 0, LIVE_ON, || format!("{end} bytes that nobody sent"))
}
