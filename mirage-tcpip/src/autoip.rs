//! IPv4 addresses that are made up (RFC 3927): one of the link, that nobody else has.

use core::future::poll_fn;
use core::net::Ipv4Addr;
use core::task::Poll;
use core::time::Duration;

use mirage_sig::{Cidr, Instant};

use crate::address::{Origin, Own};
use crate::engine::{after, wake};
use crate::handle::Shared;
use crate::race::until;

// RFC 3927 9, in milliseconds where they are random.
const PROBE_WAIT: u32 = 1_000;
const PROBES: u32 = 3;
const PROBE_MIN: u32 = 1_000;
const PROBE_MAX: u32 = 2_000;
const ANNOUNCE_WAIT: Duration = Duration::from_secs(2);
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(2);
const CONFLICTS_MAX: u32 = 10;
const CONFLICT_WAIT: Duration = Duration::from_secs(60);
/// The longest that probing takes.
const PROBING: Duration = Duration::from_millis((PROBE_WAIT + (PROBES - 1) * PROBE_MAX) as u64 + 2_000);

/// What is tried out or was made up goes when this is dropped.
struct Claim<'a>(&'a Shared);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut engine = self.0.engine();
        engine.ipv4.trying = None;
        engine.remove_addresses(made_up);
    }
}

fn made_up(own: &Own) -> bool {
    own.origin == Origin::Link && own.cidr.address.is_ipv4()
}

/// Has an address of its own making from `patience` on, as long as this runs. Comes to an end only with the stack.
pub(crate) async fn run(shared: &Shared, patience: Duration) {
    let world = &*shared.world;
    let begun = world.now();
    let due = after(begun, patience);
    // Probing begins early enough to be done in time, and late enough to be spared where a server answers.
    if taken_or(shared, after(begun, patience.saturating_sub(PROBING))).await.is_none() {
        return;
    }
    let claim = Claim(shared);
    let mut conflicts = 0;
    let mut told = false;
    loop {
        let candidate = candidate(shared, conflicts);
        let Some(free) = probe(shared, candidate, due).await else { break };
        if free {
            shared.engine().ipv4.trying = None;
            shared.engine().add_address(Cidr { address: candidate.into(), prefix: 16 }, Origin::Link);
            if !core::mem::replace(&mut told, true) {
                let seconds = patience.as_secs();
                log::warn!("no DHCP server answered in {seconds} s: made up the address {candidate} (RFC 3927)");
            }
            shared.engine().announce(candidate);
            let Some(mut taken) = taken_or(shared, after(world.now(), ANNOUNCE_AGAIN)).await else { break };
            if !taken {
                shared.engine().announce(candidate);
                match taken_or(shared, Instant::END).await {
                    Some(lost) => taken = lost,
                    None => break,
                }
            }
            if taken {
                log::warn!("another station insists on {candidate}: making up another address");
                shared.engine().remove_addresses(made_up);
            }
        }
        conflicts += 1;
        if conflicts > CONFLICTS_MAX && taken_or(shared, after(world.now(), CONFLICT_WAIT)).await.is_none() {
            break;
        }
    }
    drop(claim);
}

/// An address to try: the first depends on the Ethernet address alone, so that it is the same next time.
fn candidate(shared: &Shared, conflicts: u32) -> Ipv4Addr {
    let mut engine = shared.engine();
    let number = if conflicts == 0 {
        let [.., a, b, c, d] = engine.out.mac().0;
        u32::from_be_bytes([a, b, c, d]).wrapping_mul(0x9e37_79b9) >> 8
    } else {
        engine.random.next() as u32
    };
    // The first and the last 256 are reserved (RFC 3927 2.1).
    let [.., high, low] = (number % (254 * 256)).to_be_bytes();
    Ipv4Addr::new(169, 254, high + 1, low)
}

/// Whether nobody has the address, which is not known before `due`. `None` when the stack is closed.
async fn probe(shared: &Shared, candidate: Ipv4Addr, due: Instant) -> Option<bool> {
    {
        let mut engine = shared.engine();
        (engine.ipv4.trying, engine.ipv4.taken) = (Some(candidate), None);
    }
    let between = |least: u32, most: u32| {
        let wait = least + shared.engine().random.below(most - least);
        after(shared.world.now(), Duration::from_millis(wait.into()))
    };
    let mut at = between(0, PROBE_WAIT);
    for _ in 0..PROBES {
        if taken_or(shared, at).await? {
            return Some(false);
        }
        shared.engine().probe(candidate);
        at = between(PROBE_MIN, PROBE_MAX);
    }
    let at = after(shared.world.now(), ANNOUNCE_WAIT).max(due);
    taken_or(shared, at).await.map(|taken| !taken)
}

/// Waits until then, or until another station has the address, which is `true`. `None` when the stack is closed.
async fn taken_or(shared: &Shared, deadline: Instant) -> Option<bool> {
    let taken = poll_fn(|cx| {
        let mut engine = shared.engine();
        if engine.closed {
            return Poll::Ready(None);
        }
        if engine.ipv4.taken.take().is_some() {
            return Poll::Ready(Some(true));
        }
        // The DHCP client beside is in the same task, and may have been told in our place.
        if !engine.ipv4.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            wake(&mut engine.ipv4.waker);
            engine.ipv4.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    });
    until(&*shared.world, deadline, taken).await.unwrap_or(Some(false))
}
