//! Requests that fail, and those that are given up.

use alloc::format;
use core::time::Duration;

use mirage_sig::{HttpClient, HttpError, HttpErrorKind, HttpRequest, Read, Runtime};

use super::Bench;
use crate::patience::{waits, within};
use crate::{Holds, Verdict, ensure, equal};

const INVALID: &str = "A request that is not valid, in its address or a header, is Invalid";
const NOT_SENT: &str = "A request that is Invalid is not sent";
const UNREACHABLE: &str = "A request that nobody answers is Unreachable";
const BROKEN: &str = "A body that breaks off is Broken";
const ABORTED: &str = "A request that is dropped is aborted";
const GIVEN_UP: &str = "Dropping the body gives up the rest and frees the connection";
const NAMED: &str = "An error's text names the address";

impl<R: Runtime, C: HttpClient> Bench<'_, R, C> {
    /// Asserts that the server has that many requests with our key under way, or soon will.
    async fn under_way(&self, count: usize, clause: &'static str) -> Verdict {
        let path = format!("/open/{}", self.key);
        let all = async {
            while self.text(&path, clause).await?.trim() != format!("{count}") {
                self.runtime.sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        };
        within(self.runtime, clause, all).await?
    }

    async fn refused(&self, request: HttpRequest<'_>, kind: HttpErrorKind, clause: &'static str) -> Verdict {
        let result = within(self.runtime, clause, self.client.request(request)).await?;
        let error = result.map(|response| response.status).fails(clause)?;
        ensure(error.http_kind() == kind, clause, || format!("gave {:?} ({error}), not {kind:?}", error.http_kind()))?;
        let text = format!("{error}");
        ensure(text.contains(request.url), NAMED, || format!("{:?} is not in {text:?}", request.url))
    }

    pub async fn invalid(&self) -> Verdict {
        for url in ["", "nonsense", "http://", "ftp://127.0.0.1/", "//127.0.0.1/x", "/hello", "http://a b/"] {
            self.refused(HttpRequest::get(url), HttpErrorKind::Invalid, INVALID).await?;
        }
        let url = self.url(&format!("/hang/{}", self.key));
        for header in [("bad name", "x"), ("", "x"), ("bad\u{e9}", "x"), ("name", "two\r\nx-lines: 1"), ("name", "\0")]
        {
            let request = HttpRequest { headers: &[header], ..HttpRequest::get(&url) };
            self.refused(request, HttpErrorKind::Invalid, INVALID).await?;
        }
        self.under_way(0, NOT_SENT).await
    }

    pub async fn unreachable(&self) -> Verdict {
        let Some(url) = self.server.nobody else { return Ok(()) };
        self.refused(HttpRequest::get(url), HttpErrorKind::Unreachable, UNREACHABLE).await
    }

    pub async fn broken(&self) -> Verdict {
        let mut response = self.get("/broken", BROKEN).await?;
        let mut buffer = [0; 64];
        for _ in 0..11 {
            match within(self.runtime, BROKEN, response.body.read(&mut buffer)).await? {
                Ok(0) => return ensure(false, BROKEN, || "it is end of file".into()),
                Ok(_) => {}
                Err(error) => return equal(error.http_kind(), HttpErrorKind::Broken, BROKEN),
            }
        }
        ensure(false, BROKEN, || "more came than was sent".into())
    }

    pub async fn dropped_request(&self) -> Verdict {
        let url = self.url(&format!("/hang/{}", self.key));
        {
            let mut hanging = core::pin::pin!(self.client.request(HttpRequest::get(&url)));
            waits(self.runtime, ABORTED, hanging.as_mut()).await?;
            self.under_way(1, ABORTED).await?;
        }
        self.under_way(0, ABORTED).await
    }

    pub async fn dropped_body(&self) -> Verdict {
        let mut response = self.get(&format!("/endless/{}", self.key), GIVEN_UP).await?;
        for _ in 0..3 {
            let count = within(self.runtime, GIVEN_UP, response.body.read(&mut [0; 100])).await?.holds(GIVEN_UP)?;
            ensure(count > 0, GIVEN_UP, || "it ended by itself".into())?;
        }
        self.under_way(1, GIVEN_UP).await?;
        drop(response);
        self.under_way(0, GIVEN_UP).await
    }
}
