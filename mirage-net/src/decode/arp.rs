//! ARP (RFC 826), for IPv4 on Ethernet.

use super::Protocol;
use super::cursor::Cursor;

pub fn decode(c: &mut Cursor<'_, '_>) -> Protocol {
    c.layer("ARP");
    let hardware = c.named("hardware", 2, |number| if number == 1 { "Ethernet" } else { "" });
    let protocol = c.hex("protocol", 2);
    let lengths = (c.number("hardware length", 1), c.number("protocol length", 1));
    let operation = c.named("operation", 2, |number| match number {
        1 => "request",
        2 => "reply",
        _ => "",
    });
    if (hardware, protocol, lengths) != (1, 0x0800, (6, 4)) {
        return c.fail("not for IPv4 on Ethernet");
    }
    let sender_mac = c.mac("sender's Ethernet");
    let sender = c.ipv4("sender's IPv4");
    c.mac("target's Ethernet");
    let target = c.ipv4("target's IPv4");
    match operation {
        // RFC 5227, section 2: to tell others, and to find out whether an address is taken.
        1 if sender == target => c.say(format_args!("ARP announce {sender} is-at {sender_mac}")),
        1 if sender.is_unspecified() => c.say(format_args!("ARP probe {target} from {sender_mac}")),
        1 => c.say(format_args!("ARP who-has {target} tell {sender}")),
        2 => c.say(format_args!("ARP reply {sender} is-at {sender_mac}")),
        _ => c.say(format_args!("ARP operation {operation}")),
    }
    // What follows fills the shortest frame.
    c.limit(c.at(), 0);
    Protocol::Payload
}
