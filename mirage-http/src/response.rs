use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use mirage_sig::Failure;

use crate::body::BodyError;
use crate::source::Source;
use crate::status::reason;
use crate::text::{is_token, is_value, percent_encode};

/// An answer: a status, headers, and a body that is there or comes piece by piece.
///
/// ```
/// use mirage_http::Response;
///
/// let teapot = Response::text("short and stout").with_status(418).with_header("X-Handle", "here");
/// ```
pub struct Response {
    pub(crate) status: u16,
    /// Header lines, as they are sent.
    pub(crate) head: Vec<u8>,
    pub(crate) content: Content,
}

pub(crate) enum Content {
    Bytes(Cow<'static, [u8]>),
    Stream(Stream),
}

/// A body that comes piece by piece. That of a 101 is what is said from then on.
pub(crate) struct Stream {
    pub source: Box<dyn Source>,
    pub length: Option<u64>,
    pub pulse: Option<Rc<dyn Pulse>>,
}

/// What is done when a body says nothing for some time.
pub(crate) trait Pulse {
    /// How long it may say nothing from now on.
    fn span(&self) -> Duration;

    /// What is sent when that is over; None gives the client up.
    fn beat(&self) -> Option<Vec<u8>>;
}

/// The headers that say where a body ends and what becomes of the connection.
const OURS: [&str; 7] =
    ["content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "trailer", "date"];

impl Response {
    /// An answer with that status, 200 to 599, and without a body. Another status is sent as 500.
    pub fn new(status: u16) -> Self {
        Self { status, head: Vec::new(), content: Content::Bytes(Cow::Borrowed(&[])) }
    }

    /// 200, with a body of that type.
    pub fn of(content_type: &str, body: impl Into<Cow<'static, [u8]>>) -> Self {
        let response = Self { content: Content::Bytes(body.into()), ..Self::new(200) };
        response.with_header("Content-Type", content_type)
    }

    /// 200, with plain text.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self::of("text/plain; charset=utf-8", bytes(text.into()))
    }

    /// 200, with a page.
    pub fn html(text: impl Into<Cow<'static, str>>) -> Self {
        Self::of("text/html; charset=utf-8", bytes(text.into()))
    }

    /// 200, with a text that is JSON.
    pub fn json(text: impl Into<Cow<'static, str>>) -> Self {
        Self::of("application/json", bytes(text.into()))
    }

    /// An answer that is its status, and says so in words.
    pub fn error(status: u16, why: &str) -> Self {
        let mut text = String::from(reason(status));
        if !why.is_empty() {
            text.push_str(": ");
            text.push_str(why);
        }
        text.push('\n');
        Self::text(text).with_status(status)
    }

    /// 303, See Other: the client is to get `location` instead, as after a form was sent.
    pub fn see_other(location: &str) -> Self {
        Self::new(303).with_header("Location", location)
    }

    /// 200, with a body that comes piece by piece. If its length is known, it is exactly that, or the connection is cut.
    pub fn stream(content_type: &str, length: Option<u64>, source: impl Source + 'static) -> Self {
        let content = Content::Stream(Stream { source: Box::new(source), length, pulse: None });
        Self { content, ..Self::new(200) }.with_header("Content-Type", content_type)
    }

    pub(crate) fn with_pulse(mut self, pulse: Rc<dyn Pulse>) -> Self {
        if let Content::Stream(stream) = &mut self.content {
            stream.pulse = Some(pulse);
        }
        self
    }

    /// The same with another status, 200 to 599. Another one is sent as 500.
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same with one more header.
    ///
    /// Those that say where the body ends and what becomes of the connection are the server's, and are left out here. A name
    /// or value that cannot be sent, such as one of two lines, makes the answer a 500: what came from outside must not
    /// become another header.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if !is_token(name.as_bytes()) || !is_value(value.as_bytes()) {
            log::warn!("http: a header of an answer cannot be sent: {name}");
            return Self::error(500, "");
        }
        if !OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
            self.push(name, value.as_bytes());
        }
        self
    }

    /// Writes a header that is valid.
    pub(crate) fn push(&mut self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            self.head.extend_from_slice(part);
        }
    }

    /// A permanent redirect to a path of this server. 308, as it keeps the method.
    pub(crate) fn moved(path: &str, query: &str) -> Self {
        // Two slashes at the start would be another server.
        let mut location = Vec::from(b"/");
        percent_encode(&mut location, path.trim_start_matches('/').as_bytes());
        if !query.is_empty() {
            location.push(b'?');
            location.extend_from_slice(query.as_bytes());
        }
        let mut response = Self::error(308, "");
        response.push("Location", &location);
        response
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }
}

fn bytes(text: Cow<'static, str>) -> Cow<'static, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// What a handler may give.
pub trait IntoResponse {
    /// The answer that it stands for.
    fn into_response(self) -> Response;
}

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

/// Plain text.
impl IntoResponse for &'static str {
    fn into_response(self) -> Response {
        Response::text(self)
    }
}

/// Plain text.
impl IntoResponse for String {
    fn into_response(self) -> Response {
        Response::text(self)
    }
}

/// Its status.
impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        match self {
            Self::Malformed(refusal) => Response::error(refusal.status, refusal.why),
            other => Response::error(other.status(), ""),
        }
    }
}

/// 500. What failed is logged, and no client's business.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        log::warn!("http: a handler failed: {self}");
        Response::error(500, "")
    }
}

impl<T: IntoResponse, E: IntoResponse> IntoResponse for Result<T, E> {
    fn into_response(self) -> Response {
        match self {
            Ok(value) => value.into_response(),
            Err(error) => error.into_response(),
        }
    }
}

/// Answers requests. An `async fn` or an async closure from a [`Request`](crate::Request) to a response is one, as is a
/// [`Router`](crate::Router) and a [`Site`](crate::Site).
///
/// It is dropped where it waits if the client goes away.
pub trait Handler {
    /// Answers a request.
    fn handle<'a>(&'a self, request: crate::Request) -> Answering<'a>;
}

/// An answer in the making.
pub type Answering<'a> = core::pin::Pin<Box<dyn Future<Output = Response> + 'a>>;

impl<F, T> Handler for F
where
    F: AsyncFn(crate::Request) -> T,
    T: IntoResponse,
{
    fn handle<'a>(&'a self, request: crate::Request) -> Answering<'a> {
        Box::pin(async move { self(request).await.into_response() })
    }
}
