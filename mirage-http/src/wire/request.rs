use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use mirage_sig::Method;

use super::framing::Facts;
use super::head::split_field;
use super::lines::Lines;
use super::{Framing, Head, Refusal, has_item};
use crate::Limits;
use crate::text::{is_token, percent_decode};

/// Bytes of a request line beside the address: a method, the version, and two spaces.
const LINE_OVERHEAD: usize = 32;

/// Reads the head of a request (RFC 9112, sections 3 and 5), line by line as they come.
#[derive(Default)]
pub struct RequestParser {
    lines: Lines,
    stage: Stage,
    fields: usize,
    facts: Facts,
    hosts: usize,
    expects: Expects,
}

#[derive(Default)]
enum Stage {
    /// Nothing yet. One empty line may come before the request (RFC 9112, section 2.2).
    #[default]
    Start,
    /// The empty line was it.
    Skipped,
    Fields {
        line: Line,
        start: usize,
    },
}

/// What is in the request line.
struct Line {
    method: Method,
    /// Where path and query are.
    target: Range<usize>,
    path: String,
    minor: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expects {
    #[default]
    Nothing,
    Continue,
    More,
}

/// The head of a request that is well-formed.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// What to do.
    pub method: Method,
    /// The path, with `%` undone: absolute, UTF-8, without segments `.` and `..`. It is `*` for `OPTIONS *`.
    pub path: String,
    /// The second digit of the version.
    pub minor: u8,
    /// Where the body ends.
    pub framing: Framing,
    /// Whether the client wants to go on with the connection.
    pub persists: bool,
    /// Whether the client waits for a word before it sends the body.
    pub expects_continue: bool,
    /// The header fields.
    pub head: Head,
    target: Range<usize>,
}

impl RequestHead {
    /// Path and query as they came.
    pub fn target(&self) -> &str {
        self.head.bytes().get(self.target.clone()).and_then(|text| core::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

impl RequestParser {
    /// Goes on with `bytes`, all that has arrived since the last request: the head's length if it is complete. Any refusal
    /// means that the connection's further bytes cannot be understood.
    pub fn advance(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<usize>, Refusal> {
        loop {
            let in_line = !matches!(self.stage, Stage::Fields { .. });
            let line_max = self.lines.start().saturating_add(limits.uri).saturating_add(LINE_OVERHEAD);
            let most = if in_line { limits.head.min(line_max) } else { limits.head };
            // Beyond the limit nothing is looked at, so that the answer does not depend on how much came at once.
            let visible = bytes.get(..most).unwrap_or(bytes);
            let Some(line) = self.lines.next(visible)? else {
                if bytes.len() < most {
                    return Ok(None);
                }
                let begun = visible.get(self.lines.start()..).unwrap_or_default();
                return Err(match in_line {
                    true if !begun.contains(&b' ') => Refusal::new(501, "so long a method is not known here"),
                    true => URI_TOO_LONG,
                    false => Refusal::new(431, "the head is too long: leave out cookies and other headers"),
                });
            };
            let (end, text) = (self.lines.start(), visible.get(line.clone()).unwrap_or_default());
            match self.stage {
                Stage::Start if text.is_empty() => self.stage = Stage::Skipped,
                Stage::Start | Stage::Skipped => {
                    let line = request_line(text, line.start, limits)?;
                    self.stage = Stage::Fields { line, start: end };
                }
                Stage::Fields { .. } if text.is_empty() => return self.check().map(|()| Some(end)),
                Stage::Fields { .. } => self.field(text, limits)?,
            }
        }
    }

    fn field(&mut self, text: &[u8], limits: &Limits) -> Result<(), Refusal> {
        self.fields += 1;
        if self.fields > limits.fields {
            return Err(Refusal::new(431, "there are too many headers"));
        }
        let (name, value) = split_field(text)?;
        if name.eq_ignore_ascii_case(b"host") {
            self.hosts += 1;
            if !is_host(value) {
                return Err(Refusal::bad("the Host is no name or address"));
            }
        } else if name.eq_ignore_ascii_case(b"expect") {
            let only = self.expects != Expects::More && value.eq_ignore_ascii_case(b"100-continue");
            self.expects = if only { Expects::Continue } else { Expects::More };
        }
        self.facts.field(name, value)
    }

    /// What can be said only when all fields are known.
    fn check(&self) -> Result<(), Refusal> {
        let Stage::Fields { line, .. } = &self.stage else { return Ok(()) };
        if self.hosts > 1 {
            return Err(Refusal::bad("there is more than one Host"));
        }
        if self.hosts == 0 && line.minor > 0 {
            return Err(Refusal::bad("there is no Host, which HTTP/1.1 asks for"));
        }
        self.facts.of_request(line.minor)?;
        if self.expects == Expects::More && line.minor > 0 {
            return Err(Refusal::new(417, "nothing can be expected here but 100-continue"));
        }
        Ok(())
    }

    /// The head, of which `bytes` are all; None if it was not complete.
    pub fn finish(self, bytes: Vec<u8>) -> Option<RequestHead> {
        let Stage::Fields { line, start } = self.stage else { return None };
        Some(RequestHead {
            method: line.method,
            path: line.path,
            minor: line.minor,
            framing: self.facts.of_request(line.minor).ok()?,
            persists: self.facts.persists(line.minor),
            expects_continue: self.expects == Expects::Continue && line.minor > 0,
            head: Head::new(bytes, start),
            target: line.target,
        })
    }
}

const URI_TOO_LONG: Refusal = Refusal::new(414, "the address is too long");

/// Reads `method SP target SP version`; the line begins at `start` of the head.
fn request_line(line: &[u8], start: usize, limits: &Limits) -> Result<Line, Refusal> {
    let mut words = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refusal::bad(
            "the first line is not a method, an address and a version, with one space between them",
        ));
    };
    if !is_token(method) {
        return Err(Refusal::bad("the method has a character that no method can have"));
    }
    let minor = match version {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'9'] => (minor - b'0').min(1),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            return Err(Refusal::new(505, "only HTTP/1.1 and HTTP/1.0 are spoken here"));
        }
        _ => return Err(Refusal::bad("the version is not of the form HTTP/1.1")),
    };
    if target.len() > limits.uri {
        return Err(URI_TOO_LONG);
    }
    let method = known_method(method).ok_or(Refusal::new(501, "the method is not known here"))?;
    let (at, path) = split_target(method, target)?;
    let begin = start + line.len() - version.len() - 1 - target.len();
    Ok(Line { method, target: begin + at..begin + target.len(), path, minor })
}

fn known_method(text: &[u8]) -> Option<Method> {
    use Method::*;
    [Get, Head, Post, Put, Patch, Delete, Options].into_iter().find(|method| method.as_str().as_bytes() == text)
}

/// Where path and query begin in the address, and the path (RFC 9112, section 3.2).
fn split_target(method: Method, target: &[u8]) -> Result<(usize, String), Refusal> {
    if target.iter().any(|byte| !byte.is_ascii_graphic() || *byte == b'#') {
        return Err(Refusal::bad("the address has a character that no address can have: write it with %"));
    }
    if method == Method::Options && target == b"*" {
        return Ok((0, "*".into()));
    }
    let mut at = 0;
    if !target.starts_with(b"/") {
        // The absolute form, which every server must take, although only proxies are sent it.
        let scheme = [&b"http://"[..], b"https://"]
            .into_iter()
            .find(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
            .ok_or(Refusal::bad("the address does not begin with a slash"))?;
        let rest = target.get(scheme.len()..).unwrap_or_default();
        let host = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        if host == 0 || !is_host(rest.get(..host).unwrap_or_default()) {
            return Err(Refusal::bad("the address has no host"));
        }
        at = scheme.len() + host;
    }
    let target = target.get(at..).unwrap_or_default();
    let path = target.split(|&byte| byte == b'?').next().unwrap_or_default();
    Ok((at, if path.is_empty() { "/".into() } else { decode_path(path)? }))
}

/// Undoes `%`, and refuses what could lead out of the root or mean two things.
fn decode_path(path: &[u8]) -> Result<String, Refusal> {
    const NO_PATH: Refusal = Refusal::bad("the path has a % that stands for no character");
    let decoded = percent_decode(path, false).ok_or(NO_PATH)?;
    let text = String::from_utf8(decoded).map_err(|_| NO_PATH)?;
    let slashes = |text: &[u8]| text.iter().filter(|&&byte| byte == b'/').count();
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) || slashes(text.as_bytes()) != slashes(path) {
        return Err(Refusal::bad("the path has a control character or a slash written with %"));
    }
    if text.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(Refusal::bad("the path has a segment . or .., which clients resolve themselves"));
    }
    Ok(text)
}

/// Whether this can stand for a host and a port (RFC 3986, section 3.2.2). An empty one can: an address may have no host.
fn is_host(text: &[u8]) -> bool {
    let (host, port) = match text.iter().rposition(|&byte| byte == b':') {
        Some(colon) if !text.ends_with(b"]") => text.split_at(colon),
        _ => (text, &b":"[..]),
    };
    let inner = match host {
        [b'[', inner @ .., b']'] => {
            return inner.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')) && is_port(port);
        }
        name => name,
    };
    is_port(port) && inner.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(byte))
}

fn is_port(text: &[u8]) -> bool {
    text.iter().skip(1).all(u8::is_ascii_digit) && text.len() <= 6
}

impl RequestHead {
    /// Whether the client asks to go on in another protocol (RFC 9110, section 7.8).
    pub(crate) fn upgrades_to(&self, protocol: &str) -> bool {
        let has = |name: &str, word: &str| {
            self.head.iter().any(|(known, value)| known.eq_ignore_ascii_case(name) && has_item(value, word))
        };
        self.minor > 0 && has("connection", "upgrade") && has("upgrade", protocol)
    }
}
