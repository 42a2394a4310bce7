//! How an answer is written.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::Poll;
use core::time::Duration;

use mirage_sig::{Flow, Runtime, Write};

use super::connection::{Connection, Driven};
use crate::response::{Content, Response};
use crate::source::{Piece, Source};
use crate::status::reason;
use crate::text::push_decimal;
use crate::wire::{LAST_CHUNK, push_chunk};

/// What is sent at once, at most, in bytes, and for which the client has [`Limits::write_time`](crate::Limits::write_time).
pub(crate) const PIECE: usize = 16 << 10;

/// The client is not there any more, does not take what is sent, or must be cut off.
pub(crate) struct Gone;

/// What of a request matters for writing its answer.
pub(super) struct Asked {
    /// `HEAD`.
    pub bodiless: bool,
    pub minor: u8,
    pub persists: bool,
}

/// How an answer's body is framed.
#[derive(Clone, Copy)]
pub(super) struct Framed {
    pub chunked: bool,
    /// If not that of the bytes.
    pub length: Option<u64>,
    pub persists: bool,
    pub minor: u8,
}

/// Sends all of `bytes`, for each piece of which there is `span`.
pub(crate) async fn send<R: Runtime, W: Write>(
    runtime: &R,
    flow: &mut W,
    bytes: &[u8],
    span: Duration,
) -> Result<(), Gone> {
    for piece in bytes.chunks(PIECE) {
        let all = async {
            let mut left = piece;
            while !left.is_empty() {
                let count = flow.write(left).await.map_err(|_| Gone)?;
                if count == 0 {
                    return Err(Gone);
                }
                left = left.get(count..).unwrap_or_default();
            }
            Ok(())
        };
        runtime.timeout(span, all).await.unwrap_or(Err(Gone))?;
    }
    Ok(())
}

impl<R: Runtime, F: Flow> Connection<R, F> {
    /// Sends `out`, and empties it.
    pub async fn send_out(&mut self) -> Result<(), Gone> {
        let result = send(&self.runtime, &mut self.flow, &self.out, self.server.limits.write_time).await;
        self.out.clear();
        result
    }

    /// Writes the head of an answer into `out`.
    pub fn push_head(&mut self, response: &Response, framed: Framed) {
        let out = &mut self.out;
        out.extend_from_slice(b"HTTP/1.1 ");
        push_decimal(out, u64::from(response.status));
        out.push(b' ');
        out.extend_from_slice(reason(response.status).as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&response.head);
        if self.server.limits.date {
            let date = self.server.date(self.runtime.unix_time());
            for part in [&b"Date: "[..], &date, b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
        let length = match &response.content {
            _ if framed.chunked => {
                out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
                None
            }
            Content::Bytes(bytes) => Some(framed.length.unwrap_or(bytes.len() as u64)),
            Content::Stream { .. } => framed.length,
            Content::Upgrade(_) => None,
        };
        if let Some(length) = length.filter(|_| !matches!(response.status, 100..200 | 204 | 304)) {
            out.extend_from_slice(b"Content-Length: ");
            push_decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        if !framed.persists && response.status != 101 {
            out.extend_from_slice(b"Connection: close\r\n");
        } else if framed.minor == 0 {
            out.extend_from_slice(b"Connection: keep-alive\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Sends an answer. Whether the connection goes on.
    pub async fn respond(&mut self, asked: Asked, response: Response) -> Result<bool, Gone> {
        let unknown = matches!(response.content, Content::Stream { length: None, .. });
        let has_no_body = matches!(response.status, 204 | 304);
        let bodiless = asked.bodiless || has_no_body;
        let chunked = unknown && asked.minor > 0 && !has_no_body;
        let persists = asked.persists
            && !self.is_stopping()
            && !self.exchange.borrow().has_failed()
            // Without chunks only the connection's end is the body's.
            && (!unknown || chunked || bodiless)
            // A client that was not told to go on may send the body or not: nobody knows.
            && (!self.is_body_held_back() || self.exchange.borrow().is_done());
        let length = match &response.content {
            Content::Stream { length, .. } => *length,
            _ => None,
        };
        self.out.clear();
        self.push_head(&response, Framed { chunked, length, persists, minor: asked.minor });
        match response.content {
            Content::Bytes(bytes) if !bodiless => self.send_bytes(bytes).await?,
            Content::Stream { source, length, alive } if !bodiless => {
                self.send_stream(source, chunked, length, alive).await?;
            }
            Content::Upgrade(upgrade) => {
                self.send_out().await?;
                Box::pin(self.upgraded(upgrade)).await;
                return Ok(false);
            }
            _ => self.send_out().await?,
        }
        if !persists {
            return Ok(false);
        }
        let is_done = self.exchange.borrow().is_done();
        Ok(is_done || self.drain().await)
    }

    async fn send_bytes(&mut self, bytes: Cow<'static, [u8]>) -> Result<(), Gone> {
        // A short answer leaves in one piece with its head.
        let (with_head, rest) = bytes.split_at(bytes.len().min(PIECE.saturating_sub(self.out.len())));
        self.out.extend_from_slice(with_head);
        self.send_out().await?;
        send(&self.runtime, &mut self.flow, rest, self.server.limits.write_time).await
    }

    async fn send_stream(
        &mut self,
        mut source: Box<dyn Source>,
        chunked: bool,
        length: Option<u64>,
        alive: Option<(Duration, &'static [u8])>,
    ) -> Result<(), Gone> {
        let mut left = length;
        while left != Some(0) {
            let mut next = source.next();
            let piece = match self.piece(&mut next, chunked, alive).await {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(gone) => {
                    // What was whole before goes out, so that the client sees an answer that broke off.
                    let _ = self.send_out().await;
                    return Err(gone);
                }
            };
            if let Some(left) = &mut left {
                // More than was promised would be taken for the next answer.
                let Some(rest) = left.checked_sub(piece.len() as u64) else {
                    let _ = self.send_out().await;
                    return Err(Gone);
                };
                *left = rest;
            }
            if chunked {
                push_chunk(&mut self.out, &piece);
            } else {
                self.out.extend_from_slice(&piece);
            }
            self.send_out().await?;
        }
        if left.is_some_and(|left| left > 0) {
            log::warn!("http: a body ended before the length that was promised");
            return Err(Gone);
        }
        if chunked {
            self.out.extend_from_slice(LAST_CHUNK);
        }
        self.send_out().await
    }

    /// The next piece of a body; None at its end. While there is none, what was written before is sent.
    async fn piece(
        &mut self,
        next: &mut Pin<Box<dyn Future<Output = Piece> + '_>>,
        chunked: bool,
        alive: Option<(Duration, &'static [u8])>,
    ) -> Result<Option<alloc::vec::Vec<u8>>, Gone> {
        if let Some(piece) = self.at_once(next).await {
            return piece.map_err(|_| Gone);
        }
        loop {
            self.send_out().await?;
            let until = alive.map(|(every, _)| self.runtime.now() + every);
            match self.drive(next, until).await {
                Driven::Done(piece) => return piece.map_err(|_| Gone),
                Driven::Gone => return Err(Gone),
                Driven::Late => {
                    let sign = alive.map_or(&b""[..], |(_, sign)| sign);
                    if chunked {
                        push_chunk(&mut self.out, sign);
                    } else {
                        self.out.extend_from_slice(sign);
                    }
                }
            }
        }
    }

    /// The output of work that is done without waiting.
    async fn at_once<T>(&mut self, work: &mut Pin<Box<dyn Future<Output = T> + '_>>) -> Option<T> {
        let exchange = &self.exchange;
        poll_fn(|cx| {
            exchange.borrow_mut().attend(cx.waker());
            let polled = work.as_mut().poll(cx);
            exchange.borrow_mut().attended = false;
            match polled {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending => Poll::Ready(None),
            }
        })
        .await
    }
}
