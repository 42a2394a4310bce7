//! DHCP (RFC 2131), with the options (RFC 2132) that give a host its place.

use core::net::Ipv4Addr;

use super::Protocol;
use super::cursor::Cursor;

/// RFC 2131, section 3: what tells DHCP from the older BOOTP.
const COOKIE: u32 = 0x6382_5363;

pub fn decode(c: &mut Cursor<'_, '_>) -> Protocol {
    c.layer("DHCP");
    c.named("operation", 1, |number| match number {
        1 => "request",
        2 => "reply",
        _ => "",
    });
    c.number("hardware", 1);
    c.number("hardware length", 1);
    c.number("hops", 1);
    let transaction = c.hex("transaction", 4);
    c.number("seconds", 2);
    c.hex("flags", 2);
    c.ipv4("client's address");
    let mut about = c.ipv4("your address");
    c.ipv4("server's address");
    c.ipv4("relay's address");
    c.mac("client's Ethernet");
    c.bytes("padding", 10);
    c.bytes("server's name", 64);
    c.bytes("boot file", 128);
    if c.hex("cookie", 4) != COOKIE {
        return c.fail("not DHCP");
    }
    let mut message = 0;
    while c.left() > 0 {
        match c.named("option", 1, option_name) {
            0 => {}
            255 => {
                c.bytes("padding", c.left());
            }
            kind => option(c, kind, &mut message, &mut about),
        }
    }
    c.say(format_args!("DHCP {} xid {transaction:#010x}", message_name(message)));
    if !about.is_unspecified() {
        c.say(format_args!(" for {about}"));
    }
    Protocol::Payload
}

fn option(c: &mut Cursor<'_, '_>, kind: u32, message: &mut u32, about: &mut Ipv4Addr) {
    let length = c.number("option length", 1) as usize;
    match (kind, length) {
        (1, 4) => _ = c.ipv4("subnet mask"),
        (50, 4) => *about = c.ipv4("requested address"),
        (54, 4) => _ = c.ipv4("server"),
        (3 | 6, _) if length.is_multiple_of(4) => {
            for _ in 0..length / 4 {
                c.ipv4(if kind == 3 { "router" } else { "DNS server" });
            }
        }
        (51, 4) => _ = c.number("lease time", 4),
        (53, 1) => *message = c.named("message type", 1, message_name),
        (12 | 15, _) => c.text(if kind == 12 { "host name" } else { "domain name" }, length),
        _ => c.bytes("data", length),
    }
}

/// RFC 2132, section 9.6.
fn message_name(number: u32) -> &'static str {
    match number {
        1 => "discover",
        2 => "offer",
        3 => "request",
        4 => "decline",
        5 => "ack",
        6 => "nak",
        7 => "release",
        8 => "inform",
        _ => "message",
    }
}

fn option_name(number: u32) -> &'static str {
    match number {
        0 => "padding",
        1 => "subnet mask",
        3 => "routers",
        6 => "DNS servers",
        12 => "host name",
        15 => "domain name",
        50 => "requested address",
        51 => "lease time",
        53 => "message type",
        54 => "server",
        55 => "wanted options",
        57 => "longest message",
        58 => "renewal time",
        59 => "rebinding time",
        61 => "client",
        255 => "end",
        _ => "",
    }
}
