//! Files that Wireshark opens: the pcapng format (draft-ietf-opsawg-pcapng), as far as capturing Ethernet needs it.
//!
//! A file is a section header, a description of each interface, and a block for each frame. Numbers are in
//! little-endian order. Nothing here does I/O: blocks are given out whole, to be appended to a file, a vector, or a
//! stream.

use alloc::vec::Vec;

use mirage_sig::Mac;

use crate::Direction;

/// Block types (sections 4.1 to 4.3 of the draft).
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

/// What tells a reader the order of bytes (section 4.1).
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

/// Ethernet (draft-ietf-opsawg-pcaplinktype).
const LINKTYPE_ETHERNET: u16 = 1;

/// Options (sections 3.5, 4.1, 4.2 and 4.3).
const END_OF_OPTIONS: u16 = 0;
const COMMENT: u16 = 1;
const SECTION_APPLICATION: u16 = 4;
const INTERFACE_NAME: u16 = 2;
const INTERFACE_MAC: u16 = 6;
const INTERFACE_RESOLUTION: u16 = 9;
const PACKET_FLAGS: u16 = 2;

/// Times are in nanoseconds: a negative power of ten.
const NANOSECONDS: u8 = 9;

/// The bytes that a frame's block has besides the frame, its padding included: [`packet`] writes no more.
pub const PACKET_OVERHEAD: usize = 12 + 20 + 8 + 4 + 3;

/// A file that is given out block by block, to whatever takes bytes.
///
/// ```
/// use mirage_net::{Direction, pcapng::PcapNg};
/// use mirage_sig::Mac;
///
/// let mut file = Vec::new();
/// let mut blocks = PcapNg::new("an example", |block| file.extend_from_slice(block));
/// let interface = blocks.interface("eth0", Mac([2, 0, 0, 0, 0, 1]));
/// blocks.packet(interface, 1_386_547_200_000_000_000, Direction::Sent, &[0xff; 60]);
/// assert_eq!(file[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
/// ```
pub struct PcapNg<S> {
    sink: S,
    interfaces: u32,
    /// Where a block is put together.
    block: Vec<u8>,
}

impl<S: FnMut(&[u8])> PcapNg<S> {
    /// Begins a file, which `application` makes.
    pub fn new(application: &str, sink: S) -> Self {
        let mut file = Self { sink, interfaces: 0, block: Vec::new() };
        file.give(|block| section(block, application, ""));
        file
    }

    /// Describes an interface, and gives its number.
    pub fn interface(&mut self, name: &str, mac: Mac) -> u32 {
        self.give(|block| interface(block, name, mac));
        self.interfaces += 1;
        self.interfaces - 1
    }

    /// A frame that passed `interface`, at `nanos` nanoseconds since 1970.
    pub fn packet(&mut self, interface: u32, nanos: u64, direction: Direction, frame: &[u8]) {
        self.give(|block| packet(block, interface, nanos, direction, frame));
    }

    fn give(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.block.clear();
        write(&mut self.block);
        (self.sink)(&self.block);
    }
}

/// Begins a file. `comment` is for whoever opens it; an empty one is left out.
pub fn section(out: &mut Vec<u8>, application: &str, comment: &str) {
    block(out, SECTION_HEADER, |body| {
        body.extend_from_slice(&BYTE_ORDER_MAGIC.to_le_bytes());
        // Version 1.0.
        body.extend_from_slice(&[1, 0, 0, 0]);
        // A section of unknown length: to its end.
        body.extend_from_slice(&[0xff; 8]);
        if !comment.is_empty() {
            option(body, COMMENT, comment.as_bytes());
        }
        option(body, SECTION_APPLICATION, application.as_bytes());
        option(body, END_OF_OPTIONS, &[]);
    });
}

/// Describes an Ethernet interface. The first of a section is number 0, and so on.
pub fn interface(out: &mut Vec<u8>, name: &str, mac: Mac) {
    block(out, INTERFACE_DESCRIPTION, |body| {
        body.extend_from_slice(&LINKTYPE_ETHERNET.to_le_bytes());
        // Reserved; and no limit to what is captured of a frame.
        body.extend_from_slice(&[0; 6]);
        option(body, INTERFACE_NAME, name.as_bytes());
        option(body, INTERFACE_MAC, &mac.0);
        option(body, INTERFACE_RESOLUTION, &[NANOSECONDS]);
        option(body, END_OF_OPTIONS, &[]);
    });
}

/// A frame that passed `interface`, at `nanos` nanoseconds since 1970.
pub fn packet(out: &mut Vec<u8>, interface: u32, nanos: u64, direction: Direction, frame: &[u8]) {
    // Inbound or outbound; nothing is said about checksums or reception.
    let flags: u32 = match direction {
        Direction::Received => 1,
        Direction::Sent => 2,
    };
    let length = frame.len() as u32;
    block(out, ENHANCED_PACKET, |body| {
        for number in [interface, (nanos >> 32) as u32, nanos as u32, length, length] {
            body.extend_from_slice(&number.to_le_bytes());
        }
        padded(body, frame);
        option(body, PACKET_FLAGS, &flags.to_le_bytes());
        option(body, END_OF_OPTIONS, &[]);
    });
}

/// Type, length, body, length again.
fn block(out: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    body(out);
    let length = ((out.len() - start + 4) as u32).to_le_bytes();
    out.extend_from_slice(&length);
    if let Some(place) = out.get_mut(start + 4..start + 8) {
        place.copy_from_slice(&length);
    }
}

/// What an option can hold, in bytes; the rest is cut off.
const OPTION_MAX: usize = 0xfffc;

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = value.get(..OPTION_MAX).unwrap_or(value);
    body.extend_from_slice(&code.to_le_bytes());
    body.extend_from_slice(&(value.len() as u16).to_le_bytes());
    padded(body, value);
}

/// Filled up to a multiple of four bytes.
fn padded(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend_from_slice(bytes);
    let missing = bytes.len().next_multiple_of(4) - bytes.len();
    body.extend([0; 3].into_iter().take(missing));
}
