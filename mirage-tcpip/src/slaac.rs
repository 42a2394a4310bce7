//! The IPv6 addresses: asking routers, and giving up what they do not announce any more (RFC 4861 6.3, RFC 4862).

use alloc::rc::Rc;
use core::future::poll_fn;
use core::net::IpAddr;
use core::task::Poll;
use core::time::Duration;

use mirage_sig::{Cidr, Instant};

use crate::Ipv6;
use crate::address::Origin;
use crate::engine::after;
use crate::handle::Shared;
use crate::ndisc::link_local;
use crate::race::until;

/// RFC 4861 10: how often routers are asked, and how long each time.
const SOLICITATIONS: u32 = 3;
const SOLICIT_EVERY: Duration = Duration::from_secs(4);

/// Looks after the IPv6 addresses, until the stack is closed.
pub(crate) async fn run(shared: Rc<Shared>, config: Ipv6) {
    let mut asking = true;
    {
        let mut engine = shared.engine();
        let own = link_local(engine.out.mac());
        engine.add_address(own, Origin::Link);
        if let IpAddr::V6(address) = own.address {
            engine.solicit_own(address);
        }
        if let Ipv6::Static { address, prefix, gateway } = config {
            engine.add_address(Cidr { address: address.into(), prefix }, Origin::Config);
            engine.solicit_own(address);
            if let Some(gateway) = gateway {
                let now = engine.now;
                engine.addresses.router(gateway, Instant::END, now);
                asking = false;
            }
        }
    }
    let mut asked = if asking { 0 } else { SOLICITATIONS };
    let mut next = shared.world.now();
    loop {
        let now = shared.world.now();
        if asked < SOLICITATIONS && now >= next {
            shared.engine().solicit_routers();
            asked += 1;
            next = after(now, SOLICIT_EVERY);
        } else if now >= next {
            let mut engine = shared.engine();
            engine.ipv6.alone = true;
            engine.wake_configured();
            next = Instant::END;
        }
        let deadline = next.min(shared.engine().addresses.next_expiry());
        match wait(&shared, deadline).await {
            Event::Closed => return,
            Event::Heard => (asked, next) = (SOLICITATIONS, Instant::END),
            Event::Plugged if asking => (asked, next) = (0, shared.world.now()),
            Event::Plugged | Event::Time => {}
        }
        let mut engine = shared.engine();
        let now = engine.now;
        engine.remove_addresses(|own| matches!(own.origin, Origin::Router(until) if until <= now));
        engine.addresses.routers.retain(|(_, until)| *until > now);
    }
}

enum Event {
    Heard,
    Plugged,
    Time,
    Closed,
}

async fn wait(shared: &Shared, deadline: Instant) -> Event {
    let mail = poll_fn(|cx| {
        let mut engine = shared.engine();
        if engine.closed {
            return Poll::Ready(Event::Closed);
        }
        if core::mem::take(&mut engine.ipv6.heard) {
            return Poll::Ready(Event::Heard);
        }
        if core::mem::take(&mut engine.ipv6.plugged) {
            return Poll::Ready(Event::Plugged);
        }
        engine.ipv6.waker = Some(cx.waker().clone());
        Poll::Pending
    });
    until(&*shared.world, deadline, mail).await.unwrap_or(Event::Time)
}
