//! ICMP (RFC 792).

use super::Protocol;
use super::cursor::Cursor;

pub fn decode(c: &mut Cursor<'_, '_>) -> Protocol {
    c.layer("ICMP");
    let start = c.at();
    let kind = c.named("type", 1, kind_name);
    let code = c.number("code", 1);
    c.checksum(start, 0);
    c.say(format_args!("ICMP"));
    match kind {
        0 | 8 => echo(c, kind_name(kind)),
        3 | 5 | 11 | 12 => {
            if kind == 5 {
                c.ipv4("gateway");
            } else {
                c.hex("unused", 2);
                // For a packet that is too big (RFC 1191, section 4).
                c.number("next MTU", 2);
            }
            let what = if kind == 3 { unreachable_name(code) } else { "" };
            c.say(format_args!(" {}", if what.is_empty() { kind_name(kind) } else { what }));
            c.quote();
            Protocol::Ipv4
        }
        _ => {
            c.say(format_args!(" type {kind} code {code} len {}", c.left()));
            Protocol::Payload
        }
    }
}

/// A request for an echo, or the echo.
pub fn echo(c: &mut Cursor<'_, '_>, name: &str) -> Protocol {
    let identifier = c.number("identifier", 2);
    let sequence = c.number("sequence number", 2);
    c.say(format_args!(" {name} id {identifier} seq {sequence} len {}", c.left()));
    Protocol::Payload
}

fn kind_name(number: u32) -> &'static str {
    match number {
        0 => "echo reply",
        3 => "unreachable",
        5 => "redirect",
        8 => "echo request",
        11 => "time exceeded",
        12 => "parameter problem",
        _ => "",
    }
}

fn unreachable_name(code: u32) -> &'static str {
    match code {
        0 => "network unreachable",
        1 => "host unreachable",
        2 => "protocol unreachable",
        3 => "port unreachable",
        4 => "packet too big",
        _ => "",
    }
}
