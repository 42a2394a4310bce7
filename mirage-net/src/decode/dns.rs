//! DNS over UDP (RFC 1035), and so multicast DNS (RFC 6762).

use core::fmt::{self, Write};

use super::cursor::Cursor;
use super::{Protocol, Value, value};

/// The longest name, in bytes (RFC 1035, section 2.3.4).
const NAME_MAX: usize = 255;

/// Records of which the summary tells. An answer's first are those that were asked for.
const RECORDS_SAID: u32 = 4;

/// Of the flags' first byte, from the lowest bit on; above them are the operation, and that it is a response.
const FLAGS: &[&str] = &["recursion desired", "truncated", "authoritative"];

pub fn decode(c: &mut Cursor<'_, '_>) -> Protocol {
    c.layer("DNS");
    let message = c.since(c.at());
    let id = c.hex("id", 2);
    let start = c.at();
    let flags = c.number_unseen(1);
    let response = flags & 0x80 != 0;
    c.show("kind", start, Value::Named(flags >> 7, if response { "response" } else { "query" }));
    c.show("flags", start, Value::Flags((flags & 7) as u8, FLAGS));
    let start = c.at();
    let code = c.number_unseen(1) & 15;
    c.show("code", start, Value::Named(code, code_name(code)));
    let questions = c.number("questions", 2);
    let mut records = c.number("answers", 2);
    records += c.number("authorities", 2);
    records += c.number("additional", 2);
    c.say(format_args!("DNS {} {id:#06x}", if response { "response" } else { "query" }));
    if code != 0 {
        c.say(format_args!(" {}", Value::Named(code, code_name(code))));
    }
    for number in 0..questions {
        let name = name(c, message);
        let kind = c.named("type", 2, type_name);
        c.hex("class", 2);
        if number == 0 {
            c.say(format_args!(" {} {name}", Type(kind)));
        }
        if c.has_failed() {
            break;
        }
    }
    for number in 0..records {
        record(c, message, number < RECORDS_SAID);
        if c.has_failed() {
            break;
        }
    }
    Protocol::Payload
}

/// RFC 1035, section 3.2.1.
fn record<'a>(c: &mut Cursor<'a, '_>, message: &'a [u8], said: bool) {
    name(c, message);
    let kind = c.named("type", 2, type_name);
    c.hex("class", 2);
    c.number("time to live", 4);
    let length = c.number("data length", 2) as usize;
    let end = c.at() + length;
    let value = match (kind, length) {
        (1, 4) => Some(Value::Ipv4(c.ipv4("address"))),
        (28, 16) => Some(Value::Ipv6(c.ipv6("address"))),
        (2 | 5 | 12, _) => Some(Value::Name(name(c, message))),
        _ => None,
    };
    if let Some(value) = value.filter(|_| said) {
        c.say(format_args!(" = {value}"));
    }
    match end.checked_sub(c.at()) {
        Some(rest) => c.bytes("data", rest),
        None => _ = c.fail("a name longer than its record"),
    }
}

/// A field that is a name, which ends with an empty label or with a pointer to the rest.
fn name<'a>(c: &mut Cursor<'a, '_>, message: &'a [u8]) -> Name<'a> {
    let start = c.at();
    let at = message.len() - c.left();
    loop {
        match c.number_unseen(1) {
            0 => break,
            length @ 1..=63 => _ = c.take(length as usize),
            192..=255 => {
                c.take(1);
                break;
            }
            _ => _ = c.fail("a label of an unknown kind"),
        }
    }
    let name = Name { message, at };
    c.show("name", start, Value::Name(name));
    name
}

/// A domain name, somewhere in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    message: &'a [u8],
    at: usize,
}

/// The labels with dots between them. "…" ends a name that has no end.
impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut at = self.at;
        // A pointer leads to what came before (RFC 1035, section 4.1.4), so that no name goes round in circles.
        let mut before = at;
        let mut length = 0;
        loop {
            let label = match self.message.get(at..) {
                Some([0, ..]) => return f.write_str(if length == 0 { "." } else { "" }),
                Some([high @ 192..=255, low, ..]) => {
                    at = usize::from(u16::from_be_bytes([high & 0x3f, *low]));
                    if at >= before {
                        break;
                    }
                    before = at;
                    continue;
                }
                Some([bytes, rest @ ..]) => rest.get(..usize::from(*bytes)),
                _ => None,
            };
            let Some(label) = label else { break };
            if length > 0 {
                f.write_char('.')?;
            }
            length += label.len() + 1;
            if length > NAME_MAX {
                break;
            }
            value::text(f, label)?;
            at += 1 + label.len();
        }
        f.write_char('…')
    }
}

/// A type of records, by its name if it has one here.
struct Type(u32);

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match type_name(self.0) {
            "" => write!(f, "TYPE{}", self.0),
            name => f.write_str(name),
        }
    }
}

fn type_name(number: u32) -> &'static str {
    match number {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        12 => "PTR",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        33 => "SRV",
        41 => "OPT",
        65 => "HTTPS",
        255 => "ANY",
        _ => "",
    }
}

/// RFC 1035, section 4.1.1.
fn code_name(number: u32) -> &'static str {
    match number {
        0 => "no error",
        1 => "malformed query",
        2 => "server failed",
        3 => "no such name",
        4 => "not implemented",
        5 => "refused",
        _ => "",
    }
}
