//! What is in a frame, from Ethernet up to DHCP and DNS, in a line or in every detail.
//!
//! Decoding is total: any bytes are a frame, if need be a malformed one. Nothing is read twice and nothing is
//! allocated, except by [`layers`], which collects. Each protocol is told in one place, its file, which reads the
//! fields in their order and says a few words about them; a [`Visitor`] keeps what it has use for.
//!
//! ```
//! use mirage_net::decode::{Summary, layers};
//!
//! let frame = b"\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x01\x08\x06\
//!     \0\x01\x08\0\x06\x04\0\x01\x02\0\0\0\0\x01\x0a\0\0\x01\0\0\0\0\0\0\x0a\0\0\x02";
//! assert_eq!(Summary(frame).to_string(), "ARP who-has 10.0.0.2 tell 10.0.0.1");
//!
//! let layers = layers(frame);
//! assert_eq!(layers[1].name, "ARP");
//! let field = &layers[1].fields[4];
//! assert_eq!((field.name, field.value.to_string()), ("operation", "1 (request)".into()));
//! assert_eq!(frame[field.range.clone()], [0, 1]);
//! ```

mod arp;
mod checksum;
mod cursor;
mod dhcp;
mod dns;
mod ethernet;
mod icmp;
mod icmpv6;
mod ipv4;
mod ipv6;
mod tcp;
mod udp;
mod value;
mod view;

use core::fmt;

use cursor::Cursor;

pub use dns::Name;
pub use value::{Field, Value};
pub use view::{Layer, Summary, layers};

/// Layers that are looked into. What lies deeper is payload: IPv6 allows any number of extension headers.
pub const LAYERS_MAX: usize = 12;

/// What is told of a frame, in the order of its bytes. The layers follow one another without a gap and cover the frame.
pub trait Visitor<'a> {
    /// A layer begins at that byte, and the one before ends there.
    fn layer(&mut self, name: &'static str, at: usize);

    /// A field of this layer. Several may share a byte.
    fn field(&mut self, field: Field<'a>);

    /// Words about this layer, which follow those already said of it, if any.
    fn summary(&mut self, text: fmt::Arguments<'_>);

    /// Something is wrong with this layer.
    fn problem(&mut self, what: &'static str);
}

/// What a layer carries. Its decoder leaves the cursor behind the layer's last byte.
#[derive(Clone, Copy)]
enum Protocol {
    Ethernet,
    Vlan,
    Arp,
    Ipv4,
    Ipv6,
    /// An extension header of IPv6, by its number.
    Extension(u32),
    Icmp,
    Icmpv6,
    Tcp,
    Udp,
    Dhcp,
    Dns,
    /// Bytes.
    Payload,
}

/// Tells `visitor` what is in `frame`.
pub fn visit<'a>(frame: &'a [u8], visitor: &mut dyn Visitor<'a>) {
    let mut cursor = Cursor::new(frame, visitor);
    let mut protocol = Protocol::Ethernet;
    for _ in 0..LAYERS_MAX {
        protocol = match protocol {
            Protocol::Ethernet => ethernet::decode(&mut cursor),
            Protocol::Vlan => ethernet::vlan(&mut cursor),
            Protocol::Arp => arp::decode(&mut cursor),
            Protocol::Ipv4 => ipv4::decode(&mut cursor),
            Protocol::Ipv6 => ipv6::decode(&mut cursor),
            Protocol::Extension(number) => ipv6::extension(&mut cursor, number),
            Protocol::Icmp => icmp::decode(&mut cursor),
            Protocol::Icmpv6 => icmpv6::decode(&mut cursor),
            Protocol::Tcp => tcp::decode(&mut cursor),
            Protocol::Udp => udp::decode(&mut cursor),
            Protocol::Dhcp => dhcp::decode(&mut cursor),
            Protocol::Dns => dns::decode(&mut cursor),
            Protocol::Payload => break,
        };
        cursor.tell_problem();
        if cursor.has_failed() {
            break;
        }
    }
    cursor.rest();
}

/// What is carried under this number of IP (IANA's protocol numbers).
fn carried(number: u32) -> Protocol {
    match number {
        1 => Protocol::Icmp,
        6 => Protocol::Tcp,
        17 => Protocol::Udp,
        58 => Protocol::Icmpv6,
        0 | 43 | 44 | 60 => Protocol::Extension(number),
        _ => Protocol::Payload,
    }
}

fn carried_name(number: u32) -> &'static str {
    match number {
        0 => "hop-by-hop options",
        1 => "ICMP",
        2 => "IGMP",
        6 => "TCP",
        17 => "UDP",
        43 => "routing",
        44 => "fragment",
        58 => "ICMPv6",
        59 => "nothing",
        60 => "destination options",
        _ => "",
    }
}
