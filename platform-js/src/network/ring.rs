//! One direction of a cable through shared memory: bytes in a ring, with one writer and one reader, who need not be of one
//! realm. Who sleeps says so in a word of the memory, and the other one sends it a message only then.
//!
//! The memory is four words and then the bytes, a power of two of them. Counters count bytes without end, modulo 2^32; where a
//! byte lies is its number modulo the size. Each side keeps its own counter to itself and only publishes it: what the other
//! side wrote is believed as far as it is possible at all, and no index is ever taken from the memory.

use std::cell::Cell;

use js_sys::{Array, Atomics, Function, Int32Array, Reflect, SharedArrayBuffer, Uint8Array};
use wasm_bindgen::JsCast;

/// How many bytes were ever written, and whether the writer waits for room: the writer's line of the cache.
const WRITTEN: u32 = 0;
const WRITER_WAITS: u32 = 1;
/// How many bytes were ever read, and whether the reader sleeps: the reader's.
const READ: u32 = 16;
const READER_SLEEPS: u32 = 17;
/// Where the bytes begin.
const BYTES: u32 = 128;

/// Bytes that a ring holds. A window of TCP's fits in several times, so that neither side has to wait for the other at each
/// turn; the pages of the memory are there once they are used.
pub const SIZE: u32 = 512 * 1024;

/// The other side has published a counter that cannot be.
#[derive(Debug)]
pub struct Broken;

struct Memory {
    words: Int32Array,
    bytes: Uint8Array,
}

impl Memory {
    /// None if it is not of the right size.
    fn over(shared: &SharedArrayBuffer) -> Option<Self> {
        if shared.byte_length() != BYTES + SIZE {
            return None;
        }
        let words = Int32Array::new_with_byte_offset_and_length(shared, 0, BYTES / 4);
        Some(Self { words, bytes: Uint8Array::new_with_byte_offset(shared, BYTES) })
    }

    // These three throw only for what is no integer array, and for a word behind its end.

    fn load(&self, word: u32) -> u32 {
        Atomics::load(&self.words, word).unwrap_or_default() as u32
    }

    fn store(&self, word: u32, value: u32) {
        let _ = Atomics::store(&self.words, word, value as i32);
    }

    /// Clears a flag: whether it was set.
    fn clear(&self, word: u32) -> bool {
        // Looking is cheaper than exchanging, and the flag is mostly down.
        self.load(word) != 0 && Atomics::exchange(&self.words, word, 0).unwrap_or_default() != 0
    }

    /// Where the bytes from `count` on lie: in up to two parts, given as their places and the length of the first.
    fn place(count: u32, length: usize) -> (u32, usize) {
        let at = count % SIZE;
        (at, length.min((SIZE - at) as usize))
    }
}

/// New memory for a ring; none where there is none to share. A page that is isolated need not have it: WebKit may leave it out.
pub fn memory() -> Option<SharedArrayBuffer> {
    let shared = Reflect::get(&js_sys::global(), &"SharedArrayBuffer".into()).ok()?;
    Reflect::construct(shared.dyn_ref::<Function>()?, &Array::of1(&(BYTES + SIZE).into())).ok()?.dyn_into().ok()
}

pub struct Writer {
    memory: Memory,
    written: Cell<u32>,
    /// What the reader had read when it was last looked at.
    read: Cell<u32>,
}

impl Writer {
    pub fn over(shared: &SharedArrayBuffer) -> Option<Self> {
        Some(Self { memory: Memory::over(shared)?, written: Cell::new(0), read: Cell::new(0) })
    }

    /// Whether so many bytes have room. Once they have, they keep it.
    pub fn has_room(&self, length: usize) -> Result<bool, Broken> {
        let fits = |read| SIZE as usize - self.written.get().wrapping_sub(read) as usize >= length;
        if fits(self.read.get()) {
            return Ok(true);
        }
        let read = self.memory.load(READ);
        // Neither less than it was, nor more than was written.
        if self.written.get().wrapping_sub(read) > self.written.get().wrapping_sub(self.read.get()) {
            return Err(Broken);
        }
        self.read.set(read);
        Ok(fits(read))
    }

    /// Writes bytes that have room. Whether the reader sleeps, and is to be woken.
    pub fn write(&self, bytes: &[u8]) -> bool {
        let written = self.written.get();
        let (at, first) = Memory::place(written, bytes.len());
        let (before, after) = bytes.split_at(first);
        self.memory.bytes.subarray(at, at + first as u32).copy_from(before);
        if !after.is_empty() {
            self.memory.bytes.subarray(0, after.len() as u32).copy_from(after);
        }
        self.written.set(written.wrapping_add(bytes.len() as u32));
        self.memory.store(WRITTEN, self.written.get());
        self.memory.clear(READER_SLEEPS)
    }

    /// Says that the writer waits until more has been read. Look for room again afterwards.
    pub fn wait(&self) {
        self.memory.store(WRITER_WAITS, 1);
    }
}

pub struct Reader {
    memory: Memory,
    read: Cell<u32>,
}

impl Reader {
    pub fn over(shared: &SharedArrayBuffer) -> Option<Self> {
        Some(Self { memory: Memory::over(shared)?, read: Cell::new(0) })
    }

    /// Puts all that is there in the place of what is in `bytes`. Whether the writer waits, and is to be woken.
    pub fn read(&self, bytes: &mut Vec<u8>) -> Result<bool, Broken> {
        let read = self.read.get();
        let length = self.memory.load(WRITTEN).wrapping_sub(read);
        if length > SIZE {
            return Err(Broken);
        }
        bytes.resize(length as usize, 0);
        if length == 0 {
            return Ok(false);
        }
        let (at, first) = Memory::place(read, bytes.len());
        let (before, after) = bytes.split_at_mut(first);
        self.memory.bytes.subarray(at, at + first as u32).copy_to(before);
        if !after.is_empty() {
            self.memory.bytes.subarray(0, after.len() as u32).copy_to(after);
        }
        self.read.set(read.wrapping_add(length));
        self.memory.store(READ, self.read.get());
        Ok(self.memory.clear(WRITER_WAITS))
    }

    /// Says that the reader sleeps. False if there is more by now, and it is to read on.
    pub fn sleep(&self) -> bool {
        self.memory.store(READER_SLEEPS, 1);
        self.memory.load(WRITTEN) == self.read.get() || !self.memory.clear(READER_SLEEPS)
    }
}
