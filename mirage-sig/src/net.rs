use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The address of all stations.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Whether it means several stations (the lowest bit of the first byte, IEEE 802.3 clause 3.2.3).
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// A unicast address out of the range that anybody may use (the second lowest bit is set), from random bytes.
    pub const fn local(mut random: [u8; 6]) -> Self {
        random[0] = random[0] & !1 | 2;
        Self(random)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The text is not the address it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseAddressError {
    expected: &'static str,
}

impl fmt::Display for ParseAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.expected)
    }
}

impl core::error::Error for ParseAddressError {}

impl FromStr for Mac {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let wrong = ParseAddressError { expected: "an Ethernet address such as 02:00:00:00:00:01" };
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2 && !part.starts_with('+')).ok_or(wrong)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| wrong)?;
        }
        if parts.next().is_some() { Err(wrong) } else { Ok(Self(bytes)) }
    }
}

/// An IP address in its network, as in `10.0.0.2/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    /// The address.
    pub address: IpAddr,
    /// How many of its first bits are the network's: up to 32 in IPv4, up to 128 in IPv6.
    pub prefix: u8,
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Cidr {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let wrong = ParseAddressError { expected: "an address and its prefix, such as 10.0.0.2/24" };
        let (address, prefix) = text.split_once('/').ok_or(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong)?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        if prefix > longest { Err(wrong) } else { Ok(Self { address, prefix }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn addresses_survive_being_written_and_read() {
        for text in ["02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff"] {
            assert_eq!(text.parse::<Mac>().unwrap().to_string(), text);
        }
        for text in ["10.0.0.2/24", "0.0.0.0/0", "fe80::1/64", "::1/128"] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in
            ["", "02:00:00:00:00", "02:00:00:00:00:01:02", "2:0:0:0:0:1", "02:00:00:00:00:0g", "+2:00:00:00:00:01"]
        {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
        for text in ["", "10.0.0.2", "10.0.0.2/33", "10.0.0/8", "fe80::1/129", "10.0.0.2/-1", "/24"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_local_address_is_unicast_and_says_that_it_is_local() {
        let mac = Mac::local([0xff; 6]);
        assert!(!mac.is_multicast());
        assert_eq!(mac.0[0] & 2, 2);
        assert!(Mac::BROADCAST.is_multicast());
    }
}
