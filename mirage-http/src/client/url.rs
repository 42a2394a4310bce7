use alloc::vec::Vec;

use super::error::What;
use crate::text::decimal;

/// The parts of an address that a request needs (RFC 3986).
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub(super) struct Address<'a> {
    /// Host and port as they stand there, for the `Host` field.
    pub authority: &'a str,
    /// A name, or an address in text form, without brackets.
    pub host: &'a str,
    pub port: u16,
    /// Path and query, as they are sent.
    pub target: Vec<u8>,
}

impl<'a> Address<'a> {
    pub fn parse(url: &'a str) -> Result<Self, What> {
        if url.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(What::Invalid("an address has no spaces or control characters: write them with %"));
        }
        const RELATIVE: What = What::Invalid("it is no absolute address, as in http://host/path");
        let (scheme, rest) = url.split_once(':').ok_or(RELATIVE)?;
        let rest = rest.strip_prefix("//").ok_or(RELATIVE)?;
        if scheme.eq_ignore_ascii_case("https") {
            return Err(What::Invalid(
                "https is not spoken by this client: ask for http, or through one that speaks TLS",
            ));
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(What::Invalid("only http can be asked for"));
        }
        let end = rest.bytes().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
        let (authority, path) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, ""));
        let (host, port) = split_port(authority)?;
        let path = path.split('#').next().unwrap_or_default();
        let mut target = Vec::with_capacity(path.len() + 1);
        if !path.starts_with('/') {
            target.push(b'/');
        }
        for byte in path.bytes() {
            if byte.is_ascii() {
                target.push(byte);
            } else {
                crate::text::percent_encode(&mut target, &[byte]);
            }
        }
        Ok(Self { authority, host, port, target })
    }
}

fn split_port(authority: &str) -> Result<(&str, u16), What> {
    const NO_HOST: What = What::Invalid("the address has no host that could be asked");
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, ""),
    };
    let port = match port {
        "" => Some(80),
        digits => decimal(digits.as_bytes()).and_then(|port| u16::try_from(port).ok()),
    };
    let port = port.ok_or(What::Invalid("the address's port is no number up to 65535"))?;
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        // Whether it is an address at all, the stack says.
        Some(inner) if inner.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')) => {
            Ok((inner, port))
        }
        None if !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) =>
        {
            Ok((host, port))
        }
        _ => Err(NO_HOST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        for (url, authority, host, port, target) in [
            ("http://a", "a", "a", 80, "/"),
            ("HTTP://a.example:8080/b?c#d", "a.example:8080", "a.example", 8080, "/b?c"),
            ("http://[::1]:81?x", "[::1]:81", "::1", 81, "/?x"),
            ("http://[::1]", "[::1]", "::1", 80, "/"),
            ("http://a:/é", "a:", "a", 80, "/%c3%a9"),
        ] {
            let expected = Address { authority, host, port, target: target.into() };
            assert_eq!(Address::parse(url).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_address() {
        for url in ["", "a", "/a", "//a/b", "http:/a", "http://", "http:///a", "ftp://a", "https://a", "http://a b/"] {
            assert!(Address::parse(url).is_err(), "{url}");
        }
        for url in ["http://a:b/", "http://a:65536/", "http://u:p@a/", "http://[::1/", "http://[x]/", "http://a\r\n/"] {
            assert!(Address::parse(url).is_err(), "{url}");
        }
    }
}
