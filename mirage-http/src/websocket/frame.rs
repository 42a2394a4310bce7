use alloc::string::String;
use alloc::vec::Vec;

/// What a frame is (RFC 6455, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// More of the message that was begun.
    Continuation,
    /// A message of text begins.
    Text,
    /// A message of bytes begins.
    Binary,
    /// The end.
    Close,
    /// Are you there?
    Ping,
    /// I am.
    Pong,
}

impl Opcode {
    const ALL: [(Self, u8); 6] = [
        (Self::Continuation, 0),
        (Self::Text, 1),
        (Self::Binary, 2),
        (Self::Close, 8),
        (Self::Ping, 9),
        (Self::Pong, 10),
    ];

    fn from_bits(bits: u8) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == bits).map(|(opcode, _)| *opcode)
    }

    fn bits(self) -> u8 {
        Self::ALL.iter().find(|(known, _)| *known == self).map_or(0, |(_, bits)| *bits)
    }

    fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// A whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

/// What frames come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// All fragments of a message.
    Message(Message),
    /// To be answered by a pong with the same bytes.
    Ping(Vec<u8>),
    /// The answer to a ping, or a sign of life.
    Pong,
    /// The end, with a code if the other side gave one. Nothing that follows means anything.
    Close(Option<u16>),
}

/// The other side did what it must not. It is told the code (RFC 6455, section 7.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The code of the close frame: 1002, 1007 or 1009.
    pub code: u16,
    /// What it did.
    pub why: &'static str,
}

const fn violation(why: &'static str) -> Violation {
    Violation { code: 1002, why }
}

/// The longest payload of a control frame, in bytes.
const CONTROL_MAX: u64 = 125;

/// Takes frames apart and messages together, from whatever part of them has arrived. Strict: what RFC 6455 forbids is a
/// [`Violation`].
pub struct FrameDecoder {
    /// Frames must have masks: they come from a client.
    masked: bool,
    /// The longest message, in bytes.
    most: usize,
    header: [u8; 14],
    /// Bytes of the header that have come.
    have: usize,
    payload: Option<Payload>,
    /// The message that was begun, and whether it is text.
    message: Option<(bool, Vec<u8>)>,
    control: Vec<u8>,
}

struct Payload {
    opcode: Opcode,
    last: bool,
    left: u64,
    mask: [u8; 4],
    at: usize,
}

impl FrameDecoder {
    /// For frames with masks or without, and messages of at most `most` bytes.
    pub fn new(masked: bool, most: usize) -> Self {
        Self { masked, most, header: [0; 14], have: 0, payload: None, message: None, control: Vec::new() }
    }

    /// Goes on with `input`: how many of its bytes were used, and what they came to, if anything yet.
    pub fn decode(&mut self, input: &[u8]) -> Result<(usize, Option<Incoming>), Violation> {
        let mut used = 0;
        loop {
            let Some(mut payload) = self.payload.take() else {
                let Some(&byte) = input.get(used) else { return Ok((used, None)) };
                used += 1;
                self.header_byte(byte)?;
                continue;
            };
            let rest = input.get(used..).unwrap_or_default();
            let count = rest.len().min(usize::try_from(payload.left).unwrap_or(usize::MAX));
            let target = match &mut self.message {
                Some((_, message)) if !payload.opcode.is_control() => message,
                _ => &mut self.control,
            };
            target.extend(rest.iter().take(count).zip(payload.at..).map(|(byte, at)| byte ^ payload.mask[at % 4]));
            payload.left -= count as u64;
            // Only its rest matters, and a frame may be longer than an address has bits.
            payload.at = (payload.at + count) % 4;
            used += count;
            if payload.left > 0 {
                self.payload = Some(payload);
                return Ok((used, None));
            }
            if let Some(incoming) = self.finish(&payload)? {
                return Ok((used, Some(incoming)));
            }
        }
    }

    fn header_byte(&mut self, byte: u8) -> Result<(), Violation> {
        if let Some(place) = self.header.get_mut(self.have) {
            *place = byte;
        }
        self.have += 1;
        let [first, second, ..] = self.header;
        if self.have < 2 {
            return Ok(());
        }
        let opcode = Opcode::from_bits(first & 15).ok_or(violation("a frame of a kind that there is not"))?;
        if self.have == 2 {
            self.check(first, second, opcode)?;
        }
        let short = u64::from(second & 127);
        let extended: usize = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask_at = 2 + extended;
        if self.have < mask_at + if self.masked { 4 } else { 0 } {
            return Ok(());
        }
        let number = |from: usize, to: usize| {
            self.header.iter().take(to).skip(from).fold(0, |value: u64, &byte| value << 8 | u64::from(byte))
        };
        let left = if extended == 0 { short } else { number(2, mask_at) };
        if extended > 0 && left < if extended == 2 { 126 } else { 1 << 16 } || left >> 63 != 0 {
            return Err(violation("a frame's length is not written in the least bytes"));
        }
        let mask = if self.masked { (number(mask_at, mask_at + 4) as u32).to_be_bytes() } else { [0; 4] };
        if !opcode.is_control() {
            let begun = self.message.get_or_insert_with(|| (opcode == Opcode::Text, Vec::new()));
            if left > (self.most - begun.1.len().min(self.most)) as u64 {
                return Err(Violation { code: 1009, why: "a message is longer than the limit" });
            }
        }
        self.payload = Some(Payload { opcode, last: first & 128 != 0, left, mask, at: 0 });
        self.have = 0;
        Ok(())
    }

    fn check(&self, first: u8, second: u8, opcode: Opcode) -> Result<(), Violation> {
        if first & 0x70 != 0 {
            return Err(violation("a frame uses an extension that was not agreed on"));
        }
        if (second & 128 != 0) != self.masked {
            return Err(violation(if self.masked {
                "a client's frame has no mask"
            } else {
                "a server's frame has a mask"
            }));
        }
        if opcode.is_control() && (first & 128 == 0 || u64::from(second & 127) > CONTROL_MAX) {
            return Err(violation("a control frame is in fragments, or too long"));
        }
        match (opcode, &self.message) {
            (Opcode::Continuation, None) => Err(violation("a fragment continues no message")),
            (Opcode::Text | Opcode::Binary, Some(_)) => Err(violation("a message begins within another one")),
            _ => Ok(()),
        }
    }

    fn finish(&mut self, payload: &Payload) -> Result<Option<Incoming>, Violation> {
        const NO_TEXT: Violation = Violation { code: 1007, why: "a text is not UTF-8" };
        let control = match payload.opcode {
            Opcode::Ping | Opcode::Pong | Opcode::Close => core::mem::take(&mut self.control),
            _ if !payload.last => return Ok(None),
            _ => {
                let Some((is_text, message)) = self.message.take() else { return Ok(None) };
                let message = if is_text {
                    Message::Text(String::from_utf8(message).map_err(|_| NO_TEXT)?)
                } else {
                    Message::Binary(message)
                };
                return Ok(Some(Incoming::Message(message)));
            }
        };
        Ok(Some(match (payload.opcode, control.as_slice()) {
            (Opcode::Ping, _) => Incoming::Ping(control),
            (Opcode::Pong, _) => Incoming::Pong,
            (_, []) => Incoming::Close(None),
            (_, [high, low, reason @ ..]) => {
                let code = u16::from_be_bytes([*high, *low]);
                if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                    return Err(violation("a close frame has a code that may not be sent"));
                }
                core::str::from_utf8(reason).map_err(|_| NO_TEXT)?;
                Incoming::Close(Some(code))
            }
            _ => return Err(violation("a close frame has half a code")),
        }))
    }
}

/// Writes a frame, with a mask if it goes to a server.
pub fn push_frame(out: &mut Vec<u8>, last: bool, opcode: Opcode, payload: &[u8], mask: Option<[u8; 4]>) {
    out.push(opcode.bits() | if last { 128 } else { 0 });
    let masked = if mask.is_some() { 128 } else { 0 };
    let length = payload.len() as u64;
    match length {
        0..126 => out.push(length as u8 | masked),
        126..0x1_0000 => {
            out.push(126 | masked);
            out.extend((length as u16).to_be_bytes());
        }
        _ => {
            out.push(127 | masked);
            out.extend(length.to_be_bytes());
        }
    }
    match mask {
        None => out.extend_from_slice(payload),
        Some(mask) => {
            out.extend(mask);
            out.extend(payload.iter().zip(mask.into_iter().cycle()).map(|(byte, mask)| byte ^ mask));
        }
    }
}
