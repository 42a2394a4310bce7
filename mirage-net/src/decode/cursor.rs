use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

use mirage_sig::Mac;

use super::{Field, Protocol, Value, Visitor, checksum};

/// Where the decoding of a frame is. All reading goes through [`take`](Self::take), which is where bounds are checked.
///
/// When a layer is not what it should be, the cursor [fails](Self::fail). From then on nothing is left to read, numbers
/// are zero, and nothing more is shown or said: a decoder need not ask after every field, which makes it short to read
/// and small. Only its loops must, unless they go on while something is left. For the same reason its methods are not
/// inlined: there are two hundred calls.
pub struct Cursor<'a, 'v> {
    frame: &'a [u8],
    /// The next byte.
    at: usize,
    /// Behind the last byte of the packet, as the layers so far have it. What lies behind is padding.
    end: usize,
    visitor: &'v mut dyn Visitor<'a>,
    /// The sum of the IP addresses, which the checksums above IP include.
    addresses: u64,
    /// All of the packet is here. Of a fragment, or of what an error of ICMP quotes, no checksum can be told.
    whole: bool,
    /// In a packet that an error of ICMP quotes. That it is cut short is no problem.
    quoted: bool,
    /// What is wrong with this layer, to be told behind its summary.
    problem: Option<&'static str>,
    failed: bool,
}

impl<'a, 'v> Cursor<'a, 'v> {
    pub fn new(frame: &'a [u8], visitor: &'v mut dyn Visitor<'a>) -> Self {
        Self {
            frame,
            at: 0,
            end: frame.len(),
            visitor,
            addresses: 0,
            whole: true,
            quoted: false,
            problem: None,
            failed: false,
        }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    /// The bytes of the packet that are still to come.
    pub fn left(&self) -> usize {
        self.end - self.at
    }

    /// The packet's bytes from `start` on.
    pub fn since(&self, start: usize) -> &'a [u8] {
        self.frame.get(start..self.end).unwrap_or_default()
    }

    /// The bytes from `start` up to here.
    pub fn between(&self, start: usize) -> &'a [u8] {
        self.frame.get(start..self.at).unwrap_or_default()
    }

    /// The layer cannot be read. What is left of the packet belongs to it.
    #[inline(never)]
    pub fn fail(&mut self, why: &'static str) -> Protocol {
        if !self.failed {
            self.problem(why);
            self.failed = true;
            self.at = self.end;
        }
        Protocol::Payload
    }

    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// The next bytes; none if there are not as many.
    pub fn take(&mut self, length: usize) -> &'a [u8] {
        if length > self.left() {
            self.fail("cut short");
            return &[];
        }
        let start = self.at;
        self.at += length;
        self.between(start)
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        self.take(N).try_into().unwrap_or([0; N])
    }

    /// A number of up to four bytes, which is no field.
    #[inline(never)]
    pub fn number_unseen(&mut self, length: usize) -> u32 {
        self.take(length).iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
    }

    #[inline(never)]
    pub fn layer(&mut self, name: &'static str) {
        self.visitor.layer(name, self.at);
    }

    /// A field made of the bytes from `start` up to here.
    #[inline(never)]
    pub fn show(&mut self, name: &'static str, start: usize, value: Value<'a>) {
        if !self.failed {
            self.visitor.field(Field { name, range: start..self.at, value });
        }
    }

    #[inline(never)]
    pub fn number(&mut self, name: &'static str, length: usize) -> u32 {
        let start = self.at;
        let number = self.number_unseen(length);
        self.show(name, start, Value::Number(number));
        number
    }

    #[inline(never)]
    pub fn hex(&mut self, name: &'static str, length: usize) -> u32 {
        let start = self.at;
        let number = self.number_unseen(length);
        self.show(name, start, Value::Hex(number));
        number
    }

    /// A number that has a meaning.
    #[inline(never)]
    pub fn named(&mut self, name: &'static str, length: usize, meaning: fn(u32) -> &'static str) -> u32 {
        let start = self.at;
        let number = self.number_unseen(length);
        self.show(name, start, Value::Named(number, meaning(number)));
        number
    }

    #[inline(never)]
    pub fn mac(&mut self, name: &'static str) -> Mac {
        let start = self.at;
        let mac = Mac(self.array());
        self.show(name, start, Value::Mac(mac));
        mac
    }

    #[inline(never)]
    pub fn ipv4(&mut self, name: &'static str) -> Ipv4Addr {
        let start = self.at;
        let address = Ipv4Addr::from(self.array::<4>());
        self.show(name, start, Value::Ipv4(address));
        address
    }

    #[inline(never)]
    pub fn ipv6(&mut self, name: &'static str) -> Ipv6Addr {
        let start = self.at;
        let address = Ipv6Addr::from(self.array::<16>());
        self.show(name, start, Value::Ipv6(address));
        address
    }

    /// So many bytes, if any.
    #[inline(never)]
    pub fn bytes(&mut self, name: &'static str, length: usize) {
        let start = self.at;
        let bytes = self.take(length);
        if length > 0 {
            self.show(name, start, Value::Bytes(bytes));
        }
    }

    /// So much text, if any.
    #[inline(never)]
    pub fn text(&mut self, name: &'static str, length: usize) {
        let start = self.at;
        let bytes = self.take(length);
        if length > 0 {
            self.show(name, start, Value::Text(bytes));
        }
    }

    #[inline(never)]
    pub fn say(&mut self, text: fmt::Arguments<'_>) {
        if !self.failed {
            self.visitor.summary(text);
        }
    }

    pub fn problem(&mut self, what: &'static str) {
        if !self.quoted {
            self.problem.get_or_insert(what);
        }
    }

    pub fn tell_problem(&mut self) {
        if let Some(what) = self.problem.take() {
            self.visitor.problem(what);
        }
    }

    /// The packet has `length` bytes from `start` on.
    #[inline(never)]
    pub fn limit(&mut self, start: usize, length: usize) {
        let end = start.saturating_add(length).max(self.at);
        if end > self.end {
            self.whole = false;
            self.problem("cut short");
        }
        self.end = end.min(self.end);
    }

    /// The packet is a fragment of one.
    pub fn fragment(&mut self) {
        self.whole = false;
    }

    /// What follows is quoted by an error of ICMP.
    pub fn quote(&mut self) {
        self.quoted = true;
        self.whole = false;
    }

    pub fn is_quoted(&self) -> bool {
        self.quoted
    }

    /// The addresses that the checksums of what IP carries include.
    pub fn set_addresses(&mut self, addresses: &[u8]) {
        self.addresses = checksum::sum(addresses);
    }

    /// A checksum over the packet from `start` on, and, if `protocol` is not 0, over the pseudo-header of that
    /// protocol.
    #[inline(never)]
    pub fn checksum(&mut self, start: usize, protocol: u8) {
        let packet = self.since(start);
        let pseudo = match protocol {
            0 => 0,
            number => self.addresses + u64::from(number) + packet.len() as u64,
        };
        let right = checksum::holds(checksum::sum(packet) + pseudo);
        self.checksum_field(Some(right).filter(|_| self.whole));
    }

    /// A checksum that is right or wrong, or of which that is not known.
    #[inline(never)]
    pub fn checksum_field(&mut self, right: Option<bool>) {
        let start = self.at;
        let sum = self.number_unseen(2);
        self.show("checksum", start, Value::Checksum(sum as u16, right));
        if right == Some(false) {
            self.problem("bad checksum");
        }
    }

    /// What no layer has claimed.
    pub fn rest(&mut self) {
        self.failed = false;
        for (name, end) in [("Payload", self.end), ("Padding", self.frame.len())] {
            self.end = end;
            if self.left() > 0 {
                self.layer(name);
                self.bytes("data", self.left());
            }
        }
    }
}
