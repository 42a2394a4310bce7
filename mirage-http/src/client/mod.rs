//! The client: requests over any stack, on connections that are used again.

mod body;
mod error;
mod pool;
mod url;

use alloc::rc::Rc;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::pin::pin;
use core::time::Duration;

use mirage_sig::{Flow, HttpClient, HttpRequest, HttpResponse, Method, Read, Runtime, Stack, Write};

use crate::inbox::Inbox;
use crate::server::send;
use crate::source::Source;
use crate::text::{is_token, is_value, push_decimal, trim};
use crate::wait::{Either, either};
use crate::wire::{BodyDecoder, LAST_CHUNK, Refusal, ResponseHead, ResponseParser, push_chunk};
pub use body::ClientBody;
pub use error::ClientError;
use error::What;
use pool::Pool;
use url::Address;

/// Bytes that are read at once, at most, beside those of a body that go where they are wanted.
const READ_MAX: usize = 16 << 10;

/// Answers with a status below 200, which come before the true one, for one request.
const INTERIM_MAX: usize = 16;

/// Headers that say where the body ends and what becomes of the connection: they are the client's, as they are a browser's
/// (Fetch Standard, "forbidden request-header").
const OURS: [&str; 10] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "proxy-connection",
];

/// What a client puts up with.
#[derive(Clone, Debug)]
pub struct ClientLimits {
    /// Bytes of an answer's head. By default 16,384.
    pub head: usize,
    /// Header fields of an answer. By default 128.
    pub fields: usize,
    /// For a connection to be made. By default 10 s.
    pub connect_time: Duration,
    /// For 16 KiB of a request to be taken. By default 30 s.
    pub write_time: Duration,
    /// From the request's last byte to the end of the answer's head. By default 60 s.
    pub head_time: Duration,
    /// For more of a body to come. By default 60 s.
    pub body_time: Duration,
    /// How long a connection is kept for the next request. By default 15 s, so that it is seldom the server that ends it.
    pub idle_time: Duration,
    /// Connections that are kept, to all servers together. By default 8; 0 keeps none.
    pub idle: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            head: 16_384,
            fields: 128,
            connect_time: Duration::from_secs(10),
            write_time: Duration::from_secs(30),
            head_time: Duration::from_secs(60),
            body_time: Duration::from_secs(60),
            idle_time: Duration::from_secs(15),
            idle: 8,
        }
    }
}

/// A client for the web over a stack: `http` only. A clone shares its connections.
///
/// Redirects are answers like any other. The headers that frame a message are the client's own and left out of a request's,
/// as a browser does.
pub struct Client<R: Runtime, S: Stack>(Rc<Inner<R, S>>);

struct Inner<R: Runtime, S: Stack> {
    runtime: R,
    stack: S,
    limits: ClientLimits,
    pool: Rc<Pool<S::Flow>>,
}

impl<R: Runtime, S: Stack> Clone for Client<R, S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// What is sent behind a request's head.
enum Upload<'a> {
    Bytes(&'a [u8]),
    Source(Option<u64>, &'a mut dyn Source),
}

/// Why there is no answer.
enum Trouble {
    /// Not a byte came. On a connection that was used before, the server may just have ended it.
    Nothing,
    What(What),
}

impl<R: Runtime, S: Stack + 'static> Client<R, S> {
    /// A client with these limits.
    pub fn new(runtime: &R, stack: S, limits: ClientLimits) -> Self {
        let pool = Pool::new(limits.idle);
        Self(Rc::new(Inner { runtime: runtime.clone(), stack, limits, pool }))
    }

    /// As [`request`](HttpClient::request), with a body that comes piece by piece: of that length, or chunked. The request's
    /// own is not looked at.
    ///
    /// # Errors
    /// As [`request`](HttpClient::request); [`Invalid`](mirage_sig::HttpErrorKind::Invalid) too if the body breaks off or has
    /// another length.
    ///
    /// # Cancel safety
    /// Dropped, the request is aborted; the server may have seen it.
    pub async fn upload(
        &self,
        request: HttpRequest<'_>,
        length: Option<u64>,
        source: &mut dyn Source,
    ) -> Result<HttpResponse<ClientBody<R, S>>, ClientError> {
        self.send(request, Upload::Source(length, source)).await
    }

    async fn send(
        &self,
        request: HttpRequest<'_>,
        mut upload: Upload<'_>,
    ) -> Result<HttpResponse<ClientBody<R, S>>, ClientError> {
        let fail = |what| ClientError { url: request.url.into(), what };
        let address = Address::parse(request.url).map_err(fail)?;
        let head = head(&request, &address, &upload).map_err(fail)?;
        // What may be done twice is, if it was a connection's end that came between (RFC 9110, section 9.2.2).
        let may_retry = matches!(upload, Upload::Bytes(_)) && !matches!(request.method, Method::Post | Method::Patch);
        loop {
            let kept = self.0.pool.take(address.authority).await;
            let is_kept = kept.is_some();
            let mut flow = match kept {
                Some(flow) => flow,
                None => self.0.connect(&address).await.map_err(fail)?,
            };
            let mut inbox = Inbox::default();
            let bodiless = request.method == Method::Head;
            match self.0.talk(&mut flow, &mut inbox, &head, &mut upload, bodiless).await {
                Ok(answer) => {
                    let mut body = ClientBody {
                        client: self.0.clone(),
                        flow: Some(flow),
                        inbox,
                        decoder: BodyDecoder::new(answer.framing),
                        persists: answer.persists,
                        authority: address.authority.into(),
                        url: request.url.into(),
                        failed: None,
                    };
                    body.release();
                    return Ok(HttpResponse { status: answer.status, headers: answer.headers, body });
                }
                Err(Trouble::Nothing) if is_kept && may_retry => {}
                Err(Trouble::Nothing) => return Err(fail(What::NoAnswer)),
                Err(Trouble::What(what)) => return Err(fail(what)),
            }
        }
    }
}

impl<R: Runtime, S: Stack + 'static> HttpClient for Client<R, S> {
    type Error = ClientError;
    type Body = ClientBody<R, S>;

    async fn request(&self, request: HttpRequest<'_>) -> Result<HttpResponse<ClientBody<R, S>>, ClientError> {
        self.send(request, Upload::Bytes(request.body)).await
    }
}

impl<R: Runtime, S: Stack> Inner<R, S> {
    /// A new connection to the first of the host's addresses at which somebody is.
    async fn connect(&self, address: &Address<'_>) -> Result<S::Flow, What> {
        let connecting = async {
            let found = self.stack.resolve(address.host).await.map_err(|error| What::Net(error.to_string()))?;
            let mut failed = What::Late;
            for host in found {
                match self.stack.connect(SocketAddr::new(host, address.port)).await {
                    Ok(flow) => return Ok(flow),
                    Err(error) => failed = What::Net(error.to_string()),
                }
            }
            Err(failed)
        };
        self.runtime.timeout(self.limits.connect_time, connecting).await.unwrap_or(Err(What::Late))
    }

    /// Sends a request and reads the head of its answer, both at once: a server may answer before it has read everything, and
    /// then wait for us to read.
    async fn talk(
        &self,
        flow: &mut S::Flow,
        inbox: &mut Inbox,
        head: &[u8],
        upload: &mut Upload<'_>,
        bodiless: bool,
    ) -> Result<ResponseHead, Trouble> {
        let (mut reader, mut writer) = flow.split();
        let mut receiving = pin!(self.receive(&mut reader, inbox, bodiless));
        let early = {
            let sending = pin!(self.transmit(&mut writer, head, upload));
            match either(sending, receiving.as_mut()).await {
                Either::Left(sent) => {
                    sent.map_err(Trouble::What)?;
                    None
                }
                Either::Right(answer) => Some(answer),
            }
        };
        match early {
            // What is left of the request was not sent, so that no other can follow.
            Some(answer) => answer.map(|head| ResponseHead { persists: false, ..head }),
            None => {
                let answer = self.runtime.timeout(self.limits.head_time, receiving).await;
                answer.unwrap_or(Err(Trouble::What(What::Late)))
            }
        }
    }

    /// Sends a request. That the server does not take it is no error: it may have answered.
    async fn transmit<W: Write>(&self, writer: &mut W, head: &[u8], upload: &mut Upload<'_>) -> Result<(), What> {
        let span = self.limits.write_time;
        let mut out = head.to_vec();
        match upload {
            Upload::Bytes(body) => {
                // A short body leaves in one piece with the head.
                let (with_head, rest) = body.split_at(body.len().min(READ_MAX.saturating_sub(out.len())));
                out.extend_from_slice(with_head);
                let _ = async {
                    send(&self.runtime, writer, &out, span).await?;
                    send(&self.runtime, writer, rest, span).await
                }
                .await;
            }
            Upload::Source(length, source) => {
                let mut left = *length;
                loop {
                    if send(&self.runtime, writer, &out, span).await.is_err() {
                        return Ok(());
                    }
                    out.clear();
                    let piece = source.next().await.map_err(|_| What::Invalid("the body to be sent broke off"))?;
                    match (&mut left, piece) {
                        (None, Some(piece)) => push_chunk(&mut out, &piece),
                        (None, None) => break,
                        (Some(0), None) => return Ok(()),
                        (Some(_), None) => return Err(What::Invalid("the body to be sent is shorter than was said")),
                        (Some(left), Some(piece)) => {
                            let rest = left.checked_sub(piece.len() as u64);
                            *left = rest.ok_or(What::Invalid("the body to be sent is longer than was said"))?;
                            out.extend_from_slice(&piece);
                        }
                    }
                }
                let _ = send(&self.runtime, writer, LAST_CHUNK, span).await;
            }
        }
        Ok(())
    }

    async fn receive<F: Read>(
        &self,
        reader: &mut F,
        inbox: &mut Inbox,
        bodiless: bool,
    ) -> Result<ResponseHead, Trouble> {
        let malformed = |refusal| Trouble::What(What::Malformed(refusal));
        let mut has_come = false;
        for _ in 0..INTERIM_MAX {
            let mut parser = ResponseParser::default();
            let length = loop {
                let parsed = parser.advance(inbox.bytes(), self.limits.head, self.limits.fields);
                if let Some(length) = parsed.map_err(malformed)? {
                    break length;
                }
                match reader.read(inbox.room(self.limits.head.max(READ_MAX))).await {
                    Ok(count) if count > 0 => inbox.filled(count),
                    _ if has_come => return Err(Trouble::What(What::NoAnswer)),
                    _ => return Err(Trouble::Nothing),
                }
                has_come = true;
            };
            inbox.consume(length);
            let head = parser.finish(bodiless).map_err(malformed)?;
            match head.status {
                101 => {
                    return Err(malformed(Refusal::new(
                        502,
                        "the server changes the protocol, which nobody asked for",
                    )));
                }
                100..200 => {}
                _ => return Ok(head),
            }
        }
        Err(malformed(Refusal::new(502, "the server says again and again that it will answer")))
    }
}

/// The head of a request, as it is sent.
fn head(request: &HttpRequest<'_>, address: &Address<'_>, upload: &Upload<'_>) -> Result<Vec<u8>, What> {
    let mut out = Vec::with_capacity(256);
    let mut push = |parts: &[&[u8]]| parts.iter().for_each(|part| out.extend_from_slice(part));
    push(&[request.method.as_str().as_bytes(), b" ", &address.target, b" HTTP/1.1\r\nHost: "]);
    push(&[address.authority.as_bytes(), b"\r\n"]);
    for (name, value) in request.headers {
        if !is_token(name.as_bytes()) || !is_value(value.as_bytes()) {
            return Err(What::Invalid("a header's name or value has a character that none can have"));
        }
        if !OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
            push(&[name.as_bytes(), b": ", trim(value.as_bytes()), b"\r\n"]);
        }
    }
    let length = match upload {
        // A method that means something by its body says also that there is none (RFC 9110, section 8.6).
        Upload::Bytes([]) if !matches!(request.method, Method::Post | Method::Put | Method::Patch) => None,
        Upload::Bytes(body) => Some(body.len() as u64),
        Upload::Source(Some(length), _) => Some(*length),
        Upload::Source(None, _) => {
            push(&[b"Transfer-Encoding: chunked\r\n"]);
            None
        }
    };
    if let Some(length) = length {
        push(&[b"Content-Length: "]);
        push_decimal(&mut out, length);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    Ok(out)
}
