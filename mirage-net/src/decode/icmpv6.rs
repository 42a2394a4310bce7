//! ICMPv6 (RFC 4443), and neighbour discovery (RFC 4861) in it.

use super::cursor::Cursor;
use super::{Protocol, Value, icmp};

const NUMBER: u8 = 58;

/// Of a neighbour's advertisement, from the 27th bit on.
const NEIGHBOUR_FLAGS: &[&str] = &["override", "solicited", "router"];

pub fn decode(c: &mut Cursor<'_, '_>) -> Protocol {
    c.layer("ICMPv6");
    let start = c.at();
    let kind = c.named("type", 1, kind_name);
    let code = c.number("code", 1);
    c.checksum(start, NUMBER);
    match kind {
        1..=4 => {
            c.number(if kind == 2 { "MTU" } else { "parameter" }, 4);
            c.say(format_args!("ICMPv6 {}", if (kind, code) == (1, 4) { "port unreachable" } else { kind_name(kind) }));
            c.quote();
            return Protocol::Ipv6;
        }
        128 | 129 => {
            c.say(format_args!("ICMPv6"));
            return icmp::echo(c, kind_name(kind));
        }
        133 => {
            c.hex("reserved", 4);
            c.say(format_args!("NDISC router solicitation"));
        }
        134 => {
            let hops = c.number("hop limit", 1);
            c.hex("flags", 1);
            let lifetime = c.number("router lifetime", 2);
            c.number("reachable time", 4);
            c.number("retransmission timer", 4);
            c.say(format_args!("NDISC router advertisement lifetime {lifetime} hops {hops}"));
        }
        135 => {
            c.hex("reserved", 4);
            let target = c.ipv6("target");
            c.say(format_args!("NDISC who-has {target}"));
        }
        136 => {
            let start = c.at();
            let flags = c.number_unseen(4);
            c.show("flags", start, Value::Flags((flags >> 29) as u8, NEIGHBOUR_FLAGS));
            let target = c.ipv6("target");
            c.say(format_args!("NDISC reply {target}"));
        }
        137 => {
            c.hex("reserved", 4);
            c.ipv6("target");
            let destination = c.ipv6("destination");
            c.say(format_args!("NDISC redirect {destination}"));
        }
        _ => {
            c.say(format_args!("ICMPv6 type {kind} code {code} len {}", c.left()));
            return Protocol::Payload;
        }
    }
    options(c);
    Protocol::Payload
}

/// RFC 4861, section 4.6: a type, a length in units of eight bytes, a value.
fn options(c: &mut Cursor<'_, '_>) {
    while c.left() > 0 {
        let kind = c.named("option", 1, option_name);
        let length = c.number("option length", 1) as usize * 8;
        match (kind, length) {
            (_, 0) => _ = c.fail("an option without a length"),
            (1 | 2, 8) => {
                let mac = c.mac("Ethernet address");
                c.say(format_args!("{} {mac}", if kind == 2 { " is-at" } else { " from" }));
            }
            (3, 32) => {
                let bits = c.number("prefix length", 1);
                c.hex("flags", 1);
                c.number("valid lifetime", 4);
                c.number("preferred lifetime", 4);
                c.hex("reserved", 4);
                let prefix = c.ipv6("prefix");
                c.say(format_args!(" {prefix}/{bits}"));
            }
            (5, 8) => {
                c.hex("reserved", 2);
                c.number("MTU", 4);
            }
            _ => c.bytes("data", length - 2),
        }
    }
}

fn kind_name(number: u32) -> &'static str {
    match number {
        1 => "unreachable",
        2 => "packet too big",
        3 => "time exceeded",
        4 => "parameter problem",
        128 => "echo request",
        129 => "echo reply",
        130..=132 | 143 => "multicast listener",
        133 => "router solicitation",
        134 => "router advertisement",
        135 => "neighbour solicitation",
        136 => "neighbour advertisement",
        137 => "redirect",
        _ => "",
    }
}

fn option_name(number: u32) -> &'static str {
    match number {
        1 => "source address",
        2 => "target address",
        3 => "prefix",
        4 => "redirected packet",
        5 => "MTU",
        25 => "DNS servers",
        _ => "",
    }
}
