//! The task that moves frames. It sleeps until a frame, a timer, a call or the cable wakes it.

use alloc::rc::Rc;
use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;

use mirage_sig::{Instant, Link, Network, Runtime, SendError};

use crate::handle::Shared;
use crate::world::{Boxed, Ground, World};

/// Frames taken in one turn; then others have theirs.
const FRAMES_MAX: usize = 64;

/// What woke the driver.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    Frames,
    Room,
    Cable(Link),
    Other,
}

/// Runs until the network is gone, or until nobody needs it any more.
pub(crate) async fn drive<N: Network + 'static, R: Runtime>(ground: Rc<Ground<N, R>>, shared: Rc<Shared>) {
    let network = &ground.network;
    let mut link = network.link();
    // A timer that would go off too early is left as it is: moving one costs more than a wake-up now and then.
    let mut timer: Option<(Instant, Boxed<'_, ()>)> = None;
    let mut awaited_frames = false;
    loop {
        let (more, deadline, stalled) = turn(&shared, &*ground, awaited_frames);
        let Some(more) = more else { break };
        awaited_frames = false;
        if more {
            // A turn of the platform, so that what is outside of this program is heard as well.
            ground.sleep_until(Instant::START).await;
            continue;
        }
        if timer.as_ref().is_none_or(|(at, _)| *at > deadline) {
            timer = (deadline < Instant::END).then(|| (deadline, ground.sleep_until(deadline)));
        }
        let event = {
            let mut readable = pin!(network.readable());
            let mut writable = pin!(network.writable());
            let mut cable = pin!(network.link_change(link));
            poll_fn(|cx| {
                if shared.unclocked().kicked(cx.waker()) {
                    return Poll::Ready(Event::Other);
                }
                if readable.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Event::Frames);
                }
                if stalled && writable.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Event::Room);
                }
                if let Some((_, sleep)) = &mut timer
                    && sleep.as_mut().poll(cx).is_ready()
                {
                    timer = None;
                    return Poll::Ready(Event::Other);
                }
                match cable.as_mut().poll(cx) {
                    Poll::Ready(now) => Poll::Ready(Event::Cable(now)),
                    Poll::Pending => Poll::Pending,
                }
            })
            .await
        };
        match event {
            Event::Frames => awaited_frames = true,
            Event::Room => shared.unclocked().unstall(),
            Event::Cable(now) => {
                // The cable of a network that is gone is out, for good.
                if is_gone(&*ground) {
                    break;
                }
                link = now;
                if now == Link::Up {
                    shared.engine().plugged();
                }
            }
            Event::Other => {}
        }
    }
    shared.engine().close();
}

/// One turn: whether there is more to do, or `None` at the end; when the next thing is due; and whether the network is full.
fn turn(shared: &Shared, world: &dyn World, awaited_frames: bool) -> (Option<bool>, Instant, bool) {
    let mut engine = shared.engine();
    let mut taken = 0;
    while taken < FRAMES_MAX && world.receive(&mut |frame| engine.ingress(frame)) {
        taken += 1;
    }
    if awaited_frames && taken == 0 && is_gone(world) {
        return (None, Instant::END, false);
    }
    engine.expire();
    let more = engine.egress(world) || taken == FRAMES_MAX;
    if !shared.in_use() && engine.tcp.is_idle() {
        return (None, Instant::END, false);
    }
    engine.rested();
    (Some(more), engine.next_deadline(), engine.out.stalled)
}

/// Whether the network is gone for good, which is what it says first of all, even of a frame that cannot be.
fn is_gone(world: &dyn World) -> bool {
    world.send(0, &mut |_| {}) == Err(SendError::Gone)
}
