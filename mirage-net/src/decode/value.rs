use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::ops::Range;

use mirage_sig::Mac;

use super::Name;

/// A field of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// What the standards call it, in lower case.
    pub name: &'static str,
    /// Which bytes of the frame it is in; also where it is only some bits of them.
    pub range: Range<usize>,
    /// What it says.
    pub value: Value<'a>,
}

/// What a field says. Shown as people write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A count, an amount, a port.
    Number(u32),
    /// A number that is no amount.
    Hex(u32),
    /// A number and its meaning, which is empty if it is not known here.
    Named(u32, &'static str),
    /// Bits, and the names of the lowest, the lowest first.
    Flags(u8, &'static [&'static str]),
    /// An Ethernet address.
    Mac(Mac),
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address.
    Ipv6(Ipv6Addr),
    /// A checksum, and whether it is right; `None` if that cannot be told, or there is none.
    Checksum(u16, Option<bool>),
    /// A domain name.
    Name(Name<'a>),
    /// Text, as the sender claims.
    Text(&'a [u8]),
    /// Any bytes.
    Bytes(&'a [u8]),
}

/// Bytes of [`Value::Bytes`] that are shown; "…" stands for the others.
const BYTES_SHOWN: usize = 16;

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Hex(number) => write!(f, "{number:#x}"),
            Self::Named(number, "") => number.fmt(f),
            Self::Named(number, meaning) => write!(f, "{number} ({meaning})"),
            Self::Flags(bits, names) => flags(f, *bits, names),
            Self::Mac(mac) => mac.fmt(f),
            Self::Ipv4(address) => address.fmt(f),
            Self::Ipv6(address) => address.fmt(f),
            Self::Checksum(sum, right) => {
                write!(f, "{sum:#06x}")?;
                f.write_str(match right {
                    Some(true) => " (right)",
                    Some(false) => " (wrong)",
                    None => "",
                })
            }
            Self::Name(name) => name.fmt(f),
            Self::Text(bytes) => text(f, bytes),
            Self::Bytes(bytes) => {
                for byte in bytes.iter().take(BYTES_SHOWN) {
                    write!(f, "{byte:02x}")?;
                }
                f.write_str(if bytes.len() > BYTES_SHOWN { "…" } else { "" })
            }
        }
    }
}

/// The names of the bits that are set, or "none".
fn flags(f: &mut fmt::Formatter<'_>, bits: u8, names: &[&str]) -> fmt::Result {
    let mut gap = "";
    for (bit, name) in names.iter().enumerate() {
        if bits >> bit & 1 == 1 {
            f.write_str(gap)?;
            f.write_str(name)?;
            gap = " ";
        }
    }
    f.write_str(if gap.is_empty() { "none" } else { "" })
}

/// Printable ASCII; "." stands for anything else, as nobody shall write to a terminal over the network.
pub fn text(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    use fmt::Write;
    bytes.iter().try_for_each(|byte| f.write_char(if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' }))
}
