//! HTTP by `fetch` (Fetch standard), in window and worker.
//!
//! The browser's rules apply: an answer of another origin is seen only if that allows it (CORS), and some headers are the
//! browser's own.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::describe::describe;
use js_sys::{Array, Promise, Uint8Array};
use mirage_sig::{ErrorType, HttpClient, HttpError, HttpErrorKind, HttpRequest, HttpResponse, Method, Read, io};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, ReadableStreamDefaultReader, Request, RequestInit, Response, Url};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = fetch)]
    fn js_fetch(request: &Request) -> Promise;
}

/// The browser's client for the web.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fetch;

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchError {
    kind: HttpErrorKind,
    url: String,
    detail: String,
}

impl FetchError {
    fn new(kind: HttpErrorKind, url: &str, detail: impl Into<String>) -> Self {
        Self { kind, url: url.into(), detail: detail.into() }
    }

    fn from_js(kind: HttpErrorKind, url: &str, error: &JsValue) -> Self {
        let message = js_sys::Reflect::get(error, &"message".into()).ok().and_then(|message| message.as_string());
        Self::new(kind, url, message.unwrap_or_else(|| describe(error)))
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            HttpErrorKind::Invalid => "this is no request that can be sent",
            HttpErrorKind::Broken => "the answer broke off",
            _ => {
                "no answer, or none that this page may see (is the server there, and does it allow this origin by CORS?)"
            }
        };
        write!(f, "{}: {what} ({})", self.url, self.detail)
    }
}

impl std::error::Error for FetchError {}

impl io::Error for FetchError {
    fn kind(&self) -> io::ErrorKind {
        match self.kind {
            HttpErrorKind::Invalid => io::ErrorKind::InvalidInput,
            HttpErrorKind::Broken => io::ErrorKind::ConnectionReset,
            _ => io::ErrorKind::ConnectionRefused,
        }
    }
}

impl HttpError for FetchError {
    fn http_kind(&self) -> HttpErrorKind {
        self.kind
    }
}

impl HttpClient for Fetch {
    type Error = FetchError;
    type Body = Body;

    async fn request(&self, request: HttpRequest<'_>) -> Result<HttpResponse<Body>, FetchError> {
        let abort = Abort::new(request.url)?;
        let prepared = prepare(&request, &abort)?;
        let answer = JsFuture::from(js_fetch(&prepared)).await;
        let answer = answer.map_err(|error| FetchError::from_js(HttpErrorKind::Unreachable, request.url, &error))?;
        let answer: Response = answer.unchecked_into();
        // A body that is coded on its way has another length when it gets here, and to HEAD there is none.
        let coded = matches!(answer.headers().get("content-encoding"), Ok(Some(_)));
        let has_length = !coded && request.method != Method::Head;
        let promised = answer.headers().get("content-length").ok().flatten().filter(|_| has_length);
        let headers = answer.headers().entries().into_iter().flatten().map(|pair| {
            let pair = Array::from(&pair);
            let text = |at| pair.get(at).as_string().unwrap_or_default();
            (text(0), text(1))
        });
        Ok(HttpResponse {
            status: answer.status(),
            headers: headers.collect(),
            body: Body {
                reader: answer.body().map(|stream| stream.get_reader().unchecked_into()),
                reading: None,
                chunk: None,
                missing: promised.and_then(|length| length.parse().ok()),
                failed: None,
                url: request.url.into(),
                abort,
            },
        })
    }
}

fn prepare(request: &HttpRequest<'_>, abort: &Abort) -> Result<Request, FetchError> {
    let invalid = |error: JsValue| FetchError::from_js(HttpErrorKind::Invalid, request.url, &error);
    // Some browsers forgive what no address may contain (RFC 3986, section 2).
    if request.url.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        return Err(FetchError::new(
            HttpErrorKind::Invalid,
            request.url,
            "an address has no spaces or control characters",
        ));
    }
    let protocol = Url::new(request.url).map_err(invalid)?.protocol();
    if protocol != "http:" && protocol != "https:" {
        return Err(FetchError::new(HttpErrorKind::Invalid, request.url, "only http: and https: can be asked for"));
    }
    let init = RequestInit::new();
    init.set_method(request.method.as_str());
    init.set_signal(Some(&abort.controller.signal()));
    if !request.body.is_empty() {
        init.set_body(&Uint8Array::from(request.body));
    }
    let prepared = Request::new_with_str_and_init(request.url, &init).map_err(invalid)?;
    for (name, value) in request.headers {
        prepared.headers().append(name, value).map_err(invalid)?;
    }
    Ok(prepared)
}

/// Aborts the request when it is dropped; one that is over takes no notice.
struct Abort {
    controller: AbortController,
}

impl Abort {
    fn new(url: &str) -> Result<Self, FetchError> {
        let controller = AbortController::new();
        let controller = controller.map_err(|error| FetchError::from_js(HttpErrorKind::Invalid, url, &error))?;
        Ok(Self { controller })
    }
}

impl Drop for Abort {
    fn drop(&mut self) {
        self.controller.abort();
    }
}

/// An answer's body, read in the chunks in which it arrives.
pub struct Body {
    reader: Option<ReadableStreamDefaultReader>,
    /// A read of the stream that is under way. Kept here so that a dropped `read` loses nothing.
    reading: Option<JsFuture>,
    /// What has arrived and was not taken yet.
    chunk: Option<Uint8Array>,
    /// Bytes that were promised and have not come. Not every browser tells a connection that was cut from the body's end.
    missing: Option<u64>,
    failed: Option<FetchError>,
    url: String,
    abort: Abort,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("url", &self.url)
            .field("aborted", &self.abort.controller.signal().aborted())
            .finish()
    }
}

impl ErrorType for Body {
    type Error = FetchError;
}

impl Read for Body {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FetchError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if buffer.is_empty() {
            return Ok(0);
        }
        while self.chunk.is_none() {
            if !self.next_chunk().await? {
                return Ok(0);
            }
        }
        let Some(chunk) = self.chunk.take() else { return Ok(0) };
        let taken = (chunk.length() as usize).min(buffer.len());
        chunk.subarray(0, taken as u32).copy_to(&mut buffer[..taken]);
        if taken < chunk.length() as usize {
            self.chunk = Some(chunk.subarray(taken as u32, chunk.length()));
        }
        Ok(taken)
    }
}

impl Body {
    /// Waits for the next part of the body: false at its end.
    async fn next_chunk(&mut self) -> Result<bool, FetchError> {
        let Some(reader) = &self.reader else { return Ok(false) };
        let reading = self.reading.get_or_insert_with(|| JsFuture::from(reader.read()));
        let part = std::future::poll_fn(|cx| Pin::new(&mut *reading).poll(cx)).await;
        self.reading = None;
        let part = part.map_err(|error| self.broken(&crate::describe::describe(&error)))?;
        let field = |name: &str| js_sys::Reflect::get(&part, &name.into()).unwrap_or(JsValue::UNDEFINED);
        if field("done").is_truthy() {
            self.reader = None;
            return match self.missing {
                Some(missing) if missing > 0 => Err(self.broken(&format!("{missing} bytes are missing"))),
                _ => Ok(false),
            };
        }
        self.chunk = field("value").dyn_into::<Uint8Array>().ok().filter(|chunk| chunk.length() > 0);
        let arrived = self.chunk.as_ref().map_or(0, |chunk| u64::from(chunk.length()));
        self.missing = self.missing.map(|missing| missing.saturating_sub(arrived));
        Ok(true)
    }

    /// Notes that the body ends here and should not; every later read says so again.
    fn broken(&mut self, detail: &str) -> FetchError {
        let error = FetchError::new(HttpErrorKind::Broken, &self.url, detail);
        self.failed = Some(error.clone());
        error
    }
}
