//! What an interface with faults knows, without the network behind it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use mirage_sig::{Instant, Link, NetworkStats};

use super::pipe::Pipe;
use super::random::Pcg;
use super::{Control, Counters, Impairment};
use crate::Direction;

/// One direction.
#[derive(Default)]
pub struct Way {
    pub impairment: Impairment,
    pub counters: Counters,
    pub pipe: Pipe,
}

impl Way {
    fn push(&mut self, now: Instant, frame: Vec<u8>, random: &mut Pcg) -> bool {
        self.pipe.push(now, frame, &self.impairment, random, &mut self.counters)
    }
}

pub struct State {
    random: Pcg,
    pub received: Way,
    pub sent: Way,
    /// Out of the pipe, for the stack to take.
    pub ready: VecDeque<Vec<u8>>,
    /// Our end of the cable; the network behind has its own.
    pub link: Link,
    /// The network behind is gone for good.
    pub gone: bool,
    pub stats: NetworkStats,
    /// What was taken from the network behind: frames, and their bytes.
    pub taken: (u64, u64),
}

impl State {
    pub fn new(seed: u64) -> Self {
        Self {
            random: Pcg::new(seed),
            received: Way::default(),
            sent: Way::default(),
            ready: VecDeque::new(),
            link: Link::Up,
            gone: false,
            stats: NetworkStats::default(),
            taken: (0, 0),
        }
    }

    pub fn way(&mut self, direction: Direction) -> &mut Way {
        match direction {
            Direction::Received => &mut self.received,
            Direction::Sent => &mut self.sent,
        }
    }

    /// Frames can go straight from the network behind to the stack.
    pub fn receives_directly(&self) -> bool {
        self.link == Link::Up
            && self.received.impairment.is_none()
            && self.received.pipe.is_empty()
            && self.ready.is_empty()
    }

    /// Frames can go straight from the stack to the network behind.
    pub fn sends_directly(&self) -> bool {
        self.link == Link::Up && self.sent.impairment.is_none() && self.sent.pipe.is_empty()
    }

    /// A frame was taken from the network behind.
    pub fn count_taken(&mut self, length: usize) {
        self.taken.0 += 1;
        self.taken.1 += length as u64;
    }

    /// The stack gets a frame, or can.
    pub fn count_received(&mut self, length: usize) {
        self.stats.rx_frames += 1;
        self.stats.rx_bytes += length as u64;
    }

    /// The stack has sent a frame.
    pub fn count_sent(&mut self, length: usize) {
        self.stats.tx_frames += 1;
        self.stats.tx_bytes += length as u64;
    }

    /// A frame goes on its way out.
    pub fn leave(&mut self, now: Instant, frame: Vec<u8>) {
        let kept = self.link == Link::Up && !self.gone && self.sent.push(now, frame, &mut self.random);
        self.stats.tx_dropped += u64::from(!kept);
    }

    /// The network behind has given a frame.
    pub fn arrive(&mut self, now: Instant, frame: Vec<u8>) {
        self.count_taken(frame.len());
        let kept = self.link == Link::Up && self.received.push(now, frame, &mut self.random);
        self.stats.rx_dropped += u64::from(!kept);
    }

    /// Makes ready what has travelled long enough.
    pub fn settle(&mut self, now: Instant) {
        while let Some(frame) = self.received.pipe.pop(now) {
            if self.ready.len() < Control::READY_MAX {
                self.count_received(frame.len());
                self.ready.push_back(frame);
            } else {
                self.stats.rx_dropped += 1;
                self.received.counters.overflowed += 1;
            }
        }
    }

    /// Everything under way is lost.
    pub fn cut(&mut self) {
        self.stats.tx_dropped += self.sent.pipe.clear();
        self.stats.rx_dropped += self.received.pipe.clear();
    }
}
