//! How an answer is written.

use alloc::borrow::Cow;
use core::task::Context;
use core::time::Duration;

use mirage_sig::{Flow, Runtime, Write};

use super::connection::Connection;
use super::drive::Driven;
use crate::response::{Content, Response, Stream};
use crate::source::{BrokenOff, Piece};
use crate::status::reason;
use crate::text::push_decimal;
use crate::wire::{LAST_CHUNK, push_chunk};

/// What is sent at once, at most, in bytes, and for which the client has [`Limits::write_time`](crate::Limits::write_time).
pub(crate) const PIECE: usize = 16 << 10;

/// That the client is to send the body.
pub(super) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

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
    /// Sends `out` and `rest`, and empties the one.
    pub async fn send_out(&mut self, rest: &[u8]) -> Result<(), Gone> {
        for part in [&self.out, rest] {
            send(&self.runtime, &mut self.flow, part, self.server.limits.write_time).await?;
        }
        self.out.clear();
        Ok(())
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
            Content::Bytes(bytes) => Some(bytes.len() as u64),
            Content::Stream(stream) => stream.length,
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
    pub async fn respond(&mut self, asked: Asked, mut response: Response) -> Result<bool, Gone> {
        if !matches!(response.status, 101 | 200..600) {
            log::warn!("http: a handler gave a status that is none: {}", response.status);
            response = Response::error(500, "");
        }
        let unknown = matches!(response.content, Content::Stream(Stream { length: None, .. }));
        let has_no_body = matches!(response.status, 204 | 304);
        let bodiless = asked.bodiless || has_no_body;
        let is_raw = response.status == 101;
        let chunked = unknown && asked.minor > 0 && !has_no_body && !is_raw;
        // Behind the head there is no place for it, and a stream may yet read the body.
        let is_streamed = matches!(response.content, Content::Stream(_)) && !is_raw && !bodiless;
        let is_expected = core::mem::take(&mut self.expects_continue);
        let persists = asked.persists
            && !is_raw
            && !self.is_stopping()
            && !self.exchange.borrow().has_failed()
            // Without chunks only the connection's end is the body's.
            && (!unknown || chunked || bodiless)
            // A client that was not told to go on may send the body or not: nobody knows.
            && (!is_expected || is_streamed || self.exchange.borrow().is_done());
        if is_raw {
            self.go_raw();
        }
        self.out.clear();
        if is_expected && is_streamed {
            self.out.extend_from_slice(CONTINUE);
        }
        self.push_head(&response, Framed { chunked, persists, minor: asked.minor });
        if bodiless {
            response.content = Content::Bytes(Cow::Borrowed(&[]));
        }
        match response.content {
            Content::Bytes(bytes) => {
                // A short answer leaves in one piece with its head.
                let (with_head, rest) = bytes.split_at(bytes.len().min(PIECE.saturating_sub(self.out.len())));
                self.out.extend_from_slice(with_head);
                self.send_out(rest).await?;
            }
            Content::Stream(stream) => self.send_stream(stream, chunked).await?,
        }
        Ok(persists && (self.exchange.borrow().is_done() || self.drain().await))
    }

    async fn send_stream(&mut self, stream: Stream, chunked: bool) -> Result<(), Gone> {
        let Stream { mut source, length: mut left, pulse } = stream;
        let mut state = if left == Some(0) { Step::Over } else { Step::Next };
        while state == Step::Next {
            let mut next = source.next();
            state = Step::Same;
            // There is one place where is waited, and one where is sent: each costs as much as all else here.
            while state == Step::Same {
                let waits = self.out.is_empty();
                let until = pulse.as_ref().filter(|_| waits).map(|pulse| self.runtime.now() + pulse.span());
                let mut piece = Err(BrokenOff);
                let mut work = |cx: &mut Context<'_>| next.as_mut().poll(cx).map(|output| piece = output);
                let driven = self.drive(&mut work, waits, until).await;
                state = match driven {
                    Driven::Gone => return Err(Gone),
                    Driven::Done => self.push_piece(piece, chunked, &mut left),
                    // What was written before is sent while there is no more.
                    Driven::Late if !waits => Step::Same,
                    Driven::Late => match pulse.as_ref().and_then(|pulse| pulse.beat()) {
                        Some(sign) => {
                            self.push_piece(Ok(Some(sign)), chunked, &mut None);
                            Step::Same
                        }
                        None => return Err(Gone),
                    },
                };
                self.send_out(&[]).await?;
            }
        }
        match state {
            Step::Over => self.send_out(&[]).await,
            _ => Err(Gone),
        }
    }

    /// Writes a piece of a body into `out`, or its end.
    fn push_piece(&mut self, piece: Piece, chunked: bool, left: &mut Option<u64>) -> Step {
        match piece {
            Ok(Some(piece)) => {
                if let Some(left) = left {
                    // More than was promised would be taken for the next answer.
                    match left.checked_sub(piece.len() as u64) {
                        Some(rest) => *left = rest,
                        None => return Step::Broken,
                    }
                }
                if chunked {
                    push_chunk(&mut self.out, &piece);
                } else {
                    self.out.extend_from_slice(&piece);
                }
                if *left == Some(0) { Step::Over } else { Step::Next }
            }
            Ok(None) if left.is_none() => {
                if chunked {
                    self.out.extend_from_slice(LAST_CHUNK);
                }
                Step::Over
            }
            _ => {
                log::warn!("http: the body of an answer broke off");
                Step::Broken
            }
        }
    }
}

/// How a body goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The piece that was asked for is still to come.
    Same,
    Next,
    Over,
    Broken,
}
