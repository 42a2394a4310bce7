//! TCP (RFC 9293).

use super::cursor::Cursor;
use super::{Protocol, Value};

const NUMBER: u8 = 6;
const HEADER_MIN: usize = 20;

/// RFC 9293, section 3.1, and RFC 3168, section 6.1.
const FLAGS: &[&str] = &["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];

pub fn decode(c: &mut Cursor<'_, '_>) -> Protocol {
    c.layer("TCP");
    let start = c.at();
    let source = c.number("source port", 2);
    let destination = c.number("destination port", 2);
    let sequence = c.number("sequence number", 4);
    let acknowledged = c.number("acknowledgment number", 4);
    let offset = c.at();
    let header = (c.number_unseen(1) >> 4) as usize * 4;
    c.show("header length", offset, Value::Number(header as u32));
    let flags_start = c.at();
    let flags = Value::Flags(c.number_unseen(1) as u8, FLAGS);
    c.show("flags", flags_start, flags.clone());
    let window = c.number("window", 2);
    c.checksum(start, NUMBER);
    c.number("urgent pointer", 2);
    let Some(options_length) = header.checked_sub(HEADER_MIN) else {
        return c.fail("header too short");
    };
    let Some(length) = c.left().checked_sub(options_length) else {
        return c.fail("cut short");
    };
    c.say(format_args!("TCP {source} > {destination} [{flags}] seq {sequence} ack {acknowledged} win {window}"));
    options(c, start + header);
    c.say(format_args!(" len {length}"));
    Protocol::Payload
}

/// RFC 9293, section 3.1: a kind, a length, a value; but for two kinds of one byte.
fn options(c: &mut Cursor<'_, '_>, end: usize) {
    while c.at() < end && !c.has_failed() {
        let kind = c.named("option", 1, option_name);
        if kind == 0 {
            c.bytes("padding", end - c.at());
        }
        if kind <= 1 {
            continue;
        }
        let length = c.number("option length", 1) as usize;
        let Some(length) = length.checked_sub(2).filter(|length| c.at() + length <= end) else {
            c.fail("an option of a wrong length");
            return;
        };
        match (kind, length) {
            (2, 2) => {
                let mss = c.number("maximum segment size", 2);
                c.say(format_args!(" mss {mss}"));
            }
            (3, 1) => {
                let shift = c.number("window scale", 1);
                c.say(format_args!(" scale {shift}"));
            }
            (8, 8) => {
                c.number("time", 4);
                c.number("time echoed", 4);
            }
            (5, _) if length.is_multiple_of(8) => {
                for _ in 0..length / 8 {
                    let left = c.number("received from", 4);
                    let right = c.number("received to", 4);
                    c.say(format_args!(" sack {left}-{right}"));
                }
            }
            _ => c.bytes("data", length),
        }
    }
}

/// IANA's TCP parameters.
fn option_name(number: u32) -> &'static str {
    match number {
        0 => "end",
        1 => "no operation",
        2 => "maximum segment size",
        3 => "window scale",
        4 => "selective acknowledgments permitted",
        5 => "selective acknowledgments",
        8 => "timestamps",
        _ => "",
    }
}
