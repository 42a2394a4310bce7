//! A store's values as files of a web site.

mod conditions;
mod kind;
mod range;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use mirage_sig::{Entry, Key, KvError, KvErrorKind, KvRo, Method, WallClock};

use crate::date::http_date;
use crate::request::Request;
use crate::response::{Answering, Handler, Response};
use crate::source::{BrokenOff, Piece};
use crate::text::{hex_of, push_decimal};
use conditions::{Condition, Version};
pub use range::Ranged;

/// What is read of a value at once, in bytes; one that is not longer is sent in one piece.
const PIECE: usize = 16 << 10;

/// Bytes of a digest that make an entity tag: enough that two values never share one.
const TAG_BYTES: usize = 16;

/// Serves the values of a store as files: types by their endings, entity tags from their digests, dates, parts, and
/// `index.html` for a dictionary. What is not there is `404.html` of the store, if it has one.
///
/// The path is what the route's `*` stands for, or all of it. Values are read in pieces of 16 KiB. One that is changed while
/// it is sent may come out mixed, or broken off if it became shorter.
pub struct Site<C, S> {
    clock: C,
    store: S,
    root: Key,
    cache: String,
}

impl<C: WallClock + 'static, S: KvRo + Clone + 'static> Site<C, S> {
    /// A site of all of `store`. The clock tells which century a date of two digits is of, and nothing else.
    pub fn new(clock: C, store: S) -> Self {
        Self { clock, store, root: Key::ROOT, cache: "no-cache".into() }
    }

    /// The same for the dictionary `root` of the store.
    pub fn with_root(self, root: Key) -> Self {
        Self { root, ..self }
    }

    /// The same with this `Cache-Control`. It is `no-cache` by default: kept, and asked about each time.
    pub fn with_cache_control(self, cache: &str) -> Self {
        Self { cache: cache.into(), ..self }
    }

    async fn answer(&self, request: Request) -> Response {
        if !matches!(request.method(), Method::Get | Method::Head) {
            return Response::error(405, "").with_header("Allow", "GET, HEAD");
        }
        match self.find(&request).await {
            Ok(Some(response)) => response,
            Ok(None) => self.missing().await,
            Err(error) if error.kind() == KvErrorKind::NotFound => self.missing().await,
            Err(error) => {
                log::warn!("http: {}: {error}", request.path());
                Response::error(500, "")
            }
        }
    }

    async fn find(&self, request: &Request) -> Result<Option<Response>, S::Error> {
        let path = request.param("*").unwrap_or(request.path());
        let Ok(mut key) = self.root.join(path) else { return Ok(None) };
        // The path of the address, as a pattern's `*` may be empty where the address has its slash.
        let is_directory = request.path().ends_with('/');
        match self.store.exists(&key).await? {
            Some(Entry::Value) if !is_directory => {}
            Some(Entry::Dictionary) => {
                let Ok(index) = key.join("index.html") else { return Ok(None) };
                if self.store.exists(&index).await? != Some(Entry::Value) {
                    return Ok(None);
                }
                if !is_directory {
                    let mut path = String::from(request.path());
                    path.push('/');
                    return Ok(Some(Response::moved(&path, request.query())));
                }
                key = index;
            }
            _ => return Ok(None),
        }
        self.value(request, key).await.map(Some)
    }

    async fn value(&self, request: &Request, key: Key) -> Result<Response, S::Error> {
        let (size, modified) = (self.store.size(&key).await?, self.store.last_modified(&key).await?);
        let tag = tag(&self.store.digest(&key).await?);
        let condition = Version { tag: &tag, modified }.check(request.headers(), self.clock.unix_time());
        let asked = match condition {
            Condition::Failed => return Ok(Response::error(412, "")),
            Condition::NotModified => return Ok(self.describe(Response::new(304), &tag, &http_date(modified))),
            // A range means something only for GET (RFC 9110, section 14.2).
            Condition::Wanted { range: true } if request.method() == Method::Get => request.header("range"),
            Condition::Wanted { .. } => None,
        };
        let (status, start, length) = match asked.map_or(Ranged::Whole, |text| Ranged::parse(text, size)) {
            Ranged::Whole => (200, 0, size),
            Ranged::Part { first, last } => (206, first, last - first + 1),
            Ranged::Unsatisfiable => {
                let mut response = Response::error(416, "");
                response.push("Content-Range", &content_range(None, size));
                return Ok(response);
            }
        };
        let kind = kind::content_type(key.name().unwrap_or_default());
        let mut response = if request.method() == Method::Head {
            Response::stream(kind, Some(length), async || Ok(None))
        } else if length <= PIECE as u64 {
            Response::of(kind, self.store.get_partial(&key, start, length as usize).await?)
        } else {
            self.pieces(key, kind, start, length)
        };
        response.status = status;
        if status == 206 {
            response.push("Content-Range", &content_range(Some((start, length)), size));
        }
        response.push("Accept-Ranges", b"bytes");
        response.push("X-Content-Type-Options", b"nosniff");
        Ok(self.describe(response, &tag, &http_date(modified)))
    }

    fn pieces(&self, key: Key, kind: &'static str, start: u64, length: u64) -> Response {
        let (store, end) = (self.store.clone(), start + length);
        let mut at = start;
        let next = async move || -> Piece {
            let count = (end - at).min(PIECE as u64) as usize;
            let piece = store.get_partial(&key, at, count).await.map_err(|error| {
                log::warn!("http: {error}");
                BrokenOff
            })?;
            at += piece.len() as u64;
            Ok(Some(piece).filter(|piece| !piece.is_empty()))
        };
        Response::stream(kind, Some(length), next)
    }

    /// What is said of a value also to those who have it.
    fn describe(&self, response: Response, tag: &str, modified: &[u8]) -> Response {
        let mut response = response.with_header("Cache-Control", &self.cache);
        response.push("ETag", tag.as_bytes());
        response.push("Last-Modified", modified);
        response
    }

    async fn missing(&self) -> Response {
        let Ok(key) = self.root.join("404.html") else { return Response::error(404, "") };
        match self.store.get_partial(&key, 0, PIECE).await {
            Ok(page) => Response::of(kind::content_type("404.html"), page).with_status(404),
            Err(_) => Response::error(404, ""),
        }
    }
}

impl<C: WallClock + 'static, S: KvRo + Clone + 'static> Handler for Site<C, S> {
    fn handle<'a>(&'a self, request: Request) -> Answering<'a> {
        Box::pin(self.answer(request))
    }
}

fn tag(digest: &[u8; 32]) -> String {
    let mut tag = String::with_capacity(2 * TAG_BYTES + 2);
    tag.push('"');
    for byte in digest.iter().take(TAG_BYTES) {
        tag.push(char::from(hex_of(byte >> 4)));
        tag.push(char::from(hex_of(*byte)));
    }
    tag.push('"');
    tag
}

/// `bytes first-last/size`, or `bytes */size`.
fn content_range(part: Option<(u64, u64)>, size: u64) -> Vec<u8> {
    let mut text = Vec::from(b"bytes ");
    match part {
        Some((start, length)) => {
            push_decimal(&mut text, start);
            text.push(b'-');
            push_decimal(&mut text, start + length - 1);
        }
        None => text.push(b'*'),
    }
    text.push(b'/');
    push_decimal(&mut text, size);
    text
}
