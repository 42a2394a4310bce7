//! Datagrams: [`UdpSocket`].
//!
//! Datagrams may be lost for any reason, so the suite sends again what did not arrive. Not asserted, as it looks like such a
//! loss from outside: that `send_to` waits while the queue is full, and that the newest are dropped when the receiver's is.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::pin::pin;
use core::time::Duration;

use mirage_sig::{NetErrorKind, Runtime, Stack, UdpSocket};

use crate::patience::{MOMENT, waits, waits_dropped};
use crate::poll::poll_times;
use crate::stack::{self, StackRig, port_of, refused};
use crate::{Holds, Verdict, Violation, ensure, equal};

const ARRIVES: &str = "A datagram that is sent can be received";
const WHOLE: &str = "Each datagram that comes is whole, which may be empty";
const SENDER: &str = "`receive_from` tells who sent the datagram";
const WAITS: &str = "`receive_from` waits for the next datagram";
const TOO_LONG: &str = "A datagram that is longer than the stack can send is Exhausted, and nothing is sent";
const CUT: &str = "What does not fit in the buffer is thrown away; the length is that of the part in the buffer";
const DROPPED: &str = "A `receive_from` that is dropped has lost no datagram";
const GROUP: &str = "`join` receives what is sent to the group; twice is as good as once";
const LOCAL: &str = "`local` is the address it is bound to";

/// Sends `datagram` until one comes, at most 5 times: its length in `buffer`, and who sent it.
async fn exchange<R: Runtime, U: UdpSocket>(
    runtime: &R,
    from: &U,
    to: (&U, SocketAddr),
    datagram: &[u8],
    buffer: &mut [u8],
    clause: &'static str,
) -> Result<(usize, SocketAddr), Violation> {
    for _ in 0..5 {
        from.send_to(datagram, to.1).await.holds(clause)?;
        if let Ok(received) = runtime.timeout(Duration::from_secs(1), to.0.receive_from(buffer)).await {
            return received.holds(clause);
        }
    }
    Err(Violation { clause, saw: format!("none of 5 datagrams of {} bytes came", datagram.len()) })
}

/// Takes what is still on its way.
async fn drain<R: Runtime, U: UdpSocket>(runtime: &R, socket: &U) -> Result<Vec<usize>, Violation> {
    let mut lengths = Vec::new();
    while let Ok(received) = runtime.timeout(4 * MOMENT, socket.receive_from(&mut [0; 2_000])).await {
        lengths.push(received.holds(ARRIVES)?.0);
    }
    Ok(lengths)
}

/// Asserts the contract of a UDP socket.
pub async fn suite<R: Runtime, G: StackRig>(runtime: &R, rig: &G) -> Verdict {
    let (left, right) = stack::stacks(runtime, rig).await?;
    let (ours, theirs) = (left.bind(6_001).holds(LOCAL)?, right.bind(6_002).holds(LOCAL)?);
    equal((ours.local().port(), theirs.local().port()), (6_001, 6_002), LOCAL)?;
    let (here, there) = (port_of(&left, 6_001)?, port_of(&right, 6_002)?);
    let link = Link { runtime, ours: &ours, theirs: &theirs, here, there };
    link.whole().await?;
    link.cut().await?;
    link.too_long().await?;
    link.dropped().await?;
    let Some(group) = rig.group() else { return Ok(()) };
    link.group(SocketAddr::new(group, 6_002)).await
}

/// Two sockets and their addresses.
struct Link<'a, R, U> {
    runtime: &'a R,
    ours: &'a U,
    theirs: &'a U,
    here: SocketAddr,
    there: SocketAddr,
}

impl<R: Runtime, U: UdpSocket> Link<'_, R, U> {
    async fn whole(&self) -> Verdict {
        waits_dropped(self.runtime, WAITS, self.theirs.receive_from(&mut [0; 10])).await?;
        for length in [5, 0, 1, 511, 1_400] {
            let datagram: Vec<u8> = (0..length).map(|at| (at * 3 + length) as u8).collect();
            let mut buffer = vec![0xee; 1_500];
            let (count, from) =
                exchange(self.runtime, self.ours, (self.theirs, self.there), &datagram, &mut buffer, ARRIVES).await?;
            equal(count, length, WHOLE)?;
            ensure(buffer[..count] == datagram, WHOLE, || format!("{length} bytes came changed"))?;
            equal(from, self.here, SENDER)?;
            // An answer finds its way back.
            let (count, from) =
                exchange(self.runtime, self.theirs, (self.ours, from), &datagram, &mut buffer, ARRIVES).await?;
            equal((count, from), (length, self.there), SENDER)?;
            drain(self.runtime, self.ours).await?;
            drain(self.runtime, self.theirs).await?;
        }
        Ok(())
    }

    async fn cut(&self) -> Verdict {
        let mut buffer = [0; 4];
        let (count, _) =
            exchange(self.runtime, self.ours, (self.theirs, self.there), b"0123456789", &mut buffer, ARRIVES).await?;
        equal((count, &buffer), (4, b"0123"), CUT)?;
        let rest = drain(self.runtime, self.theirs).await?;
        ensure(!rest.contains(&6), CUT, || "the part that did not fit came as the next datagram".into())?;
        let (count, _) = exchange(self.runtime, self.ours, (self.theirs, self.there), b"x", &mut [], ARRIVES).await?;
        equal(count, 0, CUT)?;
        drain(self.runtime, self.theirs).await.map(drop)
    }

    async fn too_long(&self) -> Verdict {
        for length in [65_536, 100_000] {
            let sent = self.ours.send_to(&vec![7; length], self.there).await;
            refused(sent, NetErrorKind::Exhausted, TOO_LONG)?;
        }
        let came = drain(self.runtime, self.theirs).await?;
        ensure(came.is_empty(), TOO_LONG, || format!("datagrams of {came:?} bytes came"))
    }

    async fn dropped(&self) -> Verdict {
        let mut buffer = [0; 10];
        for polls in 0..4 {
            self.dropped_after(polls, &mut buffer).await?;
        }
        Ok(())
    }

    /// Drops a receive that had so many polls since its datagram arrived.
    async fn dropped_after(&self, polls: usize, buffer: &mut [u8]) -> Verdict {
        // What is lost on the way is sent again; what is lost here would be lost each time.
        for _ in 0..5 {
            {
                let mut receive = pin!(self.theirs.receive_from(buffer));
                waits(self.runtime, WAITS, receive.as_mut()).await?;
                self.ours.send_to(b"here", self.there).await.holds(ARRIVES)?;
                self.runtime.sleep(4 * MOMENT).await;
                if poll_times(receive, polls).await.is_some() {
                    return Ok(());
                }
            }
            if drain(self.runtime, self.theirs).await? == [4] {
                return Ok(());
            }
        }
        ensure(false, DROPPED, || "none of 5 datagrams came that arrived while a receive was dropped".into())
    }

    async fn group(&self, group: SocketAddr) -> Verdict {
        self.ours.send_to(b"too early", group).await.holds(GROUP)?;
        let came = drain(self.runtime, self.theirs).await?;
        ensure(came.is_empty(), GROUP, || "received what was sent to a group that was not joined".into())?;
        for _ in 0..2 {
            self.theirs.join(group.ip()).holds(GROUP)?;
        }
        let mut buffer = [0; 20];
        let (count, from) =
            exchange(self.runtime, self.ours, (self.theirs, group), b"to all", &mut buffer, GROUP).await?;
        equal((&buffer[..count], from), (&b"to all"[..], self.here), GROUP)?;
        equal(drain(self.runtime, self.theirs).await?, [], GROUP)?;
        let (count, _) =
            exchange(self.runtime, self.ours, (self.theirs, self.there), b"to one", &mut buffer, GROUP).await?;
        equal(&buffer[..count], b"to one", GROUP)
    }
}
