use alloc::rc::{Rc, Weak};

use mirage_sig::{Link, Network, Runtime};

use super::{Counters, Impairment, Shared};
use crate::Direction;

/// A handle to the faults of one network. A clone is a handle to the same. When the network is gone, nothing happens
/// any more.
#[derive(Clone)]
pub struct Control(Weak<dyn Controlled>);

/// What a handle can do, whatever network it is.
trait Controlled {
    fn impairment(&self, direction: Direction) -> Impairment;
    fn set(&self, direction: Direction, impairment: Impairment);
    fn counters(&self, direction: Direction) -> Counters;
    fn plug(&self, link: Link);
}

impl Control {
    /// Frames that may be under way in one direction: as many of 1,500 bytes as go through 50 Mbit/s in a second.
    pub const UNDER_WAY_MAX: usize = 4_096;

    /// Frames that have arrived and wait for the stack.
    pub const READY_MAX: usize = 1_024;

    pub(super) fn new<N: Network + 'static, R: Runtime>(shared: &Rc<Shared<N, R>>) -> Self {
        let shared: Rc<dyn Controlled> = shared.clone();
        Self(Rc::downgrade(&shared))
    }

    /// What happens to the frames of a direction.
    pub fn impairment(&self, direction: Direction) -> Impairment {
        self.0.upgrade().map_or(Impairment::NONE, |shared| shared.impairment(direction))
    }

    /// What shall happen from now on to the frames of a direction. Those under way are not touched.
    pub fn set(&self, direction: Direction, impairment: Impairment) {
        if let Some(shared) = self.0.upgrade() {
            shared.set(direction, impairment);
        }
    }

    /// What shall happen to the frames of both directions.
    pub fn set_both(&self, impairment: Impairment) {
        self.set(Direction::Received, impairment);
        self.set(Direction::Sent, impairment);
    }

    /// What has happened to the frames of a direction so far.
    pub fn counters(&self, direction: Direction) -> Counters {
        self.0.upgrade().map_or(Counters::default(), |shared| shared.counters(direction))
    }

    /// Pulls the cable, so that frames under way are lost, or plugs it in again. The link is up if it is so behind as
    /// well.
    pub fn plug(&self, link: Link) {
        if let Some(shared) = self.0.upgrade() {
            shared.plug(link);
        }
    }
}

impl<N: Network + 'static, R: Runtime> Controlled for Shared<N, R> {
    fn impairment(&self, direction: Direction) -> Impairment {
        self.state.borrow_mut().way(direction).impairment
    }

    fn set(&self, direction: Direction, impairment: Impairment) {
        // What has arrived did so under the old rules.
        self.settle();
        self.state.borrow_mut().way(direction).impairment = impairment;
        self.changed();
    }

    fn counters(&self, direction: Direction) -> Counters {
        self.settle();
        self.state.borrow_mut().way(direction).counters
    }

    fn plug(&self, link: Link) {
        // What has arrived did so while the link was as it was.
        self.settle();
        {
            let mut state = self.state.borrow_mut();
            state.link = link;
            if link == Link::Down {
                state.cut();
            }
        }
        self.changed();
    }
}
