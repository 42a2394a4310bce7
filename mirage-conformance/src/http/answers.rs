//! Requests that are answered.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;

use mirage_sig::{HttpClient, HttpRequest, Method, Read, Runtime};

use super::Bench;
use crate::patience::{at_once, within};
use crate::poll::{Boxed, join_all};
use crate::{Holds, Verdict, Violation, ensure, equal};

const HEAD: &str = "`request` sends a request and waits for the head of its answer";
const NAMES: &str = "Names of the answer's headers are in lower case";
const BODY: &str = "The body is what the server sent, with end of file after its last byte";
const STATUS: &str = "Any status is an answer, not an error";
const SENT: &str = "The request is sent with its method, address, headers and body";
const ARRIVES: &str = "The body can be read as it arrives";
const AT_ONCE: &str = "Several requests may be under way at once";

impl<R: Runtime, C: HttpClient> Bench<'_, R, C> {
    pub async fn head(&self) -> Verdict {
        let mut response = self.get("/hello", HEAD).await?;
        equal(response.status, 200, HEAD)?;
        let upper = response.headers.iter().find(|(name, _)| name.chars().any(char::is_uppercase));
        ensure(upper.is_none(), NAMES, || format!("one is {upper:?}"))?;
        equal(response.header("x-greeting"), Some("Hello There"), NAMES)?;
        let kind = response.header("content-type").unwrap_or_default();
        ensure(kind.starts_with("text/plain"), HEAD, || format!("the content-type is {kind:?}, not text/plain"))?;

        let empty = "An empty buffer gives Ok(0) at once";
        equal(at_once(empty, response.body.read(&mut [])).await?.holds(empty)?, 0, empty)?;
        let body = self.read_all(&mut response.body, 5, BODY).await?;
        equal(String::from_utf8_lossy(&body), "hello, world\n", BODY)?;
        for _ in 0..2 {
            let end = within(self.runtime, BODY, response.body.read(&mut [0; 9])).await?.holds(BODY)?;
            equal(end, 0, BODY)?;
        }
        Ok(())
    }

    pub async fn any_status(&self) -> Verdict {
        for (path, status, expected) in [("/missing", 404, "nothing here\n"), ("/empty", 204, "")] {
            let mut response = self.get(path, STATUS).await?;
            equal(response.status, status, STATUS)?;
            let body = self.read_all(&mut response.body, 64, BODY).await?;
            equal(String::from_utf8_lossy(&body), expected, BODY)?;
        }
        let url = self.url("/hello");
        let mut response = self.request(HttpRequest { method: Method::Head, ..HttpRequest::get(&url) }, STATUS).await?;
        equal(response.status, 200, STATUS)?;
        equal(self.read_all(&mut response.body, 64, BODY).await?, b"", BODY)
    }

    pub async fn requests(&self) -> Verdict {
        let bytes: &[u8] = &[b'a', 0, 255, b'\n', 128];
        let headers: &[(&str, &str)] = &[("x-test-one", "1"), ("X-Test-Two", "with space, and comma")];
        for (method, headers, body) in [
            (Method::Get, headers, &b""[..]),
            (Method::Post, headers, bytes),
            (Method::Post, &[], b""),
            (Method::Put, &[], b"put"),
            (Method::Patch, headers, b"patch"),
            (Method::Delete, &[], b""),
        ] {
            let url = self.url("/echo/some%20path?query=a%26b&c");
            let mut response = self.request(HttpRequest { method, url: &url, headers, body }, SENT).await?;
            equal(response.status, 200, SENT)?;
            let seen = self.read_all(&mut response.body, 1_000, SENT).await?;
            let mut expected = format!("{method} /echo/some%20path?query=a%26b&c\n");
            for (name, value) in headers {
                expected.push_str(&format!("{}: {value}\n", name.to_lowercase()));
            }
            expected.push('\n');
            equal(seen, [expected.as_bytes(), body].concat(), SENT)?;
        }
        Ok(())
    }

    pub async fn large_body(&self) -> Verdict {
        for size in [777, 100_000] {
            let mut response = self.get("/bytes", HEAD).await?;
            let body = self.read_all(&mut response.body, size, BODY).await?;
            equal(body.len(), 1_000_000, BODY)?;
            let wrong = body.iter().enumerate().position(|(at, byte)| usize::from(*byte) != at % 251);
            ensure(wrong.is_none(), BODY, || format!("the first byte that is not what was sent is at {wrong:?}"))?;
        }
        Ok(())
    }

    /// The server goes on only after the first part was read here.
    pub async fn as_it_arrives(&self) -> Verdict {
        let mut response = self.get(&format!("/slow/{}", self.key), ARRIVES).await?;
        let mut seen = vec![];
        let mut buffer = [0; 64];
        while seen.len() < 6 {
            let count = within(self.runtime, ARRIVES, response.body.read(&mut buffer)).await?.holds(ARRIVES)?;
            ensure(count > 0, ARRIVES, || "end of file before the first part".into())?;
            seen.extend_from_slice(&buffer[..count]);
        }
        equal(String::from_utf8_lossy(&seen), "first\n", ARRIVES)?;
        equal(self.get(&format!("/go/{}", self.key), STATUS).await?.status, 204, STATUS)?;
        let rest = self.read_all(&mut response.body, 64, ARRIVES).await?;
        equal(String::from_utf8_lossy(&rest), "second\n", ARRIVES)
    }

    pub async fn several_at_once(&self) -> Verdict {
        let paths: [String; 6] = core::array::from_fn(|number| format!("/echo?{number}"));
        let texts =
            paths.iter().map(|path| -> Boxed<'_, Result<String, Violation>> { Box::pin(self.text(path, AT_ONCE)) });
        for (path, text) in paths.iter().zip(join_all(texts.collect()).await) {
            equal(text?, format!("GET {path}\n\n"), AT_ONCE)?;
        }
        Ok(())
    }
}
