use std::cell::Cell;
use std::fmt;
use std::future::pending;
use std::rc::Rc;

use mirage_conformance::fakes::{FakeBody, FakeHttp, FakeHttpError, FakeRuntime, TEST_SERVER};
use mirage_conformance::http;
use mirage_sig::{ErrorType, HttpClient, HttpError, HttpErrorKind, HttpRequest, HttpResponse, Method, Read, Spawn, io};

use crate::{all_are_found, mistakes};

mistakes! {
    AnotherStatus => "`request` sends a request and waits for the head of its answer",
    NamesAsSent => "Names of the answer's headers are in lower case",
    EmptyReadWaits => "An empty buffer gives Ok(0) at once",
    EndsOnce => "The body is what the server sent, with end of file after its last byte",
    LosesTheLastByte => "The body is what the server sent, with end of file after its last byte",
    NotFoundIsAnError => "Any status is an answer, not an error",
    AlwaysGets => "The request is sent with its method, address, headers and body",
    LosesHeaders => "The request is sent with its method, address, headers and body",
    LosesBodies => "The request is sent with its method, address, headers and body",
    LosesTheQuery => "The request is sent with its method, address, headers and body",
    AllOfTheBodyAtOnce => "The body can be read as it arrives",
    OneAtATime => "Several requests may be under way at once",
    InvalidIsUnreachable => "A request that is not valid, in its address or a header, is Invalid",
    LeavesOutBadHeaders => "A request that is not valid, in its address or a header, is Invalid",
    NobodyIsInvalid => "A request that nobody answers is Unreachable",
    DoesNotNameTheAddress => "An error's text names the address",
    BreakIsTheEnd => "A body that breaks off is Broken",
    BreakIsUnreachable => "A body that breaks off is Broken",
    DroppedRequestGoesOn => "A request that is dropped is aborted",
    DroppedBodyGoesOn => "Dropping the body gives up the rest and frees the connection",
}

#[derive(Clone)]
struct Broken {
    inner: FakeHttp,
    runtime: FakeRuntime,
    mistake: Option<Mistake>,
    busy: Rc<Cell<bool>>,
}

/// An error that can be told to be another one.
#[derive(Debug)]
struct Wrong(HttpErrorKind, String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.1)
    }
}

impl std::error::Error for Wrong {}

impl io::Error for Wrong {
    fn kind(&self) -> io::ErrorKind {
        io::ErrorKind::Other
    }
}

impl HttpError for Wrong {
    fn http_kind(&self) -> HttpErrorKind {
        self.0
    }
}

fn wrong(mistake: Option<Mistake>, error: FakeHttpError) -> Wrong {
    let kind = match (mistake, error.http_kind()) {
        (Some(Mistake::InvalidIsUnreachable), HttpErrorKind::Invalid) => HttpErrorKind::Unreachable,
        (Some(Mistake::NobodyIsInvalid), HttpErrorKind::Unreachable) => HttpErrorKind::Invalid,
        (Some(Mistake::BreakIsUnreachable), HttpErrorKind::Broken) => HttpErrorKind::Unreachable,
        (_, kind) => kind,
    };
    let nameless = mistake == Some(Mistake::DoesNotNameTheAddress);
    Wrong(kind, if nameless { "it failed".into() } else { error.to_string() })
}

struct Busy<'a>(&'a Cell<bool>);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl HttpClient for Broken {
    type Error = Wrong;
    type Body = Body;

    async fn request(&self, mut request: HttpRequest<'_>) -> Result<HttpResponse<Body>, Wrong> {
        if self.busy.get() && self.mistake == Some(Mistake::OneAtATime) {
            pending::<()>().await;
        }
        self.busy.set(true);
        let _busy = Busy(&self.busy);
        let fails = |error| wrong(self.mistake, error);
        let no_headers: &[(&str, &str)] = &[];
        match self.mistake {
            Some(Mistake::AlwaysGets) if request.method == Method::Put => request.method = Method::Get,
            Some(Mistake::LosesHeaders) => request.headers = no_headers,
            Some(Mistake::LosesBodies) => request.body = &[],
            Some(Mistake::LosesTheQuery) if request.url.contains("/echo/") => {
                request.url = request.url.split('?').next().unwrap_or_default();
            }
            Some(Mistake::LeavesOutBadHeaders) if request.headers.len() == 1 => request.headers = no_headers,
            Some(Mistake::DroppedRequestGoesOn) if request.url.contains("/hang/") => {
                let (client, url) = (self.inner.clone(), request.url.to_owned());
                let headers: Vec<_> = request.headers.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
                let work = async move {
                    let headers: Vec<_> = headers.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
                    client.request(HttpRequest { headers: &headers, ..HttpRequest::get(&url) }).await
                };
                return match self.runtime.spawn(work).await {
                    Ok(Err(error)) => Err(fails(error)),
                    _ => pending().await,
                };
            }
            _ => {}
        }
        let mut response = self.inner.request(request).await.map_err(fails)?;
        match self.mistake {
            Some(Mistake::AnotherStatus) => response.status += 1,
            Some(Mistake::NamesAsSent) => {
                response.headers.iter_mut().for_each(|(name, _)| *name = name.to_uppercase());
            }
            Some(Mistake::NotFoundIsAnError) if response.status == 404 => {
                return Err(Wrong(HttpErrorKind::Unreachable, format!("{}: not found", request.url)));
            }
            _ => {}
        }
        let mut body = Body { inner: Some(response.body), mistake: self.mistake, all: None, ended: false };
        if self.mistake == Some(Mistake::AllOfTheBodyAtOnce) && !request.url.contains("/endless") {
            let mut all = Vec::new();
            let mut buffer = [0; 1_000];
            loop {
                match body.read(&mut buffer).await? {
                    0 => break,
                    count => all.extend_from_slice(&buffer[..count]),
                }
            }
            body.all = Some(all);
        }
        Ok(HttpResponse { status: response.status, headers: response.headers, body })
    }
}

struct Body {
    inner: Option<FakeBody>,
    mistake: Option<Mistake>,
    /// Read early, all of it.
    all: Option<Vec<u8>>,
    ended: bool,
}

impl Drop for Body {
    fn drop(&mut self) {
        if self.mistake == Some(Mistake::DroppedBodyGoesOn) {
            std::mem::forget(self.inner.take());
        }
    }
}

impl ErrorType for Body {
    type Error = Wrong;
}

impl Read for Body {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Wrong> {
        let mistake = self.mistake;
        let inner = self.inner.as_mut().expect("there until it is dropped");
        if let Some(all) = &mut self.all {
            let count = all.len().min(buffer.len());
            buffer[..count].copy_from_slice(&all[..count]);
            all.drain(..count);
            return Ok(count);
        }
        match mistake {
            Some(Mistake::EmptyReadWaits) if buffer.is_empty() => pending().await,
            Some(Mistake::EndsOnce) if self.ended && !buffer.is_empty() => pending().await,
            _ => {}
        }
        let result = inner.read(buffer).await;
        match (mistake, &result) {
            (Some(Mistake::EndsOnce), Ok(0)) if !buffer.is_empty() => self.ended = true,
            // The suite's texts end so, and nothing else does.
            (Some(Mistake::LosesTheLastByte), Ok(count)) if *count > 1 && buffer[count - 1] == b'\n' => {
                return Ok(count - 1);
            }
            (Some(Mistake::BreakIsTheEnd), Err(_)) => return Ok(0),
            _ => {}
        }
        result.map_err(|error| wrong(mistake, error))
    }
}

#[test]
fn web_client() {
    all_are_found(MISTAKES, |runtime, mistake| {
        let inner = FakeHttp::for_suite(runtime);
        let broken = Broken { inner, runtime: runtime.clone(), mistake, busy: Rc::default() };
        runtime.run(http::suite(runtime, &broken, TEST_SERVER))
    });
}
