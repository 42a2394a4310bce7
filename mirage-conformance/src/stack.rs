//! TCP/IP stacks: [`Stack`].
//!
//! [`suite`] asserts what a stack says of itself: addresses, names, ports, connections that fail. What its flows, listeners
//! and UDP sockets promise is in [`flow`](crate::flow) and [`udp`](crate::udp), with the same rig.
//!
//! Not asserted, as it cannot be seen from outside: that the addresses of a name are in the best order, that an echo request
//! carries its data, and that a late answer is ignored.

mod names;

use alloc::format;
use alloc::string::ToString;
use core::fmt::{Debug, Display};
use core::net::{IpAddr, SocketAddr};

use mirage_sig::{Listener, NetError, NetErrorKind, Runtime, Stack, UdpSocket};

pub use names::serve_name;

use crate::patience::{at_once, within};
use crate::poll::poll_once;
use crate::{Holds, Verdict, Violation, ensure, equal};

const CONFIGURED: &str =
    "`configured` waits until the stack has an address that others can reach; at once if it has one";
const ADDRESSES: &str = "`addresses` are those it has now, with the length of their networks' prefixes";
const REFUSED: &str = "To connect where nobody listens is Refused";
const NOBODY: &str = "To connect where nobody is, is TimedOut or Unreachable";
const NO_ECHO: &str = "To ping where nobody is, is an error";
const GIVEN_UP: &str = "A `connect` that is dropped is given up";
const FREE: &str = "Port 0 is any that is free";
const TAKEN: &str = "A port that is taken is AddressInUse";
const ASKED: &str = "The port is the one that was asked for";
const NEVER_NONE: &str = "`resolve` gives the addresses of a name, never none";
const TEXT: &str = "An address in text form is its own";
const NO_NAME: &str = "A name that has no address is NotFound";
const PING: &str = "`ping` gives the time that the answer took";

/// Stacks, and the network between them.
pub trait StackRig {
    /// The stack's type.
    type Stack: Stack;
    /// Why there is none.
    type Error: Display;

    /// Two stacks on one network that loses nothing. They need not be configured yet.
    async fn stacks(&self) -> Result<(Self::Stack, Self::Stack), Self::Error>;

    /// Breaks a connection between them, so that both ends learn of it as an error. Whether it can do so.
    async fn break_up(&self, _left: &<Self::Stack as Stack>::Flow, _right: &<Self::Stack as Stack>::Flow) -> bool {
        false
    }

    /// An address that nobody has, if the stacks lose their patience with it within five seconds.
    fn nobody(&self) -> Option<IpAddr> {
        None
    }

    /// A name that they can resolve, and one of its addresses. They then also know that `nobody.invalid` has none.
    fn name(&self) -> Option<(&str, IpAddr)> {
        None
    }

    /// A multicast group that reaches from one to the other.
    fn group(&self) -> Option<IpAddr> {
        None
    }
}

/// Two stacks that are configured.
pub(crate) async fn stacks<R: Runtime, G: StackRig>(runtime: &R, rig: &G) -> Result<(G::Stack, G::Stack), Violation> {
    let (left, right) = rig.stacks().await.map_err(|error| error.to_string()).holds("A stack can be made")?;
    for stack in [&left, &right] {
        within(runtime, CONFIGURED, stack.configured()).await?.holds(CONFIGURED)?;
    }
    Ok((left, right))
}

/// The address at which others reach that port of a stack.
pub(crate) fn port_of<S: Stack>(stack: &S, port: u16) -> Result<SocketAddr, Violation> {
    let addresses = stack.addresses();
    // The best reachable is one that is not for this link alone.
    let linked = |address: &IpAddr| matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
    let mut usable = addresses.iter().map(|cidr| cidr.address).filter(|address| !linked(address));
    let address = usable.next().ok_or("there is none").holds(CONFIGURED)?;
    Ok(SocketAddr::new(address, port))
}

/// Asserts `clause`, which holds if `result` is an error of that kind.
pub(crate) fn refused<T: Debug, E: NetError>(
    result: Result<T, E>,
    kind: NetErrorKind,
    clause: &'static str,
) -> Verdict {
    let error = result.fails(clause)?;
    ensure(error.kind() == kind, clause, || format!("gave {:?} ({error}), not {kind:?}", error.kind()))
}

/// Asserts the contract of a stack.
pub async fn suite<R: Runtime, G: StackRig>(runtime: &R, rig: &G) -> Verdict {
    let (left, right) = rig.stacks().await.map_err(|error| error.to_string()).holds("A stack can be made")?;
    configured(runtime, &left).await?;
    configured(runtime, &right).await?;
    ports(&left)?;
    connections(runtime, rig, &left, &right).await?;
    names(runtime, rig, &left).await?;
    echoes(runtime, rig, &left, &right).await
}

async fn configured<R: Runtime, S: Stack>(runtime: &R, stack: &S) -> Verdict {
    poll_once(stack.configured()).await;
    within(runtime, CONFIGURED, stack.configured()).await?.holds(CONFIGURED)?;
    at_once(CONFIGURED, stack.configured()).await?.holds(CONFIGURED)?;
    let addresses = stack.addresses();
    ensure(!addresses.is_empty(), CONFIGURED, || "configured, and without an address".into())?;
    for cidr in addresses {
        let longest = if cidr.address.is_ipv4() { 32 } else { 128 };
        ensure(1 <= cidr.prefix && cidr.prefix <= longest, ADDRESSES, || format!("one is {cidr}"))?;
        let usable = !cidr.address.is_unspecified() && !cidr.address.is_multicast();
        ensure(usable, ADDRESSES, || format!("one is {cidr}"))?;
    }
    Ok(())
}

fn ports<S: Stack>(stack: &S) -> Verdict {
    let (one, two) = (stack.listen(0, 1).holds(FREE)?, stack.listen(0, 1).holds(FREE)?);
    let (a, b) = (one.local().port(), two.local().port());
    ensure(a != 0 && b != 0 && a != b, FREE, || format!("two listeners were given {a} and {b}"))?;
    let listener = stack.listen(5_001, 1).holds(ASKED)?;
    equal(listener.local().port(), 5_001, ASKED)?;
    refused(stack.listen(5_001, 1).map(drop), NetErrorKind::AddressInUse, TAKEN)?;
    drop(listener);
    stack.listen(5_001, 1).map(drop).holds("A port whose listener was dropped is not taken any more")?;

    let (one, two) = (stack.bind(0).holds(FREE)?, stack.bind(0).holds(FREE)?);
    let (a, b) = (one.local().port(), two.local().port());
    ensure(a != 0 && b != 0 && a != b, FREE, || format!("two sockets were given {a} and {b}"))?;
    let socket = stack.bind(5_001).holds(ASKED)?;
    equal(socket.local().port(), 5_001, ASKED)?;
    refused(stack.bind(5_001).map(drop), NetErrorKind::AddressInUse, TAKEN)?;
    drop(socket);
    stack.bind(5_001).map(drop).holds("A port whose socket was dropped is not taken any more")
}

async fn connections<R: Runtime, G: StackRig>(runtime: &R, rig: &G, left: &G::Stack, right: &G::Stack) -> Verdict {
    let closed = port_of(right, 5_999)?;
    let result = within(runtime, REFUSED, left.connect(closed)).await?;
    refused(result.map(drop), NetErrorKind::Refused, REFUSED)?;

    // Whatever became of the attempt, it does not stand in the way of the next one.
    let mut listener = right.listen(5_002, 1).holds(ASKED)?;
    let to = port_of(right, 5_002)?;
    drop(poll_once(left.connect(to)).await);
    let both = async {
        let ours = left.connect(to).await.holds(GIVEN_UP)?;
        loop {
            let theirs = listener.accept().await.holds(GIVEN_UP)?;
            if mirage_sig::Flow::peer(&theirs) == mirage_sig::Flow::local(&ours) {
                return Ok(());
            }
        }
    };
    within(runtime, GIVEN_UP, both).await??;

    let Some(nobody) = rig.nobody() else { return Ok(()) };
    let error = within(runtime, NOBODY, left.connect(SocketAddr::new(nobody, 80))).await?.map(drop).fails(NOBODY)?;
    let kind = error.kind();
    ensure(matches!(kind, NetErrorKind::TimedOut | NetErrorKind::Unreachable), NOBODY, || format!("gave {kind:?}"))
}

async fn names<R: Runtime, G: StackRig>(runtime: &R, rig: &G, stack: &G::Stack) -> Verdict {
    for text in ["192.0.2.1", "10.0.0.255", "2001:db8::1", "::1"] {
        let address: IpAddr = text.parse().holds(TEXT)?;
        poll_once(stack.resolve(text)).await;
        equal(within(runtime, TEXT, stack.resolve(text)).await?.holds(TEXT)?, [address], TEXT)?;
    }
    let Some((name, address)) = rig.name() else { return Ok(()) };
    let found = within(runtime, NEVER_NONE, stack.resolve(name)).await?.holds(NEVER_NONE)?;
    ensure(found.contains(&address), NEVER_NONE, || format!("{name} is {found:?}, where {address} was expected"))?;
    let found = within(runtime, NO_NAME, stack.resolve("nobody.invalid")).await?;
    refused(found, NetErrorKind::NotFound, NO_NAME)
}

async fn echoes<R: Runtime, G: StackRig>(runtime: &R, rig: &G, left: &G::Stack, right: &G::Stack) -> Verdict {
    let to = port_of(right, 0)?.ip();
    for length in [0, 56, 1_000] {
        poll_once(left.ping(to, length)).await;
        let before = runtime.now();
        let took = within(runtime, PING, left.ping(to, length)).await?.holds(PING)?;
        let most = runtime.now() - before;
        ensure(took <= most, PING, || format!("told of {took:?}, where the call took {most:?}"))?;
    }
    let Some(nobody) = rig.nobody() else { return Ok(()) };
    let error = within(runtime, NO_ECHO, left.ping(nobody, 56)).await?.fails(NO_ECHO)?;
    let kind = error.kind();
    ensure(matches!(kind, NetErrorKind::TimedOut | NetErrorKind::Unreachable), NO_ECHO, || format!("gave {kind:?}"))
}
