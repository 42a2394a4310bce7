//! IPv4 (RFC 791).

use super::cursor::Cursor;
use super::{Protocol, Value, carried, carried_name, checksum};

/// The shortest header, in bytes.
const HEADER_MIN: usize = 20;

const FLAGS: &[&str] = &["more fragments", "don't fragment"];

pub fn decode(c: &mut Cursor<'_, '_>) -> Protocol {
    c.layer("IPv4");
    let start = c.at();
    let first = c.number_unseen(1);
    let header = (first & 15) as usize * 4;
    c.show("version", start, Value::Number(first >> 4));
    c.show("header length", start, Value::Number(header as u32));
    if first >> 4 != 4 {
        return c.fail("not version 4");
    }
    if header < HEADER_MIN {
        return c.fail("header too short");
    }
    c.hex("type of service", 1);
    let total = c.number("total length", 2) as usize;
    if total < header {
        return c.fail("shorter than its header");
    }
    c.limit(start, total);
    c.hex("identification", 2);
    let fragment_start = c.at();
    let fragment = c.number_unseen(2);
    let offset = (fragment & 0x1fff) * 8;
    c.show("flags", fragment_start, Value::Flags((fragment >> 13) as u8, FLAGS));
    c.show("fragment offset", fragment_start, Value::Number(offset));
    c.number("time to live", 1);
    let protocol = c.named("protocol", 1, carried_name);
    let right = c.since(start).get(..header).map(|header| checksum::holds(checksum::sum(header)));
    let quoted = c.is_quoted();
    c.checksum_field(right.filter(|_| !quoted));
    let addresses = c.at();
    let source = c.ipv4("source");
    let destination = c.ipv4("destination");
    c.set_addresses(c.between(addresses));
    if fragment & 0x3fff != 0 {
        c.fragment();
    }
    c.bytes("options", header - HEADER_MIN);

    c.say(format_args!("{source} > {destination}"));
    if offset > 0 {
        c.say(format_args!(" fragment at {offset} len {}", c.left()));
        return Protocol::Payload;
    }
    let next = match protocol {
        // Those of IPv6 only.
        0 | 43 | 44 | 58 | 60 => Protocol::Payload,
        number => carried(number),
    };
    if matches!(next, Protocol::Payload) {
        c.say(format_args!(" protocol {protocol} len {}", c.left()));
    }
    next
}
