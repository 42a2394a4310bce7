//! Ethernet (IEEE 802.3 clause 3) and its tags for virtual LANs (IEEE 802.1Q clause 9).

use super::cursor::Cursor;
use super::{Protocol, Value};

/// Below it, the type is a length instead.
const TYPE_MIN: u32 = 0x600;

pub fn decode(c: &mut Cursor<'_, '_>) -> Protocol {
    c.layer("Ethernet");
    let destination = c.mac("destination");
    let source = c.mac("source");
    c.say(format_args!("{source} > {destination}"));
    typed(c)
}

pub fn vlan(c: &mut Cursor<'_, '_>) -> Protocol {
    c.layer("VLAN");
    let start = c.at();
    let control = c.number_unseen(2);
    c.show("priority", start, Value::Number(control >> 13));
    c.show("VLAN", start, Value::Number(control & 0xfff));
    c.say(format_args!("VLAN {}", control & 0xfff));
    typed(c)
}

/// The type, and what it stands for.
fn typed(c: &mut Cursor<'_, '_>) -> Protocol {
    let number = c.named("type", 2, name);
    let start = c.at();
    if number < TYPE_MIN {
        c.limit(start, number as usize);
    }
    match number {
        0x0800 => Protocol::Ipv4,
        0x0806 => Protocol::Arp,
        0x8100 | 0x88a8 => Protocol::Vlan,
        0x86dd => Protocol::Ipv6,
        _ => {
            c.say(format_args!(" type {number:#06x} len {}", c.left()));
            Protocol::Payload
        }
    }
}

fn name(number: u32) -> &'static str {
    match number {
        0x0800 => "IPv4",
        0x0806 => "ARP",
        0x8100 | 0x88a8 => "VLAN",
        0x86dd => "IPv6",
        0x88cc => "LLDP",
        number if number < TYPE_MIN => "length",
        _ => "",
    }
}
