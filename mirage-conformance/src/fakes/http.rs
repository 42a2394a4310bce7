use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::future::ready;
use core::time::Duration;

use mirage_sig::{ErrorType, HttpClient, HttpError, HttpErrorKind, HttpRequest, HttpResponse, Method, Read, Sleep, io};

use super::runtime::FakeRuntime;
use crate::poll::Boxed;

/// An error of [`FakeHttp`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakeHttpError {
    kind: HttpErrorKind,
    url: String,
}

impl fmt::Display for FakeHttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            HttpErrorKind::Invalid => "the address or a header is not valid: correct it",
            HttpErrorKind::Unreachable => "no server there: call FakeHttp::serve first",
            _ => "the answer broke off: ask again",
        };
        write!(f, "{:?}: {what}", self.url)
    }
}

impl core::error::Error for FakeHttpError {}

impl io::Error for FakeHttpError {
    fn kind(&self) -> io::ErrorKind {
        match self.kind {
            HttpErrorKind::Invalid => io::ErrorKind::InvalidInput,
            HttpErrorKind::Unreachable => io::ErrorKind::ConnectionRefused,
            _ => io::ErrorKind::ConnectionAborted,
        }
    }
}

impl HttpError for FakeHttpError {
    fn http_kind(&self) -> HttpErrorKind {
        self.kind
    }
}

/// A request as a server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakeRequest {
    /// What to do.
    pub method: Method,
    /// To what: the address without its origin, as in `/path?query`.
    pub path: String,
    /// Names, in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// The next piece of a body; `None` at its end, and an error where it breaks off.
pub type Piece = Option<Result<Vec<u8>, BrokenOff>>;

/// The body broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenOff;

/// A server's answer.
pub struct FakeAnswer {
    /// The status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// Gives the body's pieces one by one. It is dropped when nobody wants more.
    pub body: Box<dyn FnMut() -> Boxed<'static, Piece>>,
}

impl FakeAnswer {
    /// An answer with a body that is there at once.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let mut body = Some(body.into()).filter(|body| !body.is_empty());
        Self { status, headers: Vec::new(), body: Box::new(move || Box::pin(ready(body.take().map(Ok)))) }
    }

    /// The same answer with one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

type Server = dyn Fn(FakeRequest) -> Boxed<'static, FakeAnswer>;

/// A client for a web of servers that are in this program. A clone sees the same web.
///
/// An answer takes a millisecond; `read` gives at most 1,000 bytes.
#[derive(Clone)]
pub struct FakeHttp(Rc<Web>);

struct Web {
    clock: FakeRuntime,
    servers: RefCell<BTreeMap<String, Rc<Server>>>,
}

impl FakeHttp {
    const READ_MAX: usize = 1_000;

    /// A web without servers.
    pub fn new(runtime: &FakeRuntime) -> Self {
        Self(Rc::new(Web { clock: runtime.clone(), servers: RefCell::default() }))
    }

    /// Lets `server` answer all requests to `origin`, which is as in `http://example.test`.
    pub fn serve<F>(&self, origin: &str, server: impl Fn(FakeRequest) -> F + 'static)
    where
        F: Future<Output = FakeAnswer> + 'static,
    {
        let server: Rc<Server> = Rc::new(move |request| Box::pin(server(request)));
        self.0.servers.borrow_mut().insert(origin.into(), server);
    }
}

/// Splits an address into origin and path, if it is an absolute address for the web.
fn split(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let length = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let clean = url.chars().all(|letter| letter.is_ascii_graphic());
    let valid = matches!(scheme, "http" | "https") && length > 0 && clean;
    valid.then(|| url.split_at(url.len() - rest.len() + length))
}

/// Whether a header can be sent (RFC 9110, sections 5.1 and 5.5).
fn is_valid((name, value): &(&str, &str)) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(token) && !value.chars().any(char::is_control)
}

impl HttpClient for FakeHttp {
    type Error = FakeHttpError;
    type Body = FakeBody;

    async fn request(&self, request: HttpRequest<'_>) -> Result<HttpResponse<FakeBody>, FakeHttpError> {
        let url = request.url;
        let fail = |kind| FakeHttpError { kind, url: url.into() };
        let (origin, path) = split(url).ok_or_else(|| fail(HttpErrorKind::Invalid))?;
        if !request.headers.iter().all(is_valid) {
            return Err(fail(HttpErrorKind::Invalid));
        }
        self.0.clock.sleep(Duration::from_millis(1)).await;
        let server = self.0.servers.borrow().get(origin).cloned();
        let server = server.ok_or_else(|| fail(HttpErrorKind::Unreachable))?;
        let answer = server(FakeRequest {
            method: request.method,
            path: if path.is_empty() { "/".into() } else { path.into() },
            headers: request.headers.iter().map(|(name, value)| (name.to_lowercase(), value.to_string())).collect(),
            body: request.body.to_vec(),
        })
        .await;
        let headers = answer.headers.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
        let source = Some(answer.body).filter(|_| request.method != Method::Head);
        let body = FakeBody { source, coming: None, held: vec![], error: fail(HttpErrorKind::Broken), broken: false };
        Ok(HttpResponse { status: answer.status, headers, body })
    }
}

/// The body of an answer to [`FakeHttp`].
pub struct FakeBody {
    /// Not there after the end.
    source: Option<Box<dyn FnMut() -> Boxed<'static, Piece>>>,
    /// Kept here, so that a read that is dropped loses nothing.
    coming: Option<Boxed<'static, Piece>>,
    held: Vec<u8>,
    error: FakeHttpError,
    broken: bool,
}

impl ErrorType for FakeBody {
    type Error = FakeHttpError;
}

impl Read for FakeBody {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FakeHttpError> {
        while self.held.is_empty() && !buffer.is_empty() {
            if self.broken {
                return Err(self.error.clone());
            }
            let Some(source) = &mut self.source else { return Ok(0) };
            let piece = self.coming.get_or_insert_with(source).await;
            self.coming = None;
            match piece {
                Some(Ok(bytes)) => self.held = bytes,
                Some(Err(BrokenOff)) => self.broken = true,
                None => self.source = None,
            }
        }
        let count = buffer.len().min(self.held.len()).min(FakeHttp::READ_MAX);
        buffer[..count].copy_from_slice(&self.held[..count]);
        self.held.drain(..count);
        Ok(count)
    }
}
