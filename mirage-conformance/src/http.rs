//! Clients for the web: [`HttpClient`].
//!
//! The suite needs a test server, at any address, that answers every method it names in these ways. `KEY` is a word of the
//! suite's choice. A server for pages of another origin allows that origin, all methods, and all headers, and exposes all.
//!
//! | request | answer |
//! |---|---|
//! | `GET /hello` | 200, headers `Content-Type: text/plain` and `X-Greeting: Hello There`, body `hello, world\n` |
//! | `HEAD /hello` | the same without the body |
//! | `GET /missing` | 404, body `nothing here\n` |
//! | `GET /empty` | 204 |
//! | any method, `/echo…` | 200; the body is a line with the method, a space, and the path with its query; then a line `name: value` for each header whose name begins with `x-test-`, sorted, names in lower case; an empty line; the request's body |
//! | `GET /bytes` | 200, 1,000,000 bytes, of which that at `i` is `i % 251` |
//! | `GET /slow/KEY` | 200, `first\n` at once, and `second\n` after somebody has asked for `/go/KEY` |
//! | `GET /go/KEY` | 204 |
//! | `GET /broken` | 200, `Content-Length: 20`, and 10 bytes before the connection is cut |
//! | `GET /endless/KEY` | 200, and bytes for as long as somebody takes them |
//! | `GET /hang/KEY` | nothing, with the connection left open |
//! | `GET /open/KEY` | 200, the number of connections on which `/endless/KEY` or `/hang/KEY` is under way, in decimal |
//!
//! Not asserted: that headers are sent in their order, which a browser does not let its pages choose; `OPTIONS`, which browsers
//! also send by themselves; and that a server has not seen a request that was dropped.

mod answers;
mod trouble;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use mirage_sig::{HttpClient, HttpRequest, HttpResponse, Read, Runtime};

use crate::patience::within;
use crate::{Holds, Verdict, Violation, ensure};

/// Where the test server is.
#[derive(Clone, Copy, Debug)]
pub struct HttpServer<'a> {
    /// What the paths are put behind, as in `http://127.0.0.1:8000`.
    pub base: &'a str,
    /// An address at which nobody answers and that fails soon, as in `http://127.0.0.1:1/`, if there is one.
    pub nobody: Option<&'a str>,
}

/// The client, the server, and the clock.
struct Bench<'a, R, C> {
    runtime: &'a R,
    client: &'a C,
    server: HttpServer<'a>,
    /// What keeps this run apart from others on the same server.
    key: String,
}

/// Asserts the contract of a client for the web.
pub async fn suite<R: Runtime, C: HttpClient>(runtime: &R, client: &C, server: HttpServer<'_>) -> Verdict {
    let key = format!("{:016x}", u64::from_ne_bytes(runtime.random()));
    let bench = Bench { runtime, client, server, key };
    bench.head().await?;
    bench.any_status().await?;
    bench.requests().await?;
    bench.large_body().await?;
    bench.as_it_arrives().await?;
    bench.several_at_once().await?;
    bench.invalid().await?;
    bench.unreachable().await?;
    bench.broken().await?;
    bench.dropped_request().await?;
    bench.dropped_body().await
}

impl<R: Runtime, C: HttpClient> Bench<'_, R, C> {
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.base)
    }

    async fn request(
        &self,
        request: HttpRequest<'_>,
        clause: &'static str,
    ) -> Result<HttpResponse<C::Body>, Violation> {
        within(self.runtime, clause, self.client.request(request)).await?.holds(clause)
    }

    async fn get(&self, path: &str, clause: &'static str) -> Result<HttpResponse<C::Body>, Violation> {
        self.request(HttpRequest::get(&self.url(path)), clause).await
    }

    /// Reads up to the end of file, with a buffer of that size.
    async fn read_all(&self, body: &mut C::Body, size: usize, clause: &'static str) -> Result<Vec<u8>, Violation> {
        let (mut all, mut buffer) = (Vec::new(), alloc::vec![0; size]);
        loop {
            let count = within(self.runtime, clause, body.read(&mut buffer)).await?.holds(clause)?;
            ensure(count <= size, clause, || format!("read gave {count} bytes into a buffer of {size}"))?;
            if count == 0 {
                return Ok(all);
            }
            all.extend_from_slice(&buffer[..count]);
        }
    }

    async fn text(&self, path: &str, clause: &'static str) -> Result<String, Violation> {
        let mut response = self.get(path, clause).await?;
        let body = self.read_all(&mut response.body, 64, clause).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}
