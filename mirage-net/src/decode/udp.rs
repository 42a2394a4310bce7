//! UDP (RFC 768).

use super::Protocol;
use super::cursor::Cursor;

const NUMBER: u8 = 17;
const HEADER: usize = 8;

pub fn decode(c: &mut Cursor<'_, '_>) -> Protocol {
    c.layer("UDP");
    let start = c.at();
    let source = c.number("source port", 2);
    let destination = c.number("destination port", 2);
    let length = c.number("length", 2) as usize;
    if length < HEADER {
        return c.fail("shorter than its header");
    }
    c.limit(start, length);
    // A zero: the sender has made none.
    if c.since(c.at()).starts_with(&[0, 0]) {
        c.checksum_field(None);
    } else {
        c.checksum(start, NUMBER);
    }
    c.say(format_args!("UDP {source} > {destination} len {}", length - HEADER));
    let port = |number| source == number || destination == number;
    if c.is_quoted() {
        Protocol::Payload
    } else if port(67) || port(68) {
        Protocol::Dhcp
    } else if port(53) || port(5353) {
        Protocol::Dns
    } else {
        Protocol::Payload
    }
}
