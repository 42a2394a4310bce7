//! Captures: frames kept for Wireshark.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;

use mirage_sig::{MonotonicClock, Network, WallClock};

use crate::{Event, Sink, Tap, pcapng};

/// The newest frames of any number of interfaces, in memory, within a bound. A clone is the same recorder.
#[derive(Clone)]
pub struct Recorder(Rc<RefCell<Records>>);

struct Records {
    application: String,
    /// Descriptions of the interfaces, as the file has them.
    interfaces: Vec<u8>,
    interface_count: u32,
    /// Packet blocks, whole, the oldest first, as the file has them.
    blocks: VecDeque<u8>,
    capacity: usize,
    frames: u64,
    dropped: u64,
    /// Where a block is put together.
    block: Vec<u8>,
}

impl Recorder {
    /// Keeps blocks of `capacity` bytes together, which is all that it takes of the memory besides a few hundred bytes.
    /// A frame needs its length and up to [`pcapng::PACKET_OVERHEAD`] bytes. Files say that `application` made them.
    pub fn new(application: &str, capacity: usize) -> Self {
        Self(Rc::new(RefCell::new(Records {
            application: application.into(),
            interfaces: Vec::new(),
            interface_count: 0,
            blocks: VecDeque::new(),
            capacity,
            frames: 0,
            dropped: 0,
            block: Vec::new(),
        })))
    }

    /// A pcapng file with what is kept now. It can be asked for at any time, and recording goes on.
    pub fn file(&self) -> Vec<u8> {
        let records = self.0.borrow();
        let comment = match records.dropped {
            0 => String::new(),
            dropped => format!(
                "{dropped} frames were dropped, the oldest first: the recorder keeps {} bytes",
                records.capacity
            ),
        };
        let mut file = Vec::new();
        pcapng::section(&mut file, &records.application, &comment);
        file.extend_from_slice(&records.interfaces);
        let (older, newer) = records.blocks.as_slices();
        file.extend_from_slice(older);
        file.extend_from_slice(newer);
        file
    }

    /// Frames that are kept now.
    pub fn frames(&self) -> u64 {
        self.0.borrow().frames
    }

    /// Frames that were dropped for want of room, since the beginning or the last [`clear`](Self::clear).
    pub fn dropped(&self) -> u64 {
        self.0.borrow().dropped
    }

    /// Forgets all frames. The interfaces stay.
    pub fn clear(&self) {
        let mut records = self.0.borrow_mut();
        records.blocks = VecDeque::new();
        records.frames = 0;
        records.dropped = 0;
    }
}

impl Records {
    fn push(&mut self, interface: u32, nanos: u64, event: &Event<'_>) {
        let mut block = core::mem::take(&mut self.block);
        block.clear();
        pcapng::packet(&mut block, interface, nanos, event.direction, event.frame);
        if block.len() <= self.capacity {
            while self.blocks.len() + block.len() > self.capacity {
                self.drop_oldest();
            }
            self.grow(block.len());
            self.blocks.extend(&block);
            self.frames += 1;
        } else {
            self.dropped += 1;
        }
        self.block = block;
    }

    /// A block has its length in its second four bytes.
    fn drop_oldest(&mut self) {
        let mut length = [0; 4];
        for (to, from) in length.iter_mut().zip(self.blocks.iter().skip(4)) {
            *to = *from;
        }
        let length = u32::from_le_bytes(length) as usize;
        self.blocks.drain(..length.min(self.blocks.len()));
        self.frames -= 1;
        self.dropped += 1;
    }

    /// Twice as much each time, but never beyond the capacity, as the deque itself would.
    fn grow(&mut self, length: usize) {
        let needed = self.blocks.len() + length;
        if needed > self.blocks.capacity() {
            let room = needed.max(2 * self.blocks.capacity()).min(self.capacity);
            self.blocks.reserve_exact(room - self.blocks.len());
        }
    }
}

/// A [`Recorder`], for one interface.
pub struct Recording {
    recorder: Recorder,
    interface: u32,
    /// What monotonic time began at, in nanoseconds since 1970. Taken once, so that no frame seems to come before an
    /// earlier one when somebody sets the clock.
    start: u64,
}

impl Sink for Recording {
    fn frame(&self, event: &Event<'_>) {
        let nanos = self.start.saturating_add(event.time.as_nanos());
        self.recorder.0.borrow_mut().push(self.interface, nanos, event);
    }
}

/// A network of which the frames are recorded.
pub type Capture<N, C> = Tap<N, C, Recording>;

impl<N: Network, C: MonotonicClock + WallClock> Capture<N, C> {
    /// Records the frames of `inner` under that name. Several may share a recorder, and are told apart in its file.
    pub fn new(inner: N, clock: C, name: &str, recorder: &Recorder) -> Self {
        let interface = {
            let records = &mut *recorder.0.borrow_mut();
            pcapng::interface(&mut records.interfaces, name, inner.mac());
            records.interface_count += 1;
            records.interface_count - 1
        };
        let start = (clock.unix_time().as_nanos() as u64).saturating_sub(clock.now().as_nanos());
        Self::with(inner, clock, Recording { recorder: recorder.clone(), interface, start })
    }
}
