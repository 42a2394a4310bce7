//! Frames that wait to be sent: answers to what arrives, which cannot be sent while the frame they answer is in hand.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use mirage_sig::{Mac, SendError};

use crate::packet::{ETHERNET, ethernet};
use crate::world::World;

/// Frames that wait, at most. Answers beyond them are not given.
const FRAMES_MAX: usize = 256;
/// Buffers kept for the next frames.
const SPARE_MAX: usize = 32;

/// What writes a frame. Not a generic parameter, as there are many, and each would be a copy of what calls it.
pub(crate) type Fill<'a> = &'a mut dyn FnMut(&mut [u8]);

pub(crate) struct Outbox {
    mac: Mac,
    frames: VecDeque<Vec<u8>>,
    spare: Vec<Vec<u8>>,
    /// The network has no room. Nothing is sent until it says that it has.
    pub stalled: bool,
    /// Frames that the network took.
    pub sent: u64,
    /// Frames that it did not and will not take, or for which there was no room here.
    pub lost: u64,
}

impl Outbox {
    pub fn new(mac: Mac) -> Self {
        Self { mac, frames: VecDeque::new(), spare: Vec::new(), stalled: false, sent: 0, lost: 0 }
    }

    pub fn mac(&self) -> Mac {
        self.mac
    }

    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Puts a frame of `length` bytes after its header at the end, filled by `fill`. Whether there was room.
    pub fn push(&mut self, target: Mac, kind: u16, length: usize, fill: Fill<'_>) -> bool {
        if self.frames.len() >= FRAMES_MAX {
            self.lost += 1;
            return false;
        }
        let mut frame = self.buffer(target, kind, length);
        fill(&mut frame[ETHERNET..]);
        self.frames.push_back(frame);
        true
    }

    /// A zeroed frame with its header, of `length` bytes after it.
    fn buffer(&mut self, target: Mac, kind: u16, length: usize) -> Vec<u8> {
        let mut frame = self.spare.pop().unwrap_or_default();
        frame.clear();
        frame.resize(ETHERNET + length, 0);
        ethernet(&mut frame, target, self.mac, kind);
        frame
    }

    /// Sends a frame right away, written in place by `fill`, if nothing waits before it; else, or if there is no room in the
    /// network, it waits here. `fill` is called once in any case.
    pub fn send(&mut self, world: &dyn World, (target, kind): (Mac, u16), length: usize, fill: Fill<'_>) {
        let (mut filled, mut error) = (false, SendError::Full);
        if self.frames.is_empty() && !self.stalled {
            let source = self.mac;
            let sent = world.send(ETHERNET + length, &mut |frame| {
                if let Some((header, body)) = frame.split_at_mut_checked(ETHERNET) {
                    ethernet(header, target, source, kind);
                    fill(body);
                    filled = true;
                }
            });
            match sent {
                Ok(()) => self.sent += 1,
                Err(failed) => error = failed,
            }
        }
        if filled {
            return;
        }
        let mut frame = self.buffer(target, kind, length);
        fill(&mut frame[ETHERNET..]);
        if error == SendError::Full {
            self.stalled = true;
            self.frames.push_back(frame);
        } else {
            self.lost += 1;
        }
    }

    /// Sends what waits, as far as there is room.
    pub fn flush(&mut self, world: &dyn World) {
        while !self.stalled {
            let Some(frame) = self.frames.front() else { return };
            match world.send(frame.len(), &mut |room| room.copy_from_slice(frame)) {
                Ok(()) => self.sent += 1,
                Err(SendError::Full) => {
                    self.stalled = true;
                    return;
                }
                Err(_) => self.lost += 1,
            }
            if let Some(frame) = self.frames.pop_front()
                && self.spare.len() < SPARE_MAX
            {
                self.spare.push(frame);
            }
        }
    }
}
