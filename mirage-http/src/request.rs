use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use mirage_sig::{ErrorType, Method, Read};

use crate::body::{Body, BodyError};
use crate::text::percent_decode;
use crate::wire::{Head, RequestHead};

/// A request, with a body that is read as it arrives.
pub struct Request {
    head: RequestHead,
    peer: SocketAddr,
    /// The pattern of the route that it came by.
    pattern: Option<Rc<str>>,
    body: Body,
}

impl Request {
    pub(crate) fn new(head: RequestHead, peer: SocketAddr, body: Body) -> Self {
        Self { head, peer, pattern: None, body }
    }

    /// What to do.
    pub fn method(&self) -> Method {
        self.head.method
    }

    /// The path, with `%` undone, as in `/a b`: absolute, UTF-8, no segment `.` or `..`. It is `*` for `OPTIONS *`.
    pub fn path(&self) -> &str {
        &self.head.path
    }

    /// Path and query as they came, as in `/a%20b?c=d`.
    pub fn target(&self) -> &str {
        self.head.target()
    }

    /// The query as it came, without its `?`; empty if there is none.
    pub fn query(&self) -> &str {
        self.target().split_once('?').map_or("", |(_, query)| query)
    }

    /// The first value of that name in the query, as a form sends it, with `%` and `+` undone. None also if it is not UTF-8.
    pub fn query_value(&self, name: &str) -> Option<String> {
        let decode = |text: &str| percent_decode(text.as_bytes(), true).and_then(|text| String::from_utf8(text).ok());
        self.query().split('&').find_map(|pair| {
            let (known, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(known)? == name).then(|| decode(value))?
        })
    }

    /// What stands in the path where the route's pattern has `:name`, or, for the name `*`, at its end.
    pub fn param(&self, name: &str) -> Option<&str> {
        crate::router::param(self.pattern.as_deref()?, self.path(), name)
    }

    pub(crate) fn set_pattern(&mut self, pattern: &Rc<str>) {
        self.pattern = Some(pattern.clone());
    }

    /// The value of the first header of that name, in whatever case. None also if it is not UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.head.get(name)
    }

    /// All headers.
    pub fn headers(&self) -> &Head {
        &self.head.head
    }

    /// The client's address.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The body, to be read as it arrives.
    pub fn body(&mut self) -> &mut Body {
        &mut self.body
    }

    /// The body by itself, for an answer that goes on reading it.
    pub fn into_body(self) -> Body {
        self.body
    }

    /// All of the body, which has at most `most` bytes.
    pub async fn bytes(&mut self, most: usize) -> Result<Vec<u8>, BodyError> {
        self.body.all(most).await
    }

    /// All of the body as text, which has at most `most` bytes.
    pub async fn text(&mut self, most: usize) -> Result<String, BodyError> {
        String::from_utf8(self.body.all(most).await?).map_err(|_| BodyError::NoText)
    }

    pub(crate) fn body_handle(&self) -> Body {
        self.body.handle()
    }

    pub(crate) fn upgrades_to(&self, protocol: &str) -> bool {
        self.head.upgrades_to(protocol)
    }
}

impl ErrorType for Request {
    type Error = BodyError;
}

/// Reads the body.
impl Read for Request {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, BodyError> {
        self.body.read(buffer).await
    }
}
