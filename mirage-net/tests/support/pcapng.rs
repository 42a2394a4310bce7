//! A reader of pcapng files that shares nothing with the writer: strict where the draft says "must".

#[derive(Debug, Default, PartialEq, Eq)]
pub struct File {
    pub section_options: Vec<(u16, Vec<u8>)>,
    pub interfaces: Vec<Interface>,
    pub packets: Vec<Packet>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Interface {
    pub link_type: u16,
    pub name: String,
    pub mac: Vec<u8>,
    pub resolution: u8,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Packet {
    pub interface: u32,
    pub time: u64,
    pub flags: u32,
    pub frame: Vec<u8>,
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (bytes, rest) =
            self.0.split_at_checked(length).ok_or(format!("{length} bytes wanted of {}", self.0.len()))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn u16(&mut self) -> Result<u16, String> {
        Ok(u16::from_le_bytes(self.take(2)?.try_into().unwrap()))
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into().unwrap()))
    }

    fn padded(&mut self, length: usize) -> Result<&'a [u8], String> {
        let bytes = self.take(length)?;
        let padding = self.take((4 - length % 4) % 4)?;
        if padding.iter().any(|byte| *byte != 0) { Err("padding is not zero".into()) } else { Ok(bytes) }
    }

    fn options(&mut self) -> Result<Vec<(u16, Vec<u8>)>, String> {
        let mut options = Vec::new();
        loop {
            let (code, length) = (self.u16()?, self.u16()?);
            let value = self.padded(length.into())?;
            if code == 0 {
                return if self.0.is_empty() { Ok(options) } else { Err("bytes behind the end of the options".into()) };
            }
            options.push((code, value.to_vec()));
        }
    }
}

fn option(options: &[(u16, Vec<u8>)], code: u16) -> Result<Vec<u8>, String> {
    let found = options.iter().find(|(other, _)| *other == code);
    found.map(|(_, value)| value.clone()).ok_or(format!("no option {code}"))
}

pub fn read(bytes: &[u8]) -> Result<File, String> {
    let mut file = File::default();
    let mut blocks = Reader(bytes);
    let mut first = true;
    while !blocks.0.is_empty() {
        let kind = blocks.u32()?;
        let length = blocks.u32()?;
        if length < 12 || length % 4 != 0 {
            return Err(format!("a block of {length} bytes"));
        }
        let mut body = Reader(blocks.take(length as usize - 12)?);
        let again = blocks.u32()?;
        if again != length {
            return Err(format!("a block of {length} bytes says {again} at its end"));
        }
        if first != (kind == 0x0a0d_0d0a) {
            return Err(format!("block {kind:#x} where it must not be"));
        }
        first = false;
        match kind {
            0x0a0d_0d0a => {
                if (body.u32()?, body.u16()?, body.u16()?) != (0x1a2b_3c4d, 1, 0) {
                    return Err("not version 1.0, or not in little-endian order".into());
                }
                if body.take(8)? != [0xff; 8] {
                    return Err("a section with a length".into());
                }
                file.section_options = body.options()?;
            }
            1 => {
                let link_type = body.u16()?;
                if body.u16()? != 0 || body.u32()? != 0 {
                    return Err("reserved bits, or a limit".into());
                }
                let options = body.options()?;
                file.interfaces.push(Interface {
                    link_type,
                    name: String::from_utf8(option(&options, 2)?).map_err(|error| error.to_string())?,
                    mac: option(&options, 6)?,
                    resolution: option(&options, 9)?[0],
                });
            }
            6 => {
                let interface = body.u32()?;
                let time = u64::from(body.u32()?) << 32 | u64::from(body.u32()?);
                let (captured, original) = (body.u32()?, body.u32()?);
                if captured != original || interface as usize >= file.interfaces.len() {
                    return Err("a packet that was cut, or of no interface".into());
                }
                let frame = body.padded(captured as usize)?.to_vec();
                let flags = u32::from_le_bytes(option(&body.options()?, 2)?.try_into().unwrap());
                file.packets.push(Packet { interface, time, flags, frame });
            }
            other => return Err(format!("a block of type {other:#x}")),
        }
    }
    if first { Err("no section".into()) } else { Ok(file) }
}
