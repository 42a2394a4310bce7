//! Who may come in: the origin of the page, and the token of the LAN. Decides, and does no input or output.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use constant_time_eq::constant_time_eq;

use crate::lan::LanName;

/// Characters of a token at least: shorter ones can be guessed over a network.
pub const TOKEN_MIN: usize = 16;
/// Characters of a token at most.
pub const TOKEN_MAX: usize = 128;

/// A page's origin that may connect: `http://localhost:*`, `https://lab.example.org`, `null`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Scheme and host, as browsers write them (RFC 6454, section 6.2): `https://lab.example.org`.
    base: String,
    /// `None` is any port.
    port: Option<Option<u16>>,
}

/// The secret of a LAN. Never shown, not even in an error.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// What does not read as an origin or a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadRule {
    /// An origin that is none.
    Origin(String),
    /// A token with characters that a URL would change, or too short, or too long.
    Token,
}

/// What a request to open a WebSocket says of itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Knock<'a> {
    /// The path of the URL: `/lan/NAME`.
    pub path: &'a str,
    /// The query of the URL, without the question mark.
    pub query: Option<&'a str>,
    /// The header `Origin`.
    pub origin: Option<&'a [u8]>,
    /// Whether it comes from this host.
    pub from_loopback: bool,
}

/// Why a request was refused. The text says what to do, to whoever reads it in a browser's console or in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The path names no LAN.
    Path,
    /// The page's origin is not on the list.
    Origin,
    /// There is no origin, and the client is not on this host.
    NoOrigin,
    /// The token is missing or wrong, or the LAN has none and the relay is open to others.
    Token,
}

/// The rules.
#[derive(Debug, Clone, Default)]
pub struct Door {
    origins: Vec<Origin>,
    tokens: HashMap<LanName, Token>,
    /// The relay listens beyond loopback: who has no token has no LAN.
    exposed: bool,
}

impl Door {
    /// A door that lets in pages of `origins`, and asks for the token where a LAN has one, or everywhere if it is `exposed`.
    pub fn new(origins: Vec<Origin>, tokens: impl IntoIterator<Item = (LanName, Token)>, exposed: bool) -> Self {
        Self { origins, tokens: tokens.into_iter().collect(), exposed }
    }

    /// The LAN that the request may enter.
    ///
    /// # Errors
    /// Who may not, and why.
    pub fn admit(&self, knock: &Knock<'_>) -> Result<LanName, Refusal> {
        let lan = LanName::from_path(knock.path).map_err(|_| Refusal::Path)?;
        match knock.origin {
            None if !knock.from_loopback => return Err(Refusal::NoOrigin),
            Some(origin) if !self.origins.iter().any(|rule| rule.allows(origin)) => return Err(Refusal::Origin),
            _ => {}
        }
        match self.tokens.get(&lan) {
            None if self.exposed => Err(Refusal::Token),
            Some(token) if !token.is(token_in(knock.query)) => Err(Refusal::Token),
            _ => Ok(lan),
        }
    }
}

/// The value of the first `token=` in a query.
fn token_in(query: Option<&str>) -> &str {
    query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("token="))).unwrap_or_default()
}

impl Origin {
    /// Pages served by this host itself, on any port.
    pub fn local() -> Vec<Self> {
        ["http", "https"]
            .into_iter()
            .flat_map(|scheme| ["localhost", "127.0.0.1", "[::1]"].map(|host| format!("{scheme}://{host}")))
            .map(|base| Self { base, port: None })
            .collect()
    }

    fn allows(&self, origin: &[u8]) -> bool {
        let Ok(origin) = std::str::from_utf8(origin) else { return false };
        let Some(rest) = origin.strip_prefix(self.base.as_str()) else { return false };
        match (self.port, rest.strip_prefix(':')) {
            (_, None) if !rest.is_empty() => false,
            (None, None) => true,
            (None, Some(port)) => port_of(port).is_some(),
            (Some(None), given) => given.is_none(),
            (Some(Some(port)), given) => given.and_then(port_of) == Some(port),
        }
    }
}

/// A port as browsers write it: digits alone (`parse` would also take a sign).
fn port_of(text: &str) -> Option<u16> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

impl FromStr for Origin {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<Self, BadRule> {
        let bad = || BadRule::Origin(text.chars().take(200).collect());
        if text == "null" {
            return Ok(Self { base: text.to_owned(), port: Some(None) });
        }
        let (scheme, authority) = text.split_once("://").ok_or_else(bad)?;
        if scheme.is_empty()
            || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        {
            return Err(bad());
        }
        // The colons inside an IPv6 address stand in brackets.
        let host_end = authority.rfind(']').map_or(0, |at| at + 1);
        let (host, port) = match authority[host_end..].split_once(':') {
            Some((rest, port)) => (&authority[..host_end + rest.len()], Some(port)),
            None => (authority, None),
        };
        if host.is_empty()
            || host.bytes().any(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'?' | b'#' | b'@' | b'*'))
        {
            return Err(bad());
        }
        let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
        let port = match port {
            Some("*") => None,
            Some(port) => match (scheme.as_str(), port_of(port).ok_or_else(bad)?) {
                // Browsers leave the scheme's own port out.
                ("http", 80) | ("https", 443) => Some(None),
                (_, port) => Some(Some(port)),
            },
            None => Some(None),
        };
        Ok(Self { base: format!("{scheme}://{host}"), port })
    }
}

impl Token {
    /// Whether `given` is the secret. Takes the same time wherever they differ.
    fn is(&self, given: &str) -> bool {
        constant_time_eq(self.0.as_bytes(), given.as_bytes())
    }
}

impl FromStr for Token {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<Self, BadRule> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if (TOKEN_MIN..=TOKEN_MAX).contains(&text.len()) && text.bytes().all(plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(BadRule::Token)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Path => "no LAN has that path: connect to /lan/NAME, of letters, digits, '.', '_' and '-'",
            Self::Origin => {
                "pages of that origin may not connect: start the relay with --allow-origin ORIGIN to let them in"
            }
            Self::NoOrigin => "a client without an Origin header may connect from the relay's own host only",
            Self::Token => "the LAN's token is missing or wrong: connect to /lan/NAME?token=SECRET",
        })
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for BadRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Origin(text) => {
                write!(
                    f,
                    "{text:?} is no origin: write SCHEME://HOST, SCHEME://HOST:PORT, or SCHEME://HOST:* for any port"
                )
            }
            Self::Token => {
                write!(
                    f,
                    "a token takes {TOKEN_MIN} to {TOKEN_MAX} letters, digits, '-', '.', '_' or '~'; `openssl rand -hex 16` makes one"
                )
            }
        }
    }
}

impl std::error::Error for BadRule {}

#[cfg(test)]
mod tests;
