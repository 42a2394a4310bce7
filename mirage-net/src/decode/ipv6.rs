//! IPv6 and its extension headers (RFC 8200).

use super::cursor::Cursor;
use super::{Protocol, Value, carried, carried_name};

const FLAGS: &[&str] = &["more fragments"];

pub fn decode(c: &mut Cursor<'_, '_>) -> Protocol {
    c.layer("IPv6");
    let start = c.at();
    let first = c.number_unseen(4);
    c.show("version", start, Value::Number(first >> 28));
    c.show("traffic class", start, Value::Hex(first >> 20 & 0xff));
    c.show("flow label", start, Value::Hex(first & 0xf_ffff));
    if first >> 28 != 6 {
        return c.fail("not version 6");
    }
    let length = c.number("payload length", 2) as usize;
    let next = c.named("next header", 1, carried_name);
    c.number("hop limit", 1);
    let addresses = c.at();
    let source = c.ipv6("source");
    let destination = c.ipv6("destination");
    c.set_addresses(c.between(addresses));
    c.limit(c.at(), length);
    c.say(format_args!("{source} > {destination}"));
    follows(c, next)
}

/// An extension header: options, a route, or a fragment's place.
pub fn extension(c: &mut Cursor<'_, '_>, number: u32) -> Protocol {
    c.layer(match number {
        0 => "Hop-by-hop options",
        43 => "Routing",
        44 => "Fragment",
        _ => "Destination options",
    });
    let next = c.named("next header", 1, carried_name);
    if number != 44 {
        let length = c.number("length beyond 8", 1) as usize * 8;
        c.bytes("data", length + 6);
        return follows(c, next);
    }
    c.hex("reserved", 1);
    let start = c.at();
    let place = c.number_unseen(2);
    let offset = place & 0xfff8;
    c.show("offset", start, Value::Number(offset));
    c.show("flags", start, Value::Flags((place & 1) as u8, FLAGS));
    c.hex("identification", 4);
    if place & 0xfff9 != 0 {
        c.fragment();
        c.say(format_args!("fragment at {offset} len {}", c.left()));
    }
    if offset > 0 { Protocol::Payload } else { follows(c, next) }
}

fn follows(c: &mut Cursor<'_, '_>, number: u32) -> Protocol {
    let next = match number {
        // That of IPv4 only.
        1 => Protocol::Payload,
        number => carried(number),
    };
    if matches!(next, Protocol::Payload) {
        c.say(format_args!(" protocol {number} len {}", c.left()));
    }
    next
}
