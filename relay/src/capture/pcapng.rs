//! The pcapng file format (draft-ietf-opsawg-pcapng): one section, an interface block for each LAN, a packet block for each
//! frame, times in nanoseconds.

use std::io::{self, Write};
use std::time::Duration;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
/// A reader tells the byte order from it (section 4.1). We write little-endian everywhere.
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const LINKTYPE_ETHERNET: u16 = 1;

const OPT_END: u16 = 0;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
/// Times are in units of 10^-9 seconds.
const NANOSECONDS: u8 = 9;

/// A file that is being written.
pub struct Writer<W> {
    out: W,
    interfaces: u32,
}

impl<W: Write> Writer<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// Those of `out`; so for the other functions.
    pub fn new(out: W) -> io::Result<Self> {
        let mut writer = Self { out, interfaces: 0 };
        let mut body = Vec::new();
        body.extend_from_slice(&BYTE_ORDER_MAGIC.to_le_bytes());
        // Version 1.0; the section's length is not known.
        body.extend_from_slice(&[1, 0, 0, 0]);
        body.extend_from_slice(&(-1_i64).to_le_bytes());
        option(&mut body, SHB_USERAPPL, concat!("mirage-relay ", env!("CARGO_PKG_VERSION")).as_bytes());
        option(&mut body, OPT_END, &[]);
        writer.block(SECTION_HEADER, &[&body])?;
        Ok(writer)
    }

    /// Describes one more Ethernet interface, and returns its number. `snap_len` is the length of its longest frame.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn interface(&mut self, name: &str, snap_len: u32) -> io::Result<u32> {
        let mut body = Vec::new();
        body.extend_from_slice(&LINKTYPE_ETHERNET.to_le_bytes());
        body.extend_from_slice(&[0, 0]);
        body.extend_from_slice(&snap_len.to_le_bytes());
        option(&mut body, IF_NAME, name.as_bytes());
        option(&mut body, IF_TSRESOL, &[NANOSECONDS]);
        option(&mut body, OPT_END, &[]);
        self.block(INTERFACE_DESCRIPTION, &[&body])?;
        self.interfaces += 1;
        Ok(self.interfaces - 1)
    }

    /// Writes a frame that was seen at `time` since 1970 on the interface of that number.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn frame(&mut self, interface: u32, time: Duration, frame: &[u8]) -> io::Result<()> {
        // In 2554 the nanoseconds do not fit any more.
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let length = u32::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut head = [0; 20];
        let fields = [interface, (time >> 32) as u32, time as u32, length, length];
        for (bytes, field) in head.chunks_exact_mut(4).zip(fields) {
            bytes.copy_from_slice(&field.to_le_bytes());
        }
        self.block(ENHANCED_PACKET, &[&head, frame])
    }

    /// Hands all on to whoever reads the file.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// A block: type, length, body padded to 32 bits, length again (section 3.1).
    fn block(&mut self, kind: u32, parts: &[&[u8]]) -> io::Result<()> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let padding = length.wrapping_neg() % 4;
        let total = u32::try_from(length + padding + 12).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&total.to_le_bytes())?;
        for part in parts {
            self.out.write_all(part)?;
        }
        self.out.write_all(&[0; 3][..padding])?;
        self.out.write_all(&total.to_le_bytes())
    }
}

/// An option: code, length, value padded to 32 bits (section 3.5). Values here are a name or a version, and short.
fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    body.extend_from_slice(&code.to_le_bytes());
    body.extend_from_slice(&(value.len() as u16).to_le_bytes());
    body.extend_from_slice(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The blocks of a file: type and body. Written from the format, not from the writer.
    fn blocks(mut file: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let word = |bytes: &[u8]| u32::from_le_bytes(bytes[..4].try_into().unwrap());
        let mut blocks = Vec::new();
        while !file.is_empty() {
            let total = word(&file[4..]) as usize;
            assert_eq!(total % 4, 0);
            assert_eq!(word(&file[total - 4..]) as usize, total, "both lengths are the same");
            blocks.push((word(file), file[8..total - 4].to_vec()));
            file = &file[total..];
        }
        blocks
    }

    #[test]
    fn the_file_begins_with_its_section_and_interfaces_have_names() {
        let mut file = Vec::new();
        let mut writer = Writer::new(&mut file).unwrap();
        assert_eq!(writer.interface("0", 1514).unwrap(), 0);
        assert_eq!(writer.interface("lab-3", 1514).unwrap(), 1);
        let blocks = blocks(&file);
        assert_eq!(blocks[0].0, SECTION_HEADER);
        assert_eq!(blocks[0].1[..16], [0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
        let expected =
            [&[1, 0, 0, 0, 0xea, 5, 0, 0, 2, 0, 5, 0][..], b"lab-3\0\0\0", &[9, 0, 1, 0, 9, 0, 0, 0], &[0; 4]].concat();
        assert_eq!(blocks[2], (INTERFACE_DESCRIPTION, expected));
    }

    proptest! {
        #[test]
        fn frames_come_back_as_they_were(frames in prop::collection::vec((any::<u64>(), prop::collection::vec(any::<u8>(), 0..100)), 0..20)) {
            let mut file = Vec::new();
            let mut writer = Writer::new(&mut file).unwrap();
            let interface = writer.interface("0", 1514).unwrap();
            for (nanoseconds, frame) in &frames {
                writer.frame(interface, Duration::from_nanos(*nanoseconds), frame).unwrap();
            }
            let blocks = blocks(&file);
            prop_assert_eq!(blocks.len(), frames.len() + 2);
            for ((nanoseconds, frame), (kind, body)) in frames.iter().zip(&blocks[2..]) {
                prop_assert_eq!(*kind, ENHANCED_PACKET);
                let word = |at: usize| u32::from_le_bytes(body[at..at + 4].try_into().unwrap());
                prop_assert_eq!(word(0), interface);
                prop_assert_eq!(u64::from(word(4)) << 32 | u64::from(word(8)), *nanoseconds);
                prop_assert_eq!((word(12) as usize, word(16) as usize), (frame.len(), frame.len()));
                prop_assert_eq!(&body[20..20 + frame.len()], &frame[..]);
            }
        }
    }
}
