//! One client: a WebSocket on one side, a port of its LAN's switch on the other.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, interval_at, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite;

use crate::config::Limits;
use crate::lan::switch::HEADER_LEN;
use crate::lan::{Cable, Port};
use crate::metrics::Metrics;
use crate::pace::Pace;

/// The longest message that is read at all. What is between this and the longest frame is dropped, and its client lives.
pub const MESSAGE_MAX: usize = 64 * 1024;

/// What is read of a connection at a time, and buffered for it.
pub const READ_BUFFER: usize = 16 * 1024;

/// What is gathered for a connection before it is written.
pub const WRITE_BUFFER: usize = 16 * 1024;

/// Frames that are gathered before they are flushed.
const BATCH: usize = 64;

/// How long a client may take to answer the relay's goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why a client's time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leave {
    /// It said goodbye, or its connection broke.
    Gone,
    /// It answered no ping.
    Silent,
    /// It sent one text message too many.
    Text,
    /// It sent what is no WebSocket message.
    Protocol,
    /// It sent a message longer than [`MESSAGE_MAX`].
    Long,
    /// The relay ends.
    Stop,
}

impl Leave {
    /// The close code (RFC 6455, section 7.4.1) and what a person reads.
    fn close(self) -> Option<(u16, &'static str)> {
        match self {
            Self::Gone => None,
            Self::Silent => Some((1001, "no answer to pings")),
            Self::Text => Some((1003, "text messages carry no frames: send each Ethernet frame as one binary message")),
            Self::Protocol => Some((1002, "malformed WebSocket message")),
            Self::Long => Some((1009, "a message far longer than a frame")),
            Self::Stop => Some((1001, "the relay ends")),
        }
    }
}

/// Moves frames between the client and its LAN until one of them ends.
pub async fn serve(
    socket: WebSocket,
    mut port: Port,
    peer: SocketAddr,
    limits: &Limits,
    metrics: &Metrics,
    mut stop: watch::Receiver<bool>,
) {
    metrics.clients_total.up();
    let here = metrics.clients.while_alive();
    let cable = port.cable();
    let lan = cable.lan().clone();
    log::debug!(target: "client", "{peer} is in {lan}");
    let (mut sink, mut stream) = socket.split();
    let heard = Heard::new();
    let complaints = Complaints { peer, lan: &lan, made: AtomicU8::default() };

    let leave = tokio::select! {
        leave = read(&mut stream, &cable, limits, metrics, &heard, &complaints) => leave,
        leave = write(&mut sink, &mut port, limits) => leave,
        leave = watch_silence(&heard, limits.silence_max) => leave,
        // An error means that the relay is gone already.
        _ = stop.wait_for(|stop| *stop) => Leave::Stop,
    };
    match leave {
        Leave::Gone | Leave::Stop => log::debug!(target: "client", "{peer} left {lan}: {leave:?}"),
        Leave::Silent => {
            metrics.lost_silent.up();
            log::info!(target: "client", "{peer} in {lan}: no answer to pings for {:?}; hung up", limits.silence_max);
        }
        Leave::Text => {
            metrics.lost_text.up();
            log::info!(target: "client", "{peer} in {lan}: {} text messages; hung up", limits.texts_max);
        }
        Leave::Protocol => {
            metrics.lost_protocol.up();
            log::info!(target: "client", "{peer} in {lan}: malformed WebSocket message; hung up");
        }
        Leave::Long => {
            metrics.lost_protocol.up();
            log::info!(target: "client", "{peer} in {lan}: a message above {MESSAGE_MAX} bytes; hung up");
        }
    }
    // Its place is free before the goodbye is over.
    drop((port, here));
    let goodbye = async {
        if let Some((code, reason)) = leave.close() {
            sink.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await.ok()?;
        }
        // Its goodbye is answered, or ours is, and then the connection is closed (RFC 6455, section 7.1.1). One that is broken
        // ends at once.
        while let Some(Ok(_)) = stream.next().await {}
        Some(())
    };
    // Whoever does not take it is gone as well.
    let _ = timeout(GOODBYE, goodbye).await;
}

/// When the client answered a ping last. The reader sets it, the watchdog reads it.
struct Heard {
    began: Instant,
    after_ms: AtomicU64,
}

impl Heard {
    fn new() -> Self {
        Self { began: Instant::now(), after_ms: AtomicU64::default() }
    }

    fn now(&self) {
        let after = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.after_ms.store(after, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.began + Duration::from_millis(self.after_ms.load(Ordering::Relaxed))
    }
}

/// What was complained of already: each problem is told once for each client.
struct Complaints<'a> {
    peer: SocketAddr,
    lan: &'a crate::lan::LanName,
    made: AtomicU8,
}

impl Complaints<'_> {
    const SHORT: u8 = 1;
    const LONG: u8 = 2;
    const TEXT: u8 = 4;
    const PACE: u8 = 8;

    fn once(&self, what: u8, text: std::fmt::Arguments<'_>) {
        if self.made.fetch_or(what, Ordering::Relaxed) & what == 0 {
            log::warn!(target: "client", "{} in {}: {text} (told once)", self.peer, self.lan);
        }
    }
}

async fn read(
    stream: &mut SplitStream<WebSocket>,
    cable: &Cable,
    limits: &Limits,
    metrics: &Metrics,
    heard: &Heard,
    complaints: &Complaints<'_>,
) -> Leave {
    let now = std::time::Instant::now();
    let mut frames = Pace::new(limits.frames_per_second, now);
    let mut bytes = Pace::new(limits.bytes_per_second, now);
    let mut texts = 0;
    loop {
        let message = match stream.next().await {
            Some(Ok(message)) => message,
            Some(Err(error)) => return why(error),
            None => return Leave::Gone,
        };
        let copies = match &message {
            Message::Binary(frame) => {
                let length = frame.len();
                if length < HEADER_LEN {
                    metrics.dropped_size.up();
                    complaints
                        .once(Complaints::SHORT, format_args!("a message of {length} bytes is no Ethernet frame"));
                    1
                } else if length > limits.frame_max() {
                    metrics.dropped_size.up();
                    let max = limits.frame_max();
                    complaints.once(
                        Complaints::LONG,
                        format_args!("a frame of {length} bytes, and {max} is the most (--mtu)"),
                    );
                    1
                } else {
                    // Copied, so that a short frame in a queue does not keep the whole read buffer that it came in.
                    cable.send(&Bytes::copy_from_slice(frame)).max(1)
                }
            }
            Message::Text(_) => {
                metrics.texts.up();
                texts += 1;
                complaints.once(Complaints::TEXT, format_args!("a text message carries no frame"));
                if texts >= limits.texts_max {
                    return Leave::Text;
                }
                1
            }
            Message::Pong(_) => {
                heard.now();
                1
            }
            // tungstenite has answered the ping.
            Message::Ping(_) => 1,
            Message::Close(_) => return Leave::Gone,
        };
        let now = std::time::Instant::now();
        let wait = frames.charge(copies as u64, now).max(bytes.charge(length(&message), now));
        if !wait.is_zero() {
            // Not read is not lost: the client's own stack holds it back.
            metrics.slowed.up();
            complaints.once(Complaints::PACE, format_args!("faster than the relay takes; slowed down"));
            sleep(wait).await;
        }
    }
}

fn length(message: &Message) -> u64 {
    match message {
        Message::Binary(data) | Message::Ping(data) | Message::Pong(data) => data.len() as u64,
        Message::Text(text) => text.len() as u64,
        Message::Close(_) => 0,
    }
}

/// Whose fault an error is. A connection that broke is nobody's.
fn why(error: axum::Error) -> Leave {
    use tungstenite::error::{Error, ProtocolError};
    match error.into_inner().downcast_ref() {
        Some(Error::Capacity(_)) => Leave::Long,
        Some(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => Leave::Gone,
        Some(Error::Protocol(_) | Error::Utf8(_)) => Leave::Protocol,
        _ => Leave::Gone,
    }
}

async fn write(sink: &mut SplitSink<WebSocket, Message>, port: &mut Port, limits: &Limits) -> Leave {
    let mut ping = interval_at(Instant::now() + limits.ping_every, limits.ping_every);
    ping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let sent = tokio::select! {
            frame = port.frames.recv() => match frame {
                Some(frame) => send_batch(sink, frame, port).await,
                None => return Leave::Gone,
            },
            _ = ping.tick() => sink.send(Message::Ping(Bytes::new())).await,
        };
        if sent.is_err() {
            return Leave::Gone;
        }
    }
}

/// Sends a frame and what waits behind it, with one flush.
async fn send_batch(
    sink: &mut SplitSink<WebSocket, Message>,
    first: Bytes,
    port: &mut Port,
) -> Result<(), axum::Error> {
    sink.feed(Message::Binary(first)).await?;
    for _ in 1..BATCH {
        let Ok(frame) = port.frames.try_recv() else { break };
        sink.feed(Message::Binary(frame)).await?;
    }
    sink.flush().await
}

/// Ends when nothing was heard for `silence_max`. Apart from the writer, which a client that never reads holds up.
async fn watch_silence(heard: &Heard, silence_max: Duration) -> Leave {
    loop {
        let deadline = heard.last() + silence_max;
        if deadline <= Instant::now() {
            return Leave::Silent;
        }
        sleep_until(deadline).await;
    }
}
